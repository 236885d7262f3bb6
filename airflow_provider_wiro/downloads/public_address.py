"""Where a host name leads."""

from __future__ import annotations

import socket

from airflow_provider_wiro.downloads.checks import is_public_address


def private_address(host: str) -> str | None:
    """
    Return an address of ``host`` that is not public. None if there is none, or the name doesn't resolve.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return None
    addresses = (str(address[4][0]) for address in found)
    return next((address for address in addresses if not is_public_address(address)), None)
