"""Credentials of a Wiro project, and the headers that authenticate one request."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from airflow_provider_wiro.exceptions import WiroUsageError


@dataclass(frozen=True)
class Credentials:
    """
    The credentials of a Wiro project.

    :param key: the API key.
    :param secret: the API secret, or None for a project in API-key-only mode.
    :raises WiroUsageError: the key is empty, or either has characters that no key has.
    """

    key: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.key:
            raise WiroUsageError(
                "There is no API key. Put the key in `login` and the secret in `password` "
                "(signature mode), or only the key in `password` (API-key-only mode)."
            )
        for what, value in (("API key", self.key), ("API secret", self.secret or "")):
            if not value.isascii() or not value.isprintable() or " " in value:
                raise WiroUsageError(
                    f"The {what} has spaces, line breaks or characters that are not "
                    "plain ASCII. Copy it again from the project's page at wiro.ai."
                )

    @property
    def mode(self) -> str:
        """The project's authentication mode these credentials fit: ``signature`` or ``API key only``."""
        return "API key only" if self.secret is None else "signature"

    def headers(self, nonce: int) -> dict[str, str]:
        """
        Return the authentication headers of one request.

        :param nonce: a random integer that no other request uses: Wiro refuses a nonce it has seen. A retry
            needs a new one, too.
        """
        if self.secret is None:
            return {"x-api-key": self.key}
        return {
            "x-api-key": self.key,
            "x-nonce": str(nonce),
            "x-signature": signature(self.key, self.secret, str(nonce)),
        }


def signature(key: str, secret: str, nonce: str) -> str:
    """Return ``hex(HMAC_SHA256(key=key, message=secret + nonce))``. The body of a request is not signed."""
    return hmac.new(key.encode(), (secret + nonce).encode(), hashlib.sha256).hexdigest()
