"""Airflow's sensor: waiting for Wiro tasks that something else started (``wiro.WiroTaskSensor``)."""
