"""
Stops what a batch runs, together with its Airflow task.

Entry: :class:`~airflow_provider_wiro.batch.cancellation.stopper.BatchStopper`, which the operator calls; a
batch whose event loop runs uses :func:`~airflow_provider_wiro.batch.cancellation.stop_all.stop_all`.

Must not be relaxed: tasks are left alone if a later try follows them, and only then.
"""
