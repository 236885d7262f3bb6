"""The same bytes arrive, or none do: through cuts, expired links, an overloaded CDN, and lies."""

from __future__ import annotations

import functools
import hashlib
import random
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro.api import retry
from airflow_provider_wiro.downloads import address_policy, ranges
from airflow_provider_wiro.downloads import checks as download_checks
from airflow_provider_wiro.exceptions import WiroError, WiroOutputUnavailableError, WiroUsageError
from airflow_provider_wiro.landing.s3 import argument_checks
from tests.contract.hostile import HostileServer
from tests.contract.scripts import (
    chunked,
    drip,
    endless,
    gzipped,
    head,
    never_respond,
    ranged,
    raw,
    redirect,
    requested_range,
    reset,
    respond,
    success,
    trickling,
    truncated,
    until_close,
    wrong_range,
)
from tests.transfers import fake_wiro
from tests.transfers.fake_wiro import DETAIL, PNG

if TYPE_CHECKING:
    from tests.contract.fixtures import Connect
    from tests.contract.hostile import Script
    from tests.transfers.fake_wiro import Wiro
    from tests.transfers.s3 import S3

pytestmark = pytest.mark.usefixtures("connect")

KEY = "wiro/2221/0-0.png"
#: An eighth of one, as all sizes of parts are here: with whole ones, these tests take half a minute of CPU.
MIB = 128 * 1024
BIG = random.Random(17).randbytes(17 * MIB) + b"end"
OTHER = BIG[::-1]


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(argument_checks, "MIN_PART_BYTES", 5 * MIB)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 5 * MIB)


def transfer(**arguments: Any) -> dict[str, Any]:
    return fake_wiro.transfer(**{"part_size": 8 * MIB, **arguments})


def asked(cdn: HostileServer) -> list[str]:
    """The ranges that were asked for, in the order they came in."""
    return [request.headers.get("range", "all") for request in cdn.requests]


@functools.cache
def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def assert_landed(landed: dict[str, Any], s3: S3, body: bytes) -> None:
    (file,) = landed["files"]
    assert (file["size"], file["sha256"]) == (len(body), sha256(body))
    is_the_same = s3.get(KEY) == body  # not in the assert, which would show all of it
    assert is_the_same
    assert s3.open_uploads == []


def plays(*scripts: Script) -> Script:
    """Play scripts in turn, the last one for ever, whichever path is asked for."""
    left, lock = list(scripts), threading.Lock()

    def script(wire: Any) -> None:
        with lock:
            mine = left.pop(0) if len(left) > 1 else left[0]
        mine(wire)

    return script


def at_range(start: int, *faults: Script, else_: Script) -> Script:
    """Play faults for the requests of one part, in turn, and something else for all others."""
    left, lock = list(faults), threading.Lock()

    def script(wire: Any) -> None:
        wanted = requested_range(wire, 10**12)
        with lock:
            mine = left.pop(0) if left and wanted is not None and wanted[0] == start else else_
        mine(wire)

    return script


# -- in parts


def test_a_large_output_comes_in_parts_where_the_cdn_serves_them(
    wiro: Wiro, s3: S3, cdn: HostileServer
) -> None:
    wiro.shows(wiro.file(BIG, ranged(BIG)))
    assert_landed(transfer(), s3, BIG)
    assert sorted(asked(cdn)) == sorted(
        [f"bytes=0-{8 * MIB - 1}", f"bytes={8 * MIB}-{16 * MIB - 1}", f"bytes={16 * MIB}-{len(BIG) - 1}"]
    )
    assert [request.headers.get("if-range") for request in cdn.requests] == [None, '"v1"', '"v1"']


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("part_mib", [5, 6])
def test_parts_of_any_size_by_any_number_of_threads_make_the_same_object(
    wiro: Wiro, s3: S3, threads: int, part_mib: int
) -> None:
    wiro.shows(wiro.file(BIG, ranged(BIG)))
    assert_landed(transfer(max_concurrency=threads, part_size=part_mib * MIB), s3, BIG)


def test_parts_are_fetched_at_the_same_time(wiro: Wiro, s3: S3, cdn: HostileServer) -> None:
    both = threading.Barrier(2, timeout=5)

    def together(wire: Any) -> None:
        both.wait()
        ranged(BIG)(wire)

    wiro.shows(
        wiro.file(BIG, at_range(8 * MIB, together, else_=at_range(16 * MIB, together, else_=ranged(BIG))))
    )
    assert_landed(transfer(), s3, BIG)


