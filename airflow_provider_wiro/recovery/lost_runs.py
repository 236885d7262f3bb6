"""
Runs whose answers were lost: which of Wiro's tasks are theirs. The one rule, for one run and for a batch's.

Wiro has no idempotency key, so a Run whose answer was lost is looked for in the project's task list before it
is sent again. One look at the list brings, for each run, one of these:

===============================================  ===========================================================
the list shows                                   verdict
===============================================  ===========================================================
fitting tasks, no more of them than equal runs   **found**: the task is the run's
more fitting tasks than equal runs               **doubt**: which one is not clear
a task that may fit, but doesn't show enough     **doubt**
nothing, and the run can still be at work        **open**: look again
nothing, and the run can't be at work any more   **not started**: it may be sent again
… but the list shows nothing of its project      **doubt**: it may not show this run either
no list that can be searched                     **doubt**, for all (:class:`WiroOrphanedRunError`)
===============================================  ===========================================================

*Fitting* means all of these; *may fit* that some are unknown and none is refuted:

* it came after the run was sent: its id is larger than that of the newest task before;
* it was created between the sending and the latest moment at which the request can have been carried out, by
  Wiro's clock. Without that clock, outside of that time is a doubt; a day outside refutes;
* model and parameters are the run's, in any form that Wiro gives them;
* files are the run's: URLs as they were sent, contents by their SHA-256;
* it is no other member's or project's, where Wiro shows whose it is and ours is known. In a list of several
  people's tasks where ours is not known, it may only fit;
* it is no task that is known to be another run.

*Still at work*: after a timeout, a 5xx, an answer that can't be read, or a silence that ended in a reset,
until ``[wiro] lost_run_patience`` after that; after a worker's death, as long after the last byte that it is
known to have sent; where the connection was reset or closed at once, before any byte of an answer, until 60 s
after that (:meth:`~airflow_provider_wiro.recovery.sending.Sending.holds_seconds`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api import endpoints
from airflow_provider_wiro.api.flow import Flow, FlowContext, call
from airflow_provider_wiro.api.retry import LOST_RUN_PATIENCE_SECONDS
from airflow_provider_wiro.exceptions import (
    WiroAnswerTooLargeError,
    WiroNotFoundError,
    WiroOrphanedRunError,
)
from airflow_provider_wiro.input_files.sent_files import FileComparison, SentFiles, has_other_files
from airflow_provider_wiro.recovery.baseline import tasks_since
from airflow_provider_wiro.recovery.fingerprint import Match, match_task
from airflow_provider_wiro.recovery.sending import Sending, Timing

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.recovery.baseline import LaterTasks

#: A sending that was taken for not started is looked for once more among tasks created within this.
STRAY_WINDOW_SECONDS = 600.0


@dataclass(frozen=True)
class LostRun:
    """
    A Run that may have started a task.

    :ivar item: what it is called in the findings.
    :ivar fingerprint: equal for runs that would be the same to Wiro.
    :ivar project_id: the project that it bills, None for the key's own.
    """

    item: int
    model: str
    parameters: Mapping[str, Any] = field(repr=False)
    fingerprint: str
    sending: Sending
    files: SentFiles = field(default_factory=dict, repr=False)
    project_id: str | None = None


@dataclass(frozen=True)
class Owner:
    """
    Whose tasks ours are, as far as it is known.

    :ivar project_id: of the tasks that we started, None if not known.
    :ivar uuid: the same of their owner.
    """

    project_id: str | None = None
    uuid: str | None = None

    def has(self, task: Task) -> bool:
        """Whether a task can be this owner's."""
        return all(
            ours is None or shown is None or ours == shown
            for ours, shown in ((self.project_id, task.project_id), (self.uuid, task.owner_uuid))
        )


@dataclass
class Findings:
    """
    What one look at Wiro's list has brought.

    :ivar tasks: item → the task that is its run.
    :ivar doubts: item → the ids of tasks that may or may not be its run; none where the
        list may not show it.
    :ivar not_started: items whose Run has certainly started nothing.
    :ivar open: item → seconds until that can be certain.
    :ivar seen: what the list, or Detail, showed of the tasks in ``tasks`` and ``doubts``, by their ids.
    """

    tasks: dict[int, str] = field(default_factory=dict)
    doubts: dict[int, list[str]] = field(default_factory=dict)
    not_started: list[int] = field(default_factory=list)
    open: dict[int, float] = field(default_factory=dict)
    seen: dict[str, Task] = field(default_factory=dict, repr=False, compare=False)

    @property
    def has_tasks(self) -> bool:
        """Whether there is a task that is, or may be, one of the runs."""
        return bool(self.tasks) or any(self.doubts.values())


