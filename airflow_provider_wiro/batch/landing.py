"""The outputs of a batch's items into S3: several items at once, each in a thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, Self

from airflow_provider_wiro.api.run_summary import check_success
from airflow_provider_wiro.batch.preflight.collisions import refuse_manifests_place
from airflow_provider_wiro.batch.preflight.id_collisions import id_segment
from airflow_provider_wiro.downloads.checks import NoFileError
from airflow_provider_wiro.landing.plan import plan_landed
from airflow_provider_wiro.landing.provenance import Provenance
from airflow_provider_wiro.landing.reused import ReusedResult, reused_answer
from airflow_provider_wiro.landing.s3.argument_checks import bucket_and_template
from airflow_provider_wiro.landing.s3.destination import open_destination
from airflow_provider_wiro.landing.s3.transfer import S3Transfer
from airflow_provider_wiro.storage.s3.location import split_url
from airflow_provider_wiro.storage.s3.put_object import OwnObjects

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.run_summary import RunSummary
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.landing.s3.destination import S3Settings

#: Stand in `s3_key` for the item's number and its id, beside the placeholders that every transfer knows.
ITEM_PLACEHOLDER = "{item}"
ID_PLACEHOLDER = "{id}"
#: An id by which a key template is checked before any item's is known.
_SOME_ID = "0"


class KeepsCards(Protocol):
    """Keeps the result cards of items."""

    def keep(self, fingerprint: str, transfer: S3Transfer, files: list[dict[str, Any]]) -> None:
        """Keep the card of an item whose outputs have landed."""


class ItemTransfer:
    """
    Lands the outputs of items. Made in the main thread, where Airflow may be asked; use it in a ``with``.

    :param hook: whose connection was read.
    :param task_instance: of Airflow, named in the objects' metadata.
    :ivar manifest: where the batch's manifest is to be; no output lands there.
    :ivar cards: keeps the cards of items that have landed; None: none are kept.
    :ivar unverified: by item, the indexes of its outputs that may be truncated.
    :ivar size: how many items are landed at once.
    :raises WiroUsageError: a setting can't be right.
    """

    def __init__(self, settings: S3Settings, hook: WiroHook, model: str, task_instance: Any) -> None:
        self._settings = settings
        self._hook = hook
        self._model = model
        self._task_instance = task_instance
        self._is_stopped = False
        self._in_flight: set[S3Transfer] = set()
        self.manifest: str | None = None
        self.cards: KeepsCards | None = None
        self.unverified: dict[int, frozenset[int]] = {}
        self.destination = open_destination(replace(settings, s3_key=self._key(0, _SOME_ID)))
        self.size = settings.max_concurrency
        self.threads = ThreadPoolExecutor(settings.max_concurrency, thread_name_prefix="wiro-landing")

    @property
    def bucket(self) -> str:
        return self.destination.bucket.name

    @property
    def key_template(self) -> str:
        """The key of each object as the user gave it."""
        return self._settings.s3_key

    @property
    def folder(self) -> str:
        """The URI of the folder that all objects are in: the part of their keys before a placeholder."""
        template = self.key_template
        key = split_url(template)[1] if template.startswith("s3://") else template
        return f"s3://{self.bucket}/{key.partition('{')[0].rpartition('/')[0]}"

    @property
    def own_objects(self) -> OwnObjects:
        """How the batch's own objects are put into S3: like its outputs."""
        return OwnObjects(self.destination.bucket.arguments, self.bucket, self._settings.verify)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)

    def land(
        self,
        item: int,
        task: Task,
        *,
        item_id: str | None = None,
        inputs: str | None = None,
        is_retry: bool,
    ) -> list[dict[str, Any]]:
        """
        Have an item's outputs in S3, verified, and return what WiroToS3Operator returns of each. Blocks.

        :param item_id: the user's name for the item, None if it has none.
        :param inputs: the fingerprint of its inputs, under which its result card is kept; None: none is.
        :param is_retry: an earlier try may have started to land them.
        :raises WiroOutputError: an output can't be fetched or written.
        """
        with self._hook.for_thread() as hook:
            transfer = self._transfer(hook, item, task, item_id, is_retry=is_retry)
            files = self._run(transfer)
        if transfer.unverified:
            self.unverified[item] = frozenset(transfer.unverified)
        if self.cards is not None and inputs is not None:
            self.cards.keep(inputs, transfer, files)
        return files

    def land_earlier(
        self, item: int, wiro_task_id: str, *, item_id: str | None, min_outputs: int | None
    ) -> list[dict[str, Any]]:
        """
        Land the outputs of a task that an earlier batch has run and not landed. Blocks.

        :param min_outputs: how many it must have.
        :raises WiroTaskNotFoundError: Wiro doesn't know the task any more.
        :raises WiroTaskError: it has not succeeded, or has fewer outputs.
        :raises NoFileError: its outputs are gone from Wiro.
        :raises WiroError: they can't be fetched or written.
        """
        with self._hook.for_thread() as hook:
            task = hook.get_task(wiro_task_id)
            check_success(task, min_outputs=min_outputs)
            if not task.outputs:
                raise NoFileError(f"Wiro task {wiro_task_id} has no outputs any more.")
            return self._run(self._transfer(hook, item, task, item_id, is_retry=True))

    def place(self, item: int, summary: RunSummary, *, item_id: str | None = None) -> list[dict[str, Any]]:
        """
        Have what was made before where this item's outputs belong: there already, or copied by S3. Blocks.

        An answer of which only the text is known is landed from its task at Wiro.

        :param summary: of the result that is reused.
        :raises WiroError: it can't be read there, or can't be written here.
        """
        reused = ReusedResult.in_summary(summary)
        if reused is not None and (files := self._in_place(item, item_id, reused)) is not None:
            return files
        with self._hook.for_thread() as hook:
            task = reused.task if reused is not None else self._answer(hook, summary)
            check_success(task)
            return self._run(self._transfer(hook, item, task, item_id, summary=summary))

    @staticmethod
    def _answer(hook: WiroHook, summary: RunSummary) -> Task:
        return reused_answer(summary, lambda: hook.get_task(summary["wiro_task_id"]))

    def _in_place(self, item: int, item_id: str | None, reused: ReusedResult) -> list[dict[str, Any]] | None:
        """Return the files of a result that is where this item's outputs belong; None if it is elsewhere."""
        planned = plan_landed(reused.task, reused.landed, self._key_of(item, item_id), model=self._model)
        refuse_manifests_place(planned, self.bucket, self.manifest)
        uris = [f"s3://{self.bucket}/{one.key}" for one in planned]
        if uris != [one.uri for one in reused.landed]:
            return None
        return [
            {
                "uri": there.uri,
                "name": one.name,
                "size": there.size,
                "sha256": there.sha256,
                "content_type": one.content_type,
                "etag": there.etag,
                "skipped": True,
            }
            for one, there in zip(planned, reused.landed, strict=True)
        ]

    def _transfer(
        self,
        hook: WiroHook,
        item: int,
        task: Task,
        item_id: str | None,
        *,
        summary: RunSummary | None = None,
        is_retry: bool = False,
    ) -> S3Transfer:
        # One thread for each item: several items are landed at once.
        destination = replace(self.destination, key_template=self._key_of(item, item_id), workers=1)
        provenance = Provenance.of(task, self._model, self._task_instance, hook.connection.base_url)
        transfer = S3Transfer(
            destination,
            hook,
            task,
            replace(provenance, item_id=item_id),
            summary=summary,
            is_retry=is_retry,
            logs_each=False,  # a line for each object would bury what the batch logs
        )
        refuse_manifests_place(transfer.planned, self.bucket, self.manifest)
        return transfer

    def _run(self, transfer: S3Transfer) -> list[dict[str, Any]]:
        self._in_flight.add(transfer)
        if self._is_stopped:
            transfer.stop()
        try:
            return transfer.run()
        finally:
            self._in_flight.discard(transfer)

    def stop(self) -> None:
        """Let all transfers fail at once, which aborts their uploads. For a signal handler."""
        self._is_stopped = True
        for transfer in list(self._in_flight):
            transfer.stop()

    def _key_of(self, item: int, item_id: str | None) -> str:
        return bucket_and_template(self._settings.s3_bucket, self._key(item, item_id))[1]

    def _key(self, item: int, item_id: str | None) -> str:
        """
        Return an item's key template.

        :raises WiroUsageError: it names the item's id, which the item doesn't have.
        """
        key = self._settings.s3_key.replace(ITEM_PLACEHOLDER, str(item))
        return (
            key.replace(ID_PLACEHOLDER, id_segment(item_id, f"Item {item}")) if ID_PLACEHOLDER in key else key
        )
