"""HTTP with aiohttp: one API request, and one guarded download. Decides nothing; the floor below does."""

from __future__ import annotations

import asyncio
import functools
import ssl
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from airflow_provider_wiro.api import downloads
from airflow_provider_wiro.api.parameters import Body, FileContent
from airflow_provider_wiro.api.responses import MAX_BODY_BYTES, Answer
from airflow_provider_wiro.api.retry import NoAnswer
from airflow_provider_wiro.exceptions import WiroOutputUnavailableError
from airflow_provider_wiro.hooks.addresses import resolves_to_private_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airflow_provider_wiro.api.flow import Send
    from airflow_provider_wiro.api.models import Output
    from airflow_provider_wiro.hooks.connection import WiroConnection

#: What aiohttp raises for a request that went wrong; anything else is a bug and is let through.
_FAILURES = (aiohttp.ClientError, asyncio.TimeoutError, OSError)
_PIECE_BYTES = 64 * 1024


def open_session(
    connection: WiroConnection, resolver: AbstractResolver | None = None
) -> aiohttp.ClientSession:
    """Return a session with the connection's TLS, proxy and timeouts. Call it on the loop that uses it."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=_tls(connection.verify), resolver=resolver),
        timeout=aiohttp.ClientTimeout(
            total=None, connect=connection.connect_timeout, sock_read=connection.read_timeout
        ),
        headers={"user-agent": "airflow-provider-wiro"},
        trust_env=True,
    )


@functools.cache
def _tls(verify: bool | str) -> bool | ssl.SSLContext:
    return ssl.create_default_context(cafile=verify) if isinstance(verify, str) else verify


async def send(session: aiohttp.ClientSession, connection: WiroConnection, what: Send) -> Answer | NoAnswer:
    """Do one API request; every way it can fail becomes a :class:`NoAnswer`."""
    try:
        with ExitStack() as opened:
            content_type, data = _body(what.body, opened)
            headers = {**what.headers, **content_type, "accept-encoding": "identity"}
            if what.needs_fresh_connection:
                headers["connection"] = "close"
            async with (
                _session_for(session, connection, what) as chosen,
                chosen.post(
                    f"{connection.base_url}/{what.path}",
                    data=data,
                    headers=headers,
                    proxy=connection.proxy,
                    allow_redirects=False,
                ) as response,
            ):
                return Answer(response.status, _lower_case(response), await _capped(response))
    except _FAILURES as error:
        return NoAnswer(type(error).__name__, was_sent=not _failed_before_sending(error))


@asynccontextmanager
async def _session_for(
    session: aiohttp.ClientSession, connection: WiroConnection, what: Send
) -> AsyncIterator[aiohttp.ClientSession]:
    if not what.needs_fresh_connection:
        yield session
        return
    async with open_session(connection) as fresh:
        yield fresh


def _body(body: Body, opened: ExitStack) -> tuple[dict[str, str], Any]:
    if body.json is not None:
        return {"content-type": "application/json"}, body.json.encode()
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in body.form:
        if isinstance(value, FileContent):
            file = opened.enter_context(value.open())
            form.add_field(name, file, filename=value.name, content_type=value.content_type)
        else:
            form.add_field(name, value)
    return {}, form  # the form brings its content type with its boundary


async def _capped(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    while len(body) <= MAX_BODY_BYTES:
        piece = await response.content.read(_PIECE_BYTES)
        if not piece:
            break
        body += piece
    return bytes(body)


def _failed_before_sending(error: BaseException) -> bool:
    return isinstance(
        error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL
    )


def _lower_case(response: aiohttp.ClientResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


class AsyncOutputStream:
    """
    The body of one output, read piece by piece and judged on the way.

    :ivar content_type: as the CDN says.
    :ivar announced: bytes the CDN announces, None if it doesn't.
    """

    def __init__(self, output: Output, response: aiohttp.ClientResponse) -> None:
        self._output = output
        self._response = response
        headers = _lower_case(response)
        self.announced = downloads.check_answer(output, response.status, headers)
        self.content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        self.received = 0

    async def read(self, size: int) -> bytes:
        """
        Return the next ``size`` bytes, fewer only at the end, none after it.

        :raises WiroOutputUnavailableError: the body broke off.
        :raises WiroOutputRefusedError: more or fewer bytes than Wiro announced.
        """
        piece = b""
        try:
            piece = await self._response.content.readexactly(size)
        except asyncio.IncompleteReadError as error:
            piece = error.partial
        except _FAILURES as error:
            raise downloads.cut_off(
                self._output, f"{type(error).__name__} after {self.received} bytes"
            ) from error
        self.received += len(piece)
        downloads.check_received(
            self._output, self.received, announced=self.announced, is_complete=len(piece) < size
        )
        return piece


@asynccontextmanager
async def open_output(connection: WiroConnection, output: Output) -> AsyncIterator[AsyncOutputStream]:
    """
    Open an output for reading, redirects followed by hand.

    :raises WiroOutputError: see :mod:`airflow_provider_wiro.api.downloads`.
    """
    url = downloads.output_url(output)
    async with AsyncExitStack() as opened:
        resolver = _GuardingResolver(connection, output)
        session = await opened.enter_async_context(open_session(connection, resolver))
        for hops in range(downloads.MAX_REDIRECTS + 1):
            # Literal addresses never reach the resolver, and a proxy resolves by itself.
            await resolver.check_name(urlsplit(url).hostname or "")
            try:
                response = await session.get(
                    url, headers=downloads.REQUEST_HEADERS, proxy=connection.proxy, allow_redirects=False
                )
            except _FAILURES as error:
                raise WiroOutputUnavailableError(
                    f"No answer from the CDN for output {output.index} ({output.name!r}): "
                    f"{type(error).__name__}."
                ) from error
            opened.callback(response.close)
            if response.status not in downloads.REDIRECT_STATUSES:
                break
            url = downloads.redirect_url(output, url, _lower_case(response), hops)
        yield AsyncOutputStream(output, response)


class _GuardingResolver(AbstractResolver):
    """
    Resolves names to the very addresses it has checked, so that a second answer of the DNS changes nothing.
    """

    def __init__(self, connection: WiroConnection, output: Output) -> None:
        self._resolver = ThreadedResolver()
        self._own_host = urlsplit(connection.base_url).hostname or ""
        self._output = output

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        for result in found:
            await self._check(host, result["host"])
        return found

    async def check_name(self, host: str) -> None:
        if await asyncio.to_thread(resolves_to_private_address, host):
            await self._check(host, "resolved by name")

    async def close(self) -> None:
        await self._resolver.close()

    async def _check(self, host: str, address: str) -> None:
        if downloads.is_public_address(address):
            return
        if not await asyncio.to_thread(resolves_to_private_address, self._own_host):
            raise downloads.refuse_address(self._output, host, address)
