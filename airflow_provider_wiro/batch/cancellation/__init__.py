"""Stopping what a batch runs, with its Airflow task."""
