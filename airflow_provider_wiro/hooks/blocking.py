"""HTTP with requests: one API request, and one guarded download. Decides nothing; the floor below does."""

from __future__ import annotations

import ssl
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests_toolbelt.multipart.encoder import MultipartEncoder
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError, NewConnectionError

from airflow_provider_wiro.api import downloads
from airflow_provider_wiro.api.parameters import Body, FileContent
from airflow_provider_wiro.api.responses import MAX_BODY_BYTES, Answer
from airflow_provider_wiro.api.retry import NoAnswer
from airflow_provider_wiro.exceptions import WiroOutputError, WiroOutputUnavailableError
from airflow_provider_wiro.hooks.addresses import private_address
from airflow_provider_wiro.hooks.compression import decompressed
from airflow_provider_wiro.hooks.connection import total_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_wiro.api.flow import Send
    from airflow_provider_wiro.api.models import Output
    from airflow_provider_wiro.hooks.connection import WiroConnection

Timeouts = tuple[float, float]

_PIECE_BYTES = 64 * 1024


class _Session(requests.Session):
    """A session without three habits of requests."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """
        Find no redirect: each is an answer like any other.

        Told not to follow one, requests still reads its whole body and fails at a Location that is no URL.
        """
        return None

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """Prefer what the connection says to HTTPS_PROXY and REQUESTS_CA_BUNDLE, not the other way round."""
        verify = self.verify if verify is None else verify
        return super().merge_environment_settings(
            url, {**self.proxies, **(proxies or {})}, stream, verify, cert
        )


def open_session(connection: WiroConnection) -> requests.Session:
    """Return a session with the connection's TLS and proxy settings, and nobody's netrc."""
    session = _Session()
    session.auth = _no_auth  # or requests would add what ~/.netrc has for the host
    session.verify = connection.verify
    if connection.proxy:
        session.proxies = {"http": connection.proxy, "https": connection.proxy}
    session.headers["user-agent"] = "airflow-provider-wiro"
    return session


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def send(
    session: requests.Session, connection: WiroConnection, what: Send, timeouts: Timeouts
) -> Answer | NoAnswer:
    """Do one API request; every way it can fail becomes a :class:`NoAnswer`."""
    if what.needs_fresh_connection:
        session.close()  # drops the idle connections; the session stays usable
    until = time.monotonic() + total_seconds(timeouts, what.body)
    try:
        with ExitStack() as opened:
            content_type, data = _body(what.body, opened)
            response = opened.enter_context(
                session.post(
                    f"{connection.base_url}/{what.path}",
                    data=data,
                    headers={**what.headers, "content-type": content_type, "accept-encoding": "identity"},
                    timeout=timeouts,
                    stream=True,
                    allow_redirects=False,
                )
            )
            headers = lower_case(response.headers)
            return Answer(response.status_code, headers, decompressed(_capped(response, until), headers))
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        return NoAnswer(type(error).__name__, was_sent=_may_have_been_sent(error))


def _body(body: Body, opened: ExitStack) -> tuple[str, Any]:
    if body.json is not None:
        return "application/json", body.json.encode()
    encoder = MultipartEncoder(
        [
            (name, (value.name, opened.enter_context(value.open()), value.content_type))
            if isinstance(value, FileContent)
            else (name, value)
            for name, value in body.form
        ]
    )
    return encoder.content_type, encoder


def _capped(response: requests.Response, until: float) -> bytes:
    body = bytearray()
    while len(body) <= MAX_BODY_BYTES and (piece := response.raw.read1(_PIECE_BYTES, decode_content=False)):
        body += piece
        if time.monotonic() > until:
            raise requests.exceptions.ReadTimeout("The answer came too slowly.")
    return bytes(body[: MAX_BODY_BYTES + 1])


def _may_have_been_sent(error: BaseException) -> bool:
    """Whether the request may have reached the server. Only what fails before the first byte says no."""
    if isinstance(
        error,
        requests.exceptions.ConnectTimeout
        | requests.exceptions.InvalidURL
        | requests.exceptions.ProxyError,  # the proxy can't be reached, or didn't let us through
    ):
        return False
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, NewConnectionError | NameResolutionError | ssl.SSLCertVerificationError):
            return False
        reason = getattr(cause, "reason", None) or getattr(cause, "original_error", None)
        if reason is None and cause.args and isinstance(cause.args[0], BaseException):
            reason = cause.args[0]
        cause = reason if isinstance(reason, BaseException) else None
    return True


def lower_case(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers with their names in lower case."""
    return {name.lower(): value for name, value in headers.items()}


