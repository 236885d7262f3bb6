"""WiroToS3Operator: a finished Wiro task's outputs into S3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_wiro.dag_arguments.literals import check_flags
from airflow_provider_wiro.exceptions import WiroError
from airflow_provider_wiro.failures import TaskStoppedError, explain
from airflow_provider_wiro.links.landed import S3_LINKS
from airflow_provider_wiro.links.wiro import WiroTaskLink
from airflow_provider_wiro.transfers.base import TransferOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.landing.provenance import Provenance
    from airflow_provider_wiro.landing.s3.destination import S3Destination
    from airflow_provider_wiro.landing.transfer import Transfer


class WiroToS3Operator(TransferOperator):
    """
    Stream a finished Wiro task's outputs into S3, verified, with flat memory and nothing on disk.

    Each output is checked against the size Wiro announced, and hashed on the way. A file that fails a check
    leaves nothing in the bucket; the others land or stay, and are skipped when the task runs again.
    An LLM's answer lands as ``.json`` (structured) and ``.txt``.

    Several outputs, or parts of a large one, are moved at once. This takes up to ``max_concurrency`` times
    ``part_size`` of memory (32 MiB by default) and a few MiB more, however large the outputs are.

    An interrupted transfer resumes where it was; an expired link is renewed. If the process is killed
    outright (SIGKILL), the parts of an unfinished upload stay in the bucket, where S3 bills them unseen: the
    task's next try removes those of its own keys, once they have been idle for half a minute. For those of
    tasks that never run again, give the bucket a lifecycle rule with ``AbortIncompleteMultipartUpload``.

    :param wiro_task_id: a Wiro task's id, or a run summary such as ``run.output``. (templated)
    :param s3_bucket: the bucket's name, or the ARN of an access point; default: the bucket in the S3
        connection. (templated)
    :param s3_key: the key of each object, or a full ``s3://bucket/key``. After Jinja, ``{wiro_task_id}``,
        ``{model}``, ``{index}``, ``{name}``, ``{stem}`` and ``{suffix}`` are filled for each output, with
        cleaned names, and ``{label}`` with the label that the run summary has. If two outputs would get the
        same key, the task fails before it transfers anything. (templated)
    :param replace: overwrite objects that are there. Otherwise an identical one is skipped, and a different
        one is an error.
    :param wiro_conn_id: the Airflow connection to Wiro. (templated)
    :param aws_conn_id: the Airflow connection to S3. (templated)
    :param verify: check S3's TLS certificate; a path is a CA bundle. Default: as the S3 connection says.
    :param encrypt: have S3 encrypt the objects (SSE-S3).
    :param acl_policy: a canned ACL for the objects. (templated)
    :param extra_args: further arguments of the upload, of those boto3 knows (``ALLOWED_UPLOAD_ARGS``), such
        as ``{"StorageClass": "STANDARD_IA", "Metadata": {...}}``. Metadata is printable ASCII of up to 1,891
        bytes, without ``wiro-api``, ``wiro-task-id``, ``wiro-output``, ``wiro-md5`` and ``sha256``, which the
        transfer writes.
    :param tags: tag the objects with where they come from: Wiro task, model, DAG, run, task and ``sha256``; a
        dict has further tags. The role of the S3 connection needs ``s3:PutObjectTagging`` for it, and
        ``s3:GetObjectTagging`` to find the ``sha256`` of an object in parts again. An object that is skipped
        keeps the tags it has: they name the task that landed it. (templated)
    :param manifest: write a JSON file that describes the task (model, parameters without secrets, seed, cost,
        times, an LLM's ``finish_reason`` and ``usage``) and each object (key, size, sha256, type, source).
        True: as ``manifest.json`` beside the first output; or a key, with ``{wiro_task_id}``, ``{model}`` and
        ``{label}``.
        (templated)
    :param delete_after: once everything is there and verified, delete the task's files, inputs included, from
        Wiro, whose links are open to anyone who has them. Give a run summary, or ``manifest=True``, so that a
        retry after the deletion finds what has landed. If an input of the run is a file in Wiro's storage,
        nothing is deleted and the task fails with the reason after all outputs have landed: Wiro doesn't show
        whether it was sent with this run, or is an upload (such as one of
        :class:`~airflow_provider_wiro.operators.wiro_upload.WiroUploadOperator`) or another task's output
        that other runs need as well. The same if Wiro doesn't show the run's parameters, if an LLM's answer
        is empty, if an output may be truncated (see ``require_size``), or if Wiro shows fewer outputs than
        the run summary.
    :param delete_shared_inputs: let ``delete_after`` delete the inputs as well: no other run needs them.
    :param asset_events: "one": an ``AssetAlias`` in ``outlets`` gets one event for the whole transfer, whose
        asset is the object's URI or, of several, the folder that they share; so a DAG that is scheduled on
        the alias runs once. "each": one event for each object, with its own share of the cost.
    :param max_concurrency: how many outputs, or parts of one, are moved at once, from 1 to 64.
    :param part_size: bytes of each part of a large output, at least S3's 5 MiB. One that would have more than
        S3's 10,000 parts gets larger ones: with 8 MiB, from 78 GiB on.
    :param require_size: refuse an output whose size neither Wiro nor the CDN states and whose body ends with
        the connection: a truncated file can't be distinguished from a complete one. Otherwise it lands, and a
        warning says that it is unverified.
    :param log_links: log, at the end, where the first 20 outputs are: the URI and, where the store's console
        is known, its page.
    :return: ``{"wiro_task_id", "files": [{"uri", "name", "size" (bytes), "sha256", "content_type", "etag",
        "skipped"}], "total_bytes", "cost_usd"}``, and with a manifest its URI as ``"manifest"``. ``sha256``
        is None for an object that an earlier run put in parts, unless its manifest or its tags have it.
    :raises AirflowFailException: a retry can't help: the task failed, a file is not what Wiro announced,
        another object is in the way, the connection may not delete Wiro's copies, other runs may need them.
    :raises WiroError: a retry may help: the CDN or Wiro can't be reached, a link has expired.
    """

    template_fields: Sequence[str] = (
        "wiro_task_id",
        "s3_bucket",
        "s3_key",
        "wiro_conn_id",
        "aws_conn_id",
        "acl_policy",
        "tags",
        "manifest",
    )
    operator_extra_links = (WiroTaskLink(), *S3_LINKS)

    def __init__(
        self,
        *,
        wiro_task_id: Any,
        s3_bucket: str | None = None,
        s3_key: str = "wiro/{wiro_task_id}/{index}-{name}",
        replace: bool = False,
        wiro_conn_id: str = "wiro_default",
        aws_conn_id: str | None = "aws_default",
        verify: bool | str | None = None,
        encrypt: bool = False,
        acl_policy: str | None = None,
        extra_args: Mapping[str, Any] | None = None,
        tags: bool | Mapping[str, str] = False,
        manifest: bool | str = False,
        asset_events: Literal["one", "each"] = "one",
        delete_after: bool = False,
        delete_shared_inputs: bool = False,
        max_concurrency: int = 4,
        part_size: int = 8 * 1024**2,
        require_size: bool = False,
        log_links: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            wiro_task_id=wiro_task_id,
            wiro_conn_id=wiro_conn_id,
            manifest=manifest,
            asset_events=asset_events,
            max_concurrency=max_concurrency,
            require_size=require_size,
            log_links=log_links,
            **kwargs,
        )
        from airflow_provider_wiro.landing.plan import RUN_PLACEHOLDERS
        from airflow_provider_wiro.landing.s3.argument_checks import check_written_arguments

        check_written_arguments(
            s3_bucket=s3_bucket,
            s3_key=s3_key,
            encrypt=encrypt,
            acl_policy=acl_policy,
            extra_args=extra_args,
            tags=tags,
            manifest=manifest,
            max_concurrency=max_concurrency,
            part_size=part_size,
            placeholders=RUN_PLACEHOLDERS,
        )
        check_flags(
            replace=replace,
            delete_after=delete_after,
            delete_shared_inputs=delete_shared_inputs,
            require_size=require_size,
        )
        self.s3_bucket = s3_bucket
        self.s3_key = s3_key
        self.replace = replace
        self.aws_conn_id = aws_conn_id
        self.verify = verify
        self.encrypt = encrypt
        self.acl_policy = acl_policy
        self.extra_args = extra_args
        self.tags = tags
        self.delete_after = delete_after
        self.delete_shared_inputs = delete_shared_inputs
        self.part_size = part_size

    def _open_destination(self) -> S3Destination:
        from airflow_provider_wiro.landing.plan import RUN_PLACEHOLDERS
        from airflow_provider_wiro.landing.s3.argument_checks import check_manifest_key
        from airflow_provider_wiro.landing.s3.destination import S3Settings, open_destination

        if isinstance(self.manifest, str) and self.manifest:
            check_manifest_key(self.manifest)
        return open_destination(S3Settings.of(self), RUN_PLACEHOLDERS)

    def _make_transfer(self, destination: S3Destination, task: Task, provenance: Provenance) -> Transfer[Any]:
        from airflow_provider_wiro.landing.s3.transfer import S3Transfer

        return S3Transfer(
            destination,
            self.hook,
            task,
            provenance,
            summary=self.wiro_task_id,
            manifest=self.manifest,
            is_retry=(provenance.try_number or 1) > 1,
        )

    def _after(self, task: Task, transfer: Transfer[Any]) -> None:
        if self.delete_after:
            self._delete(task, transfer.unverified)

    def _delete(self, task: Task, unverified: set[int]) -> None:
        """Delete Wiro's copies; a later try finds all outputs in S3, so that this is all it does again."""
        if self._is_killed:
            raise TaskStoppedError
        self._check_all_landed(task, unverified)
        if task.has_empty_answer:
            raise AirflowFailException(
                f"Nothing was deleted from Wiro: the answer of Wiro task {task.id} is empty, so that nothing "
                "of it has landed. See what the task shows at wiro.ai; then set delete_after=False."
            )
        self._check_shared_inputs(task)
        try:
            self.hook.delete_task_files(task.id)
        except WiroError as error:
            kind, then = (
                (AirflowException, "A retry skips what landed and tries to delete them again.")
                if error.may_retry
                else (AirflowFailException, "Then clear this task: it skips what landed and deletes them.")
            )
            raise kind(
                "All outputs are safe in S3, but Wiro's copies could not be deleted: " + explain(error, then)
            ) from error
        self.log.info("Deleted the files of Wiro task %s from Wiro.", task.id)

    def _check_all_landed(self, task: Task, unverified: set[int]) -> None:
        """Raise if an output may not be in S3, or not as a whole: Wiro's copy is the only one then."""
        summary = self.wiro_task_id
        listed = summary.get("outputs") if isinstance(summary, dict) else None
        if isinstance(listed, list | tuple) and 0 < len(task.outputs) < len(listed):
            raise AirflowFailException(
                f"Nothing was deleted from Wiro: its Detail shows {len(task.outputs)} of the {len(listed)} "
                f"outputs that Wiro task {task.id} had when it ended. Those have landed; clear this task to "
                "check again, or set delete_after=False."
            )
        if unverified:
            which = ", ".join(str(index) for index in sorted(unverified))
            raise AirflowFailException(
                f"Nothing was deleted from Wiro: output {which} of Wiro task {task.id} landed, but may be "
                "truncated, since neither Wiro nor the CDN says its size. Compare it with the file at "
                "wiro.ai; then set delete_after=False."
            )

    def _check_shared_inputs(self, task: Task) -> None:
        """Raise if the deletion would take a file from other runs, unless the DAG's author allows it."""
        from airflow_provider_wiro.landing.shared_inputs import shared_inputs

        if self.delete_shared_inputs:
            return
        addresses = [self.hook.connection.base_url, *(output.url for output in task.outputs)]
        names = shared_inputs(task.parameters, addresses)
        if task.shows_parameters and not names:
            return
        found = (
            f"Wiro task {task.id} has inputs in Wiro's storage ({', '.join(map(repr, names[:10]))})"
            if names
            else f"Wiro doesn't show the parameters of Wiro task {task.id}, which may have inputs there"
        )
        raise AirflowFailException(
            f"All outputs are safe in S3, but nothing was deleted from Wiro: {found}. Inputs would be "
            "deleted too, and other runs may need them. Set delete_shared_inputs=True if none does, as where "
            "each file was sent with this run, or delete_after=False; then clear this task: it skips what "
            "landed."
        )
