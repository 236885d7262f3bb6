"""
Cancellation: a Wiro task is stopped with its Airflow task, wherever no try is left that would follow it.

:class:`~airflow_provider_wiro.cancellation.run_stopper.RunStopper` is the entry for one run's task,
:class:`~airflow_provider_wiro.cancellation.mass_stop.MassStop` for many tasks at once. What a trigger does is
in :mod:`airflow_provider_wiro.triggers.cancellation`, what a batch does in
:mod:`airflow_provider_wiro.batch.cancellation`; both use ``MassStop``.

What must not be relaxed:

1. A task that a later try follows, or that may be another run's, is not stopped.
2. A signal handler asks Airflow for nothing, waits for nothing without a limit, and touches no session that
   it interrupted: Airflow kills the process 5 s after the signal.
3. A Run in flight is received, whatever interrupts the main thread: without its response, it isn't known
   which task to stop.
"""
