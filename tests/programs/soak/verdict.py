"""What must hold after a soak test, by the emulator's record and not by the provider's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.programs.faults.wiro import Seen

#: Fewer samples of the memory don't show a trend.
_FEWEST_SAMPLES = 40
#: How much the allocator may keep beyond the memory after the warm-up.
_GROWTH_BYTES = 12 * 1024 * 1024
_SHOWN = 5
_DOUBT = re.compile("Wiro's list doesn't show which|its response is lost")


@dataclass(frozen=True)
class Outcome:
    """
    How one run ended for its user.

    :ivar wiro_task_id: of the task that succeeded, None if the run failed.
    """

    prompt: str
    wiro_task_id: str | None
    said: str = ""

    @property
    def is_doubt(self) -> bool:
        """
        Whether it failed for a person to decide: a response was lost, and Wiro's list, faulty at that moment
        too, didn't show which task it was. That is as promised, since anything else may pay twice.
        """
        return self.wiro_task_id is None and _DOUBT.search(self.said) is not None


def broken_promises(outcomes: Sequence[Outcome], seen: Seen, *, runs: int) -> Iterator[str]:
    """Yield every run that was lost, paid twice or reported wrongly."""
    if len(outcomes) != runs:
        yield f"{runs} runs were started, and {len(outcomes)} have ended"
    tasks = _by_prompt(seen.tasks)
    yield from _some(
        "no Wiro task for", (it.prompt for it in outcomes if it.prompt not in tasks and not it.is_doubt)
    )
    known = {outcome.prompt for outcome in outcomes}
    yield from _some("Wiro tasks of nobody", (prompt for prompt in tasks if prompt not in known))
    wrong = []
    for outcome in outcomes:
        mine = tasks.get(outcome.prompt, [])
        if mine:
            wrong += [f"{outcome.prompt}: {problem}" for problem in _problems(outcome, mine)]
    yield from _some("not once and right", wrong)
    succeeded = sum(outcome.wiro_task_id is not None for outcome in outcomes)
    doubtful = {outcome.prompt for outcome in outcomes if outcome.is_doubt}
    billed = sum(_has_succeeded(task) for prompt in tasks.keys() - doubtful for task in tasks[prompt])
    for what, wanted, found in (
        ("Wiro tasks billed", succeeded, billed),
        ("Wiro tasks stopped", 0, seen.stopped),
        ("Wiro tasks still alive", 0, seen.alive),
        ("Wiro tasks started beside a live one of the same run", 0, seen.overlaps),
        ("nonces repeated", 0, seen.counts["nonces_repeated"]),
        ("requests with bad authentication", 0, seen.counts["auth_failures"]),
        ("connections still open", 0, seen.counts["open_connections"] - 1),  # without this request
    ):
        if wanted != found:
            yield f"{what}: expected {wanted}, found {found}"


def _problems(outcome: Outcome, tasks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A run may start another task only after one that failed, and ends as its last one does."""
    *earlier, last = tasks
    for task in earlier:
        if _has_succeeded(task):
            yield f"task {task['id']} had succeeded, and {last['id']} was started"
    if outcome.is_doubt:
        if last["id"] not in re.findall(r"\d+", outcome.said):
            yield f"fails in doubt and doesn't name task {last['id']}: {outcome.said}"
    elif outcome.wiro_task_id is None:
        if _has_succeeded(last):
            yield f"failed for its user, while task {last['id']} succeeded: {outcome.said}"
        elif last["status"] != "task_cancel" and not earlier:
            yield f"given up after a single failure, of task {last['id']}: {outcome.said}"
    elif outcome.wiro_task_id != last["id"] or not _has_succeeded(last):
        ended = f"the last one is {last['id']}, {last['status']}"
        yield f"succeeded with task {outcome.wiro_task_id}, while {ended}"


def _has_succeeded(task: Mapping[str, Any]) -> bool:
    # A missing exit code is no failure.
    return task["status"] == "task_postprocess_end" and task["exit_code"] in {"0", "", None}


def _by_prompt(tasks: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for task in sorted(tasks, key=lambda task: int(task["id"])):
        found.setdefault(str(task["parameters"].get("prompt")), []).append(task)
    return found


def _some(what: str, found: Iterator[str] | Sequence[str]) -> Iterator[str]:
    every = list(found)
    if every:
        rest = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
        yield f"{what}: {'; '.join(every[:_SHOWN])}{rest}"


def leaks(samples: Sequence[Mapping[str, float]], descriptors: Mapping[str, int]) -> Iterator[str]:
    """Yield the resources that have grown since a process's warm-up."""
    if descriptors["after"] > descriptors["before"]:
        yield f"file descriptors: {descriptors['before']} before, {descriptors['after']} after"
    quarter = len(samples) // 4
    if len(samples) < _FEWEST_SAMPLES:
        yield f"only {len(samples)} samples of the memory"
        return
    # The first quarter is the warm-up.
    warm = median(it["bytes"] for it in samples[quarter : 2 * quarter])
    end = median(it["bytes"] for it in samples[-quarter:])
    if end - warm > _GROWTH_BYTES:
        mib = [f"{size / 1024**2:.0f} MiB" for size in (warm, end)]
        yield f"memory: {mib[0]} in the second quarter of the time, {mib[1]} in the last"
