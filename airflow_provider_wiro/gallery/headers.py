"""The headers that every response of the gallery has, errors included."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping

    _Message = MutableMapping[str, Any]
    _App = Callable[[_Message, Callable[[], Awaitable[_Message]], Callable[[_Message], Awaitable[None]]], Any]

#: Of everything but the gallery's pages: a document with no rights, whatever its bytes are.
_NO_PAGE = "default-src 'none'; sandbox; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"

_ORIGIN = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")

_DEFAULTS = {
    "content-security-policy": _NO_PAGE,
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "private, no-store",
}


def page_policy(origins: Iterable[str]) -> str:
    """
    Return the Content-Security-Policy of a page.

    :param origins: where its media come from beside the API server, as ``https://host``. What isn't of this
        form is left out: it could be a rule of its own.
    """
    media = " ".join(["'self'", *(origin for origin in origins if _ORIGIN.fullmatch(origin))])
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        f"img-src {media}; media-src {media}; connect-src 'self'; "
        "frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
    )


class SafeHeaders:
    """An ASGI application around another one, which adds these headers where they are missing."""

    def __init__(self, app: _App) -> None:
        self._app = app

    async def __call__(
        self,
        scope: _Message,
        receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
    ) -> None:
        async def send_safely(message: _Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                there = {bytes(name).lower() for name, _ in headers}
                headers += [
                    (name.encode(), value.encode())
                    for name, value in _DEFAULTS.items()
                    if name.encode() not in there
                ]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, send_safely)
