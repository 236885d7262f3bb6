"""Editors and type checkers know all arguments of the decorators, and what a function has to return."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_wiro.decorators import arguments
from airflow_provider_wiro.decorators.wiro import wiro_batch_task, wiro_task
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator
from tests.airflow_home import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def of_operator(operator: type) -> dict[str, str]:
    """Return the operator's own arguments with their types."""
    found = inspect.signature(operator.__init__).parameters  # type: ignore[misc]
    named = {name: str(it.annotation) for name, it in found.items() if name not in {"self", "kwargs"}}
    return {name: ast.unparse(ast.parse(text)) for name, text in named.items()}


def of_decorator(listed: Any) -> dict[str, str]:
    """Return the arguments that the decorator lists beside those of ``BaseOperator``."""
    found: dict[str, str] = {}
    for kind in (arguments.CommonArguments, listed):
        for name, annotation in vars(kind)["__annotations__"].items():
            found[name] = ast.unparse(ast.parse(getattr(annotation, "__forward_arg__", annotation)))
    of_airflow = vars(arguments.TaskArguments)["__annotations__"]
    return {name: text for name, text in found.items() if name not in of_airflow}


def test_the_decorators_list_the_arguments_of_their_operators_with_the_same_types() -> None:
    batch = {name: text for name, text in of_operator(WiroBatchRunOperator).items() if name != "inputs"}

    assert of_decorator(arguments.RunArguments) == of_operator(WiroRunOperator)
    assert of_decorator(arguments.BatchArguments) == batch


def test_the_arguments_of_airflow_are_those_of_its_operators() -> None:
    known = set(inspect.signature(BaseOperator.__init__).parameters)
    listed = set(vars(arguments.TaskArguments)["__annotations__"])

    assert listed - known == set()
    assert known - listed == {"self", "kwargs", "multiple_outputs", "sla"}


@pytest.mark.parametrize("decorator", [wiro_task, wiro_batch_task])
def test_a_model_that_cannot_be_right_fails_the_dag_file_also_of_a_mapped_task(decorator: Any) -> None:
    with pytest.raises(WiroUsageError, match="Expected a model as `owner/model`"):
        decorator(model="Retro-Cartoons")


PROGRAM = """
from collections.abc import Iterator
from typing import Any

from airflow_provider_wiro.decorators.wiro import wiro_batch_task, wiro_task


@wiro_task(model="a/b", deferrable=True, retries=2, label="x")
def draw(prompt: str, steps: int = 4) -> dict[str, Any]:
    return {"prompt": prompt, "steps": steps}


@wiro_batch_task(model="a/b", max_active=5, s3_bucket="pictures", pool="gpu")
def many(count: int) -> Iterator[dict[str, Any]]:
    yield {"prompt": str(count)}


draw("a teapot", steps=8)
draw.override(task_id="again")("a teapot")
draw.partial(steps=8).expand(prompt=["a", "b"])
many(3)
"""
WRONG = {
    'wiro_task(model="a/b", deferable=True)': 'Unexpected keyword argument "deferable"',
    'wiro_task(model="a/b", timeout="soon")': 'Argument "timeout" to "wiro_task" has incompatible type "str"',
    'wiro_batch_task(model="a/b", inputs=[])': 'Unexpected keyword argument "inputs"',
    "draw(5)": 'Argument 1 to "__call__" of "DecoratedTask" has incompatible type "int"',
    "draw()": 'Missing positional argument "prompt"',
    'wiro_task(model="a/b")(print)': "has incompatible type",
}


@pytest.mark.timeout(600)
@pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is installed with the other tools of `make lint`")
def test_a_type_checker_passes_what_is_right_and_names_what_is_wrong(tmp_path: Path) -> None:
    lines = [*PROGRAM.splitlines(), *WRONG]
    (tmp_path / "dag_file.py").write_text("\n".join(lines) + "\n")

    # With the options and so the cache of `make lint`: with others mypy reads every module again, and so does
    # the next `make lint`.
    command = [sys.executable, "-m", "mypy", "--no-error-summary"]
    done = subprocess.run(
        [*command, str(tmp_path / "dag_file.py")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    errors = [line for line in done.stdout.splitlines() if ": error: " in line]
    first = len(PROGRAM.splitlines()) + 1
    found = {int(line.split(":")[1]): line for line in errors}
    assert found.keys() == set(range(first, first + len(WRONG))), done.stdout + done.stderr
    for number, expected in enumerate(WRONG.values(), first):
        assert expected in found[number]