def test_a_small_output_is_asked_for_whole_on_a_connection_that_is_kept(
    wiro: Wiro, s3: S3, cdn: HostileServer
) -> None:
    wiro.shows(*(wiro.file(PNG, ranged(PNG)) for _ in range(5)))
    transfer(max_concurrency=1)
    assert asked(cdn) == ["all"] * 5
    assert cdn.connections == 1


@pytest.mark.parametrize("body", [b"", PNG, BIG])
def test_the_size_of_an_output_is_known_from_its_first_part(wiro: Wiro, s3: S3, body: bytes) -> None:
    wiro.shows(wiro.file(body, ranged(body), size=None))
    assert_landed(transfer(), s3, body)


NO_VALIDATOR: list[dict[str, Any]] = [
    {"etag": ""},
    {"etag": 'W/"weak"'},
    {"etag": "unquoted"},
    {"etag": "", "last_modified": "Sat, 01 Aug 2026 10:00:00 GMT"},
    {"etag": "", "last_modified": (_DATE := "Sat, 01 Aug 2026 10:00:00 GMT"), "date": _DATE},
]


@pytest.mark.parametrize("shown", NO_VALIDATOR)
def test_without_a_strong_validator_there_is_one_stream(
    wiro: Wiro, s3: S3, cdn: HostileServer, shown: dict[str, Any]
) -> None:
    """RFC 9110 §15.3.7.3: parts may be combined only if they share a strong validator."""
    wiro.shows(wiro.file(BIG, ranged(BIG, **shown)))
    assert_landed(transfer(), s3, BIG)
    assert asked(cdn) == [f"bytes=0-{8 * MIB - 1}", "all"]


@pytest.mark.parametrize("size", [str(len(BIG)), None])
@pytest.mark.parametrize("shown", NO_VALIDATOR)
def test_a_file_that_changes_after_its_first_part_is_never_mixed(
    wiro: Wiro, s3: S3, cdn: HostileServer, shown: dict[str, Any], size: str | None
) -> None:
    wiro.shows(wiro.file(BIG, plays(ranged(BIG, **shown), ranged(OTHER, **shown)), size=size))
    assert_landed(transfer(), s3, OTHER)


@pytest.mark.parametrize("body", [PNG, BIG], ids=["single", "parts"])
@pytest.mark.parametrize("shown", NO_VALIDATOR)
def test_without_a_strong_validator_a_cut_restarts_the_download(
    wiro: Wiro, s3: S3, cdn: HostileServer, body: bytes, shown: dict[str, Any]
) -> None:
    cut = len(body) - 1000
    old, new = ranged(body, cut_after=cut, **shown), ranged(body[::-1], **shown)
    wiro.shows(wiro.file(body, plays(*([old] if body is PNG else [old, old]), new)))
    assert_landed(transfer(), s3, body[::-1])
    assert not [asked for asked in asked(cdn) if not asked.startswith(("all", "bytes=0-"))]


def test_a_date_that_is_a_strong_validator_holds_parts_together(
    wiro: Wiro, s3: S3, cdn: HostileServer
) -> None:
    """RFC 9110 §8.8.2.2: a file that had long been unchanged when the CDN answered."""
    changed = "Sat, 01 Aug 2026 10:00:00 GMT"

    def dated(wire: Any) -> None:
        first, stop = requested_range(wire, len(BIG)) or (0, len(BIG))
        shown = f"bytes {first}-{stop - 1}/{len(BIG)}"
        date = {"last_modified": changed, "date": "Sun, 02 Aug 2026 10:00:00 GMT"}
        wire.send(head(206, content_length=stop - first, content_range=shown, **date) + BIG[first:stop])

    wiro.shows(wiro.file(BIG, dated))
    assert_landed(transfer(), s3, BIG)
    assert [request.headers.get("if-range") for request in cdn.requests] == [None, changed, changed]


def test_a_part_that_does_not_name_its_version_is_not_added_to_others(
    wiro: Wiro, s3: S3, cdn: HostileServer
) -> None:
    """The second part comes from a server that ignores If-Range and has another version."""
    wiro.shows(wiro.file(BIG, at_range(8 * MIB, *[ranged(OTHER, etag="")] * 9, else_=ranged(BIG))))
    assert_landed(transfer(), s3, BIG)
    assert asked(cdn)[-1] == "all"


