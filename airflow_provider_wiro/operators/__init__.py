"""Wiro models as Airflow tasks."""
