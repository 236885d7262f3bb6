"""The record of a batch, its journal and its results, kept in step."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.batch.journal.interface import JournalFencedError
from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.exceptions import WiroRecordError

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from airflow_provider_wiro.batch.journal.group_commit import GroupCommit
    from airflow_provider_wiro.batch.results.shards import Result, ResultShards
    from airflow_provider_wiro.batch.settings import BatchSettings
    from airflow_provider_wiro.batch.state.batch_state import BatchState
    from airflow_provider_wiro.batch.state.entries import Entry
    from airflow_provider_wiro.batch.state.items import Attempt

#: Results are kept together: so many at most, so many bytes, or what has come in so many seconds. Those that
#: a crash takes along are read from Wiro again; the ids are safe.
PART_RESULTS = 100
PART_BYTES = 1024 * 1024
PART_SECONDS = 5.0
#: How often is asked whether another process has taken the journal over, so that an overtaken try doesn't
#: wait in vain. Before a Run that is sent late it is asked anyway.
CHECK_SECONDS = 5.0


@dataclass(frozen=True)
class _Ended:
    item: int
    result: Result
    may_retry: bool
    keeps_task: bool
    is_billed: bool


class BatchRecorder:
    """
    Notes what happens to items.

    :param executor: for what blocks; one thread, the journal's.
    """

    def __init__(
        self,
        job: BatchSettings,
        record: BatchState,
        journal: GroupCommit,
        parts: ResultShards,
        executor: Executor,
    ) -> None:
        self.record = record
        self._job = job
        self._journal = journal
        self._parts = parts
        self._executor = executor
        self._ended: list[_Ended] = []
        self._ended_bytes = 0
        self._keep_by: float | None = None
        self._keeping = asyncio.Lock()
        self._check_at = job.now() + CHECK_SECONDS

    @property
    def unkept(self) -> list[Result]:
        """Results that are not in the record yet."""
        return [ended.result for ended in self._ended]

    async def intend(self, item: int, attempt: Attempt) -> None:
        """
        Return when the intent to send a Run is durable.

        :raises WiroRecordError: it may not be kept, so nothing may be sent.
        """
        entry = entries.run_intended(item, attempt)
        await self._journal.write(entry)
        self.record.apply(entry)

    async def renew(self, item: int, attempt: Attempt) -> None:
        """
        Return when it is durable that a Run leaves only now, and thereby certain that it may.

        :raises OvertakenError: another process goes on with the batch; nothing may be sent.
        :raises WiroRecordError: it can't be kept, so nothing may be sent.
        """
        entry = entries.run_leaving(item, attempt)
        await self._journal.write(entry)
        self.record.apply(entry)

    async def started(self, item: int, wiro_task_id: str) -> None:
        """
        Note the task of a Run. It is running by now, so failing would lose more than it saves.

        :raises OvertakenError: another process goes on with the batch; it finds the task in Wiro's list.
        """
        self.note(entries.run_accepted(item, wiro_task_id, self._job.now()))
        try:
            await self._journal.write()
        except JournalFencedError:
            raise
        except WiroRecordError as error:
            self._job.log.warning("%s Wiro task %s is written down with the next entry.", error, wiro_task_id)

    def note(self, entry: Entry) -> None:
        """Note what needs not be durable before anything else happens."""
        self.record.apply(entry)
        self._journal.note(entry)

    async def end(
        self,
        item: int,
        result: Result,
        *,
        may_retry: bool = False,
        keeps_task: bool = False,
        is_billed: bool = False,
    ) -> None:
        """
        Note the result of an item that is over.

        :param may_retry: of a failed one that another try may help.
        :param keeps_task: of a failed one whose task the next try is to look at.
        :param is_billed: of a failed one whose run succeeded.
        :raises WiroRecordError: results may not be kept. The items count as running.
        """
        self._ended.append(_Ended(item, result, may_retry, keeps_task, is_billed))
        self._ended_bytes += len(json.dumps(result))
        if self._keep_by is None:
            self._keep_by = self._job.now() + PART_SECONDS
        if len(self._ended) >= PART_RESULTS or self._ended_bytes >= PART_BYTES:
            await self.keep()

    async def check_if_due(self) -> None:
        """
        Ask now and then whether the journal still is this process's, which a write would show as well.

        :raises OvertakenError: another process has taken it over.
        """
        if self._job.now() < self._check_at:
            return
        try:
            await self._journal.check()
        except JournalFencedError:
            raise
        except WiroRecordError as error:  # whose Runs would need it says so
            self._job.log.warning("%s", error)
        self._check_at = self._job.now() + CHECK_SECONDS

    async def is_overtaken(self, seconds: float) -> bool:
        """
        Whether another process has certainly taken the journal over.

        :param seconds: how long it may take to find out; what isn't known by then is no.
        """
        try:
            await asyncio.wait_for(self._journal.check(), seconds)
        except JournalFencedError:
            return True
        except (WiroRecordError, TimeoutError) as error:
            self._job.log.warning("It can't be told whether a later try goes on with this batch: %r", error)
        return False

    async def keep_if_due(self) -> None:
        """Keep the results that have waited long enough."""
        if self._keep_by is not None and self._job.now() >= self._keep_by:
            await self.keep()

    async def keep(self) -> None:
        """
        Make everything durable.

        :raises WiroRecordError: it may not be kept.
        """
        async with self._keeping:
            ended, self._ended = self._ended, []
            self._ended_bytes, self._keep_by = 0, None
            if ended:
                number = self._parts.take_number()
                results = [one.result for one in ended]
                await asyncio.get_running_loop().run_in_executor(
                    self._executor, self._parts.write, number, results
                )
                for row, one in enumerate(ended):
                    self.note(self._entry(one, (number, row)))
        await self._journal.write()

    def _entry(self, ended: _Ended, place: tuple[int, int]) -> Entry:
        result: dict[str, Any] = ended.result
        if result["status"] == "succeeded":
            files = result.get("files")
            size = None if files is None else sum(file["size"] for file in files)
            return entries.item_done(ended.item, place, cost=result["cost_usd"], size=size)
        return entries.item_failed(
            ended.item,
            place,
            self._job.try_number,
            may_retry=ended.may_retry,
            keeps_task=ended.keeps_task,
            is_billed=ended.is_billed,
            cost=result["cost_usd"] if ended.is_billed else None,
        )
