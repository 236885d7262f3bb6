"""
Runs whose responses were lost: which of Wiro's tasks are theirs. The one rule, for one run and for a batch.

Wiro has no idempotency key, so a Run whose response was lost is searched for in the project's task list
before it is sent again. One search brings, for each run, one of these:

===============================================  ===========================================================
the list shows                                   finding
===============================================  ===========================================================
matching tasks, no more of them than equal runs  **found**: the task is the run's
more matching tasks than equal runs              **doubt**: which one is not clear
a task that may match, but doesn't show enough   **doubt**
nothing, and Wiro can still be at work on it     **open**: search again
nothing, and Wiro can't be at work on it         **not started**: it may be sent again
… but the list shows nothing of its project      **doubt**: it may not show this run either
no list that can be searched                     **doubt**, for all (:class:`WiroOrphanedRunError`)
===============================================  ===========================================================

A task *matches* if all of these hold; it *may match* if some are unknown and none is refuted:

* it came after the run was sent: its id is larger than that of the newest task before;
* by Wiro's clock it was created between the sending and the latest moment at which Wiro can have started it.
  Where Wiro's clock isn't known, another time is a doubt, and a time a day off refutes;
* model and parameters are the run's, in any form in which Wiro shows them;
* files are the run's: URLs as they were sent, contents by their SHA-256;
* it is no other member's or project's, where Wiro shows whose it is and the provider's own is known. In a
  list of several people's tasks where the own isn't known, it only may match;
* it is no task that is known to be another run.

*At work*: after a timeout, a 5xx, an unreadable response or a reset that ended a longer idle time, until
``[wiro] lost_run_patience`` after that; after a worker's death, as long after the last byte that it is known
to have sent; where the connection was reset or closed at once, before any byte of a response, until 60 s
after that (:meth:`~airflow_provider_wiro.recovery.sending.Sending.holds_seconds`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api import endpoints
from airflow_provider_wiro.api.flow import Flow, FlowContext, call
from airflow_provider_wiro.api.retry import LOST_RUN_PATIENCE_SECONDS
from airflow_provider_wiro.exceptions import WiroAnswerTooLargeError, WiroNotFoundError, WiroOrphanedRunError
from airflow_provider_wiro.input_files.sent_files import FileComparison, SentFiles, has_other_files
from airflow_provider_wiro.recovery.baseline import tasks_since
from airflow_provider_wiro.recovery.fingerprint import Match, match_task
from airflow_provider_wiro.recovery.ownership import Owner, has_several_owners, learn_owner
from airflow_provider_wiro.recovery.sending import Sending, Timing

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.recovery.baseline import LaterTasks

#: A sending that was taken for not started is searched for once more, among tasks created within this time.
STRAY_WINDOW_SECONDS = 600.0
#: The shortest and the longest pause between two searches: here, and where each search needs a worker slot.
_PAUSES = (2.0, 30.0)
_DEFERRED_PAUSES = (15.0, 120.0)
_SHORTEST_PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class LostRun:
    """
    A Run that may have started a task.

    :ivar item: its name in the findings.
    :ivar fingerprint: equal for runs that are the same to Wiro.
    :ivar project_id: the project that it bills, None for the key's own.
    """

    item: int
    model: str
    parameters: Mapping[str, Any] = field(repr=False)
    fingerprint: str
    sending: Sending
    files: SentFiles = field(default_factory=dict, repr=False)
    project_id: str | None = None


@dataclass
class Findings:
    """
    What one search of Wiro's list has brought.

    :ivar tasks: item → the task that is its run.
    :ivar doubts: item → the ids of tasks that may or may not be its run; none where the list may not show it.
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
    context: FlowContext,
    lost: Sequence[LostRun],
    known_ids: Container[str],
    *,
    own_ids: Iterable[str] = (),
    patience_seconds: float = LOST_RUN_PATIENCE_SECONDS,
    window_seconds: float = 0.0,
    call_patience_seconds: float | None = None,
) -> Flow[Findings]:
    """
    Search once for the tasks of runs.

    :param known_ids: tasks that are known to be other runs.
    :param own_ids: some of them that this project started, the latest first: they show who owns its tasks.
    :param patience_seconds: ``[wiro] lost_run_patience``.
    :param window_seconds: search among tasks created up to this long after a sending's last byte, if that is
        longer.
    :param call_patience_seconds: how long each call is repeated; default: as any other call.
    :raises WiroOrphanedRunError: the list can't be searched.
    :raises WiroError: Wiro can't be asked.
    """
    settings = {} if call_patience_seconds is None else {"patience_seconds": call_patience_seconds}
    search = _Search(context, lost, patience_seconds, window_seconds)
    oldest = _oldest([run.sending for run in lost])
    listed = yield from tasks_since(context, oldest.was_after, known_ids, **settings)
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


def search_pause_seconds(age_seconds: float, open_seconds: float, *, is_deferred: bool) -> float:
    """
    Return how long to wait before the next search for a lost run: half of the time since it was sent.

    :param age_seconds: since it was sent.
    :param open_seconds: until it can be certain that it started nothing.
    :param is_deferred: each search takes a worker slot, so that it is repeated less often.
    """
    shortest, longest = _DEFERRED_PAUSES if is_deferred else _PAUSES
    pause = max(shortest, min(longest, age_seconds / 2))
    return max(min(pause, open_seconds), _SHORTEST_PAUSE_SECONDS)


