"""Wiro for Airflow code: the connection and the calls."""
