"""Each example has a description, and retries: no temporary failure of Airflow loses a paid run."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import pytest

from tests.airflow_home import ROOT

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = sorted((ROOT / "airflow_provider_wiro" / "example_dags").glob("*.py"))


examples = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


def example_dag(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return next(found.dag for found in vars(module).values() if hasattr(found, "task_id"))


@examples
def test_every_task_of_an_example_has_two_retries_and_a_reason(path: Path) -> None:
    dag = example_dag(path)

    assert {task.task_id: task.retries for task in dag.tasks} == dict.fromkeys(dag.task_ids, 2)
    assert "# A retry follows the same run, and pays for no other." in path.read_text()


@examples
def test_an_example_shows_in_airflow_what_it_is(path: Path) -> None:
    dag = example_dag(path)

    assert len(dag.doc_md.strip().splitlines()) > 2
    assert "example" in dag.tags


@pytest.mark.skipif((ROOT / "PKG-INFO").exists(), reason="the source distribution has no links")
def test_dags_examples_are_the_examples_of_the_package() -> None:
    assert (ROOT / "dags_examples").resolve() == EXAMPLES[0].parent
