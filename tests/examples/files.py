"""Where the examples are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.airflow_home import ROOT

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = ROOT / "airflow_provider_wiro" / "example_dags"


def example_file(dag_id: str) -> Path:
    """Return the file of an example, which is called as its DAG, in whatever folder it is."""
    [path] = EXAMPLES.rglob(f"{dag_id}.py")
    return path
