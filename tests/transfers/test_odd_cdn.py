"""A CDN that answers in odd ways: what it serves lands whole, or doesn't land."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro.api import retry
from airflow_provider_wiro.downloads import range_reader
from tests.contract.scripts import (
    chunked,
    head,
    never_respond,
    ranged,
    raw,
    requested_range,
    respond,
    until_close,
    wrong_range,
)
from tests.transfers.fake_wiro import BIG, MIB, PNG, transfer
from tests.transfers.s3_calls import land

if TYPE_CHECKING:
    from tests.contract.hostile import HostileServer, Script
    from tests.transfers.fake_wiro import Wiro
    from tests.transfers.s3 import S3

pytestmark = pytest.mark.usefixtures("connect")

KEY = "wiro/2221/0-0.png"
DELETE = "/v1/Task/InputOutputDelete"


def assert_landed(landed: dict[str, Any], s3: S3, body: bytes) -> None:
    (file,) = landed["files"]
    assert (file["size"], file["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert s3.get(KEY) == body
    assert s3.open_uploads == []


def parts_or(whole: Script, part: Script) -> Script:
    """Play one script for requests of a range, another for all of the file."""
    return lambda wire: (part if requested_range(wire, 10**12) else whole)(wire)


# -- a body in chunks that broke off, and goes on in parts


@pytest.mark.parametrize("size", [None, str(len(PNG))])
@pytest.mark.parametrize("states_length", [True, False])
def test_a_part_that_is_shorter_than_asked_for_is_no_end_of_the_file(
    wiro: Wiro, s3: S3, cdn: HostileServer, size: str | None, *, states_length: bool
) -> None:
    """RFC 9110 §15.3.7 allows it. Only its Content-Range says how large the whole is."""
    third = len(PNG) // 3 + 1

    def further(wire: Any) -> None:
        start, _ = requested_range(wire, len(PNG)) or (0, 0)
        piece = PNG[start : start + third]
        length = {"content_length": len(piece)} if states_length else {"connection": "close"}
        content_range = f"bytes {start}-{start + len(piece) - 1}/{len(PNG)}"
        raw(head(206, etag='"v1"', content_range=content_range, **length), piece)(wire)

    def first(wire: Any) -> None:
        is_first = len(cdn.requests) == 1
        (chunked(PNG[:third], is_complete=False, etag='"v1"') if is_first else further)(wire)

    wiro.shows(wiro.file(PNG, first, size=size))
    assert_landed(transfer(), s3, PNG)


# -- transfer codings


def in_chunks(coding: str) -> Script:
    frames = b"%x\r\n%s\r\n0\r\n\r\n" % (len(PNG), PNG)
    return raw(head(200, transfer_encoding=coding, connection="close"), frames)


@pytest.mark.parametrize(
    "coding", ["chunked ", "Chunked\t", "identity, chunked", "chunked, chunked", ",chunked"]
)
def test_no_frame_of_a_chunk_is_taken_for_the_file(wiro: Wiro, s3: S3, coding: str) -> None:
    frames = b"%x\r\n%s\r\n0\r\n\r\n" % (len(PNG), PNG)
    wiro.shows(
        wiro.file(PNG, raw(head(200, transfer_encoding=coding, connection="close"), frames), size=None)
    )
    assert_landed(transfer(), s3, PNG)


@pytest.mark.parametrize("coding", ["gzip, chunked", "gzip", "xchunked"])
def test_a_transfer_coding_that_cannot_be_undone_is_refused(wiro: Wiro, s3: S3, coding: str) -> None:
    frames = b"%x\r\n%s\r\n0\r\n\r\n" % (len(PNG), PNG)
    wiro.shows(
        wiro.file(PNG, raw(head(200, transfer_encoding=coding, connection="close"), frames), size=None)
    )
    with pytest.raises(AirflowFailException, match="asked for the plain bytes"):
        transfer()
    assert s3.keys == []


# -- parts that can't be used


@pytest.mark.parametrize("size", [str(len(BIG)), None])
@pytest.mark.parametrize(
    "content_range", ["", f"bytes 0-{8 * MIB}/{len(BIG)}", f"bytes 1-{8 * MIB - 1}/{len(BIG)}", "bytes 0-5"]
)
def test_where_parts_come_wrong_the_file_comes_as_one_stream(
    wiro: Wiro, s3: S3, size: str | None, content_range: str
) -> None:
    script = parts_or(respond(BIG, etag='"v1"'), wrong_range(BIG, content_range, sent=8 * MIB))
    wiro.shows(wiro.file(BIG, script, size=size))
    assert_landed(transfer(), s3, BIG)


def test_servers_with_an_etag_each_still_serve_the_file(
    wiro: Wiro, s3: S3, cdn: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As several Apaches behind one name do by default: no two parts are known to fit together."""
    monkeypatch.setattr(retry, "backoff_seconds", lambda tries, random: 0.0)

    def script(wire: Any) -> None:
        ranged(BIG, etag=f'"node-{len(cdn.requests)}"')(wire)

    wiro.shows(wiro.file(BIG, script))
    assert_landed(transfer(), s3, BIG)


def test_a_connection_that_stays_open_behind_the_last_byte_holds_nothing_up(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wiro states the size, and the CDN neither that nor an end."""
    monkeypatch.setattr(range_reader, "_END_SECONDS", 0.1)
    began = time.monotonic()
    wiro.shows(wiro.file(PNG, raw(head(200), PNG, then_close=False, then=never_respond)))
    assert_landed(transfer(), s3, PNG)
    assert time.monotonic() - began < 10


# -- what is not known to be whole


def test_an_output_that_may_be_truncated_is_not_deleted_from_wiro(
    wiro: Wiro, s3: S3, server: HostileServer
) -> None:
    wiro.shows(wiro.file(PNG, until_close(PNG[:-9]), size=None))
    for _ in range(2):  # a retry skips it, and knows no more
        with pytest.raises(AirflowFailException, match=r"Nothing was deleted.*output 0.*may be truncated"):
            land(delete_after=True)
    assert s3.keys == [KEY]
    assert DELETE not in [request.path for request in server.requests]


def test_where_wiro_shows_fewer_outputs_than_the_run_had_nothing_is_deleted(
    wiro: Wiro, s3: S3, server: HostileServer
) -> None:
    shown = wiro.file(PNG)
    wiro.shows(shown)
    listed = {"index": 0, "name": "0.png", "content_type": "image/png", "size": len(PNG), "url": shown["url"]}
    summary = {"wiro_task_id": "2221", "outputs": [listed, {**listed, "index": 1, "name": "1.png"}]}
    with pytest.raises(AirflowFailException, match=r"shows 1 of .* 2 outputs"):
        land(summary, delete_after=True)
    assert s3.keys == [KEY]
    assert DELETE not in [request.path for request in server.requests]
