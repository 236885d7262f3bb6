"""CarriedItems: the items that an earlier batch has made, by its manifest, and that this one takes over."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wiro.batch.results.earlier_manifest import EarlierManifest, Made
from airflow_provider_wiro.batch.results.item_result import without_links
from airflow_provider_wiro.batch.reuse.few_lines import FewLines
from airflow_provider_wiro.batch.state.items import ItemState
from airflow_provider_wiro.downloads.checks import NoFileError
from airflow_provider_wiro.exceptions import WiroError, WiroTaskError, WiroTaskNotFoundError, WiroUsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from airflow_provider_wiro.batch.inputs.items import Inputs
    from airflow_provider_wiro.batch.item_queue import ItemQueue
    from airflow_provider_wiro.batch.landing import ItemTransfer
    from airflow_provider_wiro.batch.results.item_result import Result
    from airflow_provider_wiro.batch.run_sender import StoppableHook
    from airflow_provider_wiro.batch.settings import BatchSettings
    from airflow_provider_wiro.batch.state.batch_state import BatchState

#: How many items are recorded between two checks whether the batch was stopped.
_ITEMS_BETWEEN_CHECKS = 100
_MOST_NAMED = 5
#: Why a run that succeeded is no use any more.
_GONE = (WiroTaskNotFoundError, WiroTaskError, NoFileError)


class CarriedItems:
    """
    Items that were made before. Found in the main thread, where Airflow may be asked; use it in a ``with``.

    :param items: the numbers of those that may be among them.
    :param lands: outputs of this batch land.
    :ivar is_settled: their results are recorded.
    :raises WiroUsageError: it isn't certain which item is which, or outputs have not landed.
    """

    def __init__(
        self,
        earlier: EarlierManifest | None,
        inputs: Inputs,
        settings: BatchSettings,
        items: Iterable[int],
        *,
        lands: bool,
    ) -> None:
        self._earlier = earlier
        self._settings = settings
        self.is_settled = False
        try:
            self._made = Made() if earlier is None else earlier.match(inputs, items, lands=lands)
        except BaseException:
            self.__exit__()
            raise
        self._are_made = bytearray(len(inputs))
        for item in self._made.items:
            self._are_made[item] = True
        if earlier is not None:
            count = len(self._made.items)
            settings.log.info("%s items succeeded in %s: they are not run again.", f"{count:,}", earlier.uri)
            if len(earlier) < len(inputs):
                settings.log.warning(
                    "%s has %s lines, and inputs has %s items. An item that it doesn't have is run.",
                    earlier.uri,
                    f"{len(earlier):,}",
                    f"{len(inputs):,}",
                )
        if changed := self._made.changed:
            settings.log.warning(
                "%s of these have another input now (%s), and keep their earlier results. To run them, "
                "leave out retry_failed_only.",
                f"{len(changed):,}",
                ", ".join(map(inputs.name, changed[:_MOST_NAMED])),
            )

    @classmethod
    def find(
        cls, settings: BatchSettings, inputs: Inputs, state: BatchState, manifest: str, *, lands: bool
    ) -> Self:
        """
        Return those of the items of which nothing was ever sent.

        :param manifest: of this batch.
        :raises WiroError: the earlier manifest can't be read, or doesn't fit the inputs.
        """
        return cls(open_earlier(settings, manifest), inputs, settings, unsent(state), lands=lands)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._earlier is not None:
            self._earlier.close()

    def __contains__(self, item: int) -> bool:
        return bool(self._are_made[item])

    async def settle(
        self, queue: ItemQueue, hook: StoppableHook, transfer: ItemTransfer | None = None
    ) -> None:
        """
        Record their results, and land what the earlier batch has paid for and not landed.

        :param transfer: lands outputs; None lands nothing.
        :raises TaskStoppedError: the batch was stopped.
        :raises JournalFencedError: another process continues the batch.
        """
        if self._earlier is None or not (self._made.items or self._made.unlanded):
            self.is_settled = True
            return
        for count, (item, result) in enumerate(self._earlier.results(self._made)):
            if queue.fatal is not None:
                return
            if count % _ITEMS_BETWEEN_CHECKS == 0:
                hook.check()
                await queue.recorder.check_if_due()
            await queue.end(item, self._shown(result))
        if transfer is not None:
            await self._land(self._earlier, queue, hook, transfer)
        try:
            # Until its result is kept, an item is pending, and would be submitted.
            await queue.recorder.keep()
        except WiroError as error:
            queue.close(error)
        self.is_settled = queue.fatal is None

    def _shown(self, result: Result) -> Result:
        return result if self._settings.include_links else without_links(result)

    async def _land(
        self, earlier: EarlierManifest, queue: ItemQueue, hook: StoppableHook, transfer: ItemTransfer
    ) -> None:
        """
        Land the outputs of runs that have succeeded. An item is run, and paid for, again only if they are
        gone; if they can't be landed now either, it fails.
        """
        loop, log = asyncio.get_running_loop(), FewLines(self._settings.log)
        waiting, landed = earlier.unlanded(self._made), 0

        def land(item: int, wiro_task_id: str) -> list[dict[str, Any]] | WiroError:
            item_id, least = queue.inputs.id_of(item), self._settings.min_outputs
            try:
                return transfer.land_earlier(item, wiro_task_id, item_id=item_id, min_outputs=least)
            except WiroError as error:
                return error

        # Also after a failure: the manifest would say of one that is not looked at that it was never run.
        while queue.fatal is None and (some := list(islice(waiting, _ITEMS_BETWEEN_CHECKS))):
            hook.check()
            await queue.recorder.check_if_due()
            jobs = [loop.run_in_executor(transfer.threads, land, *one[:2]) for one in some]
            found = await asyncio.gather(*jobs)
            hook.check()  # what was stopped has not failed
            for (item, wiro_task_id, result), files in zip(some, found, strict=True):
                if not isinstance(files, WiroError):
                    await queue.end(item, self._shown({**result, "files": files}))
                    landed += 1
                elif isinstance(files, _GONE):
                    log.warning(
                        "%s is run again: an earlier batch has paid for Wiro task %s, and its outputs can't "
                        "be had any more. %s",
                        queue.inputs.name(item),
                        wiro_task_id,
                        files,
                    )
                else:
                    # Its own run would have to land there, too, and be paid for by then.
                    del result["reused"]
                    await queue.fail_unsent(item, files, self._shown(result))
            await queue.recorder.keep_if_due()
        if landed:
            self._settings.log.info(
                "%s items were paid for by the earlier batch, and had not landed. They have landed now, and "
                "are not run again.",
                f"{landed:,}",
            )


def made_before(settings: BatchSettings, inputs: Inputs, manifest: str | None) -> Callable[[int], bool]:
    """
    Return what says whether an item is not run, since an earlier batch has made it: for an estimate.

    :param manifest: of this batch, as the operator names it.
    :raises WiroError: the earlier manifest can't be read, or doesn't fit the inputs.
    """
    if not settings.retry_failed_only:
        return lambda _: False
    earlier = open_earlier(settings, manifest or "")
    with CarriedItems(earlier, inputs, settings, range(len(inputs)), lands=False) as found:
        return found.__contains__


def open_earlier(settings: BatchSettings, manifest: str) -> EarlierManifest | None:
    """
    Return the manifest that ``retry_failed_only`` names; None if that is this batch's, and there is none yet.

    :param manifest: of this batch.
    :raises WiroError: it can't be read.
    """
    if settings.retry_failed_only is not True:
        return EarlierManifest(str(settings.retry_failed_only), settings.aws_conn_id)
    try:
        return EarlierManifest(manifest, settings.aws_conn_id)
    except WiroUsageError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise
        settings.log.info("There is no earlier manifest at %s, so all items are run.", manifest)
        return None


def unsent(state: BatchState) -> Iterator[int]:
    """Yield the items of which nothing was ever sent."""
    for item in range(state.total):
        is_unsent = state.item_state(item) is ItemState.PENDING and not state.runs_sent(item)
        if is_unsent and item not in state.lost_sendings and not state.failures(item):
            yield item
