"""
The gallery's tabs in Airflow's UI: on each DAG run, task instance and DAG, from Airflow 3.1 on.

Every process of Airflow loads plugins, so this module imports nothing but Airflow's base class. The pages
themselves are imported in the API server, at their first request.
"""

from __future__ import annotations

import asyncio
import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow import __version__
from airflow.providers.common.compat.sdk import AirflowPlugin, conf

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    _Scope = MutableMapping[str, Any]
    _Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    _Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    _App = Callable[[_Scope, _Receive, _Send], Awaitable[None]]

#: Where the API server mounts the gallery, below its own root.
URL_PREFIX = "/wiro"
#: The first Airflow whose UI has tabs of plugins.
_FIRST_WITH_TABS = (3, 1)

_BROKEN = (
    "The Wiro gallery can't be loaded. The log of Airflow's API server has the reason. "
    "Airflow itself is not affected."
)


class LazyGallery:
    """
    An ASGI application that imports the gallery at its first request, in a thread.

    If that fails, it logs the reason once, and each request gets a short 500.
    """

    def __init__(self) -> None:
        self._loading: asyncio.Future[_App | None] | None = None

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
            return
        app = await self._app()
        if app is not None:
            await app(scope, receive, send)
            return
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]
        await send({"type": "http.response.start", "status": 500, "headers": headers})
        await send({"type": "http.response.body", "body": _BROKEN.encode()})

    async def _app(self) -> _App | None:
        # One import for all first requests; a browser that goes away doesn't stop it.
        loop = asyncio.get_running_loop()
        if self._loading is None or self._loading.get_loop() is not loop:
            self._loading = loop.run_in_executor(None, _load)
        return await asyncio.shield(self._loading)


def _load() -> _App | None:
    try:
        app: _App = import_module("airflow_provider_wiro.gallery.app").app
    except Exception:
        from airflow_provider_wiro.redaction.loggers import plain_logger

        plain_logger(__name__).exception(
            "The Wiro gallery can't be loaded, and answers each request with status 500:"
        )
        return None
    return app


def _tabs() -> list[dict[str, Any]]:
    """
    Return the tabs as Airflow's `external_views`.

    Their addresses are relative, so that they also hold below the path of `[api] base_url`. The run's id is
    in the path, since Airflow 3.1 doesn't encode it, and a query would lose its `+`.
    """
    tabs = [
        ("dag_run", "wiro-run", "runs/{DAG_ID}/{RUN_ID}"),
        ("task_instance", "wiro-task", "tasks/{DAG_ID}/{RUN_ID}/{TASK_ID}/{MAP_INDEX}"),
        ("dag", "wiro-dag", "dags/{DAG_ID}"),
    ]
    root = URL_PREFIX.removeprefix("/")
    return [
        {
            "name": "Wiro gallery",
            "href": f"{root}/{path}",
            "destination": destination,
            "url_route": url_route,
            "icon": f"{root}/static/icon.svg",
        }
        for destination, url_route, path in tabs
    ]


def _is_on() -> bool:
    major, minor = (int(part) for part in __version__.split(".")[:2])
    if (major, minor) < _FIRST_WITH_TABS:
        # A logger without a filter: that would have to be imported, and nothing in this text is foreign.
        logging.getLogger(__name__).debug(  # noqa: TID251
            "Airflow %s has no tabs of plugins, so there is no Wiro gallery. Airflow 3.1 has.", __version__
        )
        return False
    return bool(conf.getboolean("wiro", "gallery", fallback=True))


class WiroPlugin(AirflowPlugin):
    """Adds the gallery to Airflow's API server and its tabs to the UI."""

    name = "wiro"
    fastapi_apps: list[Any] = []  # noqa: RUF012  Airflow's own form
    external_views: list[Any] = []  # noqa: RUF012

    if _is_on():
        fastapi_apps = [{"app": LazyGallery(), "url_prefix": URL_PREFIX, "name": "Wiro gallery"}]
        external_views = _tabs()
