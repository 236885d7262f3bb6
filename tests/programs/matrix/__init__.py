"""
Every supported Airflow: a lock file for each, the command that tests them, and a test of each environment.
"""