def find_lost(
    outside: FlowContext,
    lost: Sequence[LostRun],
    known_ids: Container[str],
    *,
    own_ids: Iterable[str] = (),
    patience_seconds: float = LOST_RUN_PATIENCE_SECONDS,
    window_seconds: float = 0.0,
    call_patience_seconds: float | None = None,
) -> Flow[Findings]:
    """
    Look once for the tasks of runs.

    :param known_ids: tasks that are known to be other runs.
    :param own_ids: some of them that this project started, the latest first: they show whose ours are.
    :param patience_seconds: ``[wiro] lost_run_patience``.
    :param window_seconds: look among tasks created up to this long after a sending's last byte, if that is
        longer.
    :param call_patience_seconds: how long each call is repeated; default: as any other call.
    :raises WiroOrphanedRunError: the list can't be searched.
    :raises WiroError: Wiro can't be asked.
    """
    settings = {} if call_patience_seconds is None else {"patience_seconds": call_patience_seconds}
    search = _Search(outside, lost, patience_seconds, window_seconds)
    oldest = _oldest([run.sending for run in lost])
    listed = yield from tasks_since(outside, oldest.was_after, known_ids, **settings)
    yield from search.compare(listed, own_ids)
    findings = search.findings()
    for run in lost:
        if run.item in findings.tasks or run.item in findings.doubts:
            continue
        left = run.sending.holds_seconds(patience_seconds) - run.sending.elapsed_seconds(
            listed.now, listed.wiro_now
        )
        if left > 0:
            findings.open[run.item] = left
        elif run.project_id is not None and not listed.shows_project(run.project_id):
            findings.doubts[run.item] = []
        else:
            findings.not_started.append(run.item)
    return findings


def next_look_seconds(age_seconds: float, *, shortest: float, longest: float) -> float:
    """
    Return how long to wait before the next look for a lost run: about half as long again as it is lost.

    :param age_seconds: since it was sent.
    """
    return max(shortest, min(longest, age_seconds / 2))


def doubt(model: str, wiro_task_ids: Sequence[str]) -> WiroOrphanedRunError:
    """
    Return the error of a lost Run where it is not clear whether, or as which task, it was started.

    :param wiro_task_ids: those it may have started; none where the list may not show it.
    """
    if not wiro_task_ids:
        return WiroOrphanedRunError(
            f"The answer of a Run of {model} was lost. It bills another project, and may be missing from "
            "this one's list. Look in the dashboard at wiro.ai. on_orphaned_intent='resubmit' starts a new "
            "run."
        )
    return WiroOrphanedRunError(
        f"The answer of a Run of {model} was lost, and it can't be told which task it has started, if any: "
        f"{', '.join(wiro_task_ids)}. Look at them in the dashboard at wiro.ai. "
        "on_orphaned_intent='resubmit' starts a new run."
    )


