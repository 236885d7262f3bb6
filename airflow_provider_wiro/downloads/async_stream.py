"""One output from the CDN as an asynchronous stream, with aiohttp."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp

from airflow_provider_wiro.downloads import checks
from airflow_provider_wiro.downloads.address_policy import AddressPolicy
from airflow_provider_wiro.downloads.checked_body import CheckedBody
from airflow_provider_wiro.downloads.ranges import StallTimeout
from airflow_provider_wiro.exceptions import WiroOutputError, WiroOutputRefusedError
from airflow_provider_wiro.transport.asynchronous import (
    FAILURES,
    exact_url,
    lower_case,
    open_session,
    proxy_for,
)
from airflow_provider_wiro.transport.safe_errors import in_words, reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airflow_provider_wiro.api.models import Output
    from airflow_provider_wiro.transport.connection import WiroConnection


class AsyncOutputStream(CheckedBody):
    """The body of one output, read piece by piece and checked meanwhile."""

    def __init__(self, output: Output, response: aiohttp.ClientResponse, read_timeout: float) -> None:
        super().__init__(output, response.status, lower_case(response))
        self._response = response
        self._read_timeout = read_timeout

    async def read(self, size: int) -> bytes:
        """
        Return the next ``size`` bytes, fewer only at the end, none after it.

        :raises WiroOutputUnavailableError: the body broke off.
        :raises WiroOutputRefusedError: more or fewer bytes than Wiro announced.
        """
        size = self.bytes_to_read(size)
        pieces: list[bytes] = []
        failure: str | None = None
        missing = size
        stall = StallTimeout(time.monotonic())
        try:
            while missing:
                # In addition to aiohttp's own timeout, which a broken chunk disables (seen with 3.14.5).
                async with asyncio.timeout(self._read_timeout):
                    some = await self._response.content.read(missing)
                if not some:
                    break
                pieces.append(some)
                missing -= len(some)
                stall.note(size - missing, now := time.monotonic())
                if stall.is_over(now):
                    raise TimeoutError("It came too slowly.")
        except FAILURES as error:
            failure = type(error).__name__
        piece = b"".join(pieces)
        self.on_piece(len(piece), asked=size, failure=failure)  # without a cause: it may quote the URL
        return piece


@asynccontextmanager
async def open_output(connection: WiroConnection, output: Output) -> AsyncIterator[AsyncOutputStream]:
    """
    Open an output for reading; redirects are followed here and checked.

    :raises WiroOutputError: see :mod:`airflow_provider_wiro.downloads.checks`.
    """
    url = checks.output_url(output)
    policy = AddressPolicy(connection)
    await asyncio.to_thread(lambda: policy.allows_private)
    sockets = _CheckedSockets(output, policy)
    async with AsyncExitStack() as opened:
        session = await opened.enter_async_context(open_session(connection, sockets))
        for hops in range(checks.MAX_REDIRECTS + 1):
            policy.check_tls(output, url)
            proxy = proxy_for(connection, url)
            sockets.host, sockets.is_proxied = urlsplit(url).hostname or "", proxy is not None
            await asyncio.to_thread(policy.check_host, output, sockets.host)
            failure: WiroOutputError | None = None
            try:
                # In addition to aiohttp's own, which restart with each byte.
                async with asyncio.timeout(connection.connect_timeout + connection.read_timeout):
                    response = await session.get(
                        exact_url(url), headers=checks.REQUEST_HEADERS, proxy=proxy, allow_redirects=False
                    )
            except (aiohttp.InvalidURL, UnicodeError) as error:  # the latter: a host that is no name
                failure = checks.no_url(output, reason(error))
            except FAILURES as error:
                timeouts = {
                    "connect_timeout": connection.connect_timeout,
                    "read_timeout": connection.read_timeout,
                }
                failure = sockets.refusal or checks.no_response(output, url, in_words(error, **timeouts))
            if failure is not None:
                raise failure  # outside of `except`, without a cause: the library's error may quote the URL
            opened.callback(response.close)
            if response.status not in checks.REDIRECT_STATUSES:
                break
            url = checks.redirect_url(output, url, lower_case(response), hops)
        yield AsyncOutputStream(output, response, connection.read_timeout)


class _CheckedSockets:
    """
    aiohttp's socket factory for one download: makes no socket to a private address.

    :ivar host: of the next request.
    :ivar refusal: why a socket was refused, which aiohttp's own error doesn't say.
    """

    def __init__(self, output: Output, policy: AddressPolicy) -> None:
        self.host = ""
        self.is_proxied = False
        self.refusal: WiroOutputRefusedError | None = None
        self._output = output
        self._policy = policy

    def __call__(self, address_info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = address_info
        if not self.is_proxied:
            try:
                self._policy.check_address(self._output, self.host, str(address[0]))
            except WiroOutputRefusedError as error:
                self.refusal = error
                raise OSError("Not a public address.") from None  # aiohttp tries the name's next address
        return socket.socket(family, kind, protocol)
