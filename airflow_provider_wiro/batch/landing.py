"""The outputs of items into S3, with the engine of the transfers: a few items at once, each in a thread."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wiro.batch.preflight.collisions import refuse_manifests_place
from airflow_provider_wiro.batch.preflight.store_refusals import is_missing_bucket, refusals
from airflow_provider_wiro.downloads.downloader import Downloader
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.failures import TaskStoppedError
from airflow_provider_wiro.landing.plan import PLACEHOLDERS, model_folder
from airflow_provider_wiro.landing.provenance import Provenance, tagging_header
from airflow_provider_wiro.landing.s3 import arguments as destination
from airflow_provider_wiro.landing.s3 import transfer as s3_transfer
from airflow_provider_wiro.landing.s3.object_upload import ALSO_FOR_ABORT
from airflow_provider_wiro.landing.s3.transfer import S3Landing
from airflow_provider_wiro.landing.s3.transfer_record import TransferRecord
from airflow_provider_wiro.landing.s3.written_arguments import bucket_and_template, check_numbers, check_tags
from airflow_provider_wiro.landing.workers import WorkerPool
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.object_keys import fill_key
from airflow_provider_wiro.storage.s3.put_object import OwnObjects
from airflow_provider_wiro.storage.s3.responses import answer_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.landing.plan import PlannedObject

log = plain_logger(__name__)

#: Stands in `s3_key` for the item's number, beside the placeholders that every transfer knows.
ITEM_PLACEHOLDER = "{item}"
#: What a store answers that doesn't know a call.
_NO_SUCH_CALL = frozenset({"404", "405", "501"})
#: An output as many are, to fill a key with before there is any.
_AN_OUTPUT = {"wiro_task_id": "0", "index": "0", "name": "0.png", "stem": "0", "suffix": ".png"}


@dataclass(frozen=True)
class S3Settings:
    """Where outputs land and how, as the operator was given it; see WiroToS3Operator."""

    s3_bucket: str | None
    s3_key: str
    replace: bool
    aws_conn_id: str | None
    verify: bool | str | None
    encrypt: bool
    acl_policy: str | None
    extra_args: Mapping[str, Any] | None
    tags: bool | Mapping[str, str]
    max_concurrency: int
    part_size: int
    require_size: bool = False


class ItemTransfer:
    """
    Lands the outputs of items. Made in the main thread, where Airflow may be asked; use it in a ``with``.

    :param hook: whose connection was read.
    :param task_instance: of Airflow, named in the objects' metadata.
    :raises WiroUsageError: a setting can't be right.
    """

    def __init__(self, settings: S3Settings, hook: WiroHook, model: str, task_instance: Any) -> None:
        self._settings = settings
        self._hook = hook
        self._model = model
        self._task_instance = task_instance
        self._is_stopped = False
        #: Where the batch's manifest is to be; no output lands there.
        self.manifest: str | None = None
        self._at_work: set[tuple[WorkerPool[PlannedObject, dict[str, Any]], Downloader]] = set()
        bucket, self._template = bucket_and_template(settings.s3_bucket, self._key(0))
        check_numbers(settings.max_concurrency, settings.part_size)
        arguments = destination.upload_arguments(
            settings.extra_args, encrypt=settings.encrypt, acl_policy=settings.acl_policy
        )
        self._tags = check_tags(settings.tags, arguments)
        self._s3 = destination.open_s3(
            bucket,
            arguments,
            aws_conn_id=settings.aws_conn_id,
            verify=settings.verify,
            max_concurrency=settings.max_concurrency,
        )
        #: How many items are landed at once.
        self.size = settings.max_concurrency
        self.threads = ThreadPoolExecutor(settings.max_concurrency, thread_name_prefix="wiro-landing")

    @property
    def bucket(self) -> str:
        return self._s3.bucket

    @property
    def key_template(self) -> str:
        """The key of each object as the user gave it."""
        return self._settings.s3_key

    @property
    def own_objects(self) -> OwnObjects:
        """How the batch's own objects are put into S3: as its outputs."""
        return OwnObjects(self._s3.arguments, self.bucket, self._settings.verify)

    def check_bucket(self) -> None:
        """
        Return unless S3 says for certain that there is no such bucket.

        Whoever may only put objects is refused an answer (without ``s3:ListBucket``), so that no other error
        tells anything.

        :raises WiroUsageError: there is none.
        """
        from botocore.exceptions import ClientError

        owner = {name: value for name, value in self._s3.arguments.items() if name == "ExpectedBucketOwner"}
        try:
            self._s3.client.head_bucket(Bucket=self.bucket, **owner)
        except ClientError as error:
            if "404" in answer_of(error):
                raise WiroUsageError(
                    f"Expected a bucket {self.bucket!r} for the outputs, found none: S3 answered 404 by the "
                    f"connection {self._settings.aws_conn_id!r}. Correct s3_bucket (or s3_key, or the "
                    "connection), or create the bucket; no run is paid for before."
                ) from error
            log.info("Could not ask for the bucket %s, which may be there: %s", self.bucket, error)

    def try_put(self) -> None:
        """
        Ask S3 whether an output may be put, with all its arguments, and leave nothing there.

        An upload in parts is begun, under a key as an output's, and aborted: that takes the permissions and
        the arguments of a put, and no object, version, retention or event comes of it.

        :raises WiroUsageError: S3 refuses it.
        """
        values = {**dict.fromkeys(PLACEHOLDERS, "0"), **_AN_OUTPUT, "model": model_folder(self._model)}
        key = fill_key(self._template, values)
        where = {"Bucket": self.bucket, "Key": key}
        conn_id = self._settings.aws_conn_id
        tags = {} if self._tags is None else {"Tagging": tagging_header(self._tags or {"wiro_item": "0"})}
        with refusals(f"put outputs such as s3://{self.bucket}/{key}, by the connection {conn_id!r}"):
            try:
                begun = self._s3.client.create_multipart_upload(**where, **{**self._s3.arguments, **tags})
            except Exception as error:
                if _NO_SUCH_CALL.isdisjoint(answer_of(error)) or is_missing_bucket(error):
                    raise
                return  # a store without uploads in parts: the first output shows what it takes
        try:
            self._s3.client.abort_multipart_upload(
                **where, UploadId=begun["UploadId"], **self._s3.also(ALSO_FOR_ABORT)
            )
        except Exception as error:
            log.info(
                "Could not abort the empty upload of s3://%s/%s, begun as a trial (%s). It holds no bytes; "
                "the role of the connection lacks s3:AbortMultipartUpload.",
                self.bucket,
                key,
                type(error).__name__,
            )

    def __enter__(self) -> Self:
        # A line for each object would bury what a reader of a batch's log looks for.
        self._level = s3_transfer.log.level
        s3_transfer.log.setLevel(logging.WARNING)
        return self

    def __exit__(self, *exc_info: object) -> None:
        s3_transfer.log.setLevel(self._level)
        self.threads.shutdown(wait=False, cancel_futures=True)

    def land(self, item: int, task: Task, *, is_retry: bool) -> list[dict[str, Any]]:
        """
        Have an item's outputs in S3, verified, and return what WiroToS3Operator returns of each. Blocks.

        :param is_retry: an earlier try may have begun with them.
        :raises WiroOutputError: an output can't be had.
        """
        settings = self._settings
        s3 = self._s3.sibling()
        s3.is_retry = is_retry
        origin = Provenance.of(task, self._model, self._task_instance, self._hook.connection.base_url)
        books = TransferRecord(s3, task, origin, task.id, tags=self._tags, replaces=settings.replace)
        _, template = bucket_and_template(settings.s3_bucket, self._key(item))
        landings = books.plan(template, manifest=False)
        refuse_manifests_place(landings, self.bucket, self.manifest)
        # One thread for each item: several items are landed at once.
        crew: WorkerPool[PlannedObject, dict[str, Any]] = WorkerPool(1, self._stopped)
        hook = self._hook.for_thread()
        hook.interrupted_by(crew.check)
        with hook, Downloader(hook, books.task, crew.check, require_size=settings.require_size) as fetcher:
            work = (crew, fetcher)
            self._at_work.add(work)
            if self._is_stopped:
                crew.stop()
            try:
                one = S3Landing(s3, books, fetcher, crew, settings.replace, settings.part_size)
                with s3.leftovers.settled(fetcher.pause):
                    return crew.run(one.land, landings)
            finally:
                self._at_work.discard(work)
                s3.abort_open_uploads()

    def stop(self) -> None:
        """Let all that is going on fail, which aborts the uploads."""
        self._is_stopped = True
        for crew, fetcher in list(self._at_work):
            crew.stop()
            fetcher.session.interrupt()

    def _key(self, item: int) -> str:
        return self._settings.s3_key.replace(ITEM_PLACEHOLDER, str(item))

    @staticmethod
    def _stopped() -> TaskStoppedError:
        return TaskStoppedError()