def test_parts_that_are_always_shorter_than_asked_for_need_a_validator_or_one_stream(
    wiro: Wiro, s3: S3, cdn: HostileServer
) -> None:
    def at_most(wire: Any) -> None:
        wanted = requested_range(wire, len(PNG))
        stop = min(wanted[1], wanted[0] + 1000) if wanted else len(PNG)
        first = wanted[0] if wanted else 0
        shown = {"content_range": f"bytes {first}-{stop - 1}/{len(PNG)}"} if wanted else {}
        wire.send(head(206 if wanted else 200, content_length=stop - first, **shown) + PNG[first:stop])

    wiro.shows(wiro.file(PNG, at_most, size=None))
    assert_landed(transfer(), s3, PNG)
    assert asked(cdn) == [f"bytes=0-{8 * MIB - 1}", "all"]


def test_a_cdn_that_cuts_each_stream_and_has_no_validator_is_given_up(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(BIG, ranged(BIG, etag="", cut_after=9 * MIB)))
    with pytest.raises(WiroOutputUnavailableError, match=r"7 times from its beginning.*no strong validator"):
        transfer()
    assert s3.keys == s3.open_uploads == []


# -- sizes that nobody has stated, or only the CDN


@pytest.mark.parametrize("body", [PNG, BIG], ids=["single", "parts"])
def test_a_body_of_unstated_length_lands_as_unverified(
    wiro: Wiro, s3: S3, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    wiro.shows(wiro.file(body, until_close(body), size=None))
    assert_landed(transfer(), s3, body)
    (warning,) = [record.message for record in caplog.records if "Unverified" in record.message]
    assert f"output 0 ('0.png') ended after {len(body):,} bytes with the connection" in warning


@pytest.mark.parametrize("body", [PNG, BIG], ids=["single", "parts"])
def test_a_body_of_unstated_length_is_refused_where_a_size_is_required(
    wiro: Wiro, s3: S3, body: bytes
) -> None:
    wiro.shows(wiro.file(body, until_close(body), size=None))
    with pytest.raises(AirflowFailException, match="Neither Wiro nor the CDN says how large output 0"):
        transfer(require_size=True)
    assert s3.keys == s3.open_uploads == []


@pytest.mark.parametrize("script", [respond, chunked, ranged, until_close])
def test_a_body_whose_length_wiro_or_the_cdn_states_is_verified(
    wiro: Wiro, s3: S3, caplog: pytest.LogCaptureFixture, script: Any
) -> None:
    """By its length, its last chunk, its Content-Range, or by Wiro."""
    size = str(len(PNG)) if script is until_close else None
    wiro.shows(wiro.file(PNG, script(PNG), size=size))
    assert_landed(transfer(require_size=True), s3, PNG)
    assert "Unverified" not in caplog.text


def test_a_size_that_only_the_cdn_states_is_held_against_the_limit_before_it_is_read(
    wiro: Wiro, s3: S3, cdn: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_checks, "MAX_UNANNOUNCED_BYTES", 10 * MIB)
    for script in (ranged(BIG), respond(BIG)):
        wiro.shows(wiro.file(BIG, script, size=None))
        with pytest.raises(AirflowFailException, match=rf"larger than {10 * MIB}.*announces {len(BIG)}"):
            transfer()
    assert len(cdn.requests) == 2
    assert s3.keys == s3.open_uploads == []


@pytest.mark.parametrize("size", [str(len(BIG)), None])
def test_parts_are_as_large_as_their_number_demands_whichever_side_states_the_size(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch, size: str | None
) -> None:
    monkeypatch.setattr("airflow_provider_wiro.landing.s3.object_upload.MAX_PARTS", 2)
    wiro.shows(wiro.file(BIG, ranged(BIG), size=size))
    assert_landed(transfer(part_size=5 * MIB), s3, BIG)
    assert s3.head(KEY)["ETag"].strip('"').endswith("-2")


# -- cuts


@pytest.mark.parametrize("cut_after", [0, 1, 3 * MIB, 8 * MIB - 1])
def test_a_part_that_was_cut_resumes_where_it_was(
    wiro: Wiro, s3: S3, cdn: HostileServer, cut_after: int
) -> None:
    wiro.shows(wiro.file(BIG, at_range(8 * MIB, ranged(BIG, cut_after=cut_after), else_=ranged(BIG))))
    assert_landed(transfer(), s3, BIG)
    assert f"bytes={8 * MIB + cut_after}-{16 * MIB - 1}" in asked(cdn)
    assert len(cdn.requests) == 4


def test_the_first_part_and_a_small_output_resume_as_well(wiro: Wiro, s3: S3, cdn: HostileServer) -> None:
    wiro.shows(wiro.file(PNG, plays(ranged(PNG, cut_after=100), ranged(PNG))))
    assert_landed(transfer(), s3, PNG)
    assert asked(cdn) == ["all", "bytes=100-"]


def test_a_cdn_that_cuts_every_connection_is_outlasted(wiro: Wiro, s3: S3, cdn: HostileServer) -> None:
    wiro.shows(wiro.file(BIG, ranged(BIG, cut_after=MIB)))
    assert_landed(transfer(), s3, BIG)
    assert len(cdn.requests) == 18


@pytest.mark.parametrize("fault", [reset, raw(b""), raw(b"garbage\r\n\r\n"), truncated(b"", missing=9)])
def test_a_connection_that_breaks_before_the_body_is_made_again(
    wiro: Wiro, s3: S3, cdn: HostileServer, fault: Script
) -> None:
    wiro.shows(wiro.file(BIG, at_range(8 * MIB, fault, fault, else_=ranged(BIG))))
    assert_landed(transfer(), s3, BIG)


@pytest.mark.parametrize("whole", [respond(BIG), chunked(BIG[:MIB], BIG[MIB:]), until_close(BIG)])
def test_without_ranges_a_cut_restarts_the_download(wiro: Wiro, s3: S3, whole: Script) -> None:
    first = truncated(BIG[: 9 * MIB], missing=len(BIG) - 9 * MIB)
    wiro.shows(wiro.file(BIG, plays(first, whole)))
    assert_landed(transfer(), s3, BIG)


def test_bytes_after_a_cut_are_of_the_same_version(wiro: Wiro, s3: S3, cdn: HostileServer) -> None:
    """The file changes between two parts: the CDN sends all of the new one, and it is fetched anew."""
    old, new = ranged(BIG), ranged(OTHER, etag='"v2"')
    wiro.shows(wiro.file(BIG, plays(old, new)))
    assert_landed(transfer(), s3, OTHER)


@pytest.mark.parametrize(("read_timeout", "patience"), [(0.4, 1.5), (60, 0.3)])
def test_a_connection_that_goes_idle_is_replaced_by_another(
    wiro: Wiro,
    s3: S3,
    cdn: HostileServer,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    read_timeout: float,
    patience: float,
) -> None:
    """Also where its silence alone takes longer than the patience."""
    monkeypatch.setattr(ranges, "IDLE_SECONDS", 0.6)
    monkeypatch.setattr(ranges, "PATIENCE_SECONDS", patience)
    connect(read_timeout=read_timeout)

    def falls_silent(wire: Any) -> None:
        shown = f"bytes {8 * MIB}-{16 * MIB - 1}/{len(BIG)}"
        wire.send(head(206, content_length=8 * MIB, content_range=shown, etag='"v1"'))
        wire.send(BIG[8 * MIB : 9 * MIB])
        never_respond(wire)

    wiro.shows(wiro.file(BIG, at_range(8 * MIB, falls_silent, else_=ranged(BIG))))
    assert_landed(transfer(), s3, BIG)
    assert len(cdn.requests) >= 4


HEAD_OF_PART = head(
    206, content_length=8 * MIB, content_range=f"bytes 0-{8 * MIB - 1}/{len(BIG)}", etag='"v1"'
)


@pytest.mark.parametrize(
    "cut", [b"206 ", b"\r\n", b"content-length: 1", b"content-r", b"0-10", b"/22", b"etag: ", b'"v1"\r\n']
)
def test_a_cut_inside_of_a_header_is_a_cut_like_any_other(
    wiro: Wiro, s3: S3, cdn: HostileServer, cut: bytes
) -> None:
    """Nothing of such a header is believed: half of a number is another number."""
    part_of_it = raw(HEAD_OF_PART[: HEAD_OF_PART.index(cut) + len(cut)])
    wiro.shows(wiro.file(BIG, plays(part_of_it, at_range(8 * MIB, part_of_it, else_=ranged(BIG)))))
    assert_landed(transfer(), s3, BIG)
    assert len(cdn.requests) == 5


def test_half_of_a_content_length_is_no_other_size(wiro: Wiro, s3: S3, cdn: HostileServer) -> None:
    wiro.shows(wiro.file(PNG, plays(raw(head(200, content_length=len(PNG))[:-5]), ranged(PNG))))
    assert_landed(transfer(), s3, PNG)
    assert asked(cdn) == ["all", "all"]


IN_CHUNKS = head(200, transfer_encoding="chunked") + b"%x" % len(PNG)


@pytest.mark.parametrize(
    "trickle",
    [
        trickling(b"HTTP/1.1 200 OK\r\nx: ", b"a", b"\r\n\r\n" + PNG),
        trickling(b"", head(100), head(200, content_length=len(PNG)) + PNG),
        trickling(IN_CHUNKS + b";", b"a", b"\r\n" + PNG + b"\r\n0\r\n\r\n"),
    ],
)
def test_a_response_that_trickles_is_requested_again(
    wiro: Wiro, s3: S3, cdn: HostileServer, connect: Connect, trickle: Script
) -> None:
    connect(read_timeout=0.3, connect_timeout=0.3)
    wiro.shows(wiro.file(PNG, plays(trickle, ranged(PNG))))
    assert_landed(transfer(), s3, PNG)
    assert len(cdn.requests) >= 2


def test_trailers_without_end_hold_nothing_up(wiro: Wiro, s3: S3, connect: Connect) -> None:
    connect(read_timeout=0.3, connect_timeout=0.3)
    trailers = trickling(IN_CHUNKS + b"\r\n" + PNG + b"\r\n0\r\n", b"x: y\r\n", b"\r\n", seconds=60)
    wiro.shows(wiro.file(PNG, trailers))
    assert_landed(transfer(), s3, PNG)


def test_a_cdn_that_brings_a_little_on_each_connection_is_outlasted(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG, ranged(PNG, cut_after=1100)))
    assert_landed(transfer(), s3, PNG)


