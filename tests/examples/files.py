"""Where the examples are."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from tests.airflow_home import ROOT

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = ROOT / "airflow_provider_wiro" / "example_dags"


def example_file(dag_id: str) -> Path:
    """Return the file of an example, which is called as its DAG, in whatever folder it is."""
    [path] = EXAMPLES.rglob(f"{dag_id}.py")
    return path


def example_module(dag_id: str) -> Any:
    """Run the file of an example and return what it defines."""
    return module_of(example_file(dag_id))


def module_of(path: Path) -> Any:
    """Run a DAG file and return what it defines."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
