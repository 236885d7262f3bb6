"""What the routes take from an address, and what they give back: ids of all kinds, pages, files, errors."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from starlette.responses import PlainTextResponse

from airflow_provider_wiro.gallery import app as gallery
from airflow_provider_wiro.gallery.landed_output import LandedOutput
from airflow_provider_wiro.gallery.page import Gallery

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.gallery.routes.api_server import ApiServer, Browser

pytestmark = pytest.mark.airflow

RUN = "manual__2026-11-27T10:00:00+00:00"
#: The ids that Airflow can have: of a run also what `[scheduler] allowed_run_id_pattern` is set to allow.
DAGS = ["plain", "with.dots-and_more", "Über.резюме.図"]
RUNS = [RUN, "scheduled__2026-11-27T10:00:00.123456+02:00", "a b", "a/b/c", "50%", "%2F", "é?#&=;", "<i>\"'"]
#: What Airflow's pages and code never pass on as an address.
ODD = ["~", "", "x" * 251, "nul\0", "line\nbreak", "\x1b[31m"]


@pytest.fixture
def viewer(api: ApiServer) -> Browser:
    return api.browser("viewer")


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the routes asked to be read."""
    found: list[tuple[Any, ...]] = []

    def remember(answer: Callable[..., Any]) -> Callable[..., Any]:
        def read(session: Any, *of: Any) -> Any:
            found.append(of)
            return answer(*of)

        return read

    for name in ("run_gallery", "task_gallery", "dag_gallery"):
        monkeypatch.setattr(gallery.reading, name, remember(lambda dag_id, *_: Gallery(dag_id, ())))
    monkeypatch.setattr(gallery.reading, "media_origins", remember(lambda *_: ("https://bucket.example",)))
    monkeypatch.setattr(
        gallery.reading,
        "find_output",
        remember(lambda *_: LandedOutput("s3://bucket/key", "0.png", "image/png", 1, "7", "aws_default")),
    )
    monkeypatch.setattr(gallery, "respond", lambda found, *_, **__: PlainTextResponse(found.name))
    return found


def path(*parts: str) -> str:
    return "/wiro/" + "/".join(quote(part, safe="") for part in parts)


@pytest.mark.parametrize(
    ("dag_id", "run_id"), [*((dag_id, RUN) for dag_id in DAGS), *(("plain", run_id) for run_id in RUNS)]
)
def test_an_id_arrives_as_it_is(
    dag_id: str, run_id: str, viewer: Browser, asked: list[tuple[Any, ...]]
) -> None:
    assert viewer.get(path("data", "runs", dag_id, run_id)).status_code == 200
    assert viewer.get(path("data", "tasks", dag_id, run_id, "group.task", "3")).status_code == 200
    assert viewer.get(path("media", dag_id, run_id, "group.task", "3", "b17", "2")).status_code == 200

    assert asked == [
        (dag_id, run_id, ""),
        (dag_id, run_id, "group.task", 3, ""),
        (dag_id, run_id, "group.task", 3, "b17", 2),
    ]


def test_airflow_3_1_puts_a_run_s_id_into_the_path_as_it_is(
    viewer: Browser, asked: list[tuple[Any, ...]]
) -> None:
    assert viewer.get_as_it_is(f"/wiro/data/runs/plain/{RUN}") == 200

    assert asked == [("plain", RUN, "")]


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("{MAP_INDEX}", -1),
        ("%7BMAP_INDEX%7D", -1),
        ("%257BMAP_INDEX%257D", -1),
        ("-1", -1),
        ("0", 0),
        ("41", 41),
    ],
)
def test_a_task_instance_that_is_not_mapped_has_index_minus_one(
    text: str, index: int, viewer: Browser, asked: list[tuple[Any, ...]]
) -> None:
    assert viewer.get_as_it_is(f"/wiro/data/tasks/plain/{RUN}/task/{text}") == 200

    assert asked == [("plain", RUN, "task", index, "")]


@pytest.mark.parametrize("text", ["x", "-2", "1.5", "99999999999", "%20", "{TASK_ID}", "٣", "1e3", "1_0"])
def test_any_other_index_is_no_page(text: str, viewer: Browser, asked: list[tuple[Any, ...]]) -> None:
    for folder in ("tasks", "data/tasks"):
        assert viewer.get(f"/wiro/{folder}/plain/{RUN}/task/{quote(text)}").status_code == 404
    assert viewer.get(f"/wiro/media/plain/{RUN}/task/{quote(text)}/-/0").status_code == 404

    assert not asked


@pytest.mark.parametrize(
    ("place", "index"),
    [
        ("x", "0"),
        ("-1", "0"),
        ("b", "0"),
        ("../1", "0"),
        ("1" * 19, "0"),
        ("-", "-1"),
        ("-", "x"),
        ("-", "9" * 11),
    ],
)
def test_a_file_has_a_place_and_a_position_and_nothing_else(
    place: str, index: str, viewer: Browser, asked: list[tuple[Any, ...]]
) -> None:
    assert viewer.get(path("media", "plain", RUN, "task", "-1", place, index)).status_code == 404

    assert not asked


@pytest.mark.parametrize("odd", ODD)
def test_no_id_that_airflow_cannot_have_reaches_the_database(
    odd: str, viewer: Browser, asked: list[tuple[Any, ...]]
) -> None:
    for parts in (
        ("runs", odd, RUN),
        ("runs", "plain", odd),
        ("data", "tasks", "plain", odd, "task", "-1"),
        ("data", "tasks", "plain", RUN, odd, "-1"),
    ):
        assert viewer.get(path(*parts)).status_code == 404

    assert not asked


