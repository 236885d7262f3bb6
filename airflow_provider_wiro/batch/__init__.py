"""
Many runs in one Airflow task: each is paid for at most once, by a journal that outlives the worker.

Entry: :class:`~airflow_provider_wiro.batch.execution.BatchExecution`, which the operator calls. It opens a
batch (``inputs``, ``journal``, ``preflight``) and has ``worker`` run it: ``submission`` sends items,
``follower`` follows and lands them, ``lost_runs`` finds Runs without a response. It ends with a ``summary``,
a ``deferral``, or a ``cancellation``. Pure: ``state`` and ``concurrency``.
"""
