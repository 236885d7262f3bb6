from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

import aiohttp
import pytest

from airflow_provider_wiro.emulator.envelope import ApiError
from airflow_provider_wiro.emulator.state.auth import Project, signature_of

if TYPE_CHECKING:
    from tests.emulator.conftest import Client, StartEmulator


def test_the_signature_is_the_contracts_known_answer() -> None:
    assert (
        signature_of("k-123", "s-456", "1734513809")
        == "ae1c9dec8a537ba8f7d42b13f91c4093119c6cfe346f292728eb3574f25717f8"
    )


async def test_a_signed_request_is_accepted(wiro: Client) -> None:
    assert (await wiro("Tool/List", {}))["result"] is True
    assert wiro.emulator.counts.auth_failures == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x-api-key": None}, "Project authorization is not founded."),
        ({"x-api-key": "another"}, "Project authorization is not founded."),
        ({"x-signature": "0" * 64}, "Project authorization is not valid."),
        ({"x-nonce": "999"}, "Project authorization is not valid."),
        (
            {"x-signature": None, "x-nonce": None},
            "Project requires signature authentication. x-signature and x-nonce headers are required.",
        ),
    ],
)
async def test_wrong_credentials_are_refused_with_401_and_counted(
    wiro: Client, change: dict[str, str | None], message: str
) -> None:
    headers = {name: value for name, value in (wiro.headers() | change).items() if value is not None}
    status, response = await wiro.post("Tool/List", {}, headers=headers)
    assert (status, response) == (401, {"result": False, "errors": [{"code": 0, "message": message}]})
    assert wiro.emulator.counts.auth_failures == 1


async def test_a_nonce_works_once(wiro: Client) -> None:
    headers = wiro.headers()
    assert (await wiro.post("Tool/List", {}, headers=headers))[0] == 200
    status, response = await wiro.post("Tool/List", {}, headers=headers)
    assert status == 403
    assert "the emulator's own strictness" in response["errors"][0]["message"]
    assert wiro.emulator.counts.nonces_repeated == 1


async def test_a_repeated_nonce_can_be_accepted_and_is_counted(start_emulator: StartEmulator) -> None:
    async with start_emulator(nonces="reusable") as wiro:
        headers = wiro.headers()
        assert [(await wiro.post("Tool/List", {}, headers=headers))[0] for _ in range(3)] == [200] * 3
        headers["x-signature"] = "0" * 64
        assert (await wiro.post("Tool/List", {}, headers=headers))[0] == 401
        assert wiro.emulator.counts.nonces_repeated == 2


@pytest.mark.parametrize(
    ("agent", "is_accepted"),
    [("airflow-provider-wiro", True), ("node-red/3", True), ("", False), ("python-requests/2.32", False),
     ("Python/3.11 aiohttp/3.14", False), ("node", False)],
)  # fmt: skip
async def test_a_request_may_need_a_user_agent_of_its_own(
    start_emulator: StartEmulator, agent: str, is_accepted: bool
) -> None:
    async with start_emulator(require_user_agent=True) as wiro:
        headers = wiro.headers() | {"User-Agent": agent}
        async with wiro.session.post(f"{wiro.emulator.url}/Tool/List", json={}, headers=headers) as response:
            assert response.status == (200 if is_accepted else 403)
            assert response.content_type == ("application/json" if is_accepted else "text/html")
        handshake = wiro.session.ws_connect(wiro.emulator.websocket_url, headers={"User-Agent": agent})
        if is_accepted:
            async with handshake:
                return
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await handshake


def test_a_nonce_is_decimal_text() -> None:
    nonce = "abc"
    signature = hmac.new(b"k", b"s" + nonce.encode(), hashlib.sha256).hexdigest()
    with pytest.raises(ApiError, match="not valid"):
        Project("k", "s").authorize({"x-api-key": "k", "x-nonce": nonce, "x-signature": signature})


async def test_a_key_only_project_takes_the_key_alone_and_nothing_more(
    start_emulator: StartEmulator,
) -> None:
    async with start_emulator(api_secret=None) as wiro:
        assert (await wiro.post("Tool/List", {}, headers={"x-api-key": "emulator-key"}))[0] == 200
        status, response = await wiro.post("Tool/List", {}, headers=wiro.headers())
        assert (status, response["errors"][0]["message"]) == (401, "Project authorization is not valid.")
        assert "password" not in wiro.emulator.connection
