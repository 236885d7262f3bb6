"""Airflow hooks for Wiro's API: blocking, and for an event loop."""
