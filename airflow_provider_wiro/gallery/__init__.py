"""
What DAG runs have made, shown in Airflow's pages. No worker imports anything of this folder.

The entry is ``app.app``, an ASGI application that Airflow's API server mounts.
"""
