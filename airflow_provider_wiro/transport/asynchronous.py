"""HTTP with aiohttp: sessions, proxies, and API requests. It decides nothing: the flows in ``api`` do."""

from __future__ import annotations

import asyncio
import functools
import io
import ssl
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
from airflow_provider_wiro.exceptions import WiroError
from airflow_provider_wiro.transport.connection import USER_AGENT, request_seconds
from airflow_provider_wiro.transport.response_body import ResponseBody, turn
from airflow_provider_wiro.transport.safe_errors import in_words

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable

    from airflow_provider_wiro.api.flow import Send
    from airflow_provider_wiro.transport.connection import WiroConnection

#: What aiohttp raises for a failed request; anything else is a bug, and is not caught.
FAILURES = (aiohttp.ClientError, asyncio.TimeoutError, OSError)
_PIECE_BYTES = 64 * 1024


def open_session(
    connection: WiroConnection,
    socket_factory: Callable[[tuple[Any, ...]], socket.socket] | None = None,
    trace_configs: list[aiohttp.TraceConfig] | None = None,
    proxy: str | None = None,
) -> aiohttp.ClientSession:
    """
    Return a session with the connection's TLS and timeouts. Call it on the event loop that uses it.

    :param socket_factory: makes each socket from an entry of ``getaddrinfo``; may refuse with an OSError.
    :param proxy: for requests that name none.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=_tls(connection.verify), socket_factory=socket_factory),
        timeout=aiohttp.ClientTimeout(
            total=None, connect=connection.connect_timeout, sock_read=connection.read_timeout
        ),
        headers={"user-agent": USER_AGENT},
        # An output's bytes are counted as received; API responses are decompressed within limits.
        auto_decompress=False,
        trace_configs=trace_configs,
        proxy=proxy,
        # No trust_env: besides using the environment's proxies it would send ~/.netrc's credentials for the
        # host.
    )


def open_api_session(connection: WiroConnection) -> aiohttp.ClientSession:
    """Return a session for :func:`send`. The environment's proxies are read here, not at each request."""
    return open_session(connection, proxy=proxy_for(connection, connection.base_url))


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
    response_started: list[bool] = []
    connecting, reading, whole = request_seconds((connection.connect_timeout, connection.read_timeout), what)
    try:
        # A large response keeps its turn until its connection is released: otherwise others would read theirs
        # before the caller has read this one.
        async with AsyncExitStack() as turns:
            return await _request(session, connection, what, whole, turns, response_started)
    except FAILURES as error:
        cause = error.__cause__
        if isinstance(cause, WiroError):  # a file couldn't be read, which aiohttp takes for a lost connection
            raise cause from cause.__cause__
        was_sent = not _failed_before_sending(error)
        return RequestFailure(
            in_words(error, connect_timeout=connecting, read_timeout=reading),
            was_sent,
            was_cut_off=was_sent and not response_started and _was_cut_off(error),
        )


async def _request(
    session: aiohttp.ClientSession,
    connection: WiroConnection,
    what: Send,
    seconds: float,
    turns: AsyncExitStack,
    response_started: list[bool],
) -> ApiResponse:
    """
    Send a request and return its response.

    :param seconds: how long it may take.
    :param response_started: gets an element once the response's status and headers are there.
    """
    url = f"{connection.base_url}/{what.path}"
    with ExitStack() as opened:
        content_type, data = await _body(what.body, opened)
        headers = {**what.headers, **content_type, "accept-encoding": "identity"}
        if what.needs_fresh_connection:
            headers["connection"] = "close"
        async with (
            asyncio.timeout(seconds) as limit,
            _session_for(session, connection, what) as chosen,
            chosen.post(exact_url(url), data=data, headers=headers, allow_redirects=False) as response,
        ):
            response_started.append(True)
            response_headers = lower_case(response)
            body = ResponseBody(response_headers, what.max_body_bytes)
            while not body.is_full and (piece := await response.content.read(_PIECE_BYTES)):
                body.add(piece)
                if body.needs_turn:
                    async with _paused(limit):
                        await turns.enter_async_context(turn(connection))
                    body.take_turn()
            return ApiResponse(response.status, response_headers, body.finish())


@asynccontextmanager
async def _paused(limit: asyncio.Timeout) -> AsyncIterator[None]:
    """Stop the time limit while this context is open: nothing is read meanwhile."""
    loop = asyncio.get_running_loop()
    until, started_at = limit.when(), loop.time()
    limit.reschedule(None)
    yield
    limit.reschedule(None if until is None else until + loop.time() - started_at)


def exact_url(url: str) -> URL | str:
    """
    Return a URL that aiohttp sends unchanged: it would decode ``%40`` and the like, and break signatures.
    """
    return URL(url, encoded=True) if url.isascii() and url.isprintable() else url


@asynccontextmanager
async def _session_for(
    session: aiohttp.ClientSession, connection: WiroConnection, what: Send
) -> AsyncIterator[aiohttp.ClientSession]:
    if not what.needs_fresh_connection:
        yield session
        return
    async with open_api_session(connection) as fresh:
        yield fresh


async def _body(body: Body, opened: ExitStack) -> tuple[dict[str, str], Any]:
    if body.json is not None:
        # As a file, since aiohttp warns about more than 1 MiB of plain bytes.
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
    return {}, form  # the form sets its content type, with its boundary


class _FilePayload(aiohttp.payload.IOBasePayload):
    """A file of known size: aiohttp can't size one that isn't on this disk, and would send it in chunks."""

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
        | aiohttp.ClientHttpProxyError,  # the proxy refused CONNECT
    )


def _was_cut_off(error: BaseException) -> bool:
    """Whether the connection was reset or closed before any byte of a response, and not by a timeout."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return isinstance(error.message, str)  # else it is the part of a response that was received
    return isinstance(error, aiohttp.ClientOSError | ConnectionError) and not isinstance(error, TimeoutError)


def lower_case(response: aiohttp.ClientResponse) -> dict[str, str]:
    """Return a response's headers with their names in lower case."""
    return {name.lower(): value for name, value in response.headers.items()}
