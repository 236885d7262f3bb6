"""No other web page that a developer has open may use the emulator or read its responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from airflow_provider_wiro.emulator import WiroEmulator
from airflow_provider_wiro.emulator.http.same_origin import SameOrigin

if TYPE_CHECKING:
    from collections.abc import Mapping


FAULT = {"kind": "redirect", "endpoint": "Task/Detail"}


async def status_of(
    emulator: WiroEmulator, path: str, headers: Mapping[str, str], *, method: str = "GET", body: Any = None
) -> int:
    root = emulator.url.removesuffix("/v1")
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{root}{path}", headers=headers, json=body) as response,
    ):
        return response.status


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:80", "127.0.0.1.nip.io", "localhost.evil.example", "[", "10.0.0.1", "a b"],
)
@pytest.mark.parametrize("path", ["/", "/__emulator__/state", "/socket/v1", "/cdn/x/y.png"])
async def test_a_foreign_host_name_that_resolves_to_loopback_is_refused(host: str, path: str) -> None:
    with WiroEmulator() as emulator:
        assert await status_of(emulator, path, {"Host": host}) == 403


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "https://localhost", "http://127.0.0.1:1", "http://[", "", "file://"],
)
async def test_a_post_from_another_page_is_refused(origin: str) -> None:
    with WiroEmulator() as emulator:
        status = await status_of(
            emulator, "/__emulator__/faults", {"Origin": origin}, method="POST", body=FAULT
        )
        state = await status_of(emulator, "/v1/Task/List", {"Origin": origin}, method="POST", body={})
        assert (status, state) == (403, 403)
        assert emulator.counts.faults_fired == {}
        assert emulator.received == []


async def test_a_websocket_from_another_page_is_refused() -> None:
    with WiroEmulator() as emulator:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(emulator.websocket_url, origin="http://evil.example")
            assert refused.value.status == 403
            async with session.ws_connect(emulator.websocket_url) as connected:
                assert not connected.closed


@pytest.mark.parametrize(
    "name", ["localhost", "LOCALHOST", "wiro.localhost", "127.0.0.1", "127.8.8.8", "[::1]"]
)
async def test_loopbacks_names_and_the_emulators_own_page_are_served(name: str) -> None:
    with WiroEmulator() as emulator:
        port = emulator.url.split(":")[2].split("/")[0]
        host = f"{name}:{port}"
        own = {"Host": host, "Origin": f"http://{host}"}
        assert await status_of(emulator, "/", {"Host": host}) == 200
        assert await status_of(emulator, "/__emulator__/faults", own, method="POST", body=FAULT) == 200


@pytest.mark.parametrize(
    ("bound", "name", "is_own"),
    [
        ("0.0.0.0", "192.168.0.7", True),  # noqa: S104 - an address can't be made to lead elsewhere
        ("0.0.0.0", "evil.example", False),  # noqa: S104
        ("wiro.internal", "wiro.internal", True),
        ("127.0.0.1", "192.168.0.7", False),
    ],
)
def test_beyond_loopback_the_bound_name_and_addresses_are_accepted(
    bound: str, name: str, *, is_own: bool
) -> None:
    assert SameOrigin(bound)._is_own_name(name) is is_own
