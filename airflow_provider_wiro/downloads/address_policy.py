"""Where outputs may be fetched from: public addresses only, and over TLS. Resolves host names for it."""

from __future__ import annotations

import socket
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_provider_wiro.downloads import checks
from airflow_provider_wiro.exceptions import WiroOutputRefusedError
from airflow_provider_wiro.transport.public_address import is_public_address
from airflow_provider_wiro.transport.tls_required import is_public_host

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Output
    from airflow_provider_wiro.transport.connection import WiroConnection


class AddressPolicy:
    """
    Refuses private addresses, unless the connection's own host has one (as an emulator's), and plain HTTP to
    public hosts, unless the connection allows it.

    Both the host's name and the address of the connected socket must be checked: a name can resolve to
    another address a moment later, and a client may parse an odd name as an address. Through a proxy the
    socket is the proxy's, so there only names can be checked.

    Resolving blocks: an event loop calls :meth:`check_host`, and reads ``allows_private``, in a thread.
    """

    def __init__(self, connection: WiroConnection) -> None:
        self._connection = connection

    @cached_property
    def allows_private(self) -> bool:
        """Whether the connection's own host has a private address."""
        return private_address(urlsplit(self._connection.base_url).hostname or "") is not None

    def check_tls(self, output: Output, url: str) -> None:
        """
        Check the URL of an output, or of where it is redirected to.

        :raises WiroOutputRefusedError: it is ``http://`` at a public host, and that isn't allowed.
        """
        parts = urlsplit(url)
        if self._connection.allow_insecure or parts.scheme == "https":
            return
        if is_public_host(parts.hostname or ""):
            raise WiroOutputRefusedError(
                f"Expected an https:// link for {output.label}, found http:// at the public host "
                f"{parts.hostname}: the file could be read, and changed, on the way. To fetch it all the "
                'same, set `"allow_insecure": true` in the extra of the Wiro connection.'
            )

    def check_host(self, output: Output, host: str) -> None:
        """
        Check the host that an output is about to be requested from.

        :raises WiroOutputRefusedError: one of its addresses is private.
        """
        address = private_address(host)
        if address is not None:
            self.check_address(output, host, address)

    def check_address(self, output: Output, host: str, address: str) -> None:
        """
        Check the address that a socket is connected to, or is about to be.

        :raises WiroOutputRefusedError: it is private.
        """
        if not is_public_address(address) and not self.allows_private:
            raise checks.refuse_address(output, host, address)


def private_address(host: str) -> str | None:
    """Return a private address of ``host``; None if it has none, or its name doesn't resolve."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return None
    addresses = (str(address[4][0]) for address in found)
    return next((address for address in addresses if not is_public_address(address)), None)