def doubt(model: str, wiro_task_ids: Sequence[str]) -> WiroOrphanedRunError:
    """
    Return the error of a lost Run where it is not clear whether it started a task, or which one.

    :param wiro_task_ids: those it may have started; none where the list may not show it.
    """
    if not wiro_task_ids:
        return WiroOrphanedRunError(
            f"The response to a Run of {model} was lost. It bills another project, and may be missing from "
            "this one's list. Look in the dashboard at wiro.ai. on_orphaned_intent='resubmit' starts a new "
            "run."
        )
    return WiroOrphanedRunError(
        f"The response to a Run of {model} was lost. These tasks may be it, and Wiro's list doesn't show "
        f"which: {', '.join(wiro_task_ids)}. Look at them in the dashboard at wiro.ai. "
        "on_orphaned_intent='resubmit' starts a new run."
    )


class _Search:
    """Collects, for each group of equal runs, the tasks that match and those that may."""

    def __init__(
        self, context: FlowContext, lost: Sequence[LostRun], patience_seconds: float, window_seconds: float
    ) -> None:
        self._context = context
        self._files = FileComparison(context.host)
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
        """Compare each listed task, the oldest first, with each group of runs."""
        owner: Owner | None = None
        is_shared = has_several_owners([*listed.tasks, *listed.earlier])
        for task in reversed(listed.tasks):
            seen = task
            may_be: list[str] = []
            for digest, runs in self._groups.items():
                if all(self._timing(run, task) is Timing.IMPOSSIBLE for run in runs):
                    continue
                match, seen = yield from self._match(seen, runs[0])
                if match is Match.OTHER:
                    continue
                if owner is None:
                    owner = yield from learn_owner(self._context, own_ids)
                match = self._match_owner(match, seen, runs[0], owner, is_shared=is_shared)
                timings = {self._timing(run, seen) for run in runs}
                is_timed = Timing.POSSIBLE in timings and Timing.UNCLEAR not in timings
                if match is Match.OTHER or timings == {Timing.IMPOSSIBLE}:
                    continue
                is_certain = is_timed and all(run.sending.newest_before is not None for run in runs)
                if match is Match.SAME and is_certain:
                    # Runs with more parameters and files come first, so a task that shows all of one's is no
                    # doubt for a run with fewer.
                    self._same[digest].append(seen)
                    break
                may_be.append(digest)
            else:
                for digest in may_be:
                    self._unclear[digest].append(seen)

    def findings(self) -> Findings:
        """Return what is found and what is in doubt; what else is open or not started isn't known here."""
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

    def _match(self, listed: Task, run: LostRun) -> Flow[tuple[Match, Task]]:
        """
        Compare a listed task with a run. The list abridges tasks, so in doubt the task's Detail is read.
        """
        match = yield from self._match_content(listed, run)
        if match is Match.OTHER or (match is Match.SAME and listed.created_at is not None):
            return match, listed
        try:
            task = yield from call(endpoints.get_task(listed.id), self._context)
        except (WiroNotFoundError, WiroAnswerTooLargeError):
            return Match.UNCLEAR, listed  # a person may find it in the dashboard
        return (yield from self._match_content(task, run)), task

    def _match_content(self, task: Task, run: LostRun) -> Flow[Match]:
        host = self._context.host
        names = {form for name in run.files for form in (name, f"{name}Url", name.removesuffix("Url"))}
        parameters = {name: value for name, value in run.parameters.items() if name not in names}
        match = match_task(task, run.model, parameters, host)
        if match is Match.OTHER:
            return match
        is_same = yield from self._files.compare(run.files, task.parameters)
        if is_same is False:
            return Match.OTHER
        known = {*run.files, *run.parameters}
        if is_same is None or has_other_files(task.parameters, known, host):
            return Match.UNCLEAR
        return match

    def _match_owner(self, match: Match, task: Task, run: LostRun, owner: Owner, *, is_shared: bool) -> Match:
        """Refuse another owner's task; in a list of several owners, doubt one while the own isn't known."""
        expected = owner if run.project_id is None else Owner(run.project_id, owner.uuid)
        if not expected.may_own(task):
            return Match.OTHER
        return Match.UNCLEAR if is_shared and not expected.is_known else match

    def _pair(self, runs: Sequence[LostRun], tasks: Sequence[Task]) -> dict[int, str] | None:
        """Assign each task, oldest first, to a run that can have started it; None if a task is left over."""
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


def _groups(lost: Sequence[LostRun]) -> dict[str, list[LostRun]]:
    """
    Group runs by their fingerprint: those with most parameters and files first, each group oldest first.
    """

    def size(run: LostRun) -> int:
        return len(run.parameters) + sum(map(len, run.files.values()))

    groups: dict[str, list[LostRun]] = {}
    for run in sorted(lost, key=lambda run: (-size(run), run.sending.age)):
        groups.setdefault(run.fingerprint, []).append(run)
    return groups


def _oldest(sendings: Sequence[Sending]) -> Sending:
    """Return the sending from which on the list has to be read."""
    unknown = [sending for sending in sendings if sending.newest_before is None]
    if unknown:
        return min(unknown, key=lambda sending: sending.intended_at)
    return min(sendings, key=lambda sending: sending.age)
