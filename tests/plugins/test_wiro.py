"""The plugin: its tabs, what it costs Airflow's other processes, and an API server with a broken gallery."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import py_compile
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import airflow
import pytest

from airflow_provider_wiro.plugins import wiro
from tests import warm_python

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.airflow_home import AirflowHome

HAS_TABS = tuple(int(part) for part in airflow.__version__.split(".")[:2]) >= (3, 1)
GALLERY = "airflow_provider_wiro.gallery.app"
needs_tabs = pytest.mark.skipif(not HAS_TABS, reason="Airflow has tabs of plugins from 3.1 on")


@pytest.fixture
def plugin_again() -> Iterator[Any]:
    """Load the plugin's module as in a process of its own; afterwards as it was."""
    yield lambda: importlib.reload(wiro).WiroPlugin
    importlib.reload(wiro)


def answer(app: Any, scope: dict[str, Any]) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


IMPORTS_IT = (
    "import sys, time\n"
    "from airflow.providers.common.compat.sdk import AirflowPlugin, conf\n"
    "import asyncio, airflow_provider_wiro\n"
    "before, began = set(sys.modules), time.process_time()\n"
    "import airflow_provider_wiro.plugins.wiro\n"
    "print(time.process_time() - began, *set(sys.modules) - before)\n"
)


@pytest.mark.airflow
def test_a_worker_that_loads_plugins_imports_nothing_of_the_gallery_and_loses_no_time() -> None:
    for module in ("__init__.py", "wiro.py"):  # as installed packages have it
        py_compile.compile(str(Path(wiro.__file__).with_name(module)))
    runs = [warm_python.run(IMPORTS_IT) for _ in range(5)]
    assert [run.returncode for run in runs] == [0] * 5, runs[0].stderr

    printed = [run.stdout.split() for run in runs]
    assert {name for line in printed for name in line[1:]} == {
        "airflow_provider_wiro.plugins",
        "airflow_provider_wiro.plugins.wiro",
    }
    assert min(float(line[0]) for line in printed) < 0.002


@pytest.mark.airflow
def test_airflow_lists_the_plugin(airflow_home: AirflowHome) -> None:
    command = [sys.executable, "-m", "airflow", "plugins", "--output", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)

    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout[done.stdout.index("[") :])
    [mine] = [plugin for plugin in found if plugin["name"] == "wiro"]
    assert ("Wiro gallery" in str(mine)) == HAS_TABS


@needs_tabs
def test_there_is_a_tab_on_dags_runs_and_task_instances() -> None:
    tabs = {view["destination"]: view for view in wiro.WiroPlugin.external_views}

    assert {where: tab["url_route"] for where, tab in tabs.items()} == {
        "dag": "wiro-dag",
        "dag_run": "wiro-run",
        "task_instance": "wiro-task",
    }
    assert {tab["name"] for tab in tabs.values()} == {"Wiro gallery"}


@needs_tabs
def test_tabs_hold_below_a_base_path_and_need_no_query() -> None:
    """Airflow's page has a <base>; and Airflow 3.1 puts ids in as they are, with the + of a date."""
    for tab in wiro.WiroPlugin.external_views:
        for address in (tab["href"], tab["icon"]):
            assert address.startswith("wiro/")
            assert "?" not in address


def test_below_airflow_3_1_there_is_no_gallery_and_one_line_says_so(
    plugin_again: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(airflow, "__version__", "3.0.6")
    caplog.set_level(logging.DEBUG, logger=wiro.__name__)

    plugin = plugin_again()

    assert (plugin.fastapi_apps, plugin.external_views) == ([], [])
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("DEBUG", "Airflow 3.0.6 has no tabs of plugins, so there is no Wiro gallery. Airflow 3.1 has.")
    ]


def test_the_gallery_can_be_switched_off(plugin_again: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__GALLERY", "False")

    plugin = plugin_again()

    assert (plugin.fastapi_apps, plugin.external_views) == ([], [])


def test_a_gallery_that_cannot_be_imported_answers_500_and_logs_the_reason_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, GALLERY, None)
    app = wiro.LazyGallery()

    async def three_requests() -> list[list[dict[str, Any]]]:
        sent: list[list[dict[str, Any]]] = [[], [], []]

        async def send_to(place: list[dict[str, Any]], message: Any) -> None:
            place.append(message)

        await asyncio.gather(
            *(
                app({"type": "http"}, None, lambda message, at=at: send_to(sent[at], message))  # type: ignore[arg-type]
                for at in range(3)
            )
        )
        return sent

    answers = asyncio.run(three_requests())

    for start, body in answers:
        assert start["status"] == 500
        assert body["body"].startswith(b"The Wiro gallery can't be loaded.")
        assert b"Traceback" not in body["body"]
    [record] = [found for found in caplog.records if found.name == wiro.__name__]
    assert "can't be loaded" in record.getMessage()
    assert GALLERY in str(record.exc_info or record.exc_text)


def test_a_websocket_is_closed_without_a_look() -> None:
    sent = answer(wiro.LazyGallery(), {"type": "websocket", "path": "/wiro/runs/a/b"})

    assert sent == [{"type": "websocket.close", "code": 1000}]


def test_the_module_with_the_routes_has_real_annotations() -> None:
    """With postponed ones FastAPI takes a user for a parameter of the query, and checks no access."""
    package = Path(wiro.__file__).parents[1]
    for name in ("app", "access"):
        assert "from __future__" not in (package / "gallery" / f"{name}.py").read_text()
