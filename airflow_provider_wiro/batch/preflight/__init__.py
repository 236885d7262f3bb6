"""
What is checked and tried before the first Run of a batch, while nothing is paid for.

Entries: :mod:`~airflow_provider_wiro.batch.preflight.arguments` when the DAG is parsed, and
:mod:`~airflow_provider_wiro.batch.preflight.storage_probe` when the task runs.
"""
