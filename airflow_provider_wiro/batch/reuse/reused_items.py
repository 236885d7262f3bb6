"""ReusedItems: settles the items that were made before, and knows where the cards of the others belong."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_wiro.batch.results.item_result import reused_result
from airflow_provider_wiro.batch.reuse.carried_items import unsent
from airflow_provider_wiro.exceptions import WiroError, WiroOutputRefusedError, WiroStorageRefusedError
from airflow_provider_wiro.landing.reused import ResultChangedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.run_summary import RunSummary
    from airflow_provider_wiro.batch.item_queue import ItemQueue
    from airflow_provider_wiro.batch.landing import ItemTransfer
    from airflow_provider_wiro.batch.reuse.batch_cards import BatchCards
    from airflow_provider_wiro.batch.run_sender import RunSender, StoppableHook
    from airflow_provider_wiro.reuse.card import ResultCard
    from airflow_provider_wiro.reuse.contents import RunInputs

Given = TypeVar("Given")
Made = TypeVar("Made")

#: How many items are looked up together.
CHUNK = 1000
#: How many of them a thread takes at a time.
_AT_A_TIME = 20
#: The fingerprints that are remembered until their runs end, of items whose inputs can change meanwhile.
_MOST_REMEMBERED = 100_000


class ReusedItems:
    """
    The items whose results were made before.

    :param cards: None: nothing is reused.
    :param transfer: lands outputs; None lands nothing.
    """

    def __init__(
        self,
        cards: BatchCards | None,
        queue: ItemQueue,
        hook: StoppableHook,
        sender: RunSender,
        transfer: ItemTransfer | None,
    ) -> None:
        self._cards = cards
        self._queue = queue
        self._hook = hook
        self._sender = sender
        self._transfer = transfer
        self._fingerprints: dict[int, str] = {}

    async def settle(self) -> None:
        """
        Record the results of items that were made before, of those of which nothing was ever sent.

        :raises TaskStoppedError: the batch was stopped.
        :raises JournalFencedError: another process continues the batch.
        """
        if self._cards is None:
            return
        waiting, count, reused = unsent(self._queue.state), 0, 0
        while not self._queue.is_closed and (items := list(islice(waiting, CHUNK))):
            self._hook.check()
            await self._queue.recorder.check_if_due()
            count += len(items)
            reused += await self._settle(self._cards, items)
        try:
            # Until its result is kept, an item is pending, and would be submitted.
            await self._queue.recorder.keep()
        except WiroError as error:
            self._queue.close(error)
        self._cards.sum_up()
        if count:
            self._queue.settings.log.info(
                "%s of %s items were made before: their results are reused.", f"{reused:,}", f"{count:,}"
            )

    async def _settle(self, cards: BatchCards, items: list[int]) -> int:
        """Look items up, and return how many were made before."""
        inputs = await self._inputs(cards, items)
        found = await self._in_threads(cards.threads, partial(self._card, cards), inputs)
        known = [(item, card) for item, card in found if card is not None]
        if not known:
            return 0
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(cards.threads, cards.look_at, [card for _, card in known])
        summaries = await self._in_threads(cards.threads, cards.summary, known)
        there = [(item, summary) for item, summary in summaries if summary is not None]
        files = await self._landed(there)
        reused = 0
        for item, summary in there:
            if item in files:
                await self._queue.end(item, reused_result(summary, files[item]))
                self._fingerprints.pop(item, None)
                reused += 1
        return reused

    async def _inputs(self, cards: BatchCards, items: list[int]) -> list[tuple[int, tuple[int, RunInputs]]]:
        """Return the inputs of items. One that can't be sent fails when it is its turn."""
        inputs = []
        for item in items:
            try:
                spec = self._queue.inputs[item]
                self._queue.inputs.check_trust(item)
                files = await self._sender.files_of(spec)
                inputs.append((item, (item, cards.inputs(spec.parameters, files))))
            except WiroError:
                continue
        return inputs

    def _card(self, cards: BatchCards, found: tuple[int, RunInputs]) -> ResultCard | None:
        item, inputs = found
        fingerprint = cards.fingerprint(inputs)
        if fingerprint is None:
            return None
        if not inputs.are_fixed and len(self._fingerprints) < _MOST_REMEMBERED:
            self._fingerprints[item] = fingerprint
        return cards.card(fingerprint)

    async def _landed(self, there: list[tuple[int, RunSummary]]) -> dict[int, list[dict[str, Any]] | None]:
        """Return what is landed of each item that could be; None where nothing is to land."""
        transfer = self._transfer
        if transfer is None:
            return dict.fromkeys((item for item, _ in there))
        jobs = [(item, (item, self._queue.inputs.id_of(item), summary)) for item, summary in there]
        landed = await self._in_threads(transfer.threads, partial(_place, transfer), jobs)
        files: dict[int, list[dict[str, Any]] | None] = {}
        for item, result in landed:
            if not isinstance(result, WiroError):
                files[item] = result
                continue
            is_refused = isinstance(result, WiroOutputRefusedError | WiroStorageRefusedError)
            if is_refused and not isinstance(result, ResultChangedError):
                # Its own run would have to land there, too, and be paid for by then.
                await self._queue.fail(item, result, is_final=True)
            else:
                self._queue.settings.log.warning(
                    "%s was made before, and is run again: %s", self._queue.inputs.name(item), result
                )
        return files

    async def _in_threads(
        self, executor: Executor, work: Callable[[Given], Made], jobs: list[tuple[int, Given]]
    ) -> list[tuple[int, Made]]:
        """
        Return what ``work`` makes of each job, beside its item.

        :raises TaskStoppedError: the batch was stopped.
        """
        loop = asyncio.get_running_loop()

        def do(some: list[tuple[int, Given]]) -> list[tuple[int, Made]]:
            made = []
            for item, given in some:
                self._hook.check()
                made.append((item, work(given)))
            return made

        parts = [jobs[start : start + _AT_A_TIME] for start in range(0, len(jobs), _AT_A_TIME)]
        made = await asyncio.gather(*(loop.run_in_executor(executor, do, part) for part in parts))
        return [one for part in made for one in part]

    async def fingerprint(self, item: int) -> str | None:
        """Return the fingerprint of an item's inputs as they were sent, None if that isn't known."""
        if self._cards is None:
            return None
        known = self._fingerprints.pop(item, None)
        if known is not None:
            return known
        try:
            spec = self._queue.inputs[item]
            inputs = self._cards.inputs(spec.parameters, await self._sender.files_of(spec))
        except WiroError:  # a file is gone by now
            return None
        if not inputs.are_fixed:
            return None
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._cards.threads, self._cards.fingerprint, inputs)

    async def keep_text(self, fingerprint: str | None, task: Task) -> None:
        """Keep the card of an item whose answer is text alone, and needn't land."""
        if self._cards is not None and fingerprint is not None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._cards.threads, self._cards.keep_text, fingerprint, task)


def _place(
    transfer: ItemTransfer, job: tuple[int, str | None, RunSummary]
) -> list[dict[str, Any]] | WiroError:
    item, item_id, summary = job
    try:
        return transfer.place(item, summary, item_id=item_id)
    except WiroError as error:
        return error
