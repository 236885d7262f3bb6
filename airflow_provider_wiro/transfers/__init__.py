"""
Airflow's transfer operators: a finished task's outputs into S3, or into any object storage.

Entry: ``wiro_to_s3.WiroToS3Operator`` and ``wiro_to_object_storage.WiroToObjectStorageOperator``. Their work
is in :mod:`~airflow_provider_wiro.landing`; ``assets`` and ``openlineage`` report what has landed.
"""
