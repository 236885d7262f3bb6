"""Tests of airflow_provider_wiro/export/landing."""
