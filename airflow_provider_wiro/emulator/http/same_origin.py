"""
Which requests the emulator refuses because a web page of somebody else may have made them.

A page that a developer has open can send requests to loopback, and, with a name that it makes resolve to
127.0.0.1 (DNS rebinding), read the answers: tasks' tokens among them. Such a request shows itself by its
`Host`, a name that this server doesn't have, or by its `Origin`, which browsers send with each POST, each
request across origins and each WebSocket handshake (RFC 6454 §7, RFC 6455 §10.2), and other clients don't.
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
    """Refuses requests under a foreign host's name, or from another origin's page, with a 403."""

    def __init__(self, bound_host: str) -> None:
        """
        Guard a server.

        :param bound_host: what it listens on. On loopback only loopback's names are its own; elsewhere also
            this machine's name, and every IP address, which can't be rebound.
        """
        self._is_remote = not is_loopback(bound_host)
        self._names = {bound_host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()}

    def middleware(self) -> Middleware:
        """Return what aiohttp asks before each request, of the WebSocket too."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            reason = self._why_refused(request)
            if reason is not None:
                return web.json_response({"error": reason}, status=403)
            return await handler(request)

        return guard

    def _why_refused(self, request: web.Request) -> str | None:
        host = request.headers.get("Host", "")
        if not self._is_own_name(_split(f"//{host}")[0]):
            return (
                f"the Host header names {host[:100]!r}; this emulator answers under localhost or the address "
                "that it listens on"
            )
        for origin in request.headers.getall("Origin", ()):
            parts = _split(origin)
            if not origin.startswith("http://") or parts != _split(f"//{host}"):
                return f"a page of {origin[:100]!r} may not use this emulator; only its own page may"
        return None

    def _is_own_name(self, name: str) -> bool:
        if is_loopback(name):
            return True
        if not self._is_remote:
            return False
        return name in self._names or _is_address(name)


def is_loopback(host: str) -> bool:
    """Whether a name or address leads to this machine and to nowhere else, whatever a DNS server says."""
    # RFC 6761 §6.3: names below .localhost are loopback's as well.
    if host == "localhost" or host.endswith(".localhost"):
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _split(url: str) -> tuple[str, int]:
    """Return a URL's host, in small letters, and its port; what can't be read has an empty host."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError:
        host, port = "", 0
    return host, port