@pytest.mark.parametrize("limit", [MIB, 3 * MIB])
def test_parts_that_are_shorter_than_asked_for_are_gone_on_from(
    wiro: Wiro, s3: S3, cdn: HostileServer, limit: int
) -> None:
    """RFC 9110 §15.3.7: a server may send fewer bytes than it was asked for."""

    def at_most(wire: Any) -> None:
        first, stop = requested_range(wire, len(BIG)) or (0, len(BIG))
        stop = min(stop, first + limit)
        shown = f"bytes {first}-{stop - 1}/{len(BIG)}"
        wire.send(head(206, content_length=stop - first, content_range=shown, etag='"v1"') + BIG[first:stop])

    wiro.shows(wiro.file(BIG, at_most))
    assert_landed(transfer(), s3, BIG)
    assert f"bytes={limit}-{8 * MIB - 1}" in asked(cdn)


def test_all_of_a_file_may_come_as_its_only_part(wiro: Wiro, s3: S3, cdn: HostileServer) -> None:
    shown = f"bytes 0-{len(PNG) - 1}/{len(PNG)}"
    wiro.shows(wiro.file(PNG, respond(PNG, 206, content_range=shown)))
    assert_landed(transfer(), s3, PNG)
    assert asked(cdn) == ["all"]


# -- an overloaded CDN, and one that is away


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_waited_for(wiro: Wiro, s3: S3, status: int) -> None:
    busy = respond(b"<html>busy", status, content_type="text/html")
    wiro.shows(wiro.file(BIG, plays(busy, at_range(8 * MIB, busy, busy, else_=ranged(BIG)))))
    assert_landed(transfer(), s3, BIG)


