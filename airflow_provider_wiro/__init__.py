"""Apache Airflow provider for Wiro (https://wiro.ai): AI models behind one API, run as Airflow tasks."""

__version__ = "0.1.0"
