"""Outputs are fetched without TLS only from hosts that are never public, or where that is allowed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from airflow_provider_wiro.api.models import Output
from airflow_provider_wiro.api.signing import Credentials
from airflow_provider_wiro.downloads import async_stream, stream
from airflow_provider_wiro.downloads.address_policy import AddressPolicy
from airflow_provider_wiro.exceptions import WiroOutputError, WiroOutputRefusedError
from airflow_provider_wiro.transport.connection import WiroConnection


def connection(**more: Any) -> WiroConnection:
    return WiroConnection("https://api.wiro.ai/v1", None, Credentials("K"), connect_timeout=0.2, **more)


def output(url: str) -> Output:
    return Output(0, "0.png", "image/png", 4, url)


def fetch(found: Output, where: WiroConnection) -> None:
    with stream.open_output(where, found):
        pass


def fetch_async(found: Output, where: WiroConnection) -> None:
    async def run() -> None:
        async with async_stream.open_output(where, found):
            pass

    asyncio.run(run())


@pytest.mark.parametrize("fetched_by", [fetch, fetch_async])
def test_plain_http_to_a_public_host_is_refused_before_any_request(fetched_by: Any) -> None:
    with pytest.raises(WiroOutputRefusedError, match=r"https:// link .*cdn1\.wiro\.ai.*allow_insecure"):
        fetched_by(output("http://cdn1.wiro.ai/a/0.png?sig=s3cret"), connection())


@pytest.mark.parametrize("fetched_by", [fetch, fetch_async])
def test_plain_http_is_used_where_the_connection_allows_it(fetched_by: Any) -> None:
    with pytest.raises(WiroOutputError) as caught:
        fetched_by(output("http://8.8.8.8.nip.invalid./0.png"), connection(allow_insecure=True))
    assert not isinstance(caught.value, WiroOutputRefusedError)


@pytest.mark.parametrize(
    "url", ["https://cdn1.wiro.ai/0.png", "HTTPS://8.8.8.8/", "http://127.0.0.1:9/0.png"]
)
def test_tls_and_private_hosts_are_accepted(url: str) -> None:
    AddressPolicy(connection()).check_tls(output(url), url)
