"""WiroToS3Operator: a finished Wiro task's outputs into S3."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, BaseOperator

from airflow_provider_wiro.exceptions import (
    WiroOutputRefusedError,
    WiroOutputUnavailableError,
    WiroUsageError,
)
from airflow_provider_wiro.failures import airflow_failures, require_success

# What takes long to import is imported where it is used: DAG files are parsed all day long, and need none of
# it.
if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.transfers.landing import Landing, Readable
    from airflow_provider_wiro.transfers.s3_upload import S3Upload, StoredObject

_PIECE_BYTES = 1024 * 1024
#: Of boto3's upload arguments, those that describe the bytes of a single object.
_OF_ONE_OBJECT = re.compile(r"Checksum(?!Algorithm$)|MpuObjectSize$")


class WiroToS3Operator(BaseOperator):
    """
    Stream a finished Wiro task's outputs into S3, verified, with flat memory and nothing on disk.

    Each output is checked against the size Wiro announced, and hashed on the way. A file that fails a check
    leaves nothing in the bucket; files that landed before it stay, and are skipped when the task runs again.
    An LLM's answer lands as ``.json`` (structured) and ``.txt``.

    :param wiro_task_id: a Wiro task's id, or a run summary such as ``run.output``. (templated)
    :param s3_bucket: the bucket; default: the one in the S3 connection. (templated)
    :param s3_key: the key of each object, or a full ``s3://bucket/key``. After Jinja, ``{wiro_task_id}``,
        ``{model}``, ``{index}``, ``{name}``, ``{stem}`` and ``{suffix}`` are filled for each output.
        (templated)
    :param replace: overwrite objects that are there. Otherwise an identical one is skipped, and a different
        one is an error.
    :param wiro_conn_id: the Airflow connection to Wiro. (templated)
    :param aws_conn_id: the Airflow connection to S3. (templated)
    :param verify: check S3's TLS certificate; a path is a CA bundle.
    :param encrypt: have S3 encrypt the objects (SSE-S3).
    :param acl_policy: a canned ACL for the objects. (templated)
    :param extra_args: further arguments of the upload, of those boto3 knows (``ALLOWED_UPLOAD_ARGS``).
    :return: ``{"wiro_task_id", "files": [{"uri", "name", "size" (bytes), "sha256", "content_type", "etag",
        "skipped"}], "total_bytes", "cost_usd"}``.
    :raises AirflowFailException: a retry can't help: the task failed, a file is not what Wiro announced,
        another object is in the way.
    :raises WiroError: a retry may help: the CDN or Wiro can't be reached, a link has expired.
    """

    template_fields: Sequence[str] = (
        "wiro_task_id",
        "s3_bucket",
        "s3_key",
        "wiro_conn_id",
        "aws_conn_id",
        "acl_policy",
    )
    ui_color = "#e8e4ff"

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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.wiro_task_id = wiro_task_id
        self.s3_bucket = s3_bucket
        self.s3_key = s3_key
        self.replace = replace
        self.wiro_conn_id = wiro_conn_id
        self.aws_conn_id = aws_conn_id
        self.verify = verify
        self.encrypt = encrypt
        self.acl_policy = acl_policy
        self.extra_args = extra_args
        self._is_killed = False
        self._reading: _Stoppable | None = None

    @cached_property
    def hook(self) -> WiroHook:
        """The hook for the operator's Wiro connection."""
        from airflow_provider_wiro.hooks.wiro import WiroHook

        return WiroHook(self.wiro_conn_id)

    def execute(self, context: Context) -> dict[str, Any]:
        """Check everything that can be checked first; then move one output after the other."""
        from airflow_provider_wiro.api.outcomes import task_id_of
        from airflow_provider_wiro.transfers.landing import plan

        with airflow_failures(), self.hook:
            wiro_task_id = task_id_of(self.wiro_task_id)
            bucket, key_template = self._destination()
            s3 = self._open_s3(bucket)
            task = self.hook.get_task(wiro_task_id)
            if not task.is_terminal:
                raise WiroUsageError(
                    f"Wiro task {wiro_task_id} has not ended yet ({task.status[:100]}). Put a WiroTaskSensor "
                    "before this task, or let the run wait for completion."
                )
            require_success(task)
            landings = plan(task, key_template, model=self._model())
            if not landings:
                self.log.warning("Wiro task %s has no outputs; nothing to land.", wiro_task_id)
            files = [self._land(s3, task.id, landing) for landing in landings]
        return {
            "wiro_task_id": task.id,
            "files": files,
            "total_bytes": sum(file["size"] for file in files),
            "cost_usd": task.cost_usd,
        }

    def on_kill(self) -> None:
        """
        Let the read that is going on, or the next, fail, which aborts the upload.

        Airflow calls this in a signal handler and kills the process 5 s later: too soon for a read timeout.
        """
        self._is_killed = True
        if self._reading is not None:
            self._reading.interrupt()

    def _model(self) -> str | None:
        """Return the model as the run operator named it, where a run summary was given."""
        model = self.wiro_task_id.get("model") if isinstance(self.wiro_task_id, Mapping) else None
        return model if isinstance(model, str) else None

    def _destination(self) -> tuple[str | None, str]:
        """Return the bucket, None for the S3 connection's own, and the key template."""
        from airflow_provider_wiro.api.filenames import check_key_template
        from airflow_provider_wiro.transfers.landing import PLACEHOLDERS

        bucket, key = self.s3_bucket, self.s3_key
        if key.startswith("s3://"):
            if bucket:
                raise WiroUsageError(
                    f"s3_key is a full URL ({key!r}), so s3_bucket must not be given as well."
                )
            bucket, _, key = key.removeprefix("s3://").partition("/")
            if not bucket:
                raise WiroUsageError(f"Expected s3_key as s3://bucket/key, found {self.s3_key!r}.")
        return bucket or None, check_key_template(key.lstrip("/"), PLACEHOLDERS)

    def _open_s3(self, bucket: str | None) -> S3Upload:
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook
        from boto3.s3.transfer import S3Transfer

        from airflow_provider_wiro.transfers.s3_upload import S3Upload

        arguments = dict(self.extra_args or {})
        unknown = sorted(set(arguments) - set(S3Transfer.ALLOWED_UPLOAD_ARGS))
        if unknown:
            raise WiroUsageError(
                f"extra_args has {', '.join(unknown)}, which boto3 doesn't take for an upload."
            )
        of_one_object = sorted(name for name in arguments if _OF_ONE_OBJECT.match(name))
        if of_one_object:
            raise WiroUsageError(
                f"extra_args has {', '.join(of_one_object)}, which would have to differ from output to "
                "output. To have S3 check each, give ChecksumAlgorithm."
            )
        if not isinstance(arguments.get("Metadata", {}), Mapping):
            raise WiroUsageError("Expected Metadata in extra_args as a dict of text to text.")
        if self.encrypt:
            arguments["ServerSideEncryption"] = "AES256"
        if self.acl_policy:
            arguments["ACL"] = self.acl_policy
        hook = S3Hook(aws_conn_id=self.aws_conn_id, verify=self.verify)
        bucket = bucket or hook.service_config.get("bucket_name")
        if not bucket:
            raise WiroUsageError(
                "No bucket: give s3_bucket, a full s3:// URL as s3_key, or service_config.s3.bucket_name in "
                "the extra of the S3 connection."
            )
        return S3Upload(hook.get_conn(), bucket, arguments)

    def _land(self, s3: S3Upload, wiro_task_id: str, landing: Landing) -> dict[str, Any]:
        uri = f"s3://{s3.bucket}/{landing.key}"
        source = {"wiro-task-id": wiro_task_id, "wiro-output": f"{landing.output.index}{landing.part}"}
        content_type = (self.extra_args or {}).get("ContentType", landing.content_type)
        existing = None if self.replace else s3.head(landing.key)
        if existing is not None:
            stored = self._already_landed(s3, landing, source, existing)
            self.log.info("Skipped %s: it is there already, identical.", uri)
        else:
            with self._open(landing) as stream:
                stored = s3.put(
                    landing.key,
                    stream,
                    expected_size=landing.size,
                    content_type=content_type,
                    metadata=source,
                )
            self.log.info("Landed %s: %s bytes, %s.", uri, f"{stored.size:,}", content_type)
        return {
            "uri": uri,
            "name": landing.name,
            "size": stored.size,
            "sha256": stored.sha256,
            "content_type": content_type,
            "etag": stored.etag,
            "skipped": existing is not None,
        }

    def _already_landed(
        self, s3: S3Upload, landing: Landing, source: Mapping[str, str], existing: StoredObject
    ) -> StoredObject:
        """
        Return the object that is there, digest included, if it is this very output.

        Its metadata tells so where this operator wrote it; of anything else the bytes are compared.
        """
        if landing.size is None or landing.size == existing.size:
            stored = existing if existing.sha256 else replace(existing, sha256=s3.sha256(landing.key))
            if source.items() <= existing.metadata.items() or stored.sha256 == self._sha256(landing):
                return stored
        raise WiroOutputRefusedError(
            f"s3://{s3.bucket}/{landing.key} is there already and is not output {landing.output.index} of "
            f"Wiro task {source['wiro-task-id']}. Choose another s3_key, or overwrite it with replace=True."
        )

    def _sha256(self, landing: Landing) -> str:
        digest = hashlib.sha256()
        with self._open(landing) as stream:
            while piece := stream.read(_PIECE_BYTES):
                digest.update(piece)
        return digest.hexdigest()

    @contextmanager
    def _open(self, landing: Landing) -> Iterator[Readable]:
        """Open a landing's bytes, such that :meth:`on_kill` can stop their being read."""
        self._check_killed()
        with landing.open(self.hook) as stream:
            self._reading = _Stoppable(stream, self._check_killed)
            try:
                yield self._reading
            finally:
                self._reading = None

    def _check_killed(self) -> None:
        if self._is_killed:
            raise AirflowException("The Airflow task was stopped.")


class _Stoppable:
    """A stream that ends with an error once the Airflow task was told to stop."""

    def __init__(self, stream: Readable, check: Callable[[], None]) -> None:
        self._stream = stream
        self._check = check

    def read(self, size: int) -> bytes:
        self._check()
        try:
            piece = self._stream.read(size)
        except WiroOutputUnavailableError:
            self._check()  # it was we who cut it off
            raise
        self._check()
        return piece

    def interrupt(self) -> None:
        if hasattr(self._stream, "interrupt"):  # the bytes of an LLM's answer never make anybody wait
            self._stream.interrupt()
