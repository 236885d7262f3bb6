"""HTTP with aiohttp: one API request, and one guarded download. Decides nothing; the floor below does."""

from __future__ import annotations

import asyncio
import functools
import io
import socket
import ssl
import time
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from asgiref.sync import sync_to_async
from yarl import URL

from airflow_provider_wiro.api.parameters import Body, FileContent
from airflow_provider_wiro.api.responses import ApiResponse
from airflow_provider_wiro.api.retry import RequestFailure
from airflow_provider_wiro.downloads import checks as download_checks
from airflow_provider_wiro.downloads.public_address import private_address
from airflow_provider_wiro.downloads.ranges import StallTimeout
from airflow_provider_wiro.exceptions import WiroError, WiroOutputError, WiroOutputRefusedError
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.transport.connection import total_seconds
from airflow_provider_wiro.transport.response_body import ResponseBody, turn
from airflow_provider_wiro.transport.safe_errors import in_words, reason
from airflow_provider_wiro.transport.tls_required import check_secure_output

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airflow_provider_wiro.api.flow import Send
    from airflow_provider_wiro.api.models import Output
    from airflow_provider_wiro.transport.connection import WiroConnection

log = plain_logger(__name__)

#: What aiohttp raises for a request that went wrong; anything else is a bug and is let through.
FAILURES = (aiohttp.ClientError, asyncio.TimeoutError, OSError)
_PIECE_BYTES = 64 * 1024


def open_session(
    connection: WiroConnection,
    guard: _Guard | None = None,
    trace_configs: list[aiohttp.TraceConfig] | None = None,
) -> aiohttp.ClientSession:
    """Return a session with the connection's TLS and timeouts. Call it on the loop that uses it."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=_tls(connection.verify), socket_factory=guard),
        timeout=aiohttp.ClientTimeout(
            total=None, connect=connection.connect_timeout, sock_read=connection.read_timeout
        ),
        headers={"user-agent": "airflow-provider-wiro"},
        # An output's bytes are counted as they come; an answer is decompressed within limits.
        auto_decompress=False,
        trace_configs=trace_configs,
        # No trust_env: besides the environment's proxies it would also send what ~/.netrc has for the host.
    )


@functools.cache
def _tls(verify: bool | str) -> bool | ssl.SSLContext:
    if isinstance(verify, bool):
        return verify
    return ssl.create_default_context(**{"capath" if Path(verify).is_dir() else "cafile": verify})  # type: ignore[arg-type]


def proxy_for(connection: WiroConnection, url: str) -> str | None:
    """Return the connection's proxy, else the environment's for this URL."""
    if connection.proxy:
        return connection.proxy
    parts = urlsplit(url)
    found = getproxies()
    proxy = found.get(parts.scheme) or found.get("all")
    if not proxy or proxy_bypass(parts.hostname or ""):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


async def send(
    session: aiohttp.ClientSession, connection: WiroConnection, what: Send
) -> ApiResponse | RequestFailure:
    """Do one API request; every way it can fail becomes a :class:`RequestFailure`."""
    begun: list[bool] = []
    try:
        # A large answer's turn ends here and not before its connection is released: that is a moment in which
        # others would come first, while this answer is still to be read by the caller.
        async with AsyncExitStack() as turns:
            return await _answer(session, connection, what, turns, begun)
    except FAILURES as error:
        cause = error.__cause__
        if isinstance(cause, WiroError):  # a file can't be read, which to aiohttp is a lost connection
            raise cause from cause.__cause__
        was_sent = not _failed_before_sending(error)
        return RequestFailure(
            in_words(
                error,
                connect_timeout=connection.connect_timeout,
                read_timeout=connection.read_timeout,
            ),
            was_sent,
            was_cut_off=was_sent and not begun and _was_cut_off(error),
        )


async def _answer(
    session: aiohttp.ClientSession,
    connection: WiroConnection,
    what: Send,
    turns: AsyncExitStack,
    begun: list[bool],
) -> ApiResponse:
    """
    Send a request and return its answer.

    :param begun: has an element once the first bytes of an answer are there.
    """
    url = f"{connection.base_url}/{what.path}"
    total = total_seconds((connection.connect_timeout, connection.read_timeout), what.body)
    with ExitStack() as opened:
        content_type, data = await _body(what.body, opened)
        headers = {**what.headers, **content_type, "accept-encoding": "identity"}
        if what.needs_fresh_connection:
            headers["connection"] = "close"
        async with (
            asyncio.timeout(total) as limit,
            _session_for(session, connection, what) as chosen,
            chosen.post(
                _as_it_is(url),
                data=data,
                headers=headers,
                proxy=proxy_for(connection, url),
                allow_redirects=False,
            ) as response,
        ):
            begun.append(True)
            answered = _lower_case(response)
            body = ResponseBody(answered, what.max_body_bytes)
            while not body.is_full and (piece := await response.content.read(_PIECE_BYTES)):
                body.add(piece)
                if body.needs_turn:
                    async with _paused(limit):
                        await turns.enter_async_context(turn(connection))
                    body.take_turn()
            return ApiResponse(response.status, answered, body.finish())


@asynccontextmanager
async def _paused(limit: asyncio.Timeout) -> AsyncIterator[None]:
    """Don't count the time that is spent in here: nothing is read meanwhile."""
    loop = asyncio.get_running_loop()
    until, began_at = limit.when(), loop.time()
    limit.reschedule(None)
    yield
    limit.reschedule(None if until is None else until + loop.time() - began_at)


