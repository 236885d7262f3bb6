"""What a batch logs: how far it is, and the first failures and warnings of its items."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_wiro.batch.inputs.shown_input import with_input
from airflow_provider_wiro.batch.state.items import ItemState
from airflow_provider_wiro.triggers.batch_progress import ProgressCounts

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.batch.inputs.items import Inputs
    from airflow_provider_wiro.batch.journal.recorder import BatchRecorder
    from airflow_provider_wiro.redaction.loggers import Log

SECONDS_BETWEEN = 10.0
#: Of the time that the batch has taken: a batch of hours needs no line every ten seconds.
_SHARE_OF_TIME_BETWEEN = 0.1
SHARE_BETWEEN = 0.1
#: How many failures, items that are tried again, and warnings are logged one by one.
LOGGED_OF_A_KIND = 20
_MINUTE = 60
_HOUR = 60 * _MINUTE


class RunTimes:
    """How long runs take by Wiro's own times, which a worker's death or a deferral doesn't change."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._count = 0

    def note(self, task: Task) -> None:
        """Add a task that has ended."""
        begin, end = task.created_at or task.started_at, task.ended_at
        seconds = (end - begin).total_seconds() if begin and end else task.elapsed_seconds
        if seconds is not None and seconds >= 0:
            self._seconds += seconds
            self._count += 1

    def left_seconds(self, *, pending: int, running: int) -> float | None:
        """
        Estimate how many seconds the rest takes if as many run at once as now; None if nothing is known.

        Tasks that run are half done, on average.
        """
        if not self._count or not running:
            return None
        mean = self._seconds / self._count
        return mean * max((pending + running / 2) / running, 0.5)


def counts_of(recorder: BatchRecorder, active: Collection[int]) -> ProgressCounts:
    """
    Count how many items are how far.

    :param active: those whose task may be running.
    """
    state, unkept = recorder.state, recorder.unkept
    unkept_failed = sum(result["status"] == "failed" for result in unkept)
    done = state.count(ItemState.DONE) + len(unkept) - unkept_failed
    failed = state.count(ItemState.FAILED) + unkept_failed
    unkept_items = recorder.unkept_items
    ended = sum(item not in active and item not in unkept_items for item in state.attempts)
    queued = state.total - done - failed - len(active) - ended
    return ProgressCounts(state.total, done, failed, len(active), ended, queued)


class Progress:
    """
    Logs how far a batch is: each tenth of it at once, the rest from time to time, nothing twice.

    :param now: Unix time at which this part of the batch starts.
    :param in_waves: the batch defers, and logs how far it is each time; so no tenths.
    """

    def __init__(
        self, recorder: BatchRecorder, log: Log, now: float, run_times: RunTimes, *, in_waves: bool = False
    ) -> None:
        self._in_waves = in_waves
        self._recorder = recorder
        self._log = log
        self._run_times = run_times
        self._began_at = self._logged_at = now
        self._logged_over = self._over()
        self._logged = ""

    def log(self, now: float, *, running: int, is_last: bool = False) -> None:
        """Log how far the batch is, if it is time to."""
        new = self._over() - self._logged_over
        is_tenth = not self._in_waves and new >= SHARE_BETWEEN * self._recorder.state.total
        pause = max(SECONDS_BETWEEN, _SHARE_OF_TIME_BETWEEN * (now - self._began_at))
        if not (is_last or is_tenth or now >= self._logged_at + pause):
            return
        line = self.line(running=running)
        if line != self._logged:
            self._log.info("%s", line)
            self._logged_at, self._logged_over, self._logged = now, self._over(), line

    def line(self, *, running: int) -> str:
        """Return how far the batch is, as a sentence."""
        state, unkept = self._recorder.state, self._recorder.unkept
        unkept_failed = sum(result["status"] == "failed" for result in unkept)
        done = state.count(ItemState.DONE) + len(unkept) - unkept_failed
        failed = state.count(ItemState.FAILED) + unkept_failed
        facts = [f"{done:,} of {state.total:,} done", f"{failed:,} failed", f"{running:,} running"]
        costs = [result["cost_usd"] for result in unkept if result["status"] == "succeeded"]
        known = Decimal(state.costs.known_usd) + sum(Decimal(cost) for cost in costs if cost is not None)
        unknown = state.costs.unknown + costs.count(None)
        not_known = f" (that of {unknown:,} not known yet)" if unknown else ""
        facts.append(f"{known.normalize():f} USD so far{not_known}")
        left = self._run_times.left_seconds(pending=state.total - done - failed - running, running=running)
        if left is not None:
            facts.append(f"about {_duration(left)} left")
        return ", ".join(facts) + "."

    def _over(self) -> int:
        state = self._recorder.state
        return state.count(ItemState.DONE) + state.count(ItemState.FAILED) + len(self._recorder.unkept)


def _duration(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{max(1, round(seconds))} s"
    if seconds < _HOUR:
        return f"{round(seconds / _MINUTE)} min"
    return f"{seconds / _HOUR:.1f} h"


class ItemLog:
    """
    Logs what happens to items: the first of each kind, since the manifest has all of them.

    A batch that was deferred continues to count where it was.
    """

    def __init__(self, log: Log, inputs: Inputs, recorder: BatchRecorder) -> None:
        self._log = log
        self._inputs = inputs
        self._recorder = recorder
        state = recorder.state
        self._again = sum(state.failures(item) > 0 for item in range(state.total))
        self._warned = 0

    def failed(self, item: int, error: Exception) -> None:
        """Log that an item failed permanently in this try; call it before the recorder knows."""
        unkept = sum(result["status"] == "failed" for result in self._recorder.unkept)
        before = self._recorder.state.count(ItemState.FAILED) + unkept
        self._write(before, "%s failed: %s", item, error, kind="failures, all of which the manifest has,")

    def is_run_again(self, item: int, error: Exception) -> None:
        """Log that an item failed and is run, followed or landed again."""
        self._again += 1
        self._write(self._again - 1, "%s failed and is tried again: %s", item, error, kind="of these")

    def warn(self, item: int, warning: str) -> None:
        """Log a warning about an item that has succeeded."""
        self._warned += 1
        self._write(self._warned - 1, "%s: %s", item, warning, kind="warnings")

    def _write(self, before: int, message: str, item: int, said: object, *, kind: str) -> None:
        if before < LOGGED_OF_A_KIND:
            self._log.warning(message, self._inputs.name(item), with_input(said, self._inputs.shown(item)))
        elif before == LOGGED_OF_A_KIND:
            self._log.warning("Further %s are not logged one by one.", kind)
