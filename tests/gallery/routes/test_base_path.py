"""The gallery below the path of `[api] base_url`, and which of Airflow's applications have it."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import pytest

from airflow_provider_wiro.plugins.wiro import WiroPlugin
from tests import warm_python

if TYPE_CHECKING:
    from tests.airflow_home import AirflowHome

pytestmark = pytest.mark.airflow

#: Serves Airflow's application with these parts, and prints what a viewer gets for the paths given.
ASKS = """
import json, sys
from tests.gallery.routes.api_server import airflow_api_server

parts, paths, is_broken = json.loads(sys.argv[1])
if is_broken:
    sys.modules["airflow_provider_wiro.gallery.app"] = None
elif parts != "execution":
    from airflow_provider_wiro.gallery import reading

    reading.media_origins = lambda *_: ()  # there is no such DAG run
with airflow_api_server(apps=parts) as api:
    viewer = api.browser(None if parts == "execution" else "viewer")
    got = {path: viewer.get(path) for path in paths}
    print("ANSWERS" + json.dumps({path: [answer.status_code, answer.text] for path, answer in got.items()}))
"""


def answers(parts: str, *paths: str, is_broken: bool = False) -> dict[str, tuple[int, str]]:
    done = warm_python.run(ASKS, json.dumps([parts, paths, is_broken]))
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any]
    found, _ = json.JSONDecoder().raw_decode(done.stdout.rpartition("ANSWERS")[2])
    return {path: (status, text) for path, (status, text) in found.items()}


def test_the_tabs_lead_to_pages_that_find_all_their_parts_below_a_base_path(
    airflow_home: AirflowHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/some/airflow")
    # As Airflow's UI makes the address of a frame: relative to the <base> of its page.
    tabs = [
        urljoin("/some/airflow/", re.sub(r"\{\w+\}", "0", view["href"])) for view in WiroPlugin.external_views
    ]

    found = answers("core", "/some/airflow/", *tabs, "/some/airflow/wiro/static/gallery.js")

    assert '<base href="/some/airflow/"' in found["/some/airflow/"][1]
    assert [found[tab][0] for tab in tabs] == [200, 200, 200]
    assert found["/some/airflow/wiro/static/gallery.js"][0] == 200
    for tab in tabs:
        page = found[tab][1]
        assert ' data-root="/some/airflow"' in page
        assert f' data-url="{html.escape(tab.replace("/wiro/", "/wiro/data/"))}"' in page
        addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
        assert addresses
        assert all(address.startswith("/some/airflow/wiro/") for address in addresses)


def test_a_server_of_the_execution_api_alone_has_no_gallery(airflow_home: AirflowHome) -> None:
    status, text = answers("execution", "/wiro/static/gallery.js")["/wiro/static/gallery.js"]

    assert (status, "Wiro" in text) == (404, False)


def test_a_gallery_that_cannot_be_imported_leaves_airflow_s_api_alone(airflow_home: AirflowHome) -> None:
    found = answers("core", "/wiro/dags/x", "/api/v2/version", is_broken=True)

    assert found["/wiro/dags/x"][0] == 500
    assert found["/wiro/dags/x"][1].startswith("The Wiro gallery can't be loaded.")
    assert found["/api/v2/version"][0] == 200
