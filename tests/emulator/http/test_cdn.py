from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.emulator.http.ranges import UnsatisfiableRangeError, requested_range
from airflow_provider_wiro.emulator.state.contents import CHUNK_BYTES, GeneratedContent

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator.conftest import Caller, Calling


@pytest.fixture
async def url(wiro: Caller) -> str:
    return str((await wiro.finish())["outputs"][0]["url"])


@pytest.mark.asyncio
async def test_a_file_comes_whole_with_its_type_length_and_tag(wiro: Caller, url: str) -> None:
    status, headers, data = await wiro.fetch(url)
    assert (status, headers["Content-Type"]) == (200, "image/png")
    assert int(headers["Content-Length"]) == len(data)
    assert (headers["Accept-Ranges"], headers["Server"]) == ("bytes", "wiro-emulator")
    assert headers["ETag"].startswith('"')


@pytest.mark.asyncio
async def test_head_tells_the_length_and_sends_nothing(wiro: Caller, url: str) -> None:
    async with wiro.session.head(url) as response:
        assert response.status == 200
        assert int(response.headers["Content-Length"]) > 0
        assert await response.read() == b""


@pytest.mark.asyncio
async def test_a_range_is_that_part_of_the_file(wiro: Caller, url: str) -> None:
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


@pytest.mark.asyncio
async def test_a_range_behind_the_end_is_a_416(wiro: Caller, url: str) -> None:
    status, headers, _ = await wiro.fetch(url, headers={"Range": "bytes=9999999-"})
    assert status == 416
    assert headers["Content-Range"].startswith("bytes */")


@pytest.mark.asyncio
@pytest.mark.parametrize(("same", "expected"), [(True, 206), (False, 200)])
async def test_if_range_gives_the_whole_file_when_it_is_another_one(
    wiro: Caller, url: str, same: bool, expected: int
) -> None:
    tag = (await wiro.fetch(url))[1]["ETag"]
    headers = {"Range": "bytes=1-2", "If-Range": tag if same else '"another"'}
    assert (await wiro.fetch(url, headers=headers))[0] == expected


@pytest.mark.asyncio
async def test_an_unchanged_file_is_not_sent_again(wiro: Caller, url: str) -> None:
    tag = (await wiro.fetch(url))[1]["ETag"]
    assert (await wiro.fetch(url, headers={"If-None-Match": tag}))[0] == 304


@pytest.mark.asyncio
async def test_a_file_needs_its_key(wiro: Caller, url: str) -> None:
    name = url.rsplit("/", 1)[1]
    base = wiro.emulator.url.removesuffix("/v1")
    assert (await wiro.fetch(f"{base}/cdn/guessed/{name}"))[0] == 404
    assert (await wiro.fetch(url.replace(name, "other.png")))[0] == 404


@pytest.mark.asyncio
async def test_a_link_expires(calling: Callable[..., Calling]) -> None:
    async with calling(link_lifetime_seconds=600) as wiro:
        output = (await wiro.finish())["outputs"][0]
        assert int(output["expiretime"]) - int(output["addedtime"]) == 600
        assert (await wiro.fetch(output["url"]))[0] == 200
        wiro.emulator.advance(600)
        assert (await wiro.fetch(output["url"]))[0] == 403


@pytest.mark.asyncio
async def test_a_big_output_is_streamed_and_reproducible(calling: Callable[..., Calling]) -> None:
    size = 3 * CHUNK_BYTES + 17
    digests = []
    for _ in range(2):
        async with calling(output_bytes=size) as wiro:
            (output,) = (await wiro.finish())["outputs"]
            assert (output["name"], output["size"]) == ("0.bin", str(size))
            data = (await wiro.fetch(output["url"]))[2]
            part = (await wiro.fetch(output["url"], headers={"Range": "bytes=262140-262160"}))[2]
            assert part == data[262140:262161]
            digests.append(hashlib.sha256(data).hexdigest())
            assert wiro.emulator.counts.bytes_served == size + 21
    assert digests[0] == digests[1]


def test_a_gigabyte_is_described_without_being_made() -> None:
    content = GeneratedContent(1024**3, "seed")
    assert content.size == 1024**3
    assert next(content.chunks(1024**3 - 5, 1024**3)) == b"".join(content.chunks(1024**3 - 5, 1024**3))


@given(st.integers(0, 3 * CHUNK_BYTES), st.integers(0, 3 * CHUNK_BYTES))
def test_any_part_of_made_up_bytes_is_that_part_of_the_whole(one: int, other: int) -> None:
    start, stop = sorted((one, other))
    content = GeneratedContent(3 * CHUNK_BYTES, "seed")
    whole = b"".join(content.chunks(0, content.size))
    assert b"".join(content.chunks(start, stop)) == whole[start:stop]


@pytest.mark.parametrize("header", [None, "", "bytes=", "bytes=-", "lines=1-2", "bytes=1-2,5-6", "bytes=9-3"])
def test_a_range_that_is_not_understood_means_the_whole_file(header: str | None) -> None:
    assert requested_range(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=-0", "bytes=100-200"])
def test_a_range_that_holds_no_byte_is_unsatisfiable(header: str) -> None:
    with pytest.raises(UnsatisfiableRangeError):
        requested_range(header, 100)