class _Search:
    """The tasks that fit, and those that may, for each group of equal runs."""

    def __init__(
        self, outside: FlowContext, lost: Sequence[LostRun], patience_seconds: float, window_seconds: float
    ) -> None:
        self._outside = outside
        self._files = FileComparison(outside.host)
        self._windows = {
            run.item: max(
                run.sending.latest_seconds(window_seconds) if window_seconds else 0.0,
                run.sending.holds_seconds(patience_seconds),
            )
            for run in lost
        }
        self._groups = _groups(lost)
        self._same: dict[str, list[Task]] = {digest: [] for digest in self._groups}
        self._unclear: dict[str, list[Task]] = {digest: [] for digest in self._groups}

    def compare(self, listed: LaterTasks, own_ids: Iterable[str]) -> Flow[None]:
        owner: Owner | None = None
        is_crowded = _has_several_owners([*listed.tasks, *listed.earlier])
        for task in reversed(listed.tasks):
            seen = task
            may_be: list[str] = []
            for digest, runs in self._groups.items():
                if all(self._timing(run, task) is Timing.IMPOSSIBLE for run in runs):
                    continue
                verdict, seen = yield from self._likeness(seen, runs[0])
                if verdict is Match.OTHER:
                    continue
                if owner is None:
                    owner = yield from _learn_owner(self._outside, own_ids)
                verdict = self._owned(verdict, seen, runs[0], owner, is_crowded=is_crowded)
                timings = {self._timing(run, seen) for run in runs}
                is_timed = Timing.POSSIBLE in timings and Timing.UNCLEAR not in timings
                if verdict is Match.OTHER or timings == {Timing.IMPOSSIBLE}:
                    continue
                is_certain = is_timed and all(run.sending.newest_before is not None for run in runs)
                if verdict is Match.SAME and is_certain:
                    # Runs that demand more of a task come first, and what shows all that one of them demands
                    # is no doubt for one that demands less.
                    self._same[digest].append(seen)
                    break
                may_be.append(digest)
            else:
                for digest in may_be:
                    self._unclear[digest].append(seen)

    def findings(self) -> Findings:
        found = Findings()
        for digest, runs in self._groups.items():
            same, unclear = self._same[digest], self._unclear[digest]
            pairs = self._pair(runs, same)
            if unclear or pairs is None:
                ids = [task.id for task in (*same, *unclear)]
                found.doubts |= {run.item: ids for run in runs}
            else:
                found.tasks |= pairs
            found.seen |= {task.id: task for task in (*same, *unclear)}
        return found

    def _timing(self, run: LostRun, task: Task) -> Timing:
        if run.sending.was_after(task):
            return Timing.IMPOSSIBLE
        return run.sending.timing(task, self._windows[run.item])

    def _likeness(self, listed: Task, run: LostRun) -> Flow[tuple[Match, Task]]:
        """Compare a listed task with a run; the list abridges, so that in doubt its Detail is asked for."""
        verdict = yield from self._likeness_of(listed, run)
        if verdict is Match.OTHER or (verdict is Match.SAME and listed.created_at is not None):
            return verdict, listed
        try:
            task = yield from call(endpoints.get_task(listed.id), self._outside)
        except (WiroNotFoundError, WiroAnswerTooLargeError):
            return Match.UNCLEAR, listed  # a person may find it in the dashboard
        return (yield from self._likeness_of(task, run)), task

    def _likeness_of(self, task: Task, run: LostRun) -> Flow[Match]:
        host = self._outside.host
        names = {form for name in run.files for form in (name, f"{name}Url", name.removesuffix("Url"))}
        parameters = {name: value for name, value in run.parameters.items() if name not in names}
        verdict = match_task(task, run.model, parameters, host)
        if verdict is Match.OTHER:
            return verdict
        is_same = yield from self._files.compare(run.files, task.parameters)
        if is_same is False:
            return Match.OTHER
        known = {*run.files, *run.parameters}
        if is_same is None or has_other_files(task.parameters, known, host):
            return Match.UNCLEAR
        return verdict

    def _owned(self, verdict: Match, task: Task, run: LostRun, owner: Owner, *, is_crowded: bool) -> Match:
        """Refuse another member's or project's task, and doubt one of a crowd in which ours isn't known."""
        expected = owner if run.project_id is None else Owner(run.project_id, owner.uuid)
        if not expected.has(task):
            return Match.OTHER
        is_known = expected.project_id is not None or expected.uuid is not None
        return Match.UNCLEAR if is_crowded and not is_known else verdict

    def _pair(self, runs: Sequence[LostRun], tasks: Sequence[Task]) -> dict[int, str] | None:
        """Give each task, oldest first, to a run that can have started it; None if one is left over."""
        pairs: dict[int, str] = {}
        for task in tasks:
            run = next(
                (
                    run
                    for run in runs
                    if run.item not in pairs and self._timing(run, task) is not Timing.IMPOSSIBLE
                ),
                None,
            )
            if run is None:
                return None
            pairs[run.item] = task.id
        return pairs


def _has_several_owners(tasks: Sequence[Task]) -> bool:
    """
    Whether a list shows several people's tasks, or, where it doesn't name people, several projects'.

    A ``uuid`` that differs from task to task is no owner's: that takes one who has two.
    """
    uuids = Counter(task.owner_uuid for task in tasks if task.owner_uuid is not None)
    if uuids and max(uuids.values()) > 1:
        return len(uuids) > 1
    return len({task.project_id for task in tasks if task.project_id is not None}) > 1


def _learn_owner(outside: FlowContext, own_ids: Iterable[str]) -> Flow[Owner]:
    """Learn from tasks that we started whose ours are: two have to agree about an owner."""
    shown: list[Task] = []
    for wiro_task_id in own_ids:
        try:
            shown.append((yield from call(endpoints.get_task(wiro_task_id), outside)))
        except (WiroNotFoundError, WiroAnswerTooLargeError):
            continue
        if len(shown) == 2:
            break
    projects = {task.project_id for task in shown}
    uuids = {task.owner_uuid for task in shown}
    return Owner(
        projects.pop() if len(projects) == 1 else None,
        uuids.pop() if len(uuids) == 1 and len(shown) == 2 else None,
    )


def _groups(lost: Sequence[LostRun]) -> dict[str, list[LostRun]]:
    """Return the runs by their fingerprint, those that demand most of a task first, each oldest first."""

    def demands(run: LostRun) -> int:
        return len(run.parameters) + sum(map(len, run.files.values()))

    groups: dict[str, list[LostRun]] = {}
    for run in sorted(lost, key=lambda run: (-demands(run), run.sending.age)):
        groups.setdefault(run.fingerprint, []).append(run)
    return groups


def _oldest(sendings: Sequence[Sending]) -> Sending:
    unknown = [sending for sending in sendings if sending.newest_before is None]
    if unknown:
        return min(unknown, key=lambda sending: sending.intended_at)
    return min(sendings, key=lambda sending: sending.age)
