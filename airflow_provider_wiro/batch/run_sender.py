"""Sends the Run of one item over HTTP, with its files, until the batch is stopped."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api import endpoints, model_slugs
from airflow_provider_wiro.exceptions import (
    WiroAuthenticationError,
    WiroConcurrencyLimitError,
    WiroError,
    WiroOvertakenError,
    WiroRecordError,
    WiroUsageError,
)
from airflow_provider_wiro.failures import TaskStoppedError
from airflow_provider_wiro.hooks.wiro import WiroAsyncHook
from airflow_provider_wiro.input_files.fenced_upload import fenced_files
from airflow_provider_wiro.input_files.resolve import files_as_far_as_known, resolve_files
from airflow_provider_wiro.input_files.sent_files import sent_files
from airflow_provider_wiro.recovery.baseline import Baseline, Dates, ask_baseline
from airflow_provider_wiro.recovery.sending import UPLOAD_NOTE_SECONDS
from airflow_provider_wiro.redaction.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from airflow_provider_wiro.api.catalog import ModelParameter
    from airflow_provider_wiro.api.endpoints import ApiCall
    from airflow_provider_wiro.api.models import StartedRun
    from airflow_provider_wiro.api.parameters import FileValue
    from airflow_provider_wiro.batch.inputs.items import Item
    from airflow_provider_wiro.batch.preflight.model_rules import ModelRules
    from airflow_provider_wiro.batch.settings import BatchSettings
    from airflow_provider_wiro.batch.state.batch_state import BatchState
    from airflow_provider_wiro.input_files.sent_files import SentFile

#: How long a Run that fails for a passing reason is repeated before the whole batch pauses.
_PATIENCE_SECONDS = 10.0
#: How long Wiro's list is not asked again after it did not show its newest task.
_UNKNOWN_NEWEST_SECONDS = 60.0
#: How long Wiro is not asked again about a model that it did not describe.
_UNKNOWN_MODEL_SECONDS = 60.0
#: How often to check whether an upload has made progress.
_UPLOAD_CHECK_SECONDS = 1.0


class Upload:
    """
    The upload of one Run's files. It is aborted once another process owns the journal.

    :ivar last_piece_at: by the monotonic clock; None before the first piece.
    """

    def __init__(self) -> None:
        self.last_piece_at: float | None = None
        self._problem: WiroOvertakenError | None = None

    def note_piece(self) -> None:
        """
        Note that a piece is sent. Called in one of aiohttp's threads.

        :raises WiroOvertakenError: another process owns the journal; the request is aborted.
        """
        if self._problem is not None:
            raise self._problem
        self.last_piece_at = time.monotonic()

    def seconds(self, left_at: float) -> float | None:
        """Return for how many seconds after ``left_at`` pieces were sent; None if none was."""
        last = self.last_piece_at
        return None if last is None or last < left_at else last - left_at

    async def watch(self, left_at: Callable[[], float], keep: Callable[[float], Awaitable[None]]) -> None:
        """
        Record from time to time for how long the files have been uploading, until cancelled.

        Should this process die, Wiro may handle the request only after the last byte.

        :param left_at: returns when the request was sent, by the monotonic clock.
        :param keep: makes the seconds durable.
        """
        kept_at, kept_for = left_at(), 0.0
        while True:
            await asyncio.sleep(_UPLOAD_CHECK_SECONDS)
            if left_at() != kept_at:  # the request was sent again
                kept_at, kept_for = left_at(), 0.0
            seconds = self.seconds(kept_at)
            if seconds is None or seconds < kept_for + UPLOAD_NOTE_SECONDS:
                continue
            try:
                await keep(seconds)
            except WiroOvertakenError as error:
                self._problem = error
                return
            except WiroRecordError:
                continue  # the next time, or with the response's entry
            kept_for = seconds


class StoppableHook(WiroAsyncHook):
    """A hook whose waits between requests end when the batch is stopped."""

    def __init__(self, wiro_conn_id: str) -> None:
        super().__init__(wiro_conn_id)
        self._is_stopped = asyncio.Event()

    def stop(self) -> None:
        """End all waits, and start nothing more."""
        self._is_stopped.set()

    def check(self) -> None:
        """Raise TaskStoppedError once the batch is stopped."""
        if self._is_stopped.is_set():
            raise TaskStoppedError

    async def pause(self, seconds: float) -> None:
        """Wait between two requests, unless stopped."""
        self.check()
        try:
            async with asyncio.timeout(seconds):
                await self._is_stopped.wait()
        except TimeoutError:
            return
        self.check()


@dataclass(frozen=True)
class PreparedItem:
    """
    What is sent for an item.

    :ivar run: makes the call for a form of the model's slug.
    :ivar files: to compare tasks with, should the response be lost.
    :ivar upload: of the files whose bytes are sent.
    """

    run: Callable[[str], ApiCall[StartedRun]]
    files: dict[str, list[SentFile]]
    upload: Upload


class RunSender:
    """
    Sends Runs.

    :param shared_files: file parameter → source or sources of all items; an item has these very objects.
    :param shared: the same, read once.
    :param rules: what is known of the model.
    """

    def __init__(
        self,
        settings: BatchSettings,
        hook: StoppableHook,
        state: BatchState,
        *,
        shared_files: Mapping[str, Any],
        shared: Mapping[str, Sequence[FileValue]],
        rules: ModelRules,
    ) -> None:
        self.rules = rules
        self._settings = settings
        self._shared_files = shared_files
        self._shared = shared
        self._hook = hook
        self._state = state
        self._slug = settings.model
        self._known = None if rules.model is None else rules.model.parameters
        self._describe_after = 0.0
        self._learning = asyncio.Lock()
        self._newest: str | None = None
        self._asked_at: float | None = None
        #: Wiro's clock in its last response, and the loop's at that moment.
        self._wiro_clock: tuple[float, float] | None = None

    async def baseline(self, *, is_new: bool = False) -> Baseline:
        """
        Return what existed before the next Run is sent, and Wiro's clock at this moment.

        Wiro's list is asked once, and not before each Run: after that, the batch's own latest task serves as
        well. No task that is older can be that of a Run sent after the latest one's response.

        :param is_new: ask Wiro's list again.
        """
        async with self._learning:
            now = self._settings.now()
            is_due = self._newest is None and (
                self._asked_at is None or now >= self._asked_at + _UNKNOWN_NEWEST_SECONDS
            )
            if is_new or is_due:
                found = await self._hook.run_flow(ask_baseline)
                self._newest, self._asked_at = found.newest, now
                self._note_time(found.wiro_at)
        latest, newest = self._state.known_ids.largest, self._newest
        if latest is not None and (not newest or newest.isdecimal()):
            newest = str(max(int(latest), int(newest or "0")))
        return Baseline(newest, self._wiro_now())

    def _note_time(self, wiro_at: float | None) -> None:
        if wiro_at is not None:
            self._wiro_clock = wiro_at, asyncio.get_running_loop().time()

    def _wiro_now(self) -> float | None:
        """Return the time by Wiro's clock, extrapolated from its last response to a Run or a list."""
        if self._wiro_clock is None:
            return None
        wiro_at, at = self._wiro_clock
        return wiro_at + asyncio.get_running_loop().time() - at

    async def prepare(self, item: Item) -> PreparedItem:
        """
        Return what is sent for an item.

        :raises WiroUsageError: its files, or its parameters, can't be sent.
        :raises WiroError: its files, or the model's parameters, can't be read at the moment.
        """
        parameters = self.rules.to_send(item)[0]
        try:
            files = await self.files_of(item)
        except ValueError as error:  # a path with NUL or half a character in it; UnicodeError is one
            raise WiroUsageError(f"The item's files can't be read: {plain(str(error), 200)}.") from error
        known = await self._parameters_of_model(files)
        upload = Upload()
        watched = fenced_files(files, upload.note_piece)

        def run(slug: str) -> ApiCall[StartedRun]:
            return endpoints.run_model(
                slug,
                parameters,
                watched,
                known,
                callback_url=self._settings.callback_url,
                project_id=self._settings.project_id,
            )

        run(self._slug)  # what can't be sent is refused before anything is intended
        return PreparedItem(run, sent_files(files), upload)

    async def send(
        self, prepared: PreparedItem, until: float, before_send: Callable[[], Awaitable[None]]
    ) -> StartedRun:
        """
        Send an item's Run.

        :param until: wait out Wiro's rate limit until this Unix time.
        :param before_send: awaited right before each request that sends it; what it raises is raised here.
        :raises WiroLostRunError: the task may have been started; its id is not known.
        :raises WiroConcurrencyLimitError: no slot is free.
        :raises WiroError: no task was started.
        """
        self._hook.check()
        dates = Dates()
        try:
            return await self._hook.run_flow(
                lambda context: model_slugs.call_in_either_form(
                    self._slug,
                    prepared.run,
                    context,
                    learn=self._learn_slug,
                    patience_seconds=_PATIENCE_SECONDS,
                    deadline=self._settings.wall(until),
                    gives_up_on=(WiroConcurrencyLimitError,),
                    before_send=before_send,
                    on_response=dates.note,
                )
            )
        finally:
            self._note_time(dates.latest)

    async def sent_files(self, item: Item) -> dict[str, list[SentFile]]:
        """Return an item's files, to compare tasks with; of missing ones only that there were some."""
        try:
            return sent_files(await self.files_of(item))
        except WiroError:
            from asgiref.sync import sync_to_async

            return await sync_to_async(files_as_far_as_known)(item.files, self._settings.aws_conn_id)

    def _learn_slug(self, slug: str) -> None:
        """Send later Runs under the form of the model's slug that Wiro knows."""
        self._slug = slug

    async def files_of(self, item: Item) -> dict[str, Sequence[FileValue]]:
        """
        Return an item's files, checked; those of all items are not read again.

        :raises WiroError: one can't be sent, or can't be read at the moment.
        """
        own = {
            name: sources
            for name, sources in item.files.items()
            if sources is not self._shared_files.get(name) or name not in self._shared
        }
        files = {name: values for name, values in self._shared.items() if name not in own}
        if own:
            from asgiref.sync import sync_to_async

            # It has one thread: an object-storage path may ask Airflow for its connection, and only one may.
            files |= await sync_to_async(resolve_files)(own, self._settings.aws_conn_id)
        return files

    async def _parameters_of_model(
        self, files: Mapping[str, Sequence[FileValue]]
    ) -> tuple[ModelParameter, ...]:
        """
        Return the model's parameters, which say of what kind its files are; asked once, if there are files.

        Empty if they can't be had: files are then sent in the usual form, and after a minute an item asks
        again.
        """
        if not files:
            return ()
        async with self._learning:
            now = self._settings.now()
            if self._known is None and now >= self._describe_after:
                try:
                    found = await self._hook.cached_model(self._settings.model)
                except WiroAuthenticationError:
                    found = None  # the Run says whether the credentials are refused
                self._known = None if found is None else found.parameters
                self._describe_after = now + _UNKNOWN_MODEL_SECONDS
        return self._known or ()
