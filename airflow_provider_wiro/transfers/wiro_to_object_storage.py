"""WiroToObjectStorageOperator: a finished Wiro task's outputs into any store that Airflow reaches."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, BaseOperator

from airflow_provider_wiro.exceptions import WiroOutputRefusedError
from airflow_provider_wiro.failures import airflow_failures

# What takes long to import is imported where it is used: DAG files are parsed all day long and need none of
# it.
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.landing.landings import Landing
    from airflow_provider_wiro.landing.output_reader import OutputReader
    from airflow_provider_wiro.landing.stored_output import StoredOutput


class WiroToObjectStorageOperator(BaseOperator):
    """
    Stream a finished Wiro task's outputs to any ``ObjectStoragePath`` (Google, Azure, local disk, S3, …).

    Each output is checked against the size Wiro announced and hashed on the way, with flat memory. A file
    that fails a check is not left behind; files that landed before it stay, and are skipped when the task
    runs again. A transfer that is cut off goes on where it was; an expired link is renewed. An LLM's answer
    lands as ``.json`` (structured) and ``.txt``.

    What :class:`~airflow_provider_wiro.transfers.wiro_to_s3.WiroToS3Operator` does and this can't, since not
    every store can:

    * There is no conditional write: of two tasks that write the same file at once, the last one wins.
    * The outputs are moved one after the other, each as one stream.
    * Nothing is kept beside the bytes, neither a content type nor metadata. So a second run can tell what is
      there only by reading it, and the output from Wiro, which has to be there still.
    * On a local disk a file appears as a whole, by renaming; a killed process can leave a ``.wiro-….part``.
      Object stores, too, show a file only when it is complete. File servers (``sftp://``, ``smb://``) show
      it growing, and with ``replace=True`` the old one is gone from the beginning of the write.

    :param wiro_task_id: a Wiro task's id, or a run summary such as ``run.output``. (templated)
    :param path: URI of each file, its connection included (``gs://google_cloud_default@bucket/…``), or an
        absolute local path. After Jinja, ``{wiro_task_id}``, ``{model}``, ``{index}``, ``{name}``, ``{stem}``
        and ``{suffix}`` are filled for each output. (templated)
    :param replace: overwrite files that are there. Otherwise an identical one is skipped, and a different one
        is an error.
    :param wiro_conn_id: the Airflow connection to Wiro. (templated)
    :return: ``{"wiro_task_id", "files": [{"uri", "name", "size" (bytes), "sha256", "content_type", "etag",
        "skipped"}], "total_bytes", "cost_usd"}``; ``etag`` is None.
    :raises AirflowFailException: a retry can't help: the task failed, a file is not what Wiro announced,
        another file is in the way, there is no such store.
    :raises WiroError: a retry may help: the CDN or Wiro can't be reached.
    """

    template_fields: Sequence[str] = ("wiro_task_id", "path", "wiro_conn_id")
    ui_color = "#e8e4ff"

    def __init__(
        self,
        *,
        wiro_task_id: Any,
        path: str | os.PathLike[str],
        replace: bool = False,
        wiro_conn_id: str = "wiro_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.wiro_task_id = wiro_task_id
        self.path = path
        self.replace = replace
        self.wiro_conn_id = wiro_conn_id
        self._is_killed = False
        self._reader: OutputReader | None = None

    @cached_property
    def hook(self) -> WiroHook:
        """The hook for the operator's Wiro connection."""
        from airflow_provider_wiro.hooks.wiro import WiroHook

        hook = WiroHook(self.wiro_conn_id)
        hook.interrupted_by(self._check_killed)
        return hook

    def execute(self, context: Context) -> dict[str, Any]:
        """Check everything that can be checked first; then move one output after the other."""
        from airflow_provider_wiro.api.filenames import check_key_template
        from airflow_provider_wiro.hooks.stored_file import with_connection
        from airflow_provider_wiro.landing.finished_task import finished_task, landed, model_of
        from airflow_provider_wiro.landing.landings import PLACEHOLDERS, plan
        from airflow_provider_wiro.landing.output_reader import OutputReader
        from airflow_provider_wiro.landing.stored_output import StoredOutput

        with airflow_failures(), self.hook:
            template = check_key_template(with_connection(self.path), PLACEHOLDERS, argument="path")
            task = finished_task(self.hook, self.wiro_task_id)
            landings = plan(task, template, model=model_of(self.wiro_task_id), argument="path")
            if not landings:
                self.log.warning("Wiro task %s has no outputs; nothing to land.", task.id)
            targets = [StoredOutput(landing.key) for landing in landings]
            with OutputReader(self.hook, task, self._check_killed) as reader:
                self._reader = reader
                files = [
                    self._land(reader, task.id, landing, target)
                    for landing, target in zip(landings, targets, strict=True)
                ]
            return landed(task, files)

    def on_kill(self) -> None:
        """
        Let the read that is going on, or the next, fail, which undoes the write.

        Airflow calls this in a signal handler and kills the process 5 s later: too soon for a read timeout.
        """
        self._is_killed = True
        if self._reader is not None:
            self._reader.interrupt()

    def _check_killed(self) -> None:
        if self._is_killed:
            raise AirflowException("The Airflow task was stopped.")

    def _land(
        self, reader: OutputReader, wiro_task_id: str, landing: Landing, target: StoredOutput
    ) -> dict[str, Any]:
        self._check_killed()
        before = target.facts()
        existing = None if self.replace else before
        if existing is not None:
            sha256, size = self._sha256_if_identical(reader, wiro_task_id, landing, target, existing)
            self.log.info("Skipped %s: it is there already, identical.", target.uri)
        else:
            written = reader.read(
                landing, lambda stream: target.write(stream, expected_size=landing.size, before=before)
            )
            sha256, size = written.sha256, written.size
            self.log.info("Landed %s: %s bytes, %s.", target.uri, f"{size:,}", landing.content_type)
        return {
            "uri": target.uri,
            "name": landing.name,
            "size": size,
            "sha256": sha256,
            "content_type": landing.content_type,
            "etag": None,
            "skipped": existing is not None,
        }

    def _sha256_if_identical(
        self,
        reader: OutputReader,
        wiro_task_id: str,
        landing: Landing,
        target: StoredOutput,
        existing: Mapping[str, Any],
    ) -> tuple[str, int]:
        """Return digest and size of the file that is there, if it is this very output."""
        size = int(existing.get("size") or 0)
        if landing.size is None or landing.size == size:
            with target.open() as file:
                there = reader.digest(file)
            if reader.sha256(landing) == there:
                return there, size
        raise WiroOutputRefusedError(
            f"{target.uri} is there already and is not output {landing.output.index} of Wiro task "
            f"{wiro_task_id}. Choose another path, or overwrite it with replace=True."
        )
