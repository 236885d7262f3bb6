"""Fixtures for every folder that tests against the hostile server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_wiro.api import flow, retry
from airflow_provider_wiro.downloads import ranges
from tests.contract.hostile import HostileServer
from tests.contract.twins import TWINS, Twin

KEY = "key-7f3a91c5d2e8"
SECRET = "secret-0b6e4d7a9c21"

#: Writes the connection ``wiro_default``; without ``host`` it leads to the fixture ``server``.
Connect = Callable[..., None]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat at once, and not for long: these tests don't measure pauses."""
    monkeypatch.setattr(retry, "FIRST_PAUSE_SECONDS", 0.002)
    monkeypatch.setattr(ranges, "PATIENCE_SECONDS", 1.5)


@pytest.fixture
def no_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make each call once, so that its first failure is raised."""
    monkeypatch.setitem(flow.call.__kwdefaults__, "patience_seconds", 0.0)


@pytest.fixture
def server() -> Iterator[HostileServer]:
    """The hostile server, playing Wiro's API."""
    yield from _running()


@pytest.fixture
def cdn() -> Iterator[HostileServer]:
    """Another hostile server, playing the CDN."""
    yield from _running()


def _running() -> Iterator[HostileServer]:
    running = HostileServer()
    yield running
    running.stop()
    assert not running.errors, running.errors


@pytest.fixture
def connect(server: HostileServer, monkeypatch: pytest.MonkeyPatch) -> Connect:
    def write(*, login: str = KEY, password: str = SECRET, host: str | None = None, **extra: Any) -> None:
        fields = {
            "conn_type": "wiro",
            "host": host or server.base_url,
            "login": login,
            "password": password,
            "extra": {"read_timeout": 5, "connect_timeout": 5, **extra},
        }
        monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", json.dumps(fields))

    write()
    return write


@pytest.fixture(params=list(TWINS))
def twin(request: pytest.FixtureRequest, connect: Connect) -> Iterator[Twin]:
    """Either hook, over the connection ``wiro_default``."""
    one = TWINS[request.param]()
    yield one
    one.close()
