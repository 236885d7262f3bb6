"""Requires TLS for public hosts. It decides by the name alone, and resolves nothing."""

from __future__ import annotations

import socket
import unicodedata
from urllib.parse import unquote, urlsplit

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.transport.public_address import is_public_address

#: Ends of names that are never public (RFC 6761, 6762, 8375, ICANN's .internal, Kubernetes' services).
_PRIVATE_ENDS = ("localhost", "local", "internal", "home.arpa", "svc", "test", "invalid", "lan", "intranet")


def check_secure(url: str, what: str, *, allow_insecure: bool) -> None:
    """
    Refuse to send keys, task tokens and outputs over the internet without TLS.

    :param what: the name of the setting, for the message.
    :raises WiroUsageError: it is ``http://`` or ``ws://`` to a public host, and that isn't allowed.
    """
    parts = urlsplit(url)
    if allow_insecure or parts.scheme.lower() in {"https", "wss"} or not is_public_host(parts.hostname or ""):
        return
    secure = {"http": "https", "ws": "wss"}[parts.scheme.lower()]
    raise WiroUsageError(
        f"Expected {what} of the Wiro connection as {secure}://, as {parts.hostname} is a public host, found "
        f"{parts.scheme}://. Keys, tokens and outputs could be read, and changed, on the way. Write "
        f'{secure}://, or allow it with `"allow_insecure": true` in the extra.'
    )


def is_public_host(host: str) -> bool:
    """Whether a host can be on the public internet, by its name alone."""
    # As clients parse it (UTS 46): `api。wiro。ai` has dots, digits of any width are digits.
    name = unicodedata.normalize("NFKC", unquote(host)).replace("\u3002", ".")
    name = name.strip("[]").rstrip(".").lower()
    try:
        # Also 127.1, 0x7f000001 and 2130706433, which the system parses as addresses.
        return is_public_address(socket.inet_ntoa(socket.inet_aton(name)))
    except (OSError, UnicodeError):
        pass
    if ":" in name:
        return is_public_address(name)
    if not all(0 < len(label) < 64 for label in name.split(".")):
        return False  # no host name: connecting to it fails
    return "." in name and not any(name.endswith(f".{end}") for end in _PRIVATE_ENDS)
