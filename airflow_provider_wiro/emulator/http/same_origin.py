"""
The guard against other web pages: which requests the emulator refuses with a 403.

A page that a developer has open can send requests to loopback, and, with a name that it makes resolve to
127.0.0.1 (DNS rebinding), read the responses, which contain tasks' tokens. Two headers reveal such a request:
its `Host` is a name that this server doesn't have, or its `Origin` is another page. Browsers send `Origin`
with each POST, each request across origins and each WebSocket handshake (RFC 6454 §7, RFC 6455 §10.2); other
clients don't.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware


class SameOrigin:
    """Refuses requests under another host's name, or from another origin's page."""

    def __init__(self, bound_host: str) -> None:
        """
        Guard a server.

        :param bound_host: the host on which it listens. On loopback only loopback's names are its own;
            elsewhere also this machine's name, and every IP address, which can't be rebound.
        """
        self._is_remote = not is_loopback(bound_host)
        self._names = {bound_host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()}

    def middleware(self) -> Middleware:
        """Return the middleware that aiohttp calls before each request, the WebSocket's included."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            reason = self._refusal(request)
            if reason is not None:
                return web.json_response({"error": reason}, status=403)
            return await handler(request)

        return guard

    def _refusal(self, request: web.Request) -> str | None:
        host = request.headers.get("Host", "")
        if not self._is_own_name(_host_and_port(f"//{host}")[0]):
            return (
                f"the Host header names {host[:100]!r}; this emulator responds under localhost or the "
                "address on which it listens"
            )
        for origin in request.headers.getall("Origin", ()):
            parts = _host_and_port(origin)
            if not origin.startswith("http://") or parts != _host_and_port(f"//{host}"):
                return f"a page of {origin[:100]!r} may not use this emulator; only its own page may"
        return None

    def _is_own_name(self, name: str) -> bool:
        if is_loopback(name):
            return True
        return self._is_remote and (name in self._names or _address(name) is not None)


def is_loopback(host: str) -> bool:
    """Return whether a name or address leads to this machine only, whatever a DNS server says."""
    # RFC 6761 §6.3: names below .localhost are loopback's as well.
    return host == "localhost" or host.endswith(".localhost") or is_loopback_address(host)


def is_loopback_address(host: str) -> bool:
    """Return whether a host is an IP address of loopback."""
    address = _address(host)
    return address is not None and address.is_loopback


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _host_and_port(url: str) -> tuple[str, int]:
    """Return a URL's host, in lower case, and its port; of a URL that can't be parsed, an empty host."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError:
        host, port = "", 0
    return host, port
