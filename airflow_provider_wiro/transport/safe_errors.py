"""Describes why a request failed without a library's own text, which may quote URLs and secrets."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it wraps, the outermost first."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        inner = getattr(cause, "reason", None) or getattr(cause, "original_error", None)
        if inner is None:
            inner = next((argument for argument in cause.args if isinstance(argument, BaseException)), None)
        cause = inner if isinstance(inner, BaseException) else cause.__cause__


def reason(error: BaseException) -> str:
    """Return an error's class and the message of the operating system or of TLS; never its own text."""
    known = [text for cause in causes(error) if (text := _safe_text(cause))]
    return f"{type(error).__name__} ({known[-1]})" if known else type(error).__name__


def in_words(error: BaseException, *, connect_timeout: float, read_timeout: float) -> str:
    """
    Return why a request got no response: the innermost reason, in plain words.

    :param connect_timeout: seconds, for the message.
    :param read_timeout: seconds, for the message.
    """
    chain = list(causes(error))
    kinds = {kind.__name__ for cause in chain for kind in type(cause).__mro__}
    # Checked first: to the operating system a proxy that refuses is just a refused connection.
    via = "the proxy: " if kinds & _OF_PROXIES else ""
    known = [text for cause in chain if (text := _safe_text(cause))]
    if known:
        return f"{via}{known[-1]}"
    # urllib3 also uses these for a refused connection, whose reason was returned above.
    if kinds & _WHILE_CONNECTING:
        return f"{via}no connection within {round(connect_timeout, 1):g} s"
    if kinds & _WHILE_READING:
        return f"{via}no bytes for {round(read_timeout, 1):g} s"
    return f"{via}{_IN_WORDS.get(type(error).__name__, type(error).__name__)}"


#: Names of classes of requests, urllib3 and aiohttp, so that using one library doesn't load the other.
_OF_PROXIES = frozenset({"ProxyError", "ClientProxyConnectionError", "ClientHttpProxyError"})
_WHILE_CONNECTING = frozenset({"ConnectTimeout", "ConnectTimeoutError", "ConnectionTimeoutError"})
_WHILE_READING = frozenset({"ReadTimeout", "ReadTimeoutError", "SocketTimeoutError", "TimeoutError"})
_IN_WORDS = {
    "ServerDisconnectedError": "the server closed the connection",
    "ConnectionError": "the connection broke",
    "ChunkedEncodingError": "the connection broke in the middle of the response",
    "ClientPayloadError": "the connection broke in the middle of the response",
    "IncompleteRead": "the connection broke in the middle of the response",
    "ProtocolError": "the connection broke",
}


def _safe_text(cause: BaseException) -> str | None:
    if isinstance(cause, http.client.LineTooLong):
        return "a line of the response's header section is longer than 65,536 bytes"
    if isinstance(cause, http.client.BadStatusLine) and not isinstance(cause, OSError):
        return "the response is not HTTP/1"
    if type(cause) is http.client.HTTPException:
        return "the response's header section has more than 100 lines"
    if isinstance(cause, ssl.SSLCertVerificationError):
        why = getattr(cause, "verify_message", None)  # aiohttp has a subclass without
        return f"certificate verify failed: {why}" if why else None
    if isinstance(cause, ssl.SSLError):
        return cause.reason
    if isinstance(cause, socket.gaierror):
        return cause.strerror
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno)
    return None
