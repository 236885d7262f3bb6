"""How far a batch is, as its XCom and its log say it; while it is deferred, the trigger says it."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from airflow_provider_wiro.redaction.loggers import Log

#: The XCom of a batch that says how far it is.
PROGRESS_KEY = "progress"
#: It is written, and logged by a trigger, at most this often.
SECONDS_BETWEEN = 60.0
#: How long an event is held back for an XCom that is being written: it must not overwrite the worker's.
_WRITE_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class ProgressCounts:
    """
    How many of a batch's items are how far; the sum of all but ``total`` is ``total``.

    :ivar done: succeeded, and landed if outputs land.
    :ivar failed: for good.
    :ivar running: their Wiro task runs, or waits in Wiro's queue.
    :ivar ended: their Wiro task has ended, and what it brought is not read or landed yet.
    :ivar queued: not submitted yet, or to be submitted again; after the end: not run.
    """

    total: int
    done: int
    failed: int
    running: int
    ended: int
    queued: int

    @classmethod
    def at_the_end(cls, total: int, done: int, failed: int) -> Self:
        """Return the counts of a batch of which nothing runs any more."""
        return cls(total, done, failed, 0, 0, total - done - failed)

    def to_json(self) -> dict[str, int]:
        """Return them as a trigger stores them."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_json` returned; what is missing is 0."""
        return cls(**{field.name: int(stored.get(field.name) or 0) for field in fields(cls)})

    def at(self, unix_time: float) -> dict[str, Any]:
        """Return the XCom's value: the counts, and when they were counted, in UTC."""
        moment = datetime.fromtimestamp(unix_time, tz=UTC)
        return {**asdict(self), "at": moment.isoformat(timespec="seconds")}

    def with_ended(self, ended: int) -> Self:
        """Return the counts after some of the runs have ended."""
        ended = min(ended, self.running)
        return type(self)(
            self.total, self.done, self.failed, self.running - ended, self.ended + ended, self.queued
        )

    def stopped(self) -> Self:
        """Return the counts once nothing runs any more, and nothing will be run or read."""
        return type(self)(self.total, self.done, self.failed, 0, 0, self.queued + self.running + self.ended)

    def __str__(self) -> str:
        facts = [f"{self.done:,} of {self.total:,} done", f"{self.failed:,} failed"]
        facts.append(f"{self.running:,} running")
        if self.ended:
            facts.append(f"{self.ended:,} ended and soon read")
        return ", ".join([*facts, f"{self.queued:,} queued"]) + "."


class DeferredProgress:
    """
    Says once a minute how far a deferred batch is: in its log each time, in its XCom if that has changed.

    :param before: the counts when it was deferred.
    :param ended: returns how many runs have ended since.
    :param write: writes the XCom; None: it can't be written here.
    :param now: returns the Unix time.
    """

    def __init__(
        self,
        before: ProgressCounts,
        ended: Callable[[], int],
        write: Callable[[dict[str, Any]], Awaitable[None]] | None,
        now: Callable[[], float],
        log: Log,
    ) -> None:
        self._before = self._written = before
        self._ended = ended
        self._write = write
        self._now = now
        self._log = log
        self._reporting: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None

    @property
    def counts(self) -> ProgressCounts:
        """The counts by now."""
        return self._before.with_ended(self._ended())

    def begin(self) -> None:
        """Report from now on, in an asyncio task of its own."""
        self._reporting = asyncio.create_task(self._report())

    def stop(self) -> None:
        """Report nothing more."""
        if self._reporting is not None:
            self._reporting.cancel()

    async def settle(self) -> None:
        """Return when no XCom is being written any more that could overwrite a later one."""
        if self._writing is not None and not self._writing.done():
            await asyncio.wait([self._writing], timeout=_WRITE_PATIENCE_SECONDS)

    async def write(self, counts: ProgressCounts) -> None:
        """Write the XCom. What can't be written is logged: the runs matter more."""
        if self._write is None:
            return
        try:
            await self._write(counts.at(self._now()))
            self._written = counts
        except Exception as error:
            self._write = None
            self._log.warning("How far the batch is can't be written as an XCom from here: %r", error)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(SECONDS_BETWEEN)
            counts = self.counts
            self._log.info("%s", counts)
            if counts != self._written:
                # In a task of its own: the thread that writes isn't stopped by a cancellation.
                self._writing = asyncio.create_task(self.write(counts))
                await asyncio.shield(self._writing)
