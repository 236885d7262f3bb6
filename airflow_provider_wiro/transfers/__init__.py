"""Airflow's transfer operators WiroToS3Operator and WiroToObjectStorageOperator, their base and events."""
