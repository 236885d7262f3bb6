"""Airflow's own API server in this process, with its plugins, and browsers of users who are signed in."""

from __future__ import annotations

import http.client
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import requests
import uvicorn

from tests.gallery.routes.auth_manager import RestrictingAuthManager

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

AUTH_MANAGER = f"{RestrictingAuthManager.__module__}.{RestrictingAuthManager.__qualname__}"
_START_SECONDS = 30


class Browser:
    """Asks for pages of one server, without following redirections."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False
        self._token = token
        if token is not None:
            self._session.cookies.set("_token", token)

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.request("GET", path, **more)

    def request(self, method: str, path: str, **more: Any) -> requests.Response:
        return self._session.request(method, self.url + path, allow_redirects=False, timeout=60, **more)

    def get_as_it_is(self, target: str) -> int:
        """Send a path without making it any tidier, and return the status."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=60)
        try:
            connection.request("GET", target, headers={"Cookie": f"_token={self._token}"})
            return connection.getresponse().status
        finally:
            connection.close()


class ApiServer:
    """Airflow's application, as `airflow api-server` makes and serves it."""

    def __init__(self, app: FastAPI, url: str) -> None:
        self.app = app
        self.url = url

    def browser(self, user: str | None = None) -> Browser:
        """Return a browser that has signed in as Airflow's UI does: by a cookie."""
        return self.browser_with(None if user is None else self.token(user))

    def browser_with(self, token: str | None) -> Browser:
        return Browser(self.url, token)

    def token(self, user: str) -> str:
        from airflow.api_fastapi.app import get_auth_manager

        manager: Any = get_auth_manager()
        token: str = manager.token(user)
        return token


@contextmanager
def airflow_api_server(apps: str = "all") -> Iterator[ApiServer]:
    """Serve Airflow's application, with the restricting auth manager."""
    from airflow.api_fastapi import app as airflow_app

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__CORE__AUTH_MANAGER", AUTH_MANAGER)
        patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "no secret, but long enough for the algorithm " * 2)
        airflow_app.purge_cached_app()
        app = airflow_app.create_app(apps=apps)
        with _served(app) as url:
            yield ApiServer(app, url)
        airflow_app.purge_cached_app()


@contextmanager
def _served(app: FastAPI) -> Iterator[str]:
    config = uvicorn.Config(app, port=0, log_config=None, access_log=False, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + _START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > until:
            raise RuntimeError("Airflow's API server did not start. Its output is above.")
        time.sleep(0.01)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
