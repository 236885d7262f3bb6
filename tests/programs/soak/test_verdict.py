from __future__ import annotations

from typing import Any

import pytest

from tests.programs.faults.wiro import Seen
from tests.programs.soak.verdict import Outcome, broken_promises, leaks

COUNTS = {
    "tasks_active": 0,
    "tasks_stopped": 0,
    "nonces_repeated": 0,
    "auth_failures": 0,
    "open_connections": 1,
}
MIB = 1024 * 1024


def task(number: int, prompt: str, *, is_well: bool = True, started_at: float = 0.0) -> dict[str, Any]:
    return {
        "id": str(number),
        "parameters": {"prompt": prompt},
        "status": "task_postprocess_end",
        "exit_code": "0" if is_well else "1",
        "is_terminal": True,
        "created_at": started_at,
        "history": [("task_queue", started_at), ("task_postprocess_end", started_at + 5)],
    }


def problems(outcomes: list[Outcome], *tasks: dict[str, Any], **counts: int) -> str:
    return " | ".join(broken_promises(outcomes, Seen({**COUNTS, **counts}, tasks), runs=1))


def test_a_run_that_failed_and_was_retried_keeps_every_promise() -> None:
    first, second = task(1, "a", is_well=False), task(2, "a", started_at=6)
    assert problems([Outcome("a", "2")], first, second) == ""


DOUBT = "The response to a Run was lost. These tasks may be it, and Wiro's list doesn't show which: 1, 2."


def test_an_unclear_run_whose_error_names_the_task_is_left_to_a_person() -> None:
    assert problems([Outcome("a", None, DOUBT)], task(1, "a")) == ""
    assert problems([Outcome("a", None, DOUBT)]) == ""
    assert "doesn't name task 12" in problems([Outcome("a", None, DOUBT)], task(12, "a"))


@pytest.mark.parametrize(
    ("outcomes", "tasks", "said"),
    [
        ([], [task(1, "a")], "1 runs were started, and 0 have ended"),
        ([Outcome("a", "1")], [], "no Wiro task for: a"),
        ([Outcome("a", "1")], [task(1, "a"), task(2, "b")], "Wiro tasks of nobody: b"),
        ([Outcome("a", "2")], [task(1, "a"), task(2, "a", started_at=6)], "task 1 had succeeded"),
        ([Outcome("a", None)], [task(1, "a")], "failed for its user, while task 1 succeeded"),
        ([Outcome("a", "1")], [task(1, "a", is_well=False)], "succeeded with task 1, while the last one"),
        ([Outcome("a", None)], [task(1, "a", is_well=False)], "given up after a single failure"),
        ([Outcome("a", "2")], [task(1, "a", is_well=False), task(2, "a", started_at=4)], "beside a live one"),
    ],
)
def test_a_lost_or_doubly_paid_or_wrongly_reported_run_is_found(
    outcomes: list[Outcome], tasks: list[dict[str, Any]], said: str
) -> None:
    assert said in problems(outcomes, *tasks)


@pytest.mark.parametrize("what", list(COUNTS))
def test_a_task_left_behind_at_wiro_is_found(what: str) -> None:
    assert "expected 0, found" in problems([Outcome("a", "1")], task(1, "a"), **{what: 3})


def samples(start: int, end: int) -> list[dict[str, float]]:
    return [{"bytes": (start + (end - start) * step / 99) * MIB} for step in range(100)]


def test_a_process_whose_memory_levels_off_is_accepted() -> None:
    assert not list(leaks([*samples(50, 120)[::4], *samples(120, 122)], {"before": 9, "after": 9}))


def test_growing_memory_and_descriptors_are_found() -> None:
    assert [problem.split(":")[0] for problem in leaks(samples(100, 160), {"before": 9, "after": 10})] == [
        "file descriptors",
        "memory",
    ]
    assert list(leaks(samples(100, 100)[:9], {"before": 9, "after": 9})) == ["only 9 samples of the memory"]
