"""
ExportRun: one run of an export, as an operator uses it.

.. code-block:: python

    run.begin()  # takes over from dead runs
    run.look(hook.run_flow, since=…)  # what has ended since the last time
    chunk = run.take(50)
    while chunk.ids:
        …  # land them, and write a part of the manifest
        committed = run.commit(outcomes, part="…", take=50)  # these are done with
        chunk = committed.chunk
    run.end(write_manifest)

If the process dies anywhere, the next try of the Airflow task continues at once, and the next run of the
export as soon as the lease is over: with what was claimed, and with the parts of the manifest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_wiro.exceptions import WiroOvertakenError, WiroRecordError
from airflow_provider_wiro.export import runs, tasks
from airflow_provider_wiro.export.runs import LEASE_SECONDS, Commit
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.task_history.changes import read_changes
from airflow_provider_wiro.task_history.open_tasks import OpenTasks, ask_for
from airflow_provider_wiro.task_history.position import number_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from airflow_provider_wiro.api.flow import Flow, FlowContext
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.exceptions import WiroError
    from airflow_provider_wiro.export.runs import Chunk, Committed
    from airflow_provider_wiro.export.state import ExportState, RunState, TaskOutcome
    from airflow_provider_wiro.export.state_store import ExportStateStore
    from airflow_provider_wiro.export.wanted import Verdict
    from airflow_provider_wiro.task_history.changes import Changes

    #: Runs a flow, as :meth:`~airflow_provider_wiro.hooks.wiro.WiroHook.run_flow` does.
    RunFlow = Callable[[Callable[[FlowContext], Flow[Any]]], Any]

T = TypeVar("T")

log = plain_logger(__name__)

#: How often a first reading is repeated because another run has made one meanwhile.
_MOST_READINGS = 5
#: A first reading from now on of an empty list leaves out what is older than this, should it appear later.
_DISORDER_SECONDS = 600.0


@dataclass(frozen=True)
class Look:
    """
    What a look at Wiro has shown.

    :ivar pending: how many tasks have ended and are not claimed.
    :ivar open: how many have not ended.
    :ivar vanished: ids that Wiro has not known for a day: they are open no longer.
    :ivar without_number: how many tasks were left out since their ids are no numbers.
    :ivar unwanted: how many new tasks are of other projects or models, as the list shows them.
    :ivar failure: why not all open tasks were asked for; None if they were, or as many as one look asks for.
    """

    pending: int
    open: int
    vanished: tuple[int, ...] = ()
    without_number: int = 0
    unwanted: int = 0
    failure: WiroError | None = None


class ExportRun:
    """
    One run of an export. ``renew`` may be called by any thread, the other methods by one.

    :param token: random, of this process alone.
    :param instance: the Airflow task instance, the same for all its tries.
    :param now: Unix time in seconds.
    :param manifest: the place of its manifest, in a form that two spellings share; no other run may have it.
    :param lease_seconds: how long it may be silent before another run takes over what it has claimed.
    """

    def __init__(
        self,
        store: ExportStateStore,
        *,
        token: str,
        instance: str,
        now: Callable[[], float],
        manifest: str | None = None,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._store = store
        self._token = token
        self._instance = instance
        self._now = now
        self._manifest = manifest
        self._lease_seconds = lease_seconds
        self._commits = 0
        self._renewed_at = 0.0

    def begin(self) -> RunState:
        """
        Take part in the export: take over what earlier tries of this task instance, and dead runs, have left.

        :return: this run, with the parts, sums and deletions that it has inherited.
        :raises WiroOvertakenError: a later try has taken this one's place; any other method may raise it too.
        :raises WiroRecordError: the state can't be read or written; any other method may raise it too.
        """
        return self._change(lambda state: (state, state.runs[self._token]))

    def look(
        self,
        run_flow: RunFlow,
        *,
        since: datetime | None = None,
        check: Callable[[], None] = lambda: None,
        max_asked: int = tasks.MAX_ASKED,
    ) -> Look:
        """
        Read what has changed at Wiro, and put it into the state.

        :param run_flow: such as :meth:`~airflow_provider_wiro.hooks.wiro.WiroHook.run_flow`.
        :param since: where this is the first look: tasks that were created before are left out; None: all
            but the unfinished ones are.
        :param check: called before each request; what it raises ends the look.
        :param max_asked: how many open tasks are asked for one by one.
        :raises WiroError: the list can't be read.
        """
        filters = self._store.identity.filters
        for _ in range(_MOST_READINGS):
            before = self._store.load()
            changes: Changes = run_flow(
                partial(
                    read_changes,
                    position=before.position,
                    open_ids=before.open,
                    since=since,
                    is_wanted=filters.wants_listed,
                    check=check,
                )
            )
            limit = self._limit(changes, since)
            if self._change(lambda state: tasks.with_changes(state, changes, limit)):  # noqa: B023
                break
        else:
            raise WiroRecordError("Several runs have begun this export at once. A retry continues it.")
        state = self._store.known()
        asked = tasks.to_ask(state, frozenset(changes.started), changes.running, max_asked)
        vanished: tuple[int, ...] = ()
        found = OpenTasks()
        if asked:
            found = run_flow(partial(ask_for, ids=asked, check=check))
            vanished = self._change(
                lambda state: tasks.with_open_tasks(state, found, self._token, self._now())
            )
        state = self._store.known()
        return Look(
            len(state.pending),
            len(state.open),
            vanished,
            changes.without_number,
            changes.unwanted,
            found.failure,
        )

    def take(self, most: int) -> Chunk:
        """
        Claim the next tasks, the oldest first. What is claimed and not committed is given again.

        :raises WiroUsageError: another run has its manifest where this one's would go.
        """

        def claim(state: ExportState) -> tuple[ExportState, Chunk]:
            runs.check_place(state, self._token, self._now())
            return runs.with_claim(state, self._token, most)

        return self._change(claim)

    def try_again(self) -> int:
        """Let :meth:`take` give again what could not be landed; return how many tasks that are."""
        return self._change(lambda state: runs.with_second_try(state, self._token))

    def commit(
        self,
        outcomes: Mapping[int, TaskOutcome],
        part: str | None = None,
        *,
        take: int = 0,
        deleted: Iterable[int] = (),
    ) -> Committed:
        """
        Say what became of tasks, after the part of the manifest with their lines is written; one write.

        :param part: where that is, a name of its own each time; None if there are no lines.
        :param take: how many tasks to claim next.
        :param deleted: tasks whose files need no deletion from Wiro any more.
        """
        self._commits += 1
        commit = Commit(self._commits, outcomes, part, frozenset(deleted))
        return self._change(lambda state: runs.with_commit(state, self._token, commit, take, self._now()))

    def renew(self, for_seconds: float | None = None) -> None:
        """
        Say that this run is alive. Cheap: it writes only if a third of the lease is over.

        If that can't be written, it is said in the log: at worst another run takes over, and lands twice.

        :param for_seconds: how long it will be silent now, such as while it is deferred; always written.
        :raises WiroRecordError: that can't be written.
        """
        if for_seconds is not None:
            lease = max(self._lease_seconds, for_seconds)
            self._change(lambda state: (state, None), lease_seconds=lease)
            return
        if self._now() - self._renewed_at < self._lease_seconds / 3:
            return
        self._renewed_at = self._now()  # the other threads need not write it as well
        try:
            self._change(lambda state: (state, None))
        except WiroOvertakenError:
            raise
        except WiroRecordError as error:
            log.warning("The export could not say that it is alive, and continues: %s", error)

    def verdict(self, task: Task, chunk: Chunk) -> Verdict:
        """
        Return whether a task of a chunk is exported.

        :param task: as Task/Detail shows it.
        """
        since = self._store.known().since
        return self._store.identity.filters.verdict(
            task,
            is_unclear=number_of(task.id) in chunk.unclear,
            since=None if since is None else datetime.fromtimestamp(since, UTC),
        )

    @property
    def known(self) -> ExportState:
        """The state of the export as it was last read or written."""
        return self._store.known()

    def end(
        self, write_manifest: Callable[[RunState], str | None], manifest_uri: str | None = None
    ) -> RunState:
        """
        End the run; what it has claimed is free again.

        :param write_manifest: writes the manifest of all parts of the run, in their order and without their
            dropped lines, and returns where it is; None if there is none. It is called again if the run has
            taken over further parts meanwhile. Another try of the task instance finds this manifest as its
            first part. The parts may be deleted when this method has returned, the other drafts as soon as
            the manifest is written.
        :param manifest_uri: where it will be.
        :return: the run as its manifest has it.
        :raises WiroUsageError: another run has its manifest where this one's would go.
        """
        for _ in range(_MOST_READINGS):
            written = self._change(
                lambda state: runs.with_draft(state, self._token, manifest_uri, self._now())
            )
            manifest = write_manifest(written)
            if self._store.update(partial(self._ended, written, manifest)):
                return written
        raise WiroRecordError("The run of this export was changed by others while it ended. A retry ends it.")

    def places(self) -> frozenset[str]:
        """
        Return where runs of the export that the state knows have, or will have, their manifests.

        :raises WiroRecordError: the state can't be read.
        """
        runs_now = self._store.load().runs.values()
        return frozenset(run.manifest for run in runs_now if run.manifest is not None)

    def _ended(self, written: RunState, manifest: str | None, state: ExportState) -> tuple[ExportState, bool]:
        if self._token not in state.runs:
            state = self._at_work(state, self._lease_seconds)
        return runs.with_end(state, self._token, written, manifest, self._now())

    def _limit(self, changes: Changes, since: datetime | None) -> float | None:
        """Return the time before which tasks are left out after a first reading; None: there is no limit."""
        if since is not None:
            return since.timestamp()
        # Of an empty list there is no position. Its tasks may only not be shown at the moment.
        return None if changes.position.high else self._now() - _DISORDER_SECONDS

    def _change(
        self,
        change: Callable[[ExportState], tuple[ExportState, T]],
        *,
        lease_seconds: float | None = None,
    ) -> T:
        lease = self._lease_seconds if lease_seconds is None else lease_seconds
        result = self._store.update(lambda state: change(self._at_work(state, lease)))
        self._renewed_at = self._now()
        return result

    def _at_work(self, state: ExportState, lease_seconds: float) -> ExportState:
        return runs.with_run(
            state,
            self._token,
            self._instance,
            self._now(),
            manifest=self._manifest,
            lease_seconds=lease_seconds,
        )
