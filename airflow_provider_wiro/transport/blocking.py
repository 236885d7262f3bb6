"""Blocking API requests with ``requests``. It decides nothing: the flows in ``api`` do."""

from __future__ import annotations

import http.client
import ssl
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import requests
import urllib3
from requests_toolbelt.multipart.encoder import MultipartEncoder
from urllib3.exceptions import NameResolutionError, NewConnectionError

from airflow_provider_wiro.api.parameters import Body, FileContent
from airflow_provider_wiro.api.responses import ApiResponse
from airflow_provider_wiro.api.retry import RequestFailure
from airflow_provider_wiro.transport import deadline
from airflow_provider_wiro.transport.connection import USER_AGENT, request_seconds
from airflow_provider_wiro.transport.response_body import ResponseBody, blocking_turn
from airflow_provider_wiro.transport.safe_errors import causes, in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.api.flow import Send
    from airflow_provider_wiro.transport.connection import WiroConnection

Timeouts = tuple[float, float]

_PIECE_BYTES = 64 * 1024


class _Session(requests.Session):
    """A session without redirects and netrc, whose settings take precedence over the environment's."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """
        Return None: a 3xx is a response like any other.

        With ``allow_redirects=False``, requests still reads its whole body and fails at a malformed Location.
        """
        return None

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """
        Prefer the connection's settings to HTTPS_PROXY and REQUESTS_CA_BUNDLE; requests does the opposite.
        """
        verify = self.verify if verify is None else verify
        return super().merge_environment_settings(
            url, {**self.proxies, **(proxies or {})}, stream, verify, cert
        )


def open_session(connection: WiroConnection) -> requests.Session:
    """Return a session with the connection's TLS and proxy settings, and without netrc."""
    session = _Session()
    session.auth = _no_auth  # otherwise requests adds ~/.netrc's credentials for the host
    session.verify = connection.verify
    if connection.proxy:
        session.proxies = {"http": connection.proxy, "https": connection.proxy}
    session.headers["user-agent"] = USER_AGENT
    adapter = deadline.BoundedAdapter()
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)
    return session


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def send(
    session: requests.Session, connection: WiroConnection, what: Send, timeouts: Timeouts
) -> ApiResponse | RequestFailure:
    """Do one API request; every way it can fail becomes a :class:`RequestFailure`."""
    if what.needs_fresh_connection:
        session.close()  # drops the idle connections; the session stays usable
    connecting, reading, whole = request_seconds(timeouts, what)
    try:
        deadline.allow_request(session, connection.base_url, whole)
        with ExitStack() as opened:
            content_type, data = _body(what.body, opened)
            response = opened.enter_context(
                session.post(
                    f"{connection.base_url}/{what.path}",
                    data=data,
                    headers={**what.headers, "content-type": content_type, "accept-encoding": "identity"},
                    timeout=(connecting, reading),
                    stream=True,
                    allow_redirects=False,
                )
            )
            headers = lower_case(response.headers)
            body = ResponseBody(headers, what.max_body_bytes)
            _read(response, body, connection, opened)
            return ApiResponse(response.status_code, headers, body.finish())
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        was_sent = _may_have_been_sent(error)
        why = in_words(error, connect_timeout=connecting, read_timeout=reading)
        return RequestFailure(why, was_sent, was_cut_off=was_sent and _was_cut_off(error))


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


def _read(
    response: requests.Response, body: ResponseBody, connection: WiroConnection, opened: ExitStack
) -> None:
    """
    Read a response; a large one waits for its turn, and keeps it until ``opened`` is closed.

    The wait doesn't count for the request's deadline.
    """
    while not body.is_full and (piece := response.raw.read1(_PIECE_BYTES, decode_content=False)):
        body.add(piece)
        if body.needs_turn:
            turn = blocking_turn(connection)
            with deadline.paused(response):
                opened.enter_context(turn)
            body.take_turn()


def _may_have_been_sent(error: BaseException) -> bool:
    """
    Whether the request may have reached the server: False only for a failure before its first byte.

    A ProxyError alone says nothing: urllib3 also uses it for a connection that was reset after the request
    was sent.
    """
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.InvalidURL):
        return False
    for cause in causes(error):
        if isinstance(cause, NewConnectionError | NameResolutionError | ssl.SSLCertVerificationError):
            return False
        if type(cause) is OSError and str(cause).startswith("Tunnel connection failed"):
            return False  # the proxy refused CONNECT
    return True


def _was_cut_off(error: BaseException) -> bool:
    """Whether the connection was reset or closed before any byte of a response, and not by a timeout."""
    if not isinstance(error, requests.ConnectionError) or isinstance(error, requests.Timeout):
        return False
    found = [cause for cause in causes(error) if isinstance(cause, OSError | http.client.HTTPException)]
    return any(
        isinstance(cause, ConnectionError) and not isinstance(cause, deadline.TruncatedHeaderError)
        for cause in found
    )


def lower_case(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers with their names in lower case."""
    return {name.lower(): value for name, value in headers.items()}
