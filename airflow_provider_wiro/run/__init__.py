"""One Wiro run in one Airflow task."""
