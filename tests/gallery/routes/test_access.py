"""Who may see the gallery: Airflow's auth manager decides, for each route and exactly the DAG of its path."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from starlette.responses import PlainTextResponse

from airflow_provider_wiro.gallery import app as gallery
from airflow_provider_wiro.gallery.landed_output import LandedOutput
from airflow_provider_wiro.gallery.page import Gallery
from tests.gallery.routes.auth_manager import DENIED, RestrictingAuthManager

if TYPE_CHECKING:
    from tests.gallery.routes.api_server import ApiServer, Browser

pytestmark = pytest.mark.airflow

SECRET = "what only those who may see the DAG may read"
VALUES = {
    "dag_id": "pictures",
    "run_id": "manual__2026-11-27T10:00:00+00:00",
    "task_id": "group.land",
    "map_index": "3",
    "place": "-",
    "index": "0",
    "name": "icon.svg",
}
#: All routes there are, so that a new one without access fails these tests.
ROUTES = {route.path: route for route in gallery.routes.routes}
OF_A_DAG = sorted(path for path in ROUTES if path != "/static/{name}")


def url(path: str, **values: str) -> str:
    """Fill in a route's path, as a browser sends it."""
    return "/wiro" + re.sub(
        r"\{(\w+)(:path)?\}", lambda found: quote((VALUES | values)[found[1]], safe=""), path
    )


