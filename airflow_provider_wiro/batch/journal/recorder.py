"""Records what happens to items: in the state, in the journal, and in the results, kept in step."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.batch.journal.interface import JournalFencedError
from airflow_provider_wiro.batch.results.item_result import REUSED
from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.exceptions import WiroRecordError

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from concurrent.futures import Executor

    from airflow_provider_wiro.batch.journal.group_commit import GroupCommit
    from airflow_provider_wiro.batch.results.item_result import Result
    from airflow_provider_wiro.batch.results.shards import ResultShards
    from airflow_provider_wiro.batch.settings import BatchSettings
    from airflow_provider_wiro.batch.state.batch_state import BatchState
    from airflow_provider_wiro.batch.state.entries import Entry
    from airflow_provider_wiro.batch.state.items import Attempt

#: A shard is written when it has this many results or bytes, or after this many seconds. Results that a crash
#: loses are read from Wiro again; the ids are in the journal.
PART_RESULTS = 100
PART_BYTES = 1024 * 1024
PART_SECONDS = 5.0
#: How often to check whether this process still owns the journal, so that a fenced try doesn't wait in vain.
#: Before a Run that is sent late it is checked anyway.
CHECK_SECONDS = 5.0


@dataclass(frozen=True)
class _Ended:
    item: int
    result: Result
    may_retry: bool
    keeps_task: bool
    is_billed: bool
    deletes: bool | None = None


class BatchRecorder:
    """
    Records what happens to items.

    :param executor: one thread, the journal's, for calls that block.
    :ivar deletable: items whose results are durable, and whose files are still to be deleted from Wiro.
    """

    def __init__(
        self,
        settings: BatchSettings,
        state: BatchState,
        journal: GroupCommit,
        shards: ResultShards,
        executor: Executor,
    ) -> None:
        self.state = state
        self._settings = settings
        self._journal = journal
        self._shards = shards
        self._executor = executor
        self._ended: list[_Ended] = []
        self._being_kept: list[_Ended] = []
        self._unkept_items: set[int] = set()
        self._ended_bytes = 0
        self._keep_by: float | None = None
        self._keeping = asyncio.Lock()
        self._check_at = settings.now() + CHECK_SECONDS
        self.deletable = set(state.deletions.pending)
        self._noted_deletions: set[int] = set()

    @property
    def unkept(self) -> list[Result]:
        """Results that are not in the state yet."""
        return [ended.result for ended in (*self._being_kept, *self._ended)]

    @property
    def unkept_items(self) -> AbstractSet[int]:
        """Their items. They are over, though the state still shows them as before."""
        return self._unkept_items

    async def intend(self, item: int, attempt: Attempt) -> None:
        """
        Return when the intent to send a Run is durable.

        :raises WiroRecordError: it may not be kept, so nothing may be sent.
        """
        entry = entries.run_intended(item, attempt)
        await self._journal.write(entry)
        self.state.apply(entry)

    async def renew(self, item: int, attempt: Attempt) -> None:
        """
        Return when it is durable that a Run is sent only now, by which this process still owns the journal.

        :raises JournalFencedError: another process continues the batch; nothing may be sent.
        :raises WiroRecordError: it can't be kept, so nothing may be sent.
        """
        entry = entries.run_leaving(item, attempt)
        await self._journal.write(entry)
        self.state.apply(entry)

    async def started(self, item: int, wiro_task_id: str) -> None:
        """
        Record the task of a Run. It is running by now, so failing would lose more than it saves.

        :raises JournalFencedError: another process continues the batch; it finds the task in Wiro's list.
        """
        self.note(entries.run_accepted(item, wiro_task_id, self._settings.now()))
        try:
            await self._journal.write()
        except JournalFencedError:
            raise
        except WiroRecordError as error:
            self._settings.log.warning(
                "%s Wiro task %s is recorded with the next entry.", error, wiro_task_id
            )

    def note(self, entry: Entry) -> None:
        """Record what needn't be durable before anything else happens."""
        self.state.apply(entry)
        self._journal.note(entry)

    async def end(
        self,
        item: int,
        result: Result,
        *,
        may_retry: bool = False,
        keeps_task: bool = False,
        is_billed: bool = False,
        deletes: bool | None = None,
    ) -> None:
        """
        Record the result of an item that is over.

        :param may_retry: it failed, and another try may help.
        :param keeps_task: it failed, and the next try continues with its task.
        :param is_billed: it failed although its run succeeded.
        :param deletes: whether Wiro's copies of its files are to be deleted; None: nobody wants that.
        :raises WiroRecordError: results may not be kept. Their items count as running.
        """
        self._add(_Ended(item, result, may_retry, keeps_task, is_billed, deletes))
        if len(self._ended) >= PART_RESULTS or self._ended_bytes >= PART_BYTES:
            await self.keep()

    def give_up(self, item: int, result: Result) -> None:
        """Record the result of an item whose runs have failed, and that is not run again."""
        self._add(_Ended(item, result, may_retry=False, keeps_task=False, is_billed=False))

    def _add(self, ended: _Ended) -> None:
        self._ended.append(ended)
        self._unkept_items.add(ended.item)
        self._ended_bytes += len(json.dumps(ended.result))
        if self._keep_by is None:
            self._keep_by = self._settings.now() + PART_SECONDS

    async def check_if_due(self) -> None:
        """
        Check from time to time whether this process still owns the journal, as each write does.

        :raises JournalFencedError: another process owns it.
        """
        if self._settings.now() < self._check_at:
            return
        try:
            await self._journal.check()
        except JournalFencedError:
            raise
        except WiroRecordError as error:  # a write that needs it reports that
            self._settings.log.warning("%s", error)
        self._check_at = self._settings.now() + CHECK_SECONDS

    async def is_fenced(self, seconds: float) -> bool:
        """
        Whether another process certainly owns the journal.

        :param seconds: how long the check may take; False if it isn't known by then.
        """
        try:
            await asyncio.wait_for(self._journal.check(), seconds)
        except JournalFencedError:
            return True
        except (WiroRecordError, TimeoutError) as error:
            self._settings.log.warning("It isn't known whether a later try continues this batch: %r", error)
        return False

    async def keep_if_due(self) -> None:
        """Write the results that have waited long enough."""
        if self._keep_by is not None and self._settings.now() >= self._keep_by:
            await self.keep()

    async def keep(self) -> None:
        """
        Make everything that was recorded durable.

        :raises WiroRecordError: it may not be kept.
        """
        async with self._keeping:
            ended, self._ended = self._ended, []
            self._ended_bytes, self._keep_by = 0, None
            if ended:
                await self._keep_results(ended)
            self._noted_deletions.update(one.item for one in ended if one.deletes)
            noted = set(self._noted_deletions)
        await self._journal.write()
        self.deletable |= noted
        self._noted_deletions -= noted

    async def _keep_results(self, ended: list[_Ended]) -> None:
        number = self._shards.take_number()
        results = [one.result for one in ended]
        self._being_kept = ended
        try:
            await asyncio.get_running_loop().run_in_executor(
                self._executor, self._shards.write, number, results
            )
            for row, one in enumerate(ended):
                self.note(self._entry(one, (number, row)))
        finally:
            self._being_kept = []
            self._unkept_items.difference_update(one.item for one in ended)

    def _entry(self, ended: _Ended, place: tuple[int, int]) -> Entry:
        result: dict[str, Any] = ended.result
        if result["status"] in {"succeeded", REUSED}:
            files = result.get("files")
            size = None if files is None else sum(file["size"] for file in files)
            is_reused = result["status"] == REUSED
            return entries.item_done(
                ended.item,
                place,
                cost=result["cost_usd"],
                size=size,
                is_reused=is_reused,
                deletes=ended.deletes,
            )
        return entries.item_failed(
            ended.item,
            place,
            self._settings.try_number,
            may_retry=ended.may_retry,
            keeps_task=ended.keeps_task,
            is_billed=ended.is_billed,
            cost=result["cost_usd"] if ended.is_billed else None,
        )
