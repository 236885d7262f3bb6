"""
Run: one Wiro run in one Airflow task, from the operator's arguments to the run summary.

:class:`~airflow_provider_wiro.run.task_run.TaskRun` is the entry: WiroRunOperator makes one for each part of
a try (before a deferral, and after it) and returns what that returns. Its twin for many runs in one Airflow
task is :mod:`airflow_provider_wiro.batch`.
"""
