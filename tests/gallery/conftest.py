"""Below Airflow 3.1 there is no gallery, and not all libraries that it needs: its tests are left out."""

from __future__ import annotations

from importlib.metadata import version

_AIRFLOW = tuple(int(part) for part in version("apache-airflow").split(".")[:2])

collect_ignore_glob = [] if _AIRFLOW >= (3, 1) else ["*"]
