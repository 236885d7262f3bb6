"""
What a model's schema says of single parameters, and single values, files and names compared with it.

Pure. :mod:`~airflow_provider_wiro.catalog.checks` and :mod:`~airflow_provider_wiro.catalog.to_send` are the
entries.
"""
