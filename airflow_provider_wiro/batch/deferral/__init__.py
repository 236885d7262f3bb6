"""
How a batch waits without a worker: what it hands over a deferral, and what if its journal is gone then.

Entry: :func:`~airflow_provider_wiro.batch.deferral.request.deferral_arguments` before a deferral, and
:class:`~airflow_provider_wiro.batch.deferral.resumption.Resumption` after it.

Must not be relaxed: a batch that resumes after a deferral and finds no journal submits nothing.
"""
