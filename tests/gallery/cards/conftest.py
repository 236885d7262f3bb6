"""Before Airflow 3.1 there is no gallery, nor all that these tests import."""

import airflow

if tuple(int(part) for part in airflow.__version__.split(".")[:2]) < (3, 1):
    collect_ignore_glob = ["test_*.py"]