def test_what_the_cdn_asks_to_wait_is_waited(wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "PATIENCE_SECONDS", 5)
    waited: list[float] = []
    monkeypatch.setattr(
        "airflow_provider_wiro.downloads.downloader.Downloader.pause",
        lambda self, seconds: waited.append(seconds),
    )
    wiro.shows(wiro.file(PNG, plays(respond(b"", 429, retry_after=3), respond(PNG))))
    assert_landed(transfer(), s3, PNG)
    assert waited == [3.0]


@pytest.mark.parametrize("fault", [respond(b"", 503), respond(b"", 429, retry_after=3600), reset])
def test_patience_ends_and_nothing_is_left(wiro: Wiro, s3: S3, fault: Script) -> None:
    wiro.shows(wiro.file(BIG, at_range(8 * MIB, *[fault] * 10_000, else_=ranged(BIG))))
    began = time.monotonic()
    with pytest.raises(WiroOutputUnavailableError):
        transfer()
    assert time.monotonic() - began < 5
    assert s3.keys == s3.open_uploads == []


def test_patience_is_time_without_progress_and_not_a_count() -> None:
    patience = ranges.StallTimeout(0.0)
    now = 0.0
    for received in range(1, 100):
        now += ranges.PATIENCE_SECONDS * 0.9
        patience.note(received * ranges.PROGRESS_BYTES, now)
        assert not patience.is_over(now)
    assert patience.is_over(now + ranges.PATIENCE_SECONDS * 1.1)