class OutputStream:
    """
    The body of one output, read piece by piece and judged on the way.

    :ivar content_type: as the CDN says.
    :ivar announced: bytes the CDN announces, None if it doesn't.
    """

    def __init__(self, output: Output, response: requests.Response) -> None:
        self._output = output
        self._response = response
        headers = lower_case(response.headers)
        self.announced = downloads.check_answer(output, response.status_code, headers)
        self.content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        self.received = 0

    def read(self, size: int) -> bytes:
        """
        Return the next ``size`` bytes, fewer only at the end, none after it.

        :raises WiroOutputUnavailableError: the body broke off.
        :raises WiroOutputRefusedError: more or fewer bytes than Wiro announced.
        """
        size = downloads.bytes_to_read(self._output, size, self.received, announced=self.announced)
        try:
            piece: bytes = self._response.raw.read(size, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise downloads.cut_off(
                self._output, f"{type(error).__name__} after {self.received} bytes"
            ) from error
        self.received += len(piece)
        downloads.check_received(
            self._output, self.received, announced=self.announced, is_complete=len(piece) < size
        )
        return piece

    def interrupt(self) -> None:
        """Let a read that waits for bytes fail at once. For a signal handler that came in between."""
        with suppress(AttributeError, ValueError, RuntimeError, OSError):
            self._response.raw.shutdown()


@contextmanager
def open_output(connection: WiroConnection, output: Output) -> Iterator[OutputStream]:
    """
    Open an output for reading, redirects followed by hand.

    :raises WiroOutputError: see :mod:`airflow_provider_wiro.api.downloads`.
    """
    url = downloads.output_url(output)
    with ExitStack() as opened:
        session = opened.enter_context(open_session(connection))
        guard = _GuardingAdapter(connection, output)
        session.mount("http://", guard)
        session.mount("https://", guard)
        for hops in range(downloads.MAX_REDIRECTS + 1):
            try:
                response = session.get(
                    url,
                    headers=downloads.REQUEST_HEADERS,
                    timeout=(connection.connect_timeout, connection.read_timeout),
                    stream=True,
                    allow_redirects=False,
                )
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                raise WiroOutputUnavailableError(
                    f"No answer from the CDN for output {output.index} ({output.name!r}): "
                    f"{type(error).__name__}."
                ) from error
            opened.enter_context(response)
            if response.status_code not in downloads.REDIRECT_STATUSES:
                break
            url = downloads.redirect_url(output, url, lower_case(response.headers), hops)
            response.close()
        yield OutputStream(output, response)


class _GuardingAdapter(HTTPAdapter):
    """
    Refuses connections to private addresses: by name before connecting, and by the connected socket.

    A check of the name alone would not do: it can resolve to another address a moment later. Through a proxy
    the socket is the proxy's, so there the names are all that can be checked.
    """

    def __init__(self, connection: WiroConnection, output: Output) -> None:
        self._connection = connection
        self._output = output
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _guarded_pools(self)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        self.check_name(urllib3.util.parse_url(request.url or "").hostname or "")
        return super().send(request, *args, **kwargs)

    def check_name(self, host: str) -> None:
        address = private_address(host)
        if address is not None:
            self.check_address(host, address)

    def check_address(self, host: str, address: str) -> None:
        if downloads.is_public_address(address):
            return
        own_host = urllib3.util.parse_url(self._connection.base_url).hostname or ""
        if private_address(own_host) is None:
            raise downloads.refuse_address(self._output, host, address)


def _guarded_pools(guard: _GuardingAdapter) -> dict[str, type[HTTPConnectionPool]]:
    """Return connection pools whose connections are checked before a byte is sent."""

    class Guarded:
        def _new_conn(self) -> Any:
            connected = super()._new_conn()  # type: ignore[misc]  # urllib3's connection, mixed in below
            try:
                guard.check_address(self.host, connected.getpeername()[0])  # type: ignore[attr-defined]
            except WiroOutputError:
                connected.close()
                raise
            return connected

    def pool(base: type[HTTPConnectionPool], connection: type[HTTPConnection]) -> type[HTTPConnectionPool]:
        guarded = type(f"Guarded{connection.__name__}", (Guarded, connection), {})
        return type(f"Guarded{base.__name__}", (base,), {"ConnectionCls": guarded})

    return {
        "http": pool(HTTPConnectionPool, HTTPConnection),
        "https": pool(HTTPSConnectionPool, HTTPSConnection),
    }
