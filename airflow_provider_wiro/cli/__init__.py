"""
The command line: Wiro's catalogue, prices, tasks and spend, by an Airflow connection.

Entry: :func:`~airflow_provider_wiro.cli.program.main`, which ``python -m airflow_provider_wiro`` calls.
Airflow 3.2+ has the same commands as ``airflow wiro …``: :mod:`~airflow_provider_wiro.cli.airflow_commands`.
"""
