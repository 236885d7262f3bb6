"""
Airflow's transfer operators: a finished task's outputs into S3, or into any object storage; and a project's.

Entry: ``wiro_to_s3.WiroToS3Operator`` and ``wiro_to_object_storage.WiroToObjectStorageOperator``, whose work
is in :mod:`~airflow_provider_wiro.landing`, and ``wiro_project_to_s3.WiroProjectToS3Operator``, whose work is
in :mod:`~airflow_provider_wiro.export`. ``assets``, ``openlineage`` and ``export_report`` report what has
landed.
"""
