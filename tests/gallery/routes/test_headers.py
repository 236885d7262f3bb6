"""The headers of all that the gallery answers, errors included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from starlette.responses import Response

from airflow_provider_wiro.gallery import app as gallery
from airflow_provider_wiro.gallery.headers import page_policy
from airflow_provider_wiro.gallery.landed_output import LandedOutput
from airflow_provider_wiro.gallery.page import Gallery

if TYPE_CHECKING:
    from tests.gallery.routes.api_server import ApiServer, Browser

pytestmark = pytest.mark.airflow

PAGE = "/wiro/runs/plain/run"
DATA = "/wiro/data/runs/plain/run"
MEDIA = "/wiro/media/plain/run/task/-1/-/0"
NO_RIGHTS = "default-src 'none'; sandbox; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"


@pytest.fixture
def viewer(api: ApiServer) -> Browser:
    return api.browser("viewer")


@pytest.fixture(autouse=True)
def readable(monkeypatch: pytest.MonkeyPatch) -> None:
    output = LandedOutput("s3://bucket/key", "0.png", "image/png", 1, "7", "aws_default")
    monkeypatch.setattr(gallery.reading, "run_gallery", lambda *_: Gallery("plain", ()))
    monkeypatch.setattr(gallery.reading, "media_origins", lambda *_: ("https://bucket.example",))
    monkeypatch.setattr(gallery.reading, "find_output", lambda *_: output)
    monkeypatch.setattr(gallery, "respond", lambda *_, **__: Response(b"png", media_type="image/png"))


def test_a_page_may_load_the_package_s_files_and_media_of_named_origins_only(viewer: Browser) -> None:
    rules = dict(
        rule.split(" ", 1) for rule in viewer.get(PAGE).headers["content-security-policy"].split("; ")
    )

    assert rules == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' https://bucket.example",
        "media-src": "'self' https://bucket.example",
        "connect-src": "'self'",
        "frame-ancestors": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


@pytest.mark.parametrize(
    "hostile",
    [
        "https://a; script-src *",
        "https://a b",
        "data:",
        "*",
        "https://*",
        "javascript:x",
        "https://a/b",
        "https://é",
    ],
)
def test_nothing_but_an_origin_gets_into_the_policy(hostile: str) -> None:
    assert page_policy([hostile]) == page_policy([])


def test_origins_of_own_stores_get_into_the_policy() -> None:
    origins = ("https://b.s3.eu-west-1.amazonaws.com", "http://127.0.0.1:9000", "https://[::1]:9000")

    assert f"img-src 'self' {' '.join(origins)};" in page_policy(origins)


@pytest.mark.parametrize("path", [DATA, MEDIA, "/wiro/static/gallery.js", "/wiro/nothing", "/wiro/runs/~/x"])
def test_nothing_else_is_a_document_with_rights(path: str, viewer: Browser) -> None:
    assert viewer.get(path).headers["content-security-policy"] == NO_RIGHTS


@pytest.mark.parametrize("user", [None, "viewer", "without_that_dag", "without_xcoms"])
@pytest.mark.parametrize("path", [PAGE, DATA, MEDIA, "/wiro/static/gallery.js", "/wiro/nothing"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_each_answer_says_what_a_browser_may_do_with_it(
    path: str, user: str | None, method: str, api: ApiServer
) -> None:
    headers = api.browser(user).request(method, path.replace("plain", "pictures")).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "frame-ancestors 'self'" in headers["content-security-policy"]


@pytest.mark.parametrize("path", [PAGE, DATA, MEDIA])
def test_no_cache_keeps_what_a_right_was_needed_for(path: str, viewer: Browser) -> None:
    assert viewer.get(path).headers["cache-control"] == "private, no-store"


def test_a_broken_answer_has_the_same_headers(viewer: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(gallery.reading, "run_gallery", fail)
    answer = viewer.get(DATA)

    assert answer.status_code == 500
    assert answer.headers["content-security-policy"] == NO_RIGHTS
    assert answer.headers["cache-control"] == "private, no-store"
