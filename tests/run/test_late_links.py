"""Links that Wiro shows some time after a task's end: the run operator waits for them, but not for good."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.api import endpoints
from airflow_provider_wiro.downloads import ranges

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task
    from tests.operators.fakes import Work

BOTH = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the words for what Detail shows of a finished task, look by look; then all of it."""
    words: list[str] = []
    read = endpoints.get_task

    def shown(task: Task) -> Task:
        word = words.pop(0) if task.has_succeeded and words else "all"
        if word == "no links":
            return replace(task, outputs=tuple(replace(output, url=None) for output in task.outputs))
        return replace(task, outputs=()) if word == "no outputs" else task

    def get_task(wiro_task_id: str) -> Any:
        call = read(wiro_task_id)
        return replace(call, read=lambda envelope: shown(call.read(envelope)))

    monkeypatch.setattr(endpoints, "get_task", get_task)
    return words


@BOTH
def test_a_link_that_comes_late_is_in_the_summary(work: Work, looks: list[str], deferrable: bool) -> None:
    looks += ["no links", "no links", "no outputs", "no links"]
    summary = work.run(deferrable=deferrable)
    assert [output["url"] is None for output in summary["outputs"]] == [False]
    assert "no link" not in work.log


def test_a_link_that_never_comes_is_a_warning_and_the_run_has_succeeded(
    work: Work, looks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "PATIENCE_SECONDS", 0.0)
    looks += ["no links"] * 50
    summary = work.run(deferrable=False)
    assert [output["url"] for output in summary["outputs"]] == [None]
    assert "Wiro still shows no link for output 0 ('0.png')" in work.log
    assert len(work.wiro.tasks) == 1
