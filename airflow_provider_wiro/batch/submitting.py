"""Sending the Run of one item, from a loop that can be told to stop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_wiro.api import endpoints, slug_forms
from airflow_provider_wiro.api.later_tasks import newest_task_id
from airflow_provider_wiro.exceptions import WiroConcurrencyLimitError, WiroNotFoundError
from airflow_provider_wiro.hooks.files import resolve_files
from airflow_provider_wiro.hooks.wiro import WiroAsyncHook

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_wiro.api.batch_record import BatchRecord
    from airflow_provider_wiro.api.endpoints import ApiCall
    from airflow_provider_wiro.api.models import ModelParameter, StartedRun
    from airflow_provider_wiro.api.parameters import FileValue
    from airflow_provider_wiro.batch.inputs import Item
    from airflow_provider_wiro.batch.job import Job

#: For how long a Run that fails for a passing reason is repeated, before the whole batch makes a pause.
_PATIENCE_SECONDS = 10.0
#: How long Wiro's list is not asked again after it did not tell its newest task.
_UNTOLD_SECONDS = 60.0


class BatchStoppedError(AirflowException):
    """The Airflow task was told to stop. Raised only where no Run is on its way."""


class StoppableHook(WiroAsyncHook):
    """A hook whose waits between requests end when the batch is told to stop."""

    def __init__(self, wiro_conn_id: str) -> None:
        super().__init__(wiro_conn_id)
        self._is_stopped = asyncio.Event()

    def stop(self) -> None:
        """Let nothing wait, or begin, any more."""
        self._is_stopped.set()

    def check(self) -> None:
        """Raise BatchStoppedError once all was stopped."""
        if self._is_stopped.is_set():
            raise BatchStoppedError("The Airflow task was stopped.")

    async def pause(self, seconds: float) -> None:
        """Wait between two requests, unless stopped."""
        self.check()
        try:
            async with asyncio.timeout(seconds):
                await self._is_stopped.wait()
        except TimeoutError:
            return
        self.check()


class Submitter:
    """
    Sends Runs.

    :param shared_files: file parameter → source or sources of all items; an item has these very objects.
    :param shared: the same, looked at once.
    """

    def __init__(
        self,
        job: Job,
        hook: StoppableHook,
        record: BatchRecord,
        *,
        shared_files: Mapping[str, Any],
        shared: Mapping[str, Sequence[FileValue]],
    ) -> None:
        self._job = job
        self._shared_files = shared_files
        self._shared = shared
        self._hook = hook
        self._record = record
        self._slug = job.model
        self._known: tuple[ModelParameter, ...] | None = None
        self._learning = asyncio.Lock()
        self._newest: str | None = None
        self._asked_at: float | None = None

    async def newest_before(self) -> str | None:
        """
        Return a task that was there before what is sent next; None if Wiro doesn't tell.

        Wiro's list is asked once, and not before each Run: from then on the batch's own latest task serves as
        well. Anything older than that can't be a Run that is sent after its answer came.
        """
        async with self._learning:
            now = self._job.now()
            if self._newest is None and (self._asked_at is None or now >= self._asked_at + _UNTOLD_SECONDS):
                self._newest, self._asked_at = await self._hook.converse(newest_task_id), now
        latest = self._record.known_ids.largest
        if latest is None or (self._newest and not self._newest.isdecimal()):
            return self._newest
        return str(max(int(latest), int(self._newest or "0")))

    async def send(self, item: Item, until: float) -> StartedRun:
        """
        Send an item's Run.

        :param until: wait out Wiro's rate limit until this Unix time.
        :raises WiroLostRunError: the task may have been started; its id is not known.
        :raises WiroConcurrencyLimitError: no slot is free.
        :raises WiroError: no task was started.
        """
        files = await self._files(item)
        known = await self._parameters_of_model(files)

        def run(slug: str) -> ApiCall[StartedRun]:
            return endpoints.run_model(
                slug,
                item.parameters,
                files,
                known,
                callback_url=self._job.callback_url,
                project_id=self._job.project_id,
            )

        self._hook.check()
        return await self._hook.converse(
            lambda outside: slug_forms.call_in_either_form(
                self._slug,
                run,
                outside,
                learn=self._learn_slug,
                patience_seconds=_PATIENCE_SECONDS,
                deadline=self._job.wall(until),
                gives_up_on=(WiroConcurrencyLimitError,),
            )
        )

    def _learn_slug(self, slug: str) -> None:
        """Send later Runs under the form of the model's slug that Wiro knows."""
        self._slug = slug

    async def _files(self, item: Item) -> dict[str, Sequence[FileValue]]:
        """Return an item's files, checked; those of all items are not looked at again."""
        own = {
            name: sources
            for name, sources in item.files.items()
            if sources is not self._shared_files.get(name)
        }
        files = {name: values for name, values in self._shared.items() if name not in own}
        if own:
            from asgiref.sync import sync_to_async

            # It has one thread: an object-storage path may ask Airflow for its connection, and only one may.
            files |= await sync_to_async(resolve_files)(own)
        return files

    async def _parameters_of_model(
        self, files: Mapping[str, Sequence[FileValue]]
    ) -> tuple[ModelParameter, ...]:
        """Return what tells the kinds of file parameters; asked once, and only where there are files."""
        if not files:
            return ()
        async with self._learning:
            if self._known is None:
                try:
                    self._known = (await self._hook.get_model(self._job.model)).parameters
                except WiroNotFoundError:
                    self._known = ()
        return self._known
