"""Whatever waits for a store, Airflow's own pages and the gallery's are answered."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from starlette.responses import PlainTextResponse

from airflow_provider_wiro.gallery import app as gallery
from airflow_provider_wiro.gallery.landed_output import LandedOutput
from airflow_provider_wiro.gallery.page import Gallery

if TYPE_CHECKING:
    from tests.gallery.routes.api_server import ApiServer

pytestmark = pytest.mark.airflow
#: More than the API server has threads for its own requests.
_ASKED_AT_ONCE = 60
#: More than a loaded machine needs.
_SECONDS = 30


def test_pictures_of_a_store_that_is_out_leave_airflow_its_threads(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_back, all_wait = threading.Event(), threading.Event()
    asked: list[int] = []

    def respond(*_: Any, **__: Any) -> PlainTextResponse:
        asked.append(1)
        if len(asked) == 16:
            all_wait.set()
        is_back.wait(_SECONDS)
        return PlainTextResponse("x")

    output = LandedOutput("s3://bucket/key", "0.png", "image/png", 1, "7", "aws_default")
    monkeypatch.setattr(gallery.reading, "find_output", lambda *_: output)
    monkeypatch.setattr(gallery.reading, "dag_gallery", lambda *_: Gallery("plain", ()))
    monkeypatch.setattr(gallery, "respond", respond)
    media = "/wiro/media/plain/manual__1/task/-1/-/0"
    with ThreadPoolExecutor(_ASKED_AT_ONCE) as pictures:
        try:
            answers = [pictures.submit(api.browser("viewer").get, media) for _ in range(_ASKED_AT_ONCE)]
            assert all_wait.wait(_SECONDS)
            assert api.browser("viewer").get("/api/v2/plugins").status_code == 200
            assert api.browser("viewer").get("/wiro/data/dags/plain").status_code == 200
            assert len(asked) == 16
            assert not is_back.is_set()
            assert not any(each.done() for each in answers)
        finally:
            is_back.set()
    assert {each.result().status_code for each in answers} == {200}
