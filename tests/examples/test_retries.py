"""Each example has retries: what Airflow fails in passing must not lose a run that is paid for."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from tests.airflow_home import ROOT

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = sorted((ROOT / "airflow_provider_wiro" / "example_dags").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_task_of_an_example_is_tried_thrice_and_says_why(path: Path) -> None:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    dag = next(found.dag for found in vars(module).values() if hasattr(found, "task_id"))

    assert {task.task_id: task.retries for task in dag.tasks} == dict.fromkeys(dag.task_ids, 2)
    assert "# A retry follows the same run, and pays for no other." in path.read_text()