@pytest.fixture(autouse=True)
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What was asked of the database and the store; each answer holds the secret."""
    asked: list[tuple[Any, ...]] = []

    def galleries(session: Any, *of: Any) -> Gallery:
        asked.append(of)
        return Gallery(dag_id=SECRET, runs=())

    def output(session: Any, *of: Any) -> LandedOutput:
        asked.append(of)
        return LandedOutput("s3://bucket/key", SECRET, "image/png", 1, "7", "aws_default")

    def origins(session: Any, *of: Any) -> tuple[str, ...]:
        asked.append(of)
        return ("https://what-only-those.who-may-see",)

    for name in ("run_gallery", "task_gallery", "dag_gallery"):
        monkeypatch.setattr(gallery.reading, name, galleries)
    monkeypatch.setattr(gallery.reading, "find_output", output)
    monkeypatch.setattr(gallery.reading, "media_origins", origins)
    monkeypatch.setattr(gallery, "respond", lambda found, *_, **__: PlainTextResponse(found.name))
    return asked


def test_every_route_names_one_dag_but_the_files_of_the_package() -> None:
    assert len(OF_A_DAG) == 7
    assert all("/{dag_id}" in path for path in OF_A_DAG)


@pytest.mark.parametrize("path", sorted(ROUTES))
def test_who_is_not_signed_in_gets_401(path: str, api: ApiServer, read: list[Any]) -> None:
    answer = api.browser().get(url(path))

    assert answer.status_code == 401
    assert "not signed in" in answer.text
    assert not read


@pytest.mark.parametrize("path", sorted(ROUTES))
def test_a_viewer_of_the_dag_sees_it_by_cookie_and_by_bearer(path: str, api: ApiServer) -> None:
    by_cookie = api.browser("viewer").get(url(path))
    by_bearer = api.browser().get(url(path), headers={"Authorization": f"Bearer {api.token('viewer')}"})

    assert (by_cookie.status_code, by_bearer.status_code) == (200, 200)
    assert by_cookie.content == by_bearer.content


@pytest.mark.parametrize("user", [*sorted(DENIED), "without_a_role"])
@pytest.mark.parametrize("path", OF_A_DAG)
def test_who_may_not_see_the_dag_or_a_part_of_it_gets_403(
    path: str, user: str, api: ApiServer, read: list[Any]
) -> None:
    answer = api.browser(user).get(url(path))

    assert answer.status_code == 403
    assert "Airflow doesn't let you see this" in answer.text
    assert SECRET not in answer.text
    assert "who-may-see" not in str(answer.headers)
    assert not read


@pytest.mark.parametrize("path", OF_A_DAG)
def test_a_right_on_another_dag_is_none_on_this_one(path: str, api: ApiServer, read: list[Any]) -> None:
    browser = api.browser("without_that_dag")

    assert browser.get(url(path, dag_id="another")).status_code == 200
    assert {of[0] for of in read} == {"another"}
    assert browser.get(url(path) + "?dag_id=another").status_code == 403
    assert {of[0] for of in read} == {"another"}


@pytest.mark.parametrize("path", OF_A_DAG)
@pytest.mark.parametrize("dag_id", ["~", "", "x" * 251, "a\0b", "a\nb"])
def test_no_address_stands_for_all_dags_or_for_none(
    path: str, dag_id: str, api: ApiServer, read: list[Any]
) -> None:
    assert api.browser("admin").get(url(path, dag_id=dag_id)).status_code == 404
    assert not read


@pytest.mark.parametrize("path", OF_A_DAG)
@pytest.mark.parametrize("detour", ["another/../pictures", "another/..;/pictures", "another\\..\\pictures"])
def test_no_detour_leads_to_a_dag_that_is_denied(
    path: str, detour: str, api: ApiServer, read: list[Any]
) -> None:
    browser = api.browser("without_that_dag")
    encoded = quote(detour, safe="")
    for text in (detour, encoded, quote(encoded, safe="")):
        browser.get_as_it_is(url(path, dag_id="XX").replace("XX", text))
        browser.get_as_it_is(url(path, dag_id="another", run_id="XX").replace("XX", f"../{text}"))

    assert all(of[0] != "pictures" for of in read)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", sorted(ROUTES))
def test_no_route_writes(path: str, method: str, api: ApiServer, read: list[Any]) -> None:
    assert set(ROUTES[path].methods or ()) == {"GET", "HEAD"}
    assert api.browser("admin").request(method, url(path)).status_code == 405
    assert not read


@pytest.mark.parametrize("path", OF_A_DAG)
def test_head_asks_for_the_same_right(path: str, api: ApiServer) -> None:
    assert api.browser("viewer").request("HEAD", url(path)).status_code == 200
    assert api.browser("without_that_dag").request("HEAD", url(path)).status_code == 403


@pytest.mark.parametrize("token", ["", "x", "a.b.c"])
@pytest.mark.parametrize("path", sorted(ROUTES))
def test_a_made_up_token_opens_nothing(path: str, token: str, api: ApiServer, read: list[Any]) -> None:
    assert api.browser_with(token).get(url(path)).status_code in (401, 403)
    assert not read


@pytest.mark.parametrize("path", sorted(ROUTES))
def test_a_session_that_airflow_ended_before_its_time_is_no_missing_right(
    path: str, api: ApiServer, read: list[Any]
) -> None:
    """The API server has a new secret, or the user has signed out: Airflow says 403 of the old cookie."""
    head, _, signature = api.token("viewer").rpartition(".")
    answer = api.browser_with(f"{head}.{signature[::-1]}").get(url(path))

    assert answer.status_code == 401
    assert "not signed in" in answer.text
    assert not read


def test_the_auth_manager_learns_the_team_of_the_dag(api: ApiServer) -> None:
    give_to_team("of_the_red_team", "red")
    RestrictingAuthManager.asked_teams.clear()

    api.browser("admin").get(url("/data/dags/{dag_id}", dag_id="of_the_red_team"))
    assert RestrictingAuthManager.asked_teams == ["red"] * 3

    RestrictingAuthManager.asked_teams.clear()
    api.browser("admin").get(url("/data/dags/{dag_id}", dag_id="of_no_team"))
    assert RestrictingAuthManager.asked_teams == [None] * 3


def test_a_media_of_another_dag_needs_the_right_on_that_dag_too(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The object's own metadata can say that another DAG landed it."""

    def say_who_may(found: Any, headers: Any, method: str, *, may_see_dag: Any) -> PlainTextResponse:
        return PlainTextResponse(str([may_see_dag(dag) for dag in ("another", "pictures", "~", "", "a\0")]))

    monkeypatch.setattr(gallery, "respond", say_who_may)
    media = next(path for path in OF_A_DAG if path.startswith("/media"))

    def answer(browser: Browser) -> str:
        return browser.get(url(media, dag_id="one")).text

    assert answer(api.browser("viewer")) == "[True, True, False, False, False]"
    assert answer(api.browser("without_that_dag")) == "[True, False, False, False, False]"


def give_to_team(dag_id: str, name: str) -> None:
    """Add the rows by which Airflow finds the team of a DAG."""
    from airflow.models import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.team import Team
    from airflow.utils.session import create_session

    with create_session() as session:
        team = Team(name=name)
        if hasattr(Team, "id"):  # Airflow 3.1
            team.id = uuid4()
        bundle = DagBundleModel(name="bundle_of_a_team")
        bundle.teams.append(team)
        session.add_all([team, bundle])
        session.flush()
        session.add(DagModel(dag_id=dag_id, bundle_name=bundle.name))
