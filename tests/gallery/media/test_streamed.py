"""Streamed: what a browser gets of an object through the API server, over real HTTP, from a real store."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

from airflow_provider_wiro.gallery.media.streamed import PIECE_BYTES
from airflow_provider_wiro.gallery.ranged import s3_clients
from tests.gallery.media.outputs import an_output, put
from tests.transfers import gateway as stores

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.gallery.media.media_server import MediaServer
    from tests.transfers.gateway import Gateway
    from tests.transfers.s3 import S3
    from tests.transfers.seaweedfs_bucket import Bucket

BODY = random.Random(1).randbytes(3 * PIECE_BYTES + 12_345)
SIZE = len(BODY)


@pytest.fixture(autouse=True)
def _streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__GALLERY_MEDIA", "streamed")


@pytest.fixture
def film(bucket: Bucket, media: MediaServer) -> str:
    """The URL of a film of some pieces."""
    put(bucket.client, BODY)
    media.outputs["film"] = an_output()
    return f"{media.url}/film"


def get(url: str, method: str = "GET", **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.request(method, url, headers=named, timeout=30, allow_redirects=False)


def test_the_whole_object_comes_with_a_type_of_our_table_and_not_its_own(film: str) -> None:
    found = get(film)
    assert (found.status_code, found.content) == (200, BODY)
    assert found.headers["Content-Type"] == "video/mp4"
    assert found.headers["Content-Length"] == str(SIZE)
    assert found.headers["Accept-Ranges"] == "bytes"
    assert found.headers["Content-Disposition"] == (
        "inline; filename=\"film _.mp4\"; filename*=UTF-8''film%20%C3%BC.mp4"
    )
    assert found.headers["X-Content-Type-Options"] == "nosniff"
    assert found.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-", 0, SIZE),
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        (f"bytes={PIECE_BYTES - 1}-{PIECE_BYTES}", PIECE_BYTES - 1, PIECE_BYTES + 1),
        (f"bytes={PIECE_BYTES + 7}-", PIECE_BYTES + 7, SIZE),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
        (f"bytes=5-{SIZE + 100}", 5, SIZE),
        ("bytes=-1", SIZE - 1, SIZE),
        (f"bytes=-{2 * PIECE_BYTES}", SIZE - 2 * PIECE_BYTES, SIZE),
        (f"bytes=-{SIZE + 5}", 0, SIZE),
        ("Bytes = 3 - 5", 3, 6),
    ],
)
def test_a_range_is_these_bytes_and_no_others(film: str, asked: str, start: int, stop: int) -> None:
    found = get(film, Range=asked)
    assert found.status_code == 206
    assert found.content == BODY[start:stop]
    assert found.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert found.headers["Content-Length"] == str(stop - start)


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,5-9", "bytes=9-5", "bytes=a-b", "items=0-5", "bytes=", "", "bytes=٣-"]
)
def test_several_ranges_and_what_is_no_range_get_the_whole(film: str, asked: str) -> None:
    found = get(film, Range=asked.encode("utf-8").decode("latin-1"))
    assert (found.status_code, found.content) == (200, BODY)


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", "bytes=99999999999999-", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused_with_the_size(film: str, asked: str) -> None:
    found = get(film, Range=asked)
    assert (found.status_code, found.content) == (416, b"")
    assert found.headers["Content-Range"] == f"bytes */{SIZE}"


def test_head_says_the_same_without_a_body(film: str) -> None:
    whole, head = get(film), get(film, "HEAD", Range="bytes=0-5")
    assert (head.status_code, head.content) == (200, b"")
    same = ("Content-Type", "Content-Length", "ETag", "Accept-Ranges", "Content-Disposition")
    assert {name: head.headers[name] for name in same} == {name: whole.headers[name] for name in same}


def test_a_browser_that_has_the_object_gets_no_body(film: str) -> None:
    etag = get(film).headers["ETag"]
    for known in (etag, f'"other", W/{etag}'):
        found = get(film, If_None_Match=known)
        assert (found.status_code, found.content) == (304, b"")
        assert found.headers["ETag"] == etag
    assert get(film, If_None_Match='"other"').status_code == 200


def test_a_range_of_a_version_that_is_gone_gets_the_whole_of_the_new_one(film: str, bucket: Bucket) -> None:
    etag = get(film).headers["ETag"]
    assert get(film, Range="bytes=5-9", If_Range=etag).content == BODY[5:10]
    put(bucket.client, BODY[::-1])
    found = get(film, Range="bytes=5-9", If_Range=etag)
    assert (found.status_code, found.content) == (200, BODY[::-1])
    assert get(film, Range="bytes=5-9", If_Range=f"W/{found.headers['ETag']}").status_code == 200


def test_an_empty_object_is_an_empty_answer(bucket: Bucket, media: MediaServer) -> None:
    put(bucket.client, b"")
    media.outputs["film"] = an_output()
    found = get(f"{media.url}/film")
    assert (found.status_code, found.content, found.headers["Content-Length"]) == (200, b"", "0")
    assert get(f"{media.url}/film", Range="bytes=0-").status_code == 416


@pytest.mark.parametrize(
    ("content_type", "name"),
    [
        ("text/html", "page.html"),
        ("image/svg+xml", "drawing.svg"),
        ("application/xml", "x.xml"),
        ("application/pdf", "x.pdf"),
        ("text/javascript", "x.js"),
        ("model/gltf-binary", "x.glb"),
        (None, "x.svg"),
        ("application/octet-stream", "x.html"),
        ("image/png; charset=x, text/html", "x.html"),
        ("IMAGE/SVG+XML", "x.png"),
    ],
)
def test_what_a_browser_could_run_is_only_saved(
    bucket: Bucket, media: MediaServer, content_type: str | None, name: str
) -> None:
    put(bucket.client, b"<script>alert(1)</script>")
    media.outputs["it"] = an_output(content_type, name)
    found = get(f"{media.url}/it")
    if content_type == "image/png; charset=x, text/html":  # a picture of which nothing can be drawn
        assert found.headers["Content-Type"] == "image/png"
    else:
        assert found.headers["Content-Type"] == "application/octet-stream"
        assert found.headers["Content-Disposition"].startswith("attachment")


def test_a_replaced_object_is_never_mixed_with_the_new_one(film: str, bucket: Bucket) -> None:
    large = BODY * 6  # more than sockets hold
    put(bucket.client, large)
    received = b""
    with requests.get(film, stream=True, timeout=30) as answer:
        pieces = answer.iter_content(PIECE_BYTES)
        received += next(pieces)
        put(bucket.client, large[::-1])
        with contextlib.suppress(requests.exceptions.ChunkedEncodingError):
            for piece in pieces:
                received += piece
    assert len(received) < len(large)
    assert large.startswith(received)


# -- many browsers, slow ones, and those that go away


def _open_slowly(url: str) -> socket.socket:
    """Ask for an object and read nothing of it."""
    parts = urlsplit(url)
    one = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-\r\n\r\n".encode())
    assert one.recv(12).startswith(b"HTTP/1.1 206")
    return one


def test_fifty_players_that_stand_still_keep_nobody_else_waiting(film: str) -> None:
    players = [_open_slowly(film) for _ in range(50)]
    try:
        began = time.monotonic()
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda _: get(film, Range="bytes=0-99").content, range(24)))
        assert found == [BODY[:100]] * 24
        assert time.monotonic() - began < 10
    finally:
        for player in players:
            player.close()


def test_nothing_is_asked_of_the_store_for_a_browser_that_went_away(
    s3: S3, store: Gateway, media: MediaServer
) -> None:
    put(s3.client, BODY * 8)
    media.outputs["film"] = an_output()
    _open_slowly(f"{media.url}/film").close()
    _until(lambda: _is_quiet(store))
    asked = len(store.of("GET"))
    assert asked < 8 * SIZE // PIECE_BYTES
    time.sleep(0.2)
    assert len(store.of("GET")) == asked


def _is_quiet(store: Gateway) -> bool:
    before = len(store.requests)
    time.sleep(0.2)
    return len(store.requests) == before


def _until(holds: Callable[[], bool], seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_small_picture_is_one_request_to_the_store(s3: S3, store: Gateway, media: MediaServer) -> None:
    put(s3.client, BODY[:5000])
    media.outputs["it"] = an_output("image/png", "0.png")
    assert get(f"{media.url}/it").content == BODY[:5000]
    assert [request.method for request in store.requests] == ["GET"]


# -- a store that refuses, or is out


def refuses_all(status: int, code: str) -> Callable[[Any], Any]:
    return lambda _: (status, code, "the key AKIASECRETSECRET is not of this store")


@pytest.mark.parametrize(
    ("rule", "status", "words"),
    [
        (refuses_all(403, "AccessDenied"), 502, "may not read it"),
        (refuses_all(403, "SignatureDoesNotMatch"), 502, "log of Airflow's API server"),
        (refuses_all(404, "NoSuchKey"), 404, "not in its bucket any more"),
        (refuses_all(404, "NoSuchBucket"), 404, "not in its bucket any more"),
        (refuses_all(500, "InternalError"), 502, "log of Airflow's API server"),
        (stores.denies_sight, 502, "may not read it"),
    ],
)
@pytest.mark.parametrize("mode", ["streamed", "presigned"])
def test_a_refusal_of_the_store_is_a_short_text_without_what_the_store_said(
    s3: S3,
    store: Gateway,
    media: MediaServer,
    monkeypatch: pytest.MonkeyPatch,
    rule: Any,
    status: int,
    words: str,
    mode: str,
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__GALLERY_MEDIA", mode)
    put(s3.client, BODY[:100])
    store.rules.append(rule)
    media.outputs["it"] = an_output()
    found = get(f"{media.url}/it")
    assert (found.status_code, found.headers["Content-Type"]) == (status, "text/plain; charset=utf-8")
    assert "AKIA" not in found.text
    assert "<" not in found.text
    # A HEAD has no body that says which of the two it is.
    if not (mode == "presigned" and "log of" in words):
        assert words in found.text


def test_a_store_that_is_out_is_waited_for_once_and_not_by_each_picture(
    media: MediaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_clients, "_CONNECT_SECONDS", 0.3)
    with socket.socket() as nobody:  # accepts no connection: its queue is full
        nobody.bind(("127.0.0.1", 0))
        nobody.listen(0)
        port = nobody.getsockname()[1]
        waiting = [socket.create_connection(("127.0.0.1", port)) for _ in range(1)]
        stores.connect_s3(monkeypatch, endpoint_url=f"http://127.0.0.1:{port}")
        monkeypatch.setattr(s3_clients, "_READ_SECONDS", 0.3)
        media.outputs["it"] = an_output()
        assert get(f"{media.url}/it").status_code == 502
        began = time.monotonic()
        found = [get(f"{media.url}/it").status_code for _ in range(10)]
        assert found == [503] * 10
        assert time.monotonic() - began < 1
        for one in waiting:
            one.close()


def test_an_unknown_connection_is_said_by_its_name_and_nothing_else_is_tried(media: MediaServer) -> None:
    media.outputs["it"] = an_output(aws_conn_id="no_such")
    found = get(f"{media.url}/it")
    assert found.status_code == 502
    assert "has no connection 'no_such'" in found.text


def test_a_body_that_breaks_off_is_asked_for_once_more(bucket: Bucket, film: str, monkeypatch: Any) -> None:
    import botocore.response

    real = botocore.response.StreamingBody.read
    broken = threading.Event()

    def read(self: Any, amt: int | None = None) -> bytes:
        found: bytes = real(self, amt)
        if not broken.is_set() and len(found) > 1000:
            broken.set()
            return found[:1000]
        return found

    monkeypatch.setattr(botocore.response.StreamingBody, "read", read)
    assert get(film).content == BODY
    assert broken.is_set()


def test_the_object_of_the_key_is_read_and_not_one_beside_it(bucket: Bucket, media: MediaServer) -> None:
    keys = ("a/b.png", "a%2Fb.png", "a b.png", "a+b.png", "a?b.png", "a#b.png", "ü/💡.png")
    for key in keys:
        put(bucket.client, key.encode(), key=key)
    for key in keys:
        media.outputs["it"] = an_output("image/png", "b.png", uri=f"s3://outputs/{key}")
        assert get(f"{media.url}/it").content == key.encode()


@pytest.mark.parametrize(
    "uri",
    [
        "s3://outputs/a/../../b.png",
        "s3://outputs/",
        "s3://outputs",
        "s3://",
        "s3://other@",
        "file:///etc/passwd",
        "/etc/passwd",
        "local:///etc/passwd",
        "sftp://host/b.png",
        "https://cdn1.wiro.ai/0.png",
        "memory://x/y",
        "gs://bucket/a/../b.png",
        "abfs://a::file:///etc/passwd",
        "s3://outputs/" + "k" * 4000,
        "",
    ],
)
def test_what_is_no_object_of_a_store_with_metadata_is_never_read(media: MediaServer, uri: str) -> None:
    media.outputs["it"] = an_output("image/png", "b.png", uri=uri)
    assert get(f"{media.url}/it").status_code == 404
