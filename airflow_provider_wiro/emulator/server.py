"""`EmulatorServer`: one HTTP server with all handlers on the current event loop."""

from __future__ import annotations

import asyncio
import json
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
from airflow_provider_wiro.emulator.http.websocket import WebSocketHandler
from airflow_provider_wiro.emulator.state.clock import Clock, ManualClock, WallClock
from airflow_provider_wiro.emulator.state.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.emulator.settings import Settings

SERVER_NAME = "wiro-emulator"
_LARGEST_BODY = 512 * 1024 * 1024  # several files of 100 MB each; each file's size is checked as it arrives


class EmulatorServer:
    """A running emulator."""

    def __init__(
        self, settings: Settings, *, host: str = "127.0.0.1", port: int = 0, clock: Clock | None = None
    ) -> None:
        """Prepare a server; port 0 takes a free one. Nothing listens before `start`."""
        self._host, self._port = host, port
        self._directory = tempfile.TemporaryDirectory(prefix="wiro-emulator-")
        self.world = World(settings, clock or WallClock(), Path(self._directory.name))
        self._callbacks = Callbacks(self.world)
        self._websocket = WebSocketHandler(self.world)
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.5)
        self._stop_listening: Callable[[], None] | None = None

    async def start(self) -> Self:
        """Listen. Afterwards the world's `base_url` is known."""
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        self._port = self._runner.addresses[0][1]
        self.world.count_connections = self._count_connections
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.world.base_url = f"http://{host}:{self._port}"
        clock, loop = self.world.clock, asyncio.get_running_loop()
        if isinstance(clock, ManualClock):
            notify_all = self.world.changes.notify_all
            self._stop_listening = clock.on_advance(lambda: loop.call_soon_threadsafe(notify_all))
        return self

    @property
    def url(self) -> str:
        """The API's base address, which takes the place of `https://api.wiro.ai/v1`."""
        return f"{self.world.base_url}/v1"

    @property
    def websocket_url(self) -> str:
        """The WebSocket's address, which takes the place of `wss://socket.wiro.ai/v1`."""
        return f"{self.world.base_url.replace('http', 'ws', 1)}/socket/v1"

    @property
    def connection(self) -> str:
        """The JSON of the Airflow connection to this emulator."""
        settings = self.world.settings
        connection = {
            "conn_type": "wiro",
            "host": self.url,
            "login": settings.api_key,
            "password": settings.api_secret,
            "extra": {"websocket_url": self.websocket_url},
        }
        return json.dumps({name: value for name, value in connection.items() if value is not None})

    async def stop(self) -> None:
        """Close every connection and remove the uploads."""
        if self._stop_listening is not None:
            self._stop_listening()
        await self._callbacks.close()
        await self._websocket.close()
        await self._runner.cleanup()
        self._directory.cleanup()

    def _count_connections(self) -> int:
        return 0 if self._runner.server is None else len(self._runner.server.connections)

    async def _add_headers(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        response.headers["Server"] = SERVER_NAME
        # By the emulator's clock, like the tasks' times: it may differ from the client's.
        response.headers["Date"] = formatdate(self.world.now(), usegmt=True)

    def _application(self) -> web.Application:
        guard = SameOrigin(self._host).middleware()
        application = web.Application(client_max_size=_LARGEST_BODY, middlewares=[guard])
        application.on_response_prepare.append(self._add_headers)
        router = application.router
        router.add_get("/", Page(self.world).serve)
        router.add_route("*", "/v1/{path:.*}", Api(self.world, self._callbacks).serve)
        router.add_get("/cdn/{key}/{name:.*}", Cdn(self.world).serve)
        router.add_get("/socket/v1", self._websocket.serve)
        Control(self.world).add_to(router)
        return application