def test_a_body_that_drips_is_given_up(wiro: Wiro, s3: S3) -> None:
    dripping = drip(head(200, content_length=len(BIG)), b"12345", 0.005)
    wiro.shows(wiro.file(BIG, dripping))
    with pytest.raises(WiroOutputUnavailableError, match="too slowly"):
        transfer()
    assert s3.keys == s3.open_uploads == []


# -- expired links


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_an_expired_link_is_renewed_with_the_tasks_detail(
    wiro: Wiro, s3: S3, server: HostileServer, cdn: HostileServer, status: int
) -> None:
    stale = wiro.file(BIG, at_range(8 * MIB, *[respond(b"", status)] * 9, else_=ranged(BIG)))
    fresh = wiro.file(BIG, ranged(BIG))
    renews(wiro, server, [stale], [fresh])
    assert_landed(transfer(), s3, BIG)
    assert len(server.to(DETAIL)) == 2
    assert len(cdn.to(fresh["url"].removeprefix(cdn.origin))) >= 1


def test_one_request_renews_the_links_of_all_outputs(wiro: Wiro, s3: S3, server: HostileServer) -> None:
    stale = [wiro.file(PNG, respond(b"", 403)) for _ in range(20)]
    fresh = [wiro.file(PNG) for _ in range(20)]
    renews(wiro, server, stale, fresh)
    assert len(transfer()["files"]) == 20
    # Those that had asked with the old link already get the new one without another look.
    assert len(server.to(DETAIL)) <= 1 + 20
    assert s3.open_uploads == []


def test_a_link_that_stays_expired_is_not_renewed_for_ever(wiro: Wiro, s3: S3, server: HostileServer) -> None:
    wiro.shows(wiro.file(PNG, respond(b"", 403)))
    with pytest.raises(WiroOutputUnavailableError, match="expired"):
        transfer()
    assert len(server.to(DETAIL)) == 2
    assert s3.keys == []


@pytest.mark.parametrize("change", [{"size": "7"}, {"name": "1.png"}])
def test_a_renewed_link_to_another_file_is_refused(
    wiro: Wiro, s3: S3, server: HostileServer, change: dict[str, str]
) -> None:
    renews(wiro, server, [wiro.file(PNG, respond(b"", 403))], [{**wiro.file(PNG), **change}])
    with pytest.raises(AirflowFailException, match="no fresh one"):
        transfer()
    assert s3.keys == []


def renews(wiro: Wiro, server: HostileServer, stale: list[Any], fresh: list[Any]) -> None:
    """Have Detail show one list of outputs first, and another from then on."""
    scripts = []
    for shown in (stale, fresh):
        task = {
            "id": "2221",
            "status": "task_postprocess_end",
            "pexit": "0",
            "totalcost": "1",
            "outputs": shown,
        }
        scripts.append(success(tasklist=[task]))
    server.on(DETAIL, *scripts)


# -- lies

LIES: dict[str, Script] = {
    "another range": wrong_range(BIG, "bytes 1-{last}/{size}"),
    "a shorter range": wrong_range(BIG, "bytes {first}-100/{size}"),
    "a longer range": wrong_range(BIG, "bytes {first}-99999999/{size}"),
    "another size of the whole": wrong_range(BIG, "bytes {first}-{last}/99999999"),
    "a negative range": wrong_range(BIG, "bytes {first}--1/{size}"),
    "a huge number": wrong_range(BIG, "bytes {first}-" + "9" * 40 + "/{size}"),
    "another unit": wrong_range(BIG, "octets {first}-{last}/{size}"),
    "nonsense": wrong_range(BIG, "nonsense"),
    "no range": wrong_range(BIG, ""),
    "more bytes than asked for": wrong_range(BIG, "bytes {first}-{last}/{size}", sent=9 * MIB),
    "fewer bytes than asked for": wrong_range(BIG, "bytes {first}-{last}/{size}", sent=7),
    "a web page as a part": ranged(BIG, content_type="text/html"),
    "a compressed part": ranged(BIG, content_encoding="gzip"),
}


