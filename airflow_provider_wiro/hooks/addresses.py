"""Where a host name leads."""

from __future__ import annotations

import socket

from airflow_provider_wiro.api.downloads import is_public_address


def resolves_to_private_address(host: str) -> bool:
    """Whether any address of ``host`` is not public. A name that doesn't resolve here is taken for public."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return any(not is_public_address(str(address[4][0])) for address in found)
