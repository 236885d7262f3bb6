"""Which addresses, of a connection and of outputs, may be used without TLS. No name is resolved for that."""

from __future__ import annotations

import socket
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from airflow_provider_wiro.downloads.checks import is_public_address
from airflow_provider_wiro.exceptions import WiroOutputRefusedError, WiroUsageError

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Output
    from airflow_provider_wiro.transport.connection import WiroConnection

#: Ends of names that are never public (RFC 6761, 6762, 8375, ICANN's .internal, Kubernetes' services).
_PRIVATE_ENDS = ("localhost", "local", "internal", "home.arpa", "svc", "test", "invalid", "lan", "intranet")


def check_secure(url: str, what: str, *, allow_insecure: bool) -> None:
    """
    Make sure that a key, a task's token and what models make don't go over the internet for all to read.

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


def check_secure_output(connection: WiroConnection, output: Output, url: str) -> str:
    """
    Return the URL of an output, or of where it is redirected to.

    :raises WiroOutputRefusedError: it is ``http://`` at a public host, and that isn't allowed.
    """
    parts = urlsplit(url)
    if connection.allow_insecure or parts.scheme == "https" or not is_public_host(parts.hostname or ""):
        return url
    raise WiroOutputRefusedError(
        f"Expected an https:// link for {output.label}, found http:// at the public host {parts.hostname}: "
        "the file could be read, and changed, on the way. To fetch it all the same, set "
        '`"allow_insecure": true` in the extra of the Wiro connection.'
    )


def is_public_host(host: str) -> bool:
    """Whether a host can be on the public internet, by its name alone."""
    # As clients read it (UTS 46): `api。wiro。ai` has dots, digits of any width are digits.
    name = unicodedata.normalize("NFKC", unquote(host)).replace("\u3002", ".")
    name = name.strip("[]").rstrip(".").lower()
    try:
        # Also 127.1, 0x7f000001 and 2130706433, which the system takes for addresses.
        return is_public_address(socket.inet_ntoa(socket.inet_aton(name)))
    except (OSError, UnicodeError):
        pass
    if ":" in name:
        return is_public_address(name)
    if not all(0 < len(label) < 64 for label in name.split(".")):
        return False  # no name of a host: whoever connects says so
    return "." in name and not any(name.endswith(f".{end}") for end in _PRIVATE_ENDS)
