"""The requests session for outputs: connections that are kept, to allowed addresses only."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import requests
import urllib3

from airflow_provider_wiro.downloads import checks
from airflow_provider_wiro.downloads.address_policy import AddressPolicy
from airflow_provider_wiro.downloads.unsigned_logs import unsigned_logs
from airflow_provider_wiro.exceptions import WiroOutputError
from airflow_provider_wiro.transport.blocking import lower_case, open_session
from airflow_provider_wiro.transport.deadline import BoundedAdapter, allow_request
from airflow_provider_wiro.transport.safe_errors import in_words, reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from urllib3.connection import HTTPConnection

    from airflow_provider_wiro.api.models import Output
    from airflow_provider_wiro.transport.connection import WiroConnection

#: What requests, and urllib3 below it, raise for text that passed the checks and is no URL to them.
_NO_URL = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    urllib3.exceptions.LocationValueError,
)


class OutputSession:
    """
    Gets outputs from the CDN; redirects are followed here and checked.

    Usable from several threads: each has connections of its own.

    :param idle_seconds: how long the CDN may send nothing, and how long the head of its response may take.
        Default: the connection's ``read_timeout``.
    """

    def __init__(self, connection: WiroConnection, idle_seconds: float | None = None) -> None:
        self._connection = connection
        self._idle_seconds = connection.read_timeout if idle_seconds is None else idle_seconds
        self._policy = AddressPolicy(connection)
        self._thread = threading.local()
        self._sessions: list[requests.Session] = []
        self._connected: dict[int, HTTPConnection] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for session in self._sessions:
            session.close()

    def get(self, output: Output, headers: Mapping[str, str]) -> requests.Response:
        """
        Return the CDN's response with its body unread.

        :raises WiroOutputRefusedError: it is where nothing must be fetched from.
        :raises WiroOutputUnavailableError: no response came.
        """
        session, adapter = self._thread_session()
        adapter.output = output
        url = checks.output_url(output)
        for hops in range(checks.MAX_REDIRECTS + 1):
            self._policy.check_tls(output, url)
            response = self._request(session, output, url, headers)
            if response.status_code not in checks.REDIRECT_STATUSES:
                break
            with response:
                url = checks.redirect_url(output, url, lower_case(response.headers), hops)
        return response

    def _request(
        self, session: requests.Session, output: Output, url: str, headers: Mapping[str, str]
    ) -> requests.Response:
        connect_timeout = self._connection.connect_timeout
        try:
            allow_request(session, url, connect_timeout + self._idle_seconds)
            with unsigned_logs():
                return session.get(
                    url,
                    headers=dict(headers),
                    timeout=(connect_timeout, self._idle_seconds),
                    stream=True,
                    allow_redirects=False,
                )
        except _NO_URL as error:
            failure: WiroOutputError = checks.no_url(output, reason(error))
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            why = in_words(error, connect_timeout=connect_timeout, read_timeout=self._idle_seconds)
            failure = checks.no_response(output, url, why)
        raise failure  # outside of `except`, without a cause: the library's error quotes the URL's signature

    def interrupt(self) -> None:
        """Let all requests and reads fail at once. For a signal handler: it takes no lock."""
        for connection in list(self._connected.values()):
            with suppress(OSError, TypeError):  # closed; closed, and its socket is None
                # Not its own method: TLS would change the object under the thread that reads from it.
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)

    def _thread_session(self) -> tuple[requests.Session, _CheckingAdapter]:
        mine = self._thread
        if not hasattr(mine, "session"):
            mine.session = open_session(self._connection)
            mine.adapter = _CheckingAdapter(self._policy, self._connected)
            mine.session.mount("http://", mine.adapter)
            mine.session.mount("https://", mine.adapter)
            self._sessions.append(mine.session)
        return mine.session, mine.adapter


class _CheckingAdapter(BoundedAdapter):
    """
    Asks the policy before connecting, and again with the connected socket's address.

    :ivar output: the one that is being fetched, for the error's words.
    :param connected: where connections are registered.
    """

    output: Output

    def __init__(self, policy: AddressPolicy, connected: dict[int, HTTPConnection]) -> None:
        self.policy = policy
        self._connected = connected
        super().__init__()

    def traits(self, *, is_proxied: bool) -> tuple[type, ...]:
        return (_checked(self, is_proxied=is_proxied),)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        self.policy.check_host(self.output, urllib3.util.parse_url(request.url or "").hostname or "")
        return super().send(request, *args, **kwargs)

    def register(self, connection: HTTPConnection) -> None:
        for key, other in list(self._connected.items()):
            if getattr(other, "sock", None) is None:
                self._connected.pop(key, None)
        self._connected[id(connection)] = connection


def _checked(adapter: _CheckingAdapter, *, is_proxied: bool) -> type:
    """Return what makes a connection registered, and checked before a byte is sent unless proxied."""

    class Checked:
        def _new_conn(self) -> Any:
            connected = super()._new_conn()  # type: ignore[misc]  # urllib3's connection, mixed in below
            if is_proxied:
                return connected
            try:
                address = connected.getpeername()[0]
                adapter.policy.check_address(adapter.output, self.host, address)  # type: ignore[attr-defined]
            except WiroOutputError:
                connected.close()
                raise
            return connected

        def connect(self) -> None:
            super().connect()  # type: ignore[misc]
            adapter.register(self)  # type: ignore[arg-type]

    return Checked
