"""
The example of a review, on a real Airflow with its scheduler and triggerer; answers come by Airflow's API.

It runs on other versions, too, whose environments `make test-matrix` makes:

    PYTHONPATH=. .cache/matrix/3.1.8/bin/python -m pytest -m system tests/examples -k review
"""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.examples.files import example_file
from tests.programs.system.airflow_api import AirflowAPIError
from tests.programs.system.airflow_stack import AirflowStack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.examples.conftest import Bucket

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

DAG_ID = "example_wiro_review"
AGAIN = "Again, with another seed"
ALL = ["1", "2", "3", "4"]
#: Airflow 3.3 has a state of its own for a task that waits for a person.
WAITS = {"awaiting_input", "deferred"}


@pytest.fixture
def stack(tmp_path: Path, wiro: WiroEmulator, bucket: Bucket) -> Iterator[AirflowStack]:
    dags = tmp_path / "dags"
    dags.mkdir()
    shutil.copy(example_file(DAG_ID), dags)
    environment = {
        "AIRFLOW_CONN_WIRO_DEFAULT": wiro.connection,
        "AIRFLOW_CONN_AWS_DEFAULT": bucket.connection,
        "WIRO_EXAMPLE_BUCKET": bucket.name,
    }
    stack = AirflowStack(tmp_path / "airflow", dags, environment=environment)
    with stack.running():
        stack.api.wait_for_dag(DAG_ID)
        yield stack


class Reviewer:
    """A person who answers."""

    def __init__(self, stack: AirflowStack) -> None:
        self._api = stack.api
        self._scheduler_log = stack.scheduler.log

    def _path(self, run: str) -> str:
        return f"/api/v2/dags/{DAG_ID}/dagRuns/{quote(run, safe='')}/taskInstances/ask/-1/hitlDetails"

    def question(self, run: str) -> dict[str, Any]:
        """Wait for the question of a DAG run, and return it."""
        self._api.wait_for_run(
            DAG_ID, run, timeout_seconds=120, until=lambda states: states.get("ask") in WAITS
        )
        found: dict[str, Any] = self._api.request("GET", self._path(run))
        return found

    def answer(self, run: str, option: str, pictures: list[str] = ALL) -> dict[str, str | None]:
        """Answer the question of a DAG run, and return the states of its tasks at its end."""
        form = self.question(run)["params"]
        self._wait_for_the_scheduler(run)
        # On Airflow 3.1 the form has the DAG's params, too.
        given = {name: field["value"] for name, field in form.items()}
        body = {"chosen_options": [option], "params_input": {**given, "pictures": pictures}}
        self._api.request("PATCH", self._path(run), body)
        assert self._api.wait_for_run(DAG_ID, run, timeout_seconds=120) == "success"
        return {
            it["task_id"] + (f"[{it['map_index']}]" if it["map_index"] >= 0 else ""): it["state"]
            for it in self._api.task_instances(DAG_ID, run)
        }

    def _wait_for_the_scheduler(self, run: str) -> None:
        """
        Wait until the scheduler knows that the task's process has ended.

        It takes a task that continues before that for one whose process was killed. No person is as fast.
        """
        seen = f"task_id='ask', run_id='{run}'"
        deadline = time.monotonic() + 60
        while not any(
            "Received executor event" in line and seen in line
            for line in self._scheduler_log.read_text().splitlines()
        ):
            assert time.monotonic() < deadline, "the scheduler doesn't see that the process has ended"
            time.sleep(0.2)


def ended(states: dict[str, str | None], state: str) -> set[str]:
    return {task for task, found in states.items() if found == state and task not in {"draw", "land", "ask"}}


def test_only_what_is_approved_is_published_and_another_seed_is_another_run(
    stack: AirflowStack, wiro: WiroEmulator, bucket: Bucket
) -> None:
    reviewer = Reviewer(stack)
    first = stack.api.trigger(DAG_ID, {"prompt": "a cat", "seed": 7, "tries_left": 1})

    # The question leads to the gallery of that DAG run.
    body = reviewer.question(first)["body"]
    shown = f"{stack.url}/dags/{DAG_ID}/runs/{quote(first, safe='/')}/plugin/wiro-run"
    assert f"[Look at the pictures]({shown})" in body
    assert "**a cat** (seed 7)" in body

    # Again: nothing is published, and a run with the next seed asks the same.
    states = reviewer.answer(first, AGAIN)
    assert ended(states, "success") == {"decide", "next_try", "again"}
    second = f"{first}.again"
    assert "**a cat** (seed 8)" in reviewer.question(second)["body"]
    assert not any(key.startswith("published/") for key in bucket.objects())

    # Approve some: those are published, as they were seen, and no others.
    states = reviewer.answer(second, "Approve", ["1", "3"])
    assert ended(states, "success") == {"decide", "approved", "publish[0]", "publish[1]"}
    reviewed = [key for key in bucket.objects() if key.startswith(f"review/{wiro.tasks[1].id}/")]
    assert len(reviewed) == 4
    chosen = {key.replace("review/", "published/"): key for key in (reviewed[0], reviewed[2])}
    assert {key for key in bucket.objects() if key.startswith("published/")} == set(chosen)
    assert all(bucket.read(copy) == bucket.read(original) for copy, original in chosen.items())
    assert all(bucket.metadata(copy)["wiro-task-id"] == wiro.tasks[1].id for copy in chosen)

    # Reject, and a further try than is allowed: nothing is published, and nothing more is paid for.
    for option in ("Reject", AGAIN):
        run = stack.api.trigger(DAG_ID, {"tries_left": 0})
        assert ended(reviewer.answer(run, option), "success") == {"decide", "rejected"}
        with pytest.raises(AirflowAPIError, match="HTTP 404"):
            stack.api.run_state(DAG_ID, f"{run}.again")
    assert len([key for key in bucket.objects() if key.startswith("published/")]) == 2
    assert [task.parameters["seed"] for task in wiro.tasks] == ["7", "8", "1", "1"]
