"""
How a batch waits without a worker: what it hands over a deferral, and what if its journal is gone then.

Entry: :class:`~airflow_provider_wiro.batch.deferral.missing_journal.BeforeDeferral`.

Must not be relaxed: a batch that resumes after a deferral and finds no journal submits nothing.
"""
