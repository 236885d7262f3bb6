"""
Wiro models as Airflow tasks.

Entry: ``wiro.WiroRunOperator`` for one run, ``wiro_batch.WiroBatchRunOperator`` for many, and
``wiro_upload.WiroUploadOperator`` for a file that several runs use. They check arguments when a DAG file is
parsed; the work is in :mod:`~airflow_provider_wiro.run` and :mod:`~airflow_provider_wiro.batch`.
"""
