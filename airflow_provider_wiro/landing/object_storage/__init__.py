"""Outputs into any store that Airflow's ObjectStoragePath reaches."""
