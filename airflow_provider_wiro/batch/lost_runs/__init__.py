"""
Which tasks a batch's Runs have started whose responses were lost.

Entry: :class:`~airflow_provider_wiro.batch.lost_runs.resolver.LostRunResolver`. The rule itself is that of
:mod:`airflow_provider_wiro.recovery.lost_runs`, for single runs and batches alike.

Must not be relaxed: a lost Run is sent again only if its task is certainly not in the project's list.
"""
