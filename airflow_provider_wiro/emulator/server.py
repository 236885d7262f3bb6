"""Putting the parts on one HTTP server, and starting and stopping it."""

from __future__ import annotations

import asyncio
import tempfile
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Self

from aiohttp import web

from airflow_provider_wiro.emulator.http.api import Api
from airflow_provider_wiro.emulator.http.callbacks import Callbacks
from airflow_provider_wiro.emulator.http.cdn import Cdn
from airflow_provider_wiro.emulator.http.control import Control
from airflow_provider_wiro.emulator.http.page import Page
from airflow_provider_wiro.emulator.http.same_origin import SameOrigin
from airflow_provider_wiro.emulator.http.websocket import Socket
from airflow_provider_wiro.emulator.state.clock import Clock, ManualClock, WallClock
from airflow_provider_wiro.emulator.state.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.emulator.settings import Settings

SERVER_NAME = "wiro-emulator"
_LARGEST_BODY = 512 * 1024 * 1024  # several files of 100 MB each; the limit of one is checked as it arrives


class EmulatorServer:
    """One running emulator on the current event loop."""

    def __init__(
        self, settings: Settings, *, host: str = "127.0.0.1", port: int = 0, clock: Clock | None = None
    ) -> None:
        """Prepare a server; port 0 takes a free one. Nothing listens before `start`."""
        self._host, self._port = host, port
        self._directory = tempfile.TemporaryDirectory(prefix="wiro-emulator-")
        self.world = World(settings, clock or WallClock(), Path(self._directory.name))
        self._callbacks = Callbacks(self.world)
        self._socket = Socket(self.world)
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.5)
        self._stop_listening: Callable[[], None] | None = None

    async def start(self) -> Self:
        """Listen. Afterwards `port` and the world's `base_url` are known."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.world.count_connections = self._count_connections
        shown = f"[{self._host}]" if ":" in self._host else self._host
        self.world.base_url = f"http://{shown}:{self._port}"
        clock, loop = self.world.clock, asyncio.get_running_loop()
        if isinstance(clock, ManualClock):
            self._stop_listening = clock.on_advance(lambda: _wake(loop, self.world))
        return self

    @property
    def url(self) -> str:
        """The API's base address, to be used in place of `https://api.wiro.ai/v1`."""
        return f"{self.world.base_url}/v1"

    @property
    def websocket_url(self) -> str:
        """The WebSocket's address, to be used in place of `wss://socket.wiro.ai/v1`."""
        return f"{self.world.base_url.replace('http', 'ws', 1)}/socket/v1"

    async def stop(self) -> None:
        """Close every connection and remove the uploads."""
        if self._stop_listening is not None:
            self._stop_listening()
        await self._callbacks.close()
        await self._socket.close()
        await self._runner.cleanup()
        self._directory.cleanup()

    def _count_connections(self) -> int:
        return 0 if self._runner.server is None else len(self._runner.server.connections)

    async def _say_who_and_when(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        response.headers["Server"] = SERVER_NAME
        # By the clock that the tasks' times come from: it may be another than the client's.
        response.headers["Date"] = formatdate(self.world.now(), usegmt=True)

    def _application(self) -> web.Application:
        api, cdn = Api(self.world, self._callbacks), Cdn(self.world)
        control, page = Control(self.world), Page(self.world)
        guard = SameOrigin(self._host).middleware()
        application = web.Application(client_max_size=_LARGEST_BODY, middlewares=[guard])
        application.on_response_prepare.append(self._say_who_and_when)
        router = application.router
        router.add_get("/", page.serve)
        router.add_route("*", "/v1/{path:.*}", api.serve)
        router.add_get("/cdn/{key}/{name:.*}", cdn.serve)
        router.add_get("/socket/v1", self._socket.serve)
        control.add_to(router)
        return application


def _wake(loop: asyncio.AbstractEventLoop, world: World) -> None:
    loop.call_soon_threadsafe(world.pulse.wake_all)
