"""The button on Airflow's task page that leads to the Wiro task: ``wiro.WiroTaskLink``."""
