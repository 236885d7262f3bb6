"""Each example has a description, and retries: no temporary failure of Airflow loses a paid run."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.airflow_home import ROOT
from tests.examples.files import EXAMPLES, module_of

if TYPE_CHECKING:
    from pathlib import Path

FILES = sorted(EXAMPLES.rglob("*.py"))


examples = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def example_dags(path: Path) -> list[Any]:
    module = module_of(path)
    named = [getattr(found, "operator", found) for found in vars(module).values()]
    tasks = [found for found in named if hasattr(found, "task_id")]
    dags = {task.dag.dag_id: task.dag for task in tasks}
    assert dags, "no task of the example has a name in its module"
    return list(dags.values())


@examples
def test_every_task_of_an_example_has_two_retries_and_a_reason(path: Path) -> None:
    for dag in example_dags(path):
        assert {task.task_id: task.retries for task in dag.tasks} == dict.fromkeys(dag.task_ids, 2)
    assert "# A retry follows the same run, and pays for no other." in path.read_text()


@examples
def test_an_example_shows_in_airflow_what_it_is(path: Path) -> None:
    for dag in example_dags(path):
        assert len(dag.doc_md.strip().splitlines()) > 2
        assert "example" in dag.tags


@examples
def test_a_scheduled_example_has_a_start_without_which_airflow_2_11_does_not_import_it(path: Path) -> None:
    for dag in example_dags(path):
        if type(dag.timetable).__name__ != "NullTimetable":
            assert dag.start_date, dag.dag_id


@pytest.mark.airflow
@pytest.mark.timeout(300)
def test_every_airflow_imports_the_examples_without_optional_packages() -> None:
    paths = [str(path) for path in FILES]
    blocked = ["PIL", "s3fs", "pyarrow", "adlfs", "gcsfs", "pandas"]
    code = f"import runpy, sys; sys.modules |= dict.fromkeys({blocked!r}); [*map(runpy.run_path, {paths!r})]"
    imported = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert imported.returncode == 0, imported.stderr[-1000:]


@examples
def test_a_file_is_called_as_its_dag(path: Path) -> None:
    assert path.stem in {dag.dag_id for dag in example_dags(path)}


@pytest.mark.skipif((ROOT / "PKG-INFO").exists(), reason="the source distribution has no links")
def test_dags_examples_are_the_examples_of_the_package() -> None:
    assert (ROOT / "dags_examples").resolve() == EXAMPLES
