"""Tests of airflow_provider_wiro.task_history."""