def _as_it_is(url: str) -> URL | str:
    """
    Return a URL that is sent as it is: aiohttp would decode ``%40`` and the like, also under a signature.
    """
    return URL(url, encoded=True) if url.isascii() and url.isprintable() else url


@asynccontextmanager
async def _session_for(
    session: aiohttp.ClientSession, connection: WiroConnection, what: Send
) -> AsyncIterator[aiohttp.ClientSession]:
    if not what.needs_fresh_connection:
        yield session
        return
    async with open_session(connection) as fresh:
        yield fresh


async def _body(body: Body, opened: ExitStack) -> tuple[dict[str, str], Any]:
    if body.json is not None:
        # A file of it, since aiohttp warns of more than 1 MiB of plain bytes.
        return {"content-type": "application/json"}, io.BytesIO(body.json.encode())
    # quote_fields would send `b%C3%BC.png` for a name, which no server decodes (RFC 7578 §4.2).
    form = aiohttp.FormData(default_to_multipart=True, quote_fields=False)
    for name, value in body.form:
        if isinstance(value, FileContent):
            # sync_to_async and not to_thread: an object-storage path may ask Airflow for its connection.
            file = opened.enter_context(await sync_to_async(value.open)())
            part = _FilePayload(file, value)
            form.add_field(name, part, filename=value.name, content_type=value.content_type)
        else:
            form.add_field(name, value)
    return {}, form  # the form brings its content type with its boundary


class _FilePayload(aiohttp.payload.IOBasePayload):
    """A file of known size: aiohttp sees none of one that is not on this disk, and sends it in chunks."""

    def __init__(self, file: IO[bytes], content: FileContent) -> None:
        super().__init__(file, filename=None, content_type=content.content_type)
        self._known_size = content.size

    @property
    def size(self) -> int:
        return self._known_size


def _failed_before_sending(error: BaseException) -> bool:
    return isinstance(
        error,
        aiohttp.ClientConnectorError
        | aiohttp.ConnectionTimeoutError
        | aiohttp.InvalidURL
        | aiohttp.ClientHttpProxyError,  # the proxy didn't let us through
    )


