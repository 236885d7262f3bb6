"""
Wiro models as Airflow tasks.

Entry: ``wiro.WiroRunOperator`` for one run, ``wiro_batch.WiroBatchRunOperator`` for many,
``wiro_upload.WiroUploadOperator`` for a file that several runs use, and ``wiro_spend.WiroSpendOperator`` for
what was spent. They check arguments when a DAG file is parsed; the work is in
:mod:`~airflow_provider_wiro.run`, :mod:`~airflow_provider_wiro.batch` and
:mod:`~airflow_provider_wiro.spend`.
"""
