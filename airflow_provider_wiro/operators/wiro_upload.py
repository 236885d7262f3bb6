"""WiroUploadOperator: put files into Wiro's storage once, for many runs."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_wiro.dag_arguments.literals import check_conn_id, check_uploads
from airflow_provider_wiro.failures import TaskStoppedError, airflow_failures, in_brief
from airflow_provider_wiro.redaction.loggers import PlainLogs
from airflow_provider_wiro.redaction.plain_text import plain_values
from airflow_provider_wiro.version_compat import is_parsed

# What takes long to import is imported where it is used: parsing a DAG file, which Airflow does all day long,
# needs none of it.
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.api.parameters import FileContent
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.input_files.resolve import FileSource


class WiroUploadOperator(PlainLogs, BaseOperator):
    """
    Put files into Wiro's storage and return their URLs, so that many runs can use a file that is sent once.

    Give the result to ``files`` of :class:`~airflow_provider_wiro.operators.wiro.WiroRunOperator` as it is:
    ``files={"inputImage": upload.output}``, or one URL of it:
    ``"{{ ti.xcom_pull('upload')[0]['url'] }}"``.

    All files are checked before the first is sent: each exists, is not empty, has at most 100 MB, and is of a
    kind that Wiro stores. Uploading is free. A retry, and a Clear, sends all of them again, also those that
    an earlier try had sent: their copies stay in Wiro's storage, and later runs see other URLs. Anyone who
    has a URL can read the file.

    Wiro deletes an upload together with the files of any run that was given its URL, even if other runs need
    it. So ``delete_after`` of :class:`~airflow_provider_wiro.transfers.wiro_to_s3.WiroToS3Operator`
    deletes nothing of a run with an input in Wiro's storage, unless ``delete_shared_inputs=True`` says that
    no other run needs it, such as in the last run's transfer. Otherwise an upload stays; Wiro's API neither
    lists nor deletes uploads.

    :param files: local path, object-storage URI (``s3://bucket/key``, read with ``aws_conn_id``, or
        ``gs://google_cloud_default@bucket/key``), ``data:`` URI, what a transfer returned (or one file of
        it), or a list of these. A file has 1 byte to 100 MB, and is of a kind that Wiro stores. (templated)
    :param folder_id: id of the folder in Wiro's storage; None: its root. Wiro's API doesn't find a folder by
        its name, so make it once, by hand. (templated)
    :param wiro_conn_id: id of the Airflow connection, of type ``wiro``. (templated)
    :param aws_conn_id: id of the Airflow connection by which files at ``s3://bucket/key`` are read.
        (templated)
    :return: ``[{"name", "url", "size" (bytes), "content_type", "file_id"}]``, in the order of ``files``.
    :raises AirflowFailException: a retry can't help: a file is missing, too large or of another kind, the
        folder is unknown, the key is refused.
    :raises WiroError: a retry may help: Wiro or the object store can't be reached.
    """

    template_fields: Sequence[str] = ("files", "folder_id", "wiro_conn_id", "aws_conn_id")
    ui_color = "#e8e4ff"

    def __init__(
        self,
        *,
        files: FileSource | Mapping[str, Any] | Sequence[FileSource | Mapping[str, Any]],
        folder_id: str | None = None,
        wiro_conn_id: str = "wiro_default",
        aws_conn_id: str | None = "aws_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if is_parsed(self):
            check_uploads(files)
            check_conn_id(wiro_conn_id)
        self.files = files
        self.folder_id = folder_id
        self.wiro_conn_id = wiro_conn_id
        self.aws_conn_id = aws_conn_id
        self._is_killed = False

    @cached_property
    def hook(self) -> WiroHook:
        """The hook for the operator's connection."""
        from airflow_provider_wiro.hooks.wiro import WiroHook

        hook = WiroHook(self.wiro_conn_id)
        hook.interrupted_by(self._check_killed)
        return hook

    @in_brief
    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Check all files, then send one after the other."""
        from airflow_provider_wiro.input_files.resolve import flattened, resolve_upload

        with airflow_failures(), self.hook:
            contents = [
                resolve_upload(source, self.aws_conn_id, f"File {number} of `files`")
                for number, source in enumerate(flattened(self.files))
            ]
            if not contents:
                self.log.warning("`files` is an empty list; nothing to upload.")
            return [self._upload(content) for content in contents]

    def on_kill(self) -> None:
        """Send no further file. The one in flight ends with the process, and costs nothing."""
        self._is_killed = True

    def _upload(self, content: FileContent) -> dict[str, Any]:
        from airflow_provider_wiro.api import endpoints, flow

        self._check_killed()
        call = endpoints.upload_file(content, folder_id=self.folder_id or None)
        stored = self.hook.run_flow(partial(flow.call, call))
        self.log.info("Uploaded %s: %s bytes.", content.name, f"{content.size:,}")
        uploaded: dict[str, Any] = plain_values(
            {
                "name": stored.name or content.name,
                "url": stored.url,
                "size": content.size if stored.size is None else stored.size,
                "content_type": stored.content_type or content.content_type,
                "file_id": stored.id or None,
            }
        )
        return uploaded

    def _check_killed(self) -> None:
        if self._is_killed:
            raise TaskStoppedError