def _was_cut_off(error: BaseException) -> bool:
    """Whether the connection was reset or closed before any byte of a response, and not by a timeout."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return isinstance(error.message, str)  # else it is the part of an answer that came
    return isinstance(error, aiohttp.ClientOSError | ConnectionError) and not isinstance(error, TimeoutError)


def _lower_case(response: aiohttp.ClientResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


class AsyncOutputStream:
    """
    The body of one output, read piece by piece and judged on the way.

    :ivar content_type: as the CDN says.
    :ivar announced: bytes the CDN announces, None if it doesn't.
    :ivar is_unverified: nobody states the size, and the body ends with the connection: it may be cut off.
    """

    def __init__(self, output: Output, response: aiohttp.ClientResponse, read_timeout: float) -> None:
        self._output = output
        self._response = response
        self._read_timeout = read_timeout
        headers = _lower_case(response)
        self.announced = download_checks.check_answer(output, response.status, headers)
        self.is_unverified = output.size is None and download_checks.ends_with_connection(output, headers)
        self._is_reported = False
        self.content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        self.received = 0

    async def read(self, size: int) -> bytes:
        """
        Return the next ``size`` bytes, fewer only at the end, none after it.

        :raises WiroOutputUnavailableError: the body broke off.
        :raises WiroOutputRefusedError: more or fewer bytes than Wiro announced.
        """
        size = download_checks.bytes_to_read(self._output, size, self.received, announced=self.announced)
        pieces: list[bytes] = []
        missing = size
        patience = StallTimeout(time.monotonic())
        failure = None
        try:
            while missing:
                # Besides aiohttp's own timeout, which a broken chunk disables (seen with 3.14.5).
                async with asyncio.timeout(self._read_timeout):
                    some = await self._response.content.read(missing)
                if not some:
                    break
                pieces.append(some)
                missing -= len(some)
                patience.note(size - missing, now := time.monotonic())
                if patience.is_over(now):
                    raise TimeoutError("It came too slowly.")
        except FAILURES as error:
            failure = type(error).__name__
        piece = b"".join(pieces)
        self.received += len(piece)
        if failure is not None:  # without a cause: the library's error may quote the URL
            raise download_checks.cut_off(self._output, f"{failure} after {self.received} bytes")
        download_checks.check_received(
            self._output, self.received, announced=self.announced, is_complete=len(piece) < size
        )
        if self.is_unverified and len(piece) < size and not self._is_reported:
            self._is_reported = True
            log.warning("%s", download_checks.unverified(self._output, self.received))
        return piece


@asynccontextmanager
async def open_output(connection: WiroConnection, output: Output) -> AsyncIterator[AsyncOutputStream]:
    """
    Open an output for reading, redirects followed by hand.

    :raises WiroOutputError: see :mod:`airflow_provider_wiro.downloads.checks`.
    """
    url = download_checks.output_url(output)
    own_host = urlsplit(connection.base_url).hostname or ""
    guard = _Guard(output, may_be_private=await asyncio.to_thread(private_address, own_host) is not None)
    async with AsyncExitStack() as opened:
        session = await opened.enter_async_context(open_session(connection, guard))
        for hops in range(download_checks.MAX_REDIRECTS + 1):
            check_secure_output(connection, output, url)
            proxy = proxy_for(connection, url)
            await guard.begin(urlsplit(url).hostname or "", is_proxied=proxy is not None)
            failure: WiroOutputError | None = None
            try:
                # Besides aiohttp's own, which begin anew with each byte.
                async with asyncio.timeout(connection.connect_timeout + connection.read_timeout):
                    response = await session.get(
                        _as_it_is(url),
                        headers=download_checks.REQUEST_HEADERS,
                        proxy=proxy,
                        allow_redirects=False,
                    )
            except (aiohttp.InvalidURL, UnicodeError) as error:  # the latter: a host that is no name
                failure = download_checks.no_url(output, reason(error))
            except FAILURES as error:
                timeouts = {
                    "connect_timeout": connection.connect_timeout,
                    "read_timeout": connection.read_timeout,
                }
                failure = guard.refusal or download_checks.no_answer(output, url, in_words(error, **timeouts))
            if failure is not None:
                raise failure  # out here and without a cause: the library's error may quote the URL
            opened.callback(response.close)
            if response.status not in download_checks.REDIRECT_STATUSES:
                break
            url = download_checks.redirect_url(output, url, _lower_case(response), hops)
        yield AsyncOutputStream(output, response, connection.read_timeout)


class _Guard:
    """
    Makes the sockets of a download, and none to a private address.

    A check of the name alone would not do: it can resolve to another address a moment later, and a client may
    read an odd name as an address. Through a proxy the socket is the proxy's, so there the names
    are all that can be checked.
    """

    def __init__(self, output: Output, *, may_be_private: bool) -> None:
        self.refusal: WiroOutputRefusedError | None = None
        self._output = output
        self._may_be_private = may_be_private
        self._host = ""
        self._is_proxied = False

    async def begin(self, host: str, *, is_proxied: bool) -> None:
        """Be told where the next request goes."""
        self._host, self._is_proxied = host, is_proxied
        if not self._may_be_private:
            address = await asyncio.to_thread(private_address, host)
            if address is not None:
                raise download_checks.refuse_address(self._output, host, address)

    def __call__(self, address_info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = address_info
        if not (
            self._may_be_private or self._is_proxied or download_checks.is_public_address(str(address[0]))
        ):
            self.refusal = download_checks.refuse_address(self._output, self._host, str(address[0]))
            raise OSError("Not a public address.")  # aiohttp tries the name's next address
        return socket.socket(family, kind, protocol)
