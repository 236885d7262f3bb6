"""ProjectExport: one process's part of a run of the export: look, land, commit, delete, report."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_wiro.exceptions import WiroOutputUnavailableError, WiroUsageError
from airflow_provider_wiro.export.landing.doubts import Doubts
from airflow_provider_wiro.export.summary import export_summary
from airflow_provider_wiro.failures import explain
from airflow_provider_wiro.redaction.loggers import plain_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from airflow_provider_wiro.export.deletion import FileDeletion
    from airflow_provider_wiro.export.export_run import ExportRun
    from airflow_provider_wiro.export.landing.chunk_landing import ChunkLanding, LandedChunk
    from airflow_provider_wiro.export.landing.landed_task import LandedTask
    from airflow_provider_wiro.export.manifest import ExportManifest
    from airflow_provider_wiro.export.runs import Chunk
    from airflow_provider_wiro.export.state import RunState
    from airflow_provider_wiro.export.summary import ExportSummary
    from airflow_provider_wiro.hooks.wiro import WiroHook

log = plain_logger(__name__)

#: How many tasks are claimed and committed together.
CHUNK = 50
#: A file that Wiro or the CDN doesn't show yet is tried again after this time, and then for the last time.
LATE_FILES_SECONDS = 60.0
#: How long a task may take to resume after its deferral.
_RESUMING_SECONDS = 15 * 60.0
#: How many tasks the log and an error name.
_MOST_NAMED = 5


@dataclass(frozen=True)
class Parts:
    """
    What an export is made of.

    :ivar run: says what there is to land, and keeps what became of it.
    :ivar landing: lands it.
    :ivar manifest: lists it.
    :ivar deletion: deletes Wiro's copies.
    """

    run: ExportRun
    landing: ChunkLanding
    manifest: ExportManifest
    deletion: FileDeletion


def _nothing() -> None:
    pass


def _ignore(_: Mapping[str, Any]) -> None:
    pass


class ProjectExport:
    """
    The export, from its beginning or after a deferral.

    :param since: where the export begins, if this is its first run.
    :param max_tasks: how many tasks this run lands; None: all that have ended.
    :param check: raises what is to end the export.
    """

    def __init__(
        self,
        parts: Parts,
        hook: WiroHook,
        *,
        since: datetime | None,
        max_tasks: int | None,
        check: Callable[[], None],
        pause: Callable[[float], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run, self._landing = parts.run, parts.landing
        self._manifest, self._deletion = parts.manifest, parts.deletion
        self._hook = hook
        self._since = since
        self._max_tasks = max_tasks
        self._check = check
        self._pause = pause
        self._now = now
        self._done = 0
        self._to_delete: frozenset[int] = frozenset()
        self._is_out = False
        #: What could not be landed, and since when files are missing, by task.
        self._later: dict[int, LandedTask] = {}
        self._doubts = Doubts()
        self._missing_since: dict[int, float] = {}

    def begin(self) -> None:
        """Take over what earlier tries, and runs that have died, have left."""
        begun = self._run.begin()
        self._done = begun.tally.done
        self._to_delete = begun.to_delete
        if begun.parts:
            log.info("Continuing: %d tasks are landed and committed already.", self._done)

    def land(self) -> None:
        """
        Land all that has ended by now.

        :raises WiroError: Wiro can't be asked, or nothing can be landed at all. What was landed is committed.
        """
        self._deletion.delete(self._to_delete)
        look = self._run.look(self._hook.run_flow, since=self._since, check=self._check)
        log.info("%s Wiro tasks have ended and are to be landed; %s have not ended.", look.pending, look.open)
        if look.unwanted:
            log.info("%s new tasks of other projects or models are left out.", look.unwanted)
        for number in look.vanished[:_MOST_NAMED]:
            log.warning(
                "Wiro has not known task %d for a day: it has vanished, and is not waited for.", number
            )
        if look.without_number:
            log.warning("%d tasks were left out: their ids are no numbers.", look.without_number)
        if look.failure is not None:
            log.warning("Not all unfinished tasks could be asked for; the next run does. %s", look.failure)
        self._land_chunks()
        if (self._missing_since or self._doubts.are_over) and not self._is_out:
            self._try_again()

    @property
    def open_tasks(self) -> frozenset[int]:
        """The wanted tasks that have not ended, as far as Wiro knows them."""
        return frozenset(
            number for number, unknown_since in self._run.known.open.items() if unknown_since is None
        )

    def pause_until(self, deadline: float) -> None:
        """
        Prepare for a deferral: meanwhile, no other run takes this one's place.

        :param deadline: Unix time.
        """
        deleted = self._deletion.take_done()
        if deleted:
            self._run.commit({}, deleted=deleted)
        self._run.renew(for_seconds=deadline - time.time() + _RESUMING_SECONDS)

    def finish(
        self, begin: Callable[[], None] = _nothing, take: Callable[[Mapping[str, Any]], None] = _ignore
    ) -> ExportSummary:
        """
        Write the manifest, end the run, and return the result. Then call :meth:`raise_problems`.

        :param begin: called when the manifest is begun, which may be more than once.
        :param take: is given each of its lines.
        """
        deleted = self._deletion.take_done()
        if deleted:
            self._run.commit({}, deleted=deleted)
        places: list[str | None] = []

        def write(run: RunState) -> str | None:
            begin()
            places.append(self._manifest.write(run.parts, self._check, take))
            self._manifest.delete_drafts(run, self._run.places)
            return places[-1]

        written = self._run.end(write, self._manifest.uri)
        self._manifest.delete(written.parts, self._run.places)
        summary = export_summary(written.tally, self._run.known, places[-1])
        log.info(
            "Landed %d tasks: %d objects, %s bytes, %s USD known. %d dead links, %d refused, %d not ended, "
            "%d left for the next run.",
            *(summary[name] for name in ("tasks", "files", "total_bytes", "known_cost_usd")),
            *(summary[name] for name in ("dead_links", "refused", "open", "pending")),
        )
        return summary

    def stop(self) -> None:
        """Let everything end at once. For a signal handler; what is committed stays so."""
        self._landing.stop()
        self._deletion.stop()

    @property
    def _room(self) -> int:
        """How many tasks may be claimed next."""
        return CHUNK if self._max_tasks is None else max(0, min(CHUNK, self._max_tasks - self._done))

    def _land_chunks(self, last_tries: frozenset[int] = frozenset()) -> None:
        chunk = self._run.take(self._room)
        while chunk.ids:
            self._check()
            found = self._landing.land(chunk, last_tries)
            chunk = self._commit(chunk, found)

    def _commit(self, chunk: Chunk, found: LandedChunk) -> Chunk:
        """Commit what became of a chunk, and return the next one, without ids if there is none."""
        self._is_out = found.failure is not None or len(found.tasks) < len(chunk.ids)
        tasks = self._doubts.judged(sorted(found.tasks, key=lambda task: task.number), chunk.tries)
        self._note(tasks)
        part = self._manifest.write_part(task.line for task in tasks if task.line is not None)
        outcomes = {task.number: task.outcome for task in tasks}
        self._done += sum(task.line is not None for task in tasks)
        committed = self._run.commit(
            outcomes, part, take=0 if self._is_out else self._room, deleted=self._deletion.take_done()
        )
        if committed.dropped:
            log.info("%d of these tasks were landed by another run at once.", len(committed.dropped))
        if found.failure is not None:
            raise found.failure
        self._deletion.delete(committed.to_delete)
        return type(chunk)() if self._is_out else committed.chunk

    def _note(self, tasks: list[LandedTask]) -> None:
        """Log what went wrong, and remember what may be tried again."""
        for task in tasks:
            self._later.pop(task.number, None)
            if not task.is_final and task.error is not None:
                self._later[task.number] = task
            if task.is_missing:
                self._missing_since.setdefault(task.number, self._now())
            else:
                self._missing_since.pop(task.number, None)
            if task.is_final and task.error is not None:
                log.warning("Wiro task %d is not landed, and not tried again: %s", task.number, task.error)

    def _try_again(self) -> None:
        """Try once more what could not be landed, when files that were missing had the time to come."""
        missing = frozenset(self._missing_since)
        doubted = frozenset(self._doubts.doubted) if self._doubts.are_over else frozenset()
        self._run.renew()
        since = max(self._missing_since.values(), default=self._now() - LATE_FILES_SECONDS)
        seconds = max(0.0, since + LATE_FILES_SECONDS - self._now())
        count = len(missing | doubted)
        log.info("Files of %d tasks are not there yet. Trying again in %.0f s.", count, seconds)
        if seconds > 0:
            self._pause(seconds)
        self._run.try_again()
        self._land_chunks(last_tries=missing | doubted)

    def raise_problems(self) -> None:
        """
        Raise the error for what could not be landed, or deleted. All others are landed, and reported.

        :raises WiroUsageError: some can't be landed before something is changed.
        :raises WiroError: some could not be landed, or deleted, now.
        """
        may_pass = [task for task in self._later.values() if not task.needs_change]
        if may_pass or self._is_out:
            raise WiroOutputUnavailableError(self._sentence(may_pass))
        if self._later:
            raise WiroUsageError(self._sentence(list(self._later.values())))
        failures = self._deletion.failures
        for number, error in failures.items():
            kind, then = (
                (AirflowException, "The next run tries to delete them again.")
                if error.may_retry
                else (AirflowFailException, "Then the next run deletes them.")
            )
            raise kind(
                f"All outputs are safe in S3, but the files of {len(failures)} tasks could not be deleted "
                f"from Wiro, such as those of task {number}: {explain(error, then)}"
            ) from error

    def _sentence(self, tasks: list[LandedTask]) -> str:
        named = "; ".join(f"task {task.number}: {task.error}" for task in tasks[:_MOST_NAMED])
        more = f"; and {len(tasks) - _MOST_NAMED} more" if len(tasks) > _MOST_NAMED else ""
        return (
            f"{len(tasks)} Wiro tasks could not be landed and are left for the next run ({named}{more}). "
            "All others are."
        )
