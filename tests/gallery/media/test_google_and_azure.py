"""Outputs in Google Cloud Storage and Azure are streamed, if their metadata say that they are it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from airflow_provider_wiro.gallery.media.streamed import PIECE_BYTES
from tests.gallery.media.outputs import an_output, metadata_of

if TYPE_CHECKING:
    from airflow_provider_wiro.gallery.landed_output import LandedOutput
    from tests.gallery.media.media_server import MediaServer
    from tests.storage.object_stores.object_store import Store

BODY = bytes(range(256)) * (PIECE_BYTES // 100)
KEY = "wiro/2221/0 ü.mp4"


def put(store: Store, metadata: dict[str, str]) -> LandedOutput:
    store.put(KEY, BODY, {store.name(name): value for name, value in metadata.items()})
    return an_output(uri=store.uri(KEY), aws_conn_id=None)


def test_an_output_is_streamed_by_ranges_even_where_urls_are_presigned(
    object_store: Store, media: MediaServer
) -> None:
    media.outputs["it"] = put(object_store, metadata_of())
    whole = requests.get(f"{media.url}/it", timeout=30)
    assert (whole.status_code, whole.content) == (200, BODY)
    assert whole.headers["Content-Type"] == "video/mp4"
    part = requests.get(f"{media.url}/it", headers={"Range": f"bytes={PIECE_BYTES}-"}, timeout=30)
    assert (part.status_code, part.content) == (206, BODY[PIECE_BYTES:])
    end = requests.get(f"{media.url}/it", headers={"Range": "bytes=-7"}, timeout=30)
    assert end.content == BODY[-7:]
    again = requests.get(f"{media.url}/it", headers={"If-None-Match": whole.headers["ETag"]}, timeout=30)
    assert again.status_code == 304
    assert (
        requests.get(f"{media.url}/it", headers={"Range": "bytes=99999999-"}, timeout=30).status_code == 416
    )


@pytest.mark.parametrize("metadata", [{}, metadata_of(task="2222"), metadata_of(dag_id="salaries")])
def test_another_object_is_not_shown(
    object_store: Store, media: MediaServer, metadata: dict[str, str]
) -> None:
    media.outputs["it"] = put(object_store, metadata)
    for headers in ({}, {"Range": "bytes=0-5"}):
        assert requests.get(f"{media.url}/it", headers=headers, timeout=30).status_code == 404


def test_an_output_that_is_gone_is_not_found(object_store: Store, media: MediaServer) -> None:
    media.outputs["it"] = put(object_store, metadata_of())
    object_store.delete(KEY)
    assert requests.get(f"{media.url}/it", timeout=30).status_code == 404
