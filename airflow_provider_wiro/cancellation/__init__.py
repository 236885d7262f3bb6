"""Stopping a Wiro task with its Airflow task."""
