"""One output of a task into one file of any store: written there, or found there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroOutputRefusedError
from airflow_provider_wiro.landing.object_storage.failures import plain_store_errors
from airflow_provider_wiro.redaction.loggers import plain_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.landing.object_storage.file import StoredOutput
    from airflow_provider_wiro.landing.object_storage.output_stream import OutputReader
    from airflow_provider_wiro.landing.plan import PlannedObject

log = plain_logger(__name__)


@dataclass(frozen=True)
class StoredLanding:
    """
    Lands the outputs of one task; several threads may do so at once.

    :ivar replaces: whether files that are there are overwritten.
    """

    reader: OutputReader
    wiro_task_id: str
    replaces: bool

    def land(self, what_and_where: tuple[PlannedObject, StoredOutput]) -> dict[str, Any]:
        """
        Have an output in the store, and return what the operator tells of it.

        :raises WiroOutputRefusedError: another file is in the way, or it is not what Wiro announced.
        :raises WiroOutputUnavailableError: it can't be had, or written, at this moment.
        :raises WiroUsageError: the store refuses it for good.
        """
        landing, target = what_and_where
        self.reader.check()
        with plain_store_errors(target.uri, "path"):
            return self._land(landing, target)

    def _land(self, landing: PlannedObject, target: StoredOutput) -> dict[str, Any]:
        before = target.facts()
        existing = None if self.replaces else before
        if existing is not None:
            sha256, size = self._sha256_if_identical(landing, target, existing)
            log.info("Skipped %s: it is there already, identical.", target.uri)
        else:
            written = self.reader.read(
                landing, lambda stream: target.write(stream, expected_size=landing.size, before=before)
            )
            sha256, size = written.sha256, written.size
            log.info("Landed %s: %s bytes, %s.", target.uri, f"{size:,}", landing.content_type)
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
        self, landing: PlannedObject, target: StoredOutput, existing: Mapping[str, Any]
    ) -> tuple[str, int]:
        """Return digest and size of the file that is there, if it is this very output."""
        size = int(existing.get("size") or 0)
        if landing.size is None or landing.size == size:
            with target.open() as file:
                there = self.reader.digest(file)
            if self.reader.sha256(landing) == there:
                return there, size
        raise WiroOutputRefusedError(
            f"{target.uri} is there already and is not output {landing.output.index} of Wiro task "
            f"{self.wiro_task_id}. Choose another path, or overwrite it with replace=True."
        )