def test_at_moves_within_what_the_path_names(viewer: Browser, asked: list[tuple[Any, ...]]) -> None:
    assert viewer.get(path("data", "runs", "plain", RUN) + "?at=item-61").status_code == 200
    assert (
        viewer.get(path("data", "dags", "plain") + "?at=x" + "&dag_id=other&run_id=other").status_code == 200
    )
    assert viewer.get(path("data", "dags", "plain") + "?at=" + "x" * 101).status_code == 404

    assert asked == [("plain", RUN, "item-61"), ("plain", "x")]


@pytest.mark.parametrize(
    ("parts", "kind", "data"),
    [
        (("runs", "d.ä", RUN), "run", ("runs", "d.ä", RUN)),
        (("tasks", "d", 'r/"<x>', "g.t", "{MAP_INDEX}"), "task", ("tasks", "d", 'r/"<x>', "g.t", "-1")),
        (("tasks", "d", RUN, "g.t", "7"), "task", ("tasks", "d", RUN, "g.t", "7")),
        (("dags", "d"), "dag", ("dags", "d")),
    ],
)
def test_a_page_says_where_its_contents_are(
    parts: tuple[str, ...], kind: str, data: tuple[str, ...], viewer: Browser
) -> None:
    answer = viewer.get(path(*parts))

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    attributes = dict(re.findall(r' data-(\w+)="([^"]*)"', answer.text))
    assert attributes == {"root": "", "kind": kind, "url": html.escape(path("data", *data))}
    assert "{{" not in answer.text


def test_a_page_runs_nothing_but_the_package_s_files(viewer: Browser) -> None:
    answer = viewer.get(path("runs", "plain", RUN))

    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", answer.text)
    for address in re.findall(r'(?:src|href)="(/[^"]*)"', answer.text):
        assert viewer.get(html.unescape(address)).status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "gallery.html",
        "..",
        "../app.py",
        "%2e%2e/app.py",
        "..%2fapp.py",
        "/etc/passwd",
        "x.css",
        "gallery.css%00",
        "",
    ],
)
def test_nothing_but_the_page_s_own_files_is_served(name: str, viewer: Browser) -> None:
    assert viewer.get_as_it_is(f"/wiro/static/{name}") == 404


def test_a_file_that_has_not_changed_is_not_sent_again(viewer: Browser) -> None:
    first = viewer.get("/wiro/static/gallery.css")
    again = viewer.get("/wiro/static/gallery.css", headers={"If-None-Match": first.headers["etag"]})
    other = viewer.get("/wiro/static/gallery.css", headers={"If-None-Match": '"other"'})

    assert (first.status_code, again.status_code, other.status_code) == (200, 304, 200)
    assert first.headers["content-type"] == "text/css; charset=utf-8"
    assert (again.content, other.content) == (b"", first.content)


def test_what_is_not_there_is_a_sentence_for_the_script_as_for_a_person(
    viewer: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: Any) -> Any:
        raise LookupError("No such DAG run.")

    for name in ("run_gallery", "media_origins"):
        monkeypatch.setattr(gallery.reading, name, nothing)
    data = viewer.get(path("data", "runs", "plain", RUN))
    page = viewer.get(path("runs", "plain", RUN))

    assert (data.status_code, data.json()) == (404, {"detail": "No such DAG run."})
    assert (page.status_code, page.text) == (404, "No such DAG run.")
    assert page.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("error", [KeyError("s3cret"), IndexError("s3cret"), RuntimeError("s3cret")])
def test_a_bug_is_a_500_that_shows_nothing_of_it(
    error: Exception, viewer: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(gallery.reading, "run_gallery", fail)
    answer = viewer.get(path("data", "runs", "plain", RUN))

    assert answer.status_code == 500
    assert answer.json() == {
        "detail": "The gallery can't answer this. The log of Airflow's API server has the reason."
    }


def test_the_database_is_not_changed_by_reading(viewer: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.models import Variable
    from airflow.utils.session import create_session
    from sqlalchemy import select

    def write(session: Any, *_: Any) -> Gallery:
        session.add(Variable(key="written_by_the_gallery", val="x"))
        session.flush()
        return Gallery("plain", ())

    monkeypatch.setattr(gallery.reading, "run_gallery", write)
    assert viewer.get(path("data", "runs", "plain", RUN)).status_code == 200

    with create_session() as session:
        assert session.scalars(select(Variable.key)).all() == []


def test_no_session_is_held_while_a_file_is_sent(
    viewer: Browser, monkeypatch: pytest.MonkeyPatch, asked: list[tuple[Any, ...]]
) -> None:
    """So that slow players of films don't use up the connections to the database."""
    held: list[bool] = []
    sessions: list[Any] = []

    def find(session: Any, *_: Any) -> LandedOutput:
        session.connection()
        sessions.append(session)
        return LandedOutput("s3://bucket/key", "0.png", "image/png", 1, "7", "aws_default")

    def respond(*_: Any, **__: Any) -> PlainTextResponse:
        held.append(sessions[0].in_transaction())
        return PlainTextResponse("x")

    monkeypatch.setattr(gallery.reading, "find_output", find)
    monkeypatch.setattr(gallery, "respond", respond)
    viewer.get(path("media", "plain", RUN, "task", "-1", "-", "0"))

    assert held == [False]


def test_airflow_shows_the_plugin_by_its_api(viewer: Browser) -> None:
    answer = viewer.get("/api/v2/plugins")

    assert answer.status_code == 200
    [plugin] = [found for found in answer.json()["plugins"] if found["name"] == "wiro"]
    assert [app["url_prefix"] for app in plugin["fastapi_apps"]] == ["/wiro"]
    assert {view["url_route"] for view in plugin["external_views"]} == {"wiro-run", "wiro-task", "wiro-dag"}
