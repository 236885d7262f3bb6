"""An output's bytes through Airflow's own API server, with all that it puts around an answer."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import requests

from airflow_provider_wiro.gallery import app as gallery
from airflow_provider_wiro.gallery.media.streamed import PIECE_BYTES
from tests.gallery.media.outputs import an_output, metadata_of, put
from tests.gallery.stores import as_a_new_process
from tests.transfers.conftest import moto_url, s3

if TYPE_CHECKING:
    from tests.gallery.routes.api_server import ApiServer
    from tests.transfers.s3 import S3

__all__ = ["as_a_new_process", "moto_url", "s3"]

pytestmark = pytest.mark.airflow

URL = "/wiro/media/plain/run/task/-1/-/0"
#: Of zeros for the most part, so that a server that compresses would.
BODY = random.Random(1).randbytes(1000) + bytes(2 * PIECE_BYTES)


@pytest.fixture
def film(s3: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """A film that the result of DAG ``plain`` names."""
    put(s3.client, BODY, metadata_of(dag_id="plain"))
    output = an_output(dag_id="plain")
    monkeypatch.setattr(gallery.reading, "find_output", lambda *_: output)
    return s3


@pytest.mark.usefixtures("film")
def test_bytes_come_as_they_are_and_by_ranges(api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__GALLERY_MEDIA", "streamed")
    viewer = api.browser("viewer")
    whole = viewer.get(URL, headers={"Accept-Encoding": "gzip, br"})
    assert (whole.status_code, whole.content) == (200, BODY)
    assert whole.headers["Content-Length"] == str(len(BODY))
    assert whole.headers["Content-Type"] == "video/mp4"
    part = viewer.get(URL, headers={"Accept-Encoding": "gzip", "Range": f"bytes={PIECE_BYTES - 5}-"})
    assert (part.status_code, part.content) == (206, BODY[PIECE_BYTES - 5 :])
    assert viewer.get(URL, headers={"Range": "bytes=999999999-"}).status_code == 416
    assert viewer.get(URL, headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304
    head = viewer.request("HEAD", URL)
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, str(len(BODY)), b"")


@pytest.mark.usefixtures("film")
def test_a_browser_is_sent_to_the_store_by_default(api: ApiServer) -> None:
    found = api.browser("viewer").get(URL)
    assert found.status_code == 302
    assert requests.get(found.headers["Location"], timeout=30).content == BODY


@pytest.mark.parametrize(("user", "status"), [(None, 401), ("without_xcoms", 403)])
@pytest.mark.parametrize("mode", ["streamed", "presigned"])
def test_a_user_without_the_rights_gets_neither_bytes_nor_a_url(
    api: ApiServer, film: S3, monkeypatch: pytest.MonkeyPatch, user: str | None, status: int, mode: str
) -> None:
    del film
    monkeypatch.setenv("AIRFLOW__WIRO__GALLERY_MEDIA", mode)
    found = api.browser(user).get(URL)
    assert found.status_code == status
    assert "Location" not in found.headers


def test_another_dags_object_is_for_those_who_may_see_that_dag(api: ApiServer, film: S3) -> None:
    key = urlsplit(an_output().uri).path.lstrip("/")
    assert key in film.keys
    put(film.client, BODY, metadata_of(dag_id="pictures"))
    assert api.browser("viewer").get(URL).status_code == 302
    assert api.browser("without_that_dag").get(URL).status_code == 404
