from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

import aiohttp
import pytest

from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.emulator.state.contents import CHUNK_BYTES

if TYPE_CHECKING:
    from tests.emulator.conftest import Client, StartEmulator


@pytest.fixture
async def url(wiro: Client) -> str:
    return str((await wiro.finish())["outputs"][0]["url"])


async def test_a_file_comes_whole_with_its_type_length_and_tag(wiro: Client, url: str) -> None:
    status, headers, data = await wiro.fetch(url)
    assert (status, headers["Content-Type"]) == (200, "image/png")
    assert int(headers["Content-Length"]) == len(data)
    assert (headers["Accept-Ranges"], headers["Server"]) == ("bytes", "wiro-emulator")
    assert headers["ETag"].startswith('"')


async def test_head_has_the_length_and_no_body(wiro: Client, url: str) -> None:
    async with wiro.session.head(url) as response:
        assert response.status == 200
        assert int(response.headers["Content-Length"]) > 0
        assert await response.read() == b""


async def test_a_range_is_that_part_of_the_file(wiro: Client, url: str) -> None:
    _, _, whole = await wiro.fetch(url)
    size = len(whole)
    for header, part in {
        "bytes=0-7": whole[:8],
        "bytes=5-": whole[5:],
        "bytes=-9": whole[-9:],
        f"bytes=10-{size + 99}": whole[10:],
    }.items():
        status, headers, data = await wiro.fetch(url, headers={"Range": header})
        assert (status, data) == (206, part)
        assert headers["Content-Range"].endswith(f"/{size}")


async def test_a_range_after_the_end_is_a_416(wiro: Client, url: str) -> None:
    status, headers, _ = await wiro.fetch(url, headers={"Range": "bytes=9999999-"})
    assert status == 416
    assert headers["Content-Range"].startswith("bytes */")


@pytest.mark.parametrize(("same", "expected"), [(True, 206), (False, 200)])
async def test_if_range_gives_the_whole_file_when_it_has_changed(
    wiro: Client, url: str, same: bool, expected: int
) -> None:
    tag = (await wiro.fetch(url))[1]["ETag"]
    headers = {"Range": "bytes=1-2", "If-Range": tag if same else '"another"'}
    assert (await wiro.fetch(url, headers=headers))[0] == expected


async def test_an_unchanged_file_is_not_sent_again(wiro: Client, url: str) -> None:
    tag = (await wiro.fetch(url))[1]["ETag"]
    assert (await wiro.fetch(url, headers={"If-None-Match": tag}))[0] == 304


async def test_a_file_needs_its_key(wiro: Client, url: str) -> None:
    name = url.rsplit("/", 1)[1]
    base = wiro.root
    assert (await wiro.fetch(f"{base}/cdn/guessed/{name}"))[0] == 404
    assert (await wiro.fetch(url.replace(name, "other.png")))[0] == 404


async def test_a_link_expires(start_emulator: StartEmulator) -> None:
    async with start_emulator(link_lifetime_seconds=600) as wiro:
        output = (await wiro.finish())["outputs"][0]
        assert int(output["expiretime"]) - int(output["addedtime"]) == 600
        assert (await wiro.fetch(output["url"]))[0] == 200
        wiro.emulator.advance(600)
        assert (await wiro.fetch(output["url"]))[0] == 403


async def test_a_big_output_is_streamed_and_reproducible(start_emulator: StartEmulator) -> None:
    size = 3 * CHUNK_BYTES + 17
    digests = []
    for _ in range(2):
        async with start_emulator(output_bytes=size) as wiro:
            (output,) = (await wiro.finish())["outputs"]
            assert (output["name"], output["size"]) == ("0.bin", str(size))
            data = (await wiro.fetch(output["url"]))[2]
            part = (await wiro.fetch(output["url"], headers={"Range": "bytes=262140-262160"}))[2]
            assert part == data[262140:262161]
            digests.append(hashlib.sha256(data).hexdigest())
            assert wiro.emulator.counts.bytes_served == size + 21
    assert digests[0] == digests[1]


async def output_of(wiro: Client) -> tuple[str, int]:
    output = (await wiro.finish())["outputs"][0]
    return output["url"], int(output["size"])


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault("expired_link"), 403),
        (Fault("expired_link", status=410), 410),
        (Fault("rate_limit", endpoint="cdn", retry_after=1), 429),
        (Fault("server_error", endpoint="cdn", status=503), 503),
    ],
)
async def test_a_file_can_be_refused(wiro: Client, fault: Fault, status: int) -> None:
    url, size = await output_of(wiro)
    wiro.emulator.inject(fault)
    assert (await wiro.fetch(url))[0] == status
    assert len((await wiro.fetch(url))[2]) == size


async def test_a_file_can_be_replaced_by_a_page(wiro: Client) -> None:
    url, _ = await output_of(wiro)
    wiro.emulator.inject(Fault("html", endpoint="cdn"))
    status, headers, data = await wiro.fetch(url)
    assert (status, data[:6]) == (200, b"<html>")
    assert headers["Content-Type"].startswith("text/html")


async def test_a_file_can_be_shorter_than_its_task_says(wiro: Client) -> None:
    url, size = await output_of(wiro)
    wiro.emulator.inject(Fault("wrong_size"))
    _, headers, data = await wiro.fetch(url)
    assert len(data) == int(headers["Content-Length"]) == size // 2


@pytest.mark.parametrize("kind", ["truncated", "drop_before"])
async def test_a_file_can_be_truncated_or_dropped(wiro: Client, kind: str) -> None:
    url, _ = await output_of(wiro)
    # Forever: aiohttp's client tries a dropped GET a second time by itself.
    wiro.emulator.inject(Fault(kind, endpoint="cdn", times=None))
    with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError)):
        await wiro.fetch(url)


async def test_a_file_can_stall_in_the_middle(wiro: Client) -> None:
    url, _ = await output_of(wiro)
    wiro.emulator.inject(Fault("slow_body", after_bytes=5, delay_seconds=30))
    async with wiro.session.get(url) as response:
        assert await response.content.readexactly(5) == b"\x89PNG\r"


async def test_a_file_can_come_at_a_limited_speed(wiro: Client) -> None:
    wiro.emulator.inject(
        Fault("big_output", bytes=20_000), Fault("limited_speed", bytes_per_second=1_000_000)
    )
    (output,) = (await wiro.finish())["outputs"]
    started_at = time.monotonic()
    assert len((await wiro.fetch(output["url"]))[2]) == 20_000
    assert time.monotonic() - started_at >= 0.02


async def test_a_cdn_may_not_know_ranges(wiro: Client) -> None:
    url, size = await output_of(wiro)
    wiro.emulator.inject(Fault("ignore_range"))
    status, _, data = await wiro.fetch(url, headers={"Range": "bytes=5-"})
    assert (status, len(data)) == (200, size)


async def test_a_file_can_be_redirected(wiro: Client) -> None:
    url, _ = await output_of(wiro)
    wiro.emulator.inject(Fault("redirect", endpoint="cdn", url="http://127.0.0.1:9/", status=307))
    status, headers, _ = await wiro.fetch(url, allow_redirects=False)
    assert (status, headers["Location"]) == (307, "http://127.0.0.1:9/")
