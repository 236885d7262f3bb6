"""
What Airflow and OpenLineage are given about what Wiro's tasks have made.

Entry: :mod:`airflow_provider_wiro.lineage.asset_events` for Airflow's asset events. The OpenLineage module is
imported only where an OpenLineage provider asks for it.
"""
