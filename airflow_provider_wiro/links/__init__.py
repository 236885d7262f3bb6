"""Buttons on Airflow's task page."""