def more_in_chunks(wire: Any) -> None:
    """Answer with the right Content-Range and a byte too many, in chunks so that no length tells."""
    first, stop = requested_range(wire, len(BIG)) or (0, len(BIG))
    part = BIG[first:stop] + b"!"
    shown = f"bytes {first}-{stop - 1}/{len(BIG)}"
    top = head(206, transfer_encoding="chunked", content_range=shown, etag='"v1"')
    wire.send(top + b"%x\r\n%s\r\n0\r\n\r\n" % (len(part), part))


LIES["a byte too many in chunks"] = more_in_chunks


#: What says that it is not the file at all. Of the others one stream makes good, which nobody lies about.
REFUSED = {"a web page as a part", "a compressed part"}


@pytest.mark.parametrize("start", [0, 8 * MIB])
@pytest.mark.parametrize("lie", LIES)
def test_a_cdn_that_lies_about_a_part_is_caught(wiro: Wiro, s3: S3, lie: str, start: int) -> None:
    wiro.shows(wiro.file(BIG, at_range(start, *[LIES[lie]] * 10_000, else_=ranged(BIG))))
    if lie in REFUSED or (lie, start) == ("another size of the whole", 0):
        with pytest.raises((WiroError, AirflowFailException), match=r"(?i)output 0"):
            transfer()
        assert s3.keys == s3.open_uploads == []
    else:
        assert_landed(transfer(), s3, BIG)


def test_all_instead_of_a_part_is_taken_from_the_beginning(wiro: Wiro, s3: S3, cdn: HostileServer) -> None:
    """A CDN that serves parts, and then doesn't: one stream does as well."""
    wiro.shows(wiro.file(BIG, at_range(8 * MIB, respond(BIG, etag='"v1"'), else_=ranged(BIG))))
    assert_landed(transfer(), s3, BIG)
    assert asked(cdn)[-1] == "all"


@pytest.mark.parametrize("is_cut", [False, True])
def test_a_file_that_differs_at_each_request_is_fetched_as_one_stream_or_fails(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch, *, is_cut: bool
) -> None:
    """One answer is one version; where that is cut each time, nothing fits together."""
    monkeypatch.setattr(retry, "backoff_seconds", lambda tries, random: 0.0)
    count = 0

    def other_each_time(wire: Any) -> None:
        nonlocal count
        count += 1
        ranged(BIG, etag=f'"{count}"', cut_after=9 * MIB if is_cut else None)(wire)

    wiro.shows(wiro.file(BIG, other_each_time))
    if not is_cut:
        assert_landed(transfer(), s3, BIG)
        return
    with pytest.raises(WiroOutputUnavailableError, match="changes on the CDN"):
        transfer()
    assert s3.keys == s3.open_uploads == []


@pytest.mark.parametrize("size", [1, 10, len(PNG), len(BIG)])
@pytest.mark.parametrize(
    "body", [endless(head(200), b"x"), endless(head(206, content_range="bytes 0-9/10"), b"x")]
)
def test_a_body_that_never_ends_does_end(wiro: Wiro, s3: S3, body: Script, size: int) -> None:
    wiro.shows(wiro.file(BIG, body, size=str(size)))
    with pytest.raises((WiroError, AirflowFailException)):
        transfer()
    assert s3.keys == s3.open_uploads == []


def test_a_body_of_unknown_size_that_never_ends_does_end(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_checks, "MAX_UNANNOUNCED_BYTES", 10 * MIB)
    wiro.shows(wiro.file(BIG, endless(head(200), b"x"), size=None))
    with pytest.raises(AirflowFailException, match="larger than"):
        transfer()
    assert s3.keys == s3.open_uploads == []


def test_a_zip_bomb_is_never_unpacked(wiro: Wiro, s3: S3) -> None:
    bomb = b"\0" * 50_000_000
    wiro.shows(wiro.file(PNG, gzipped(bomb)))
    with pytest.raises(AirflowFailException, match="gzip"):
        transfer()
    assert s3.keys == []


# -- addresses


def test_a_hundred_redirects_are_too_many(wiro: Wiro, s3: S3, cdn: HostileServer) -> None:
    for number in range(100):
        cdn.on(f"/hop/{number}", redirect(f"/hop/{number + 1}"))
    wiro.shows(wiro.file(PNG, redirect("/hop/0")))
    with pytest.raises(AirflowFailException, match="redirects"):
        transfer()
    assert len(cdn.requests) == 6
    assert s3.keys == []


