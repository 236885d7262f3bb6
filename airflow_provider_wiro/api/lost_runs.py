"""
Several Runs whose answers were lost: which of Wiro's tasks are theirs.

The rules are those of :mod:`~airflow_provider_wiro.api.resume`, where one run is looked for, with two more. A
task that is known to be another item's is nobody's here. And of runs that are equal in everything that Wiro
sees, each may have any of the tasks that fit: what counts is that there are not more tasks than runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.fingerprint import Likeness
from airflow_provider_wiro.api.later_tasks import Baseline, compare, tasks_since

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from airflow_provider_wiro.api.flow import Flow, Outside
    from airflow_provider_wiro.api.models import Task


@dataclass(frozen=True)
class LostRun:
    """
    A Run of an item that may have started a task.

    :ivar fingerprint: equal for runs that would be the same to Wiro.
    """

    item: int
    model: str
    parameters: Mapping[str, Any] = field(repr=False)
    fingerprint: str
    baseline: Baseline


@dataclass
class Findings:
    """
    What one look at Wiro's list has brought.

    :ivar tasks: item → the task that is its run.
    :ivar doubts: item → the ids of tasks of which it can't be told whether they are its run.
    """

    tasks: dict[int, str] = field(default_factory=dict)
    doubts: dict[int, list[str]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not self.tasks and not self.doubts


def find_lost(outside: Outside, lost: Sequence[LostRun], known_ids: Container[str]) -> Flow[Findings]:
    """
    Look once for the tasks of runs. What isn't found may still show up, see ``resume.SETTLING``.

    :param known_ids: tasks that are known to be other runs.
    :raises WiroOrphanedRunError: the list can't be searched.
    :raises WiroError: Wiro can't be asked.
    """
    groups = _groups(lost)
    same: dict[str, list[Task]] = {digest: [] for digest in groups}
    unclear: dict[str, list[Task]] = {digest: [] for digest in groups}
    listed = yield from tasks_since(outside, _oldest([run.baseline for run in lost]), known_ids)
    for task in reversed(listed):
        seen = task
        possible: list[str] = []
        for digest, runs in groups.items():
            if all(run.baseline.had(task) for run in runs):
                continue
            verdict, seen = yield from compare(outside, seen, runs[0].model, runs[0].parameters)
            if verdict is Likeness.SAME and all(run.baseline.newest is not None for run in runs):
                # The groups that demand more of a task come first. And what shows all that one run demands is
                # no doubt for one that demands more.
                same[digest].append(seen)
                break
            if verdict is not Likeness.OTHER:
                possible.append(digest)
        else:
            for digest in possible:
                unclear[digest].append(seen)
    findings = Findings()
    for digest, runs in groups.items():
        pairs = _pair(runs, same[digest])
        if unclear[digest] or pairs is None:
            ids = [task.id for task in (*same[digest], *unclear[digest])]
            findings.doubts |= {run.item: ids for run in runs}
        else:
            findings.tasks |= pairs
    return findings


def _groups(lost: Sequence[LostRun]) -> dict[str, list[LostRun]]:
    """Return the runs by their fingerprint, those with the most parameters first, each oldest first."""
    groups: dict[str, list[LostRun]] = {}
    for run in sorted(lost, key=lambda run: (-len(run.parameters), _age(run.baseline))):
        groups.setdefault(run.fingerprint, []).append(run)
    return groups


def _pair(runs: Sequence[LostRun], tasks: Sequence[Task]) -> dict[int, str] | None:
    """Give each task, oldest first, to a run that was sent before it; None if one is left over."""
    pairs: dict[int, str] = {}
    for task in tasks:
        run = next((run for run in runs if run.item not in pairs and not run.baseline.had(task)), None)
        if run is None:
            return None
        pairs[run.item] = task.id
    return pairs


def _oldest(baselines: Sequence[Baseline]) -> Baseline:
    unknown = [baseline for baseline in baselines if baseline.newest is None]
    if unknown:
        return Baseline(None, min(baseline.at for baseline in unknown))
    return min(baselines, key=_age)


def _age(baseline: Baseline) -> tuple[int, float]:
    newest = baseline.newest or "0"
    return (int(newest) if newest.isdecimal() else 0), baseline.at.timestamp()
