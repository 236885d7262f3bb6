"""
Metrics of runs, through Airflow's own Stats: statsd, Datadog or OpenTelemetry, as Airflow is configured.
"""