@pytest.mark.parametrize("when", ["at once", "at the second part", "after a cut", "after a renewal"])
def test_a_redirect_inside_is_refused_whenever_it_comes(
    wiro: Wiro,
    s3: S3,
    server: HostileServer,
    cdn: HostileServer,
    monkeypatch: pytest.MonkeyPatch,
    when: str,
) -> None:
    """127.0.0.1 plays the public CDN here, ::1 what stands inside."""
    inside = HostileServer("::1")
    try:
        behave_as_outside(monkeypatch)
        inward = redirect(f"{inside.origin}/secret")
        second = at_range(8 * MIB, *[inward] * 99, else_=ranged(BIG))
        cut = at_range(
            8 * MIB, ranged(BIG, cut_after=MIB), else_=at_range(9 * MIB, *[inward] * 99, else_=ranged(BIG))
        )
        first = {
            "at once": inward,
            "at the second part": second,
            "after a cut": cut,
            "after a renewal": respond(b"", 403),
        }[when]
        renews(wiro, server, [wiro.file(BIG, first)], [wiro.file(BIG, inward)])
        with pytest.raises(AirflowFailException, match="not a public address"):
            transfer()
        assert inside.connections == 0
    finally:
        inside.stop()
    assert s3.keys == s3.open_uploads == []


def test_a_renewed_link_inside_is_refused(
    wiro: Wiro, s3: S3, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = HostileServer("::1").on("/secret", ranged(BIG))
    try:
        behave_as_outside(monkeypatch)
        stale = wiro.file(BIG, at_range(8 * MIB, *[respond(b"", 403)] * 9, else_=ranged(BIG)))
        renews(wiro, server, [stale], [{**stale, "url": f"{inside.origin}/secret"}])
        with pytest.raises(AirflowFailException, match="not a public address"):
            transfer()
        assert inside.connections == 0
    finally:
        inside.stop()
    assert s3.keys == s3.open_uploads == []


def test_a_name_that_turns_private_for_the_second_part_is_refused(
    wiro: Wiro, s3: S3, cdn: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kept connection is to the address that was checked; a new one, after a cut, is checked again."""
    behave_as_outside(monkeypatch)
    turned = False
    # The names still look public; what the socket is connected to does not.
    monkeypatch.setattr(address_policy, "private_address", lambda host: None)
    monkeypatch.setattr(address_policy, "is_public_address", lambda address: not turned)

    def turn(wire: Any) -> None:
        nonlocal turned
        turned = True
        wire.close()

    wiro.shows(wiro.file(BIG, at_range(8 * MIB, turn, else_=ranged(BIG))))
    with pytest.raises(AirflowFailException, match="not a public address"):
        transfer()
    assert s3.keys == s3.open_uploads == []


def behave_as_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let 127.0.0.1 be public, and Wiro's own host not excuse anything."""
    monkeypatch.setattr(address_policy, "is_public_address", lambda address: address == "127.0.0.1")
    assert address_policy.private_address("127.0.0.1") is None


# -- arguments


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_concurrency": 0},
        {"max_concurrency": -1},
        {"max_concurrency": 65},
        {"max_concurrency": "4"},
        {"part_size": 5 * MIB - 1},
        {"part_size": 5 * 1024**3 + 1},
        {"part_size": "8 MiB"},
        {"part_size": 8.5 * MIB},
    ],
)
def test_numbers_that_s3_would_not_take_are_refused_before_anything_is_sent(
    wiro: Wiro, s3: S3, server: HostileServer, wrong: dict[str, Any]
) -> None:
    wiro.shows(wiro.file(PNG))
    (name,) = wrong
    with pytest.raises(WiroUsageError, match=f"Expected {name}"):
        transfer(**wrong)
    assert server.requests == []


def test_a_very_large_output_has_larger_parts_instead_of_too_many() -> None:
    from airflow_provider_wiro.landing.s3.object_upload import MAX_PARTS, part_bytes_for

    usual = 8 * 1024**2
    assert part_bytes_for("k", None, usual) == part_bytes_for("k", 78 * 1024**3, usual) == usual
    for size in (80 * 1024**3, 5 * 1024**4):
        part = part_bytes_for("k", size, usual)
        assert part > usual
        assert -(-size // part) <= MAX_PARTS
