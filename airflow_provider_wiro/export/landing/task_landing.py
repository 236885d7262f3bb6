"""TaskLanding: one task's outputs on their way into the bucket, each by another thread."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.downloads.checks import NoFileError
from airflow_provider_wiro.exceptions import (
    WiroAuthenticationError,
    WiroError,
    WiroNotFoundError,
    WiroPermissionError,
    WiroRecordError,
    WiroStorageRefusedError,
    WiroTaskNotFoundError,
)
from airflow_provider_wiro.export.landing.landed_task import (
    LandedTask,
    later,
    with_line,
    without_line,
)
from airflow_provider_wiro.export.landing.manifest_line import manifest_line
from airflow_provider_wiro.export.state import Outcome
from airflow_provider_wiro.landing.deletion import reason_to_keep
from airflow_provider_wiro.landing.result import secrets_of
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.redaction.masking import without
from airflow_provider_wiro.redaction.secret_values import secret_values

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.landing.s3.transfer import S3Transfer
    from airflow_provider_wiro.landing.transfer import ReadsTasks

log = plain_logger(__name__)

_OF_ALL = (WiroRecordError, WiroStorageRefusedError, WiroAuthenticationError, WiroPermissionError)


class TaskLanding:
    """
    The outputs of one task.

    :param number: the task's id.
    :param transfer: of them; None: there are none.
    :param expects_all: what isn't there by now will not come.
    :param deletes: None: the task's files stay at Wiro; else whether inputs that other runs may need are
        deleted as well.
    """

    def __init__(
        self,
        number: int,
        task: Task,
        transfer: S3Transfer | None,
        *,
        expects_all: bool,
        deletes: bool | None,
    ) -> None:
        self.number = number
        self.task = task
        self.transfer = transfer
        self._expects_all = expects_all
        self._deletes = deletes
        self._files: dict[int, dict[str, Any]] = {}
        self._errors: dict[int, WiroError] = {}
        self._left = len(self.items)
        self._counting = threading.Lock()

    @property
    def items(self) -> range:
        """The positions of the objects that are to land."""
        return range(0 if self.transfer is None else len(self.transfer.items))

    def land(self, position: int) -> bool:
        """
        Land one object, and return whether it was the last one of the task.

        What is wrong with it, or with its file, is kept for :meth:`landed`.

        :raises WiroError: nothing else could land now, either.
        """
        if self.transfer is None:
            raise AssertionError("A task without outputs has nothing to land.")
        try:
            self._files[position] = self.transfer.land(self.transfer.items[position])
        except WiroError as error:
            if is_of_all(error):
                raise
            self._errors[position] = error
        with self._counting:
            self._left -= 1
            return self._left == 0

    def landed(self, task: Task, hook: ReadsTasks) -> LandedTask:
        """
        Return what became of the task, once each of its objects was landed or can't be.

        :param task: with its cost, as far as that is known.
        :param hook: by which it was read.
        :raises WiroError: its own manifest can't be written.
        """
        errors = [self._errors[position] for position in sorted(self._errors)]
        for error in errors:
            if isinstance(error, WiroTaskNotFoundError):  # it has vanished meanwhile
                return without_line(self.number, Outcome.UNKNOWN)
            is_missing = isinstance(error, NoFileError)
            if error.may_retry and not (is_missing and self._expects_all):
                return later(self.number, error, is_missing=is_missing)
        secrets = [*secrets_of(hook, task), *_secrets_of_answers(task)]
        files = [self._files[position] for position in sorted(self._files)]
        model = task.model if self.transfer is None else self.transfer.provenance.model
        error_text = " ".join(map(str, errors)) or None
        line = manifest_line(task, model, files, without(secrets), error_text)
        if errors:
            is_dead = all(isinstance(error, NoFileError) for error in errors)
            return with_line(self.number, Outcome.DEAD_LINK if is_dead else Outcome.REFUSED, line)
        if self.transfer is not None:
            self.transfer.task = task
            self.transfer.write_manifest(files, secrets)
        return replace(self._deleting(line, hook), has_fetched=self._has_fetched)

    @property
    def _has_fetched(self) -> bool:
        """Whether one of the objects is new and came from the CDN."""
        items = () if self.transfer is None else self.transfer.items
        return any(items[at].body is None and not file["skipped"] for at, file in self._files.items())

    def _deleting(self, line: dict[str, Any], hook: ReadsTasks) -> LandedTask:
        if self._deletes is None or not self.task.outputs:
            return with_line(self.number, Outcome.LANDED, line)
        unverified = set() if self.transfer is None else self.transfer.unverified
        reason = reason_to_keep(
            self.task, unverified, hook.connection.base_url, deletes_shared_inputs=self._deletes
        )
        if reason is not None:
            log.warning("The files of Wiro task %s stay at Wiro: %s.", self.task.id, reason)
        return with_line(
            self.number, Outcome.LANDED, line, delete=reason is None, not_deleted=reason is not None
        )


def is_of_all(error: WiroError) -> bool:
    """Whether an error at one task is about all of them: the bucket, the key, the state of the export."""
    if isinstance(error, WiroNotFoundError):  # of no task: this is not Wiro's API
        return not isinstance(error, WiroTaskNotFoundError)
    return isinstance(error, _OF_ALL)


def _secrets_of_answers(task: Task) -> list[str]:
    """Return the tokens that some models repeat in their answers."""
    return [secret for output in task.outputs for secret in secret_values(output.content or {})]
