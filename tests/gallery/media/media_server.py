"""The media of the gallery over real HTTP, without Airflow's access checks around them."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from airflow_provider_wiro.gallery.media import respond

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request
    from starlette.responses import Response

    from airflow_provider_wiro.gallery.landed_output import LandedOutput

_STARTS_SECONDS = 20


class MediaServer:
    """
    A server of outputs, each at ``/NAME``.

    :ivar outputs: by name.
    :ivar may_see_dag: what the auth manager would say.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.outputs: dict[str, LandedOutput] = {}
        self.may_see_dag: Callable[[str], bool] = lambda _: False

    def answer(self, request: Request) -> Response:
        return respond(
            self.outputs[request.path_params["name"]],
            request.headers,
            request.method,
            may_see_dag=lambda dag_id: self.may_see_dag(dag_id),
        )


@contextlib.contextmanager
def running_media_server() -> Iterator[MediaServer]:
    """Run a server, and stop it at the end."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = MediaServer(listener.getsockname()[1])
        app = Starlette(routes=[Route("/{name}", server.answer, methods=["GET", "HEAD"])])
        config = uvicorn.Config(app, log_level="error", lifespan="off", ws="none", timeout_keep_alive=1)
        running: Any = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        until = time.monotonic() + _STARTS_SECONDS
        while not running.started and time.monotonic() < until:
            time.sleep(0.01)
        try:
            yield server
        finally:
            running.should_exit = True
            thread.join(_STARTS_SECONDS)
