"""WiroAsyncHook: Wiro's API on an event loop. Users import it, like WiroHook, from ``hooks.wiro``."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self, TypeVar
from weakref import WeakKeyDictionary

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_wiro import version_compat
from airflow_provider_wiro.api import endpoints, flow, model_slugs, operations
from airflow_provider_wiro.api.flow import Confirm, Digest, Flow, FlowContext, Send
from airflow_provider_wiro.api.parameters import clean_parameters
from airflow_provider_wiro.api.retry import CALL_PATIENCE_SECONDS, RequestFailure
from airflow_provider_wiro.api.stop_task import stop_task
from airflow_provider_wiro.exceptions import WiroError
from airflow_provider_wiro.failures import explain
from airflow_provider_wiro.hooks import flow_context
from airflow_provider_wiro.hooks.retry_log import log_retry_of_many
from airflow_provider_wiro.input_files.resolve import (
    AWS_CONN_ID,
    FileSource,
    resolve_files,
    resolve_upload,
)
from airflow_provider_wiro.input_files.sources import count_files
from airflow_provider_wiro.redaction.secret_values import secret_values
from airflow_provider_wiro.transport.connection import WiroConnection, missing_connection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from datetime import datetime

    import aiohttp

    from airflow_provider_wiro.api.catalog import Model
    from airflow_provider_wiro.api.models import Output, StartedRun, Task, UploadedFile
    from airflow_provider_wiro.api.responses import ApiResponse
    from airflow_provider_wiro.catalog.estimate import Estimate
    from airflow_provider_wiro.downloads.async_stream import AsyncOutputStream

T = TypeVar("T")

#: Connections that were read before their event loop started.
_KNOWN: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, WiroConnection]] = WeakKeyDictionary()

_TRANSPORT = "airflow_provider_wiro.transport.asynchronous"
#: Modules whose import is over.
_LOADED: set[str] = set()


async def _load_transport() -> None:
    """Import ``aiohttp`` in a thread: that takes a while, in which no other trigger would run."""
    if _TRANSPORT not in _LOADED:
        await asyncio.to_thread(import_module, _TRANSPORT)
        _LOADED.add(_TRANSPORT)


def know_connection(wiro_conn_id: str, connection: WiroConnection) -> None:
    """
    Let all hooks of this event loop use a connection that was already read.

    For an event loop in a worker: its process reads connections in the main thread, before the loop starts.
    """
    _KNOWN.setdefault(asyncio.get_running_loop(), {})[wiro_conn_id] = connection


class WiroAsyncHook(BaseHook):
    """
    Wiro's API on an event loop, for triggers. One ``aiohttp`` session; use it as ``async with
    WiroAsyncHook(…)``.

    The methods and what they raise are those of :class:`~airflow_provider_wiro.hooks.wiro.WiroHook`, awaited.

    :param wiro_conn_id: the Airflow connection, of type ``wiro``.
    """

    conn_name_attr = "wiro_conn_id"
    default_conn_name = "wiro_default"
    conn_type = "wiro"
    hook_name = "Wiro"

    def __init__(self, wiro_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.wiro_conn_id = wiro_conn_id
        self._connection: WiroConnection | None = None
        self._session: aiohttp.ClientSession | None = None

    async def get_wiro_connection(self) -> WiroConnection:
        """The connection, read from Airflow once, without blocking the loop."""
        if self._connection is None:
            self._connection = _KNOWN.get(asyncio.get_running_loop(), {}).get(self.wiro_conn_id)
        if self._connection is None:
            with missing_connection(self.wiro_conn_id):
                found = await version_compat.get_connection_async(self.wiro_conn_id)
            self._connection = WiroConnection.from_airflow(found)
            for secret in self._connection.secrets:
                await version_compat.mask_secret_async(secret)
        return self._connection

    async def get_session(self) -> aiohttp.ClientSession:
        """Return the session, opened at first use."""
        await _load_transport()
        from airflow_provider_wiro.transport import asynchronous

        connection = await self.get_wiro_connection()
        if self._session is None:  # checked after the await: another task may have opened it meanwhile
            self._session = asynchronous.open_api_session(connection)
        return self._session

    async def close(self) -> None:
        """Close the session; the hook stays usable."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def run_model(
        self,
        model: str,
        parameters: Mapping[str, Any] | None = None,
        files: Mapping[str, Any] | None = None,
        *,
        callback_url: str | None = None,
        project_id: str | None = None,
        aws_conn_id: str | None = AWS_CONN_ID,
    ) -> StartedRun:
        """See :meth:`~airflow_provider_wiro.hooks.wiro.WiroHook.run_model`."""
        from asgiref.sync import sync_to_async

        # rejects a bad [wiro] poll_patience before anything is billed
        flow_context.poll_patience_seconds()
        connection = await self.get_wiro_connection()
        cleaned = clean_parameters({} if parameters is None else parameters)
        for secret in secret_values({"": cleaned, "callbackUrl": callback_url}):
            await version_compat.mask_secret_async(secret)
        # sync_to_async and not to_thread: an object-storage path may ask Airflow for its connection.
        resolved = await sync_to_async(resolve_files)(files, aws_conn_id)
        described = await self.cached_model(model) if resolved else None
        return await self.run_flow(
            lambda context: operations.run_model(
                context,
                model,
                cleaned,
                resolved,
                known=described.parameters if described else (),
                callback_url=callback_url,
                project_id=project_id or connection.project_id,
            )
        )

    async def get_task(self, wiro_task_id: str) -> Task:
        """See :meth:`~airflow_provider_wiro.hooks.wiro.WiroHook.get_task`."""
        return await self._call(endpoints.get_task(wiro_task_id))

    async def look_at_task(self, wiro_task_id: str, *, deadline: datetime | None = None) -> Task:
        """See :meth:`~airflow_provider_wiro.hooks.wiro.WiroHook.look_at_task`."""
        patience = flow_context.poll_patience_seconds()
        return await self.run_flow(
            lambda context: operations.look_at_task(
                wiro_task_id, context, deadline=deadline, patience_seconds=patience
            )
        )

    async def list_tasks(
        self, *, start: int = 0, limit: int = 20, model_name: str | None = None
    ) -> tuple[Task, ...]:
        """See :meth:`~airflow_provider_wiro.hooks.wiro.WiroHook.list_tasks`."""
        return await self._call(endpoints.list_tasks(start=start, limit=limit, model_name=model_name))

    async def wait_for_task(
        self,
        wiro_task_id: str,
        *,
        timeout: float | None = None,
        deadline: datetime | None = None,
        poll_interval: float | None = None,
        started_at: datetime | None = None,
        observe: flow_context.Observe = flow_context.ignore,
        is_seen: bool = False,
    ) -> Task:
        """See :meth:`~airflow_provider_wiro.hooks.wiro.WiroHook.wait_for_task`."""
        polling = flow_context.polling(
            timeout=timeout, deadline=deadline, poll_interval=poll_interval, started_at=started_at
        )
        return await self.run_flow(
            lambda context: operations.wait_for_task(
                wiro_task_id,
                context,
                polling,
                observe=observe,
                is_seen=is_seen,
                patience_seconds=flow_context.poll_patience_seconds(),
            )
        )

    async def cancel_task(self, wiro_task_id: str) -> Task | None:
        """See :meth:`~airflow_provider_wiro.hooks.wiro.WiroHook.cancel_task`."""
        return await self._call(endpoints.cancel_task(wiro_task_id))

    async def kill_task(self, wiro_task_id: str) -> Task | None:
        """See :meth:`~airflow_provider_wiro.hooks.wiro.WiroHook.kill_task`."""
        return await self._call(endpoints.kill_task(wiro_task_id))

    async def stop_task(
        self, wiro_task_id: str, *, is_running: bool = False, patience_seconds: float = CALL_PATIENCE_SECONDS
    ) -> Task | None:
        """See :meth:`~airflow_provider_wiro.hooks.wiro.WiroHook.stop_task`."""
        return await self.run_flow(
            lambda context: stop_task(
                wiro_task_id, context, is_running=is_running, patience_seconds=patience_seconds
            )
        )

    async def upload_file(
        self, file: FileSource, *, folder_id: str | None = None, aws_conn_id: str | None = AWS_CONN_ID
    ) -> UploadedFile:
        """See :meth:`~airflow_provider_wiro.hooks.wiro.WiroHook.upload_file`."""
        from asgiref.sync import sync_to_async

        content = await sync_to_async(resolve_upload)(file, aws_conn_id)
        return await self._call(endpoints.upload_file(content, folder_id=folder_id))

    async def get_model(self, model: str) -> Model:
        """See :meth:`~airflow_provider_wiro.hooks.wiro.WiroHook.get_model`."""
        return await self.run_flow(lambda context: model_slugs.get_model(model, context))

    async def cached_model(self, model: str) -> Model | None:
        """See :meth:`~airflow_provider_wiro.hooks.wiro.WiroHook.cached_model`."""
        from airflow_provider_wiro.catalog.model_cache import describe, look_up_async

        found = await look_up_async(
            flow_context.model_cache(await self.get_wiro_connection()).lookup(model),
            lambda: self.run_flow(lambda context: describe(model, context)),
            self.pause,
        )
        if found.model is None:
            self.log.warning("Wiro's description of %s can't be had: %s", model, found.reason)
        return found.model

    async def estimate(
        self, model: str, parameters: Mapping[str, Any] | None = None, files: Mapping[str, Any] | None = None
    ) -> Estimate:
        """See :meth:`~airflow_provider_wiro.hooks.wiro.WiroHook.estimate`."""
        from airflow_provider_wiro.catalog import price

        cleaned = clean_parameters({} if parameters is None else parameters)
        counts = count_files(files)
        # Without a description here, asking again raises the error that says why.
        described = await self.cached_model(model) or await self.get_model(model)
        return price.estimate(described, cleaned, counts)

    async def list_models(
        self, *, search: str | None = None, categories: Sequence[str] = (), start: int = 0, limit: int = 20
    ) -> tuple[Model, ...]:
        """See :meth:`~airflow_provider_wiro.hooks.wiro.WiroHook.list_models`."""
        return await self._call(
            endpoints.list_models(search=search, categories=categories, start=start, limit=limit)
        )

    async def delete_task_files(self, wiro_task_id: str) -> None:
        """See :meth:`~airflow_provider_wiro.hooks.wiro.WiroHook.delete_task_files`."""
        await self.run_flow(lambda context: operations.delete_task_files(context, wiro_task_id))

    @asynccontextmanager
    async def open_output(self, output: Output) -> AsyncIterator[AsyncOutputStream]:
        """
        See :meth:`~airflow_provider_wiro.hooks.wiro.WiroHook.open_output`: ``async with
        hook.open_output(output) as stream``.
        """
        from airflow_provider_wiro.downloads import async_stream

        async with async_stream.open_output(await self.get_wiro_connection(), output) as stream:
            yield stream

    async def test_connection(self) -> tuple[bool, str]:
        """See :meth:`~airflow_provider_wiro.hooks.wiro.WiroHook.test_connection`."""
        try:
            accepted = await self.run_flow(operations.try_connection)
            return True, " ".join((accepted, *(await self.get_wiro_connection()).warnings))
        except WiroError as error:
            return False, explain(error)

    async def _call(self, api_call: endpoints.ApiCall[T]) -> T:
        return await self.run_flow(lambda context: flow.call(api_call, context))

    async def run_flow(self, make_flow: Callable[[FlowContext], Flow[T]]) -> T:
        """Run a flow until it returns."""
        await _load_transport()
        from airflow_provider_wiro.transport import asynchronous

        connection = await self.get_wiro_connection()
        running = make_flow(flow_context.new_context(connection))
        outcome: ApiResponse | RequestFailure | str | None = None
        while True:
            try:
                step = running.send(outcome)
            except StopIteration as stop:
                result: T = stop.value
                return result
            outcome = None
            if isinstance(step, Send):
                outcome = await asynchronous.send(await self.get_session(), connection, step)
            elif isinstance(step, Digest):
                outcome = await self._digest(connection, step)
            elif isinstance(step, Confirm):
                confirmed = step.check()
                if confirmed is not None:
                    await confirmed
            else:
                log_retry_of_many(self.log, step, connection.base_url, self.wiro_conn_id)
                await self.pause(step.seconds)

    async def _digest(self, connection: WiroConnection, what: Digest) -> str | None:
        from airflow_provider_wiro.input_files import digests

        if isinstance(what.source, str):
            return await digests.fetched_digest_async(connection, what.source)
        from asgiref.sync import sync_to_async

        # sync_to_async and not to_thread: an object-storage path may ask Airflow for its connection.
        return await sync_to_async(digests.content_digest)(what.source)

    async def pause(self, seconds: float) -> None:
        """Wait between two requests."""
        await asyncio.sleep(seconds)
