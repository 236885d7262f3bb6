"""Authentication in both of Wiro's modes, and the memory of used nonces."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_wiro.emulator.envelope import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping


def signature_of(api_key: str, api_secret: str, nonce: str) -> str:
    """
    Return `hex(HMAC_SHA256(key=API_KEY, message=API_SECRET + NONCE))`.

    Known answer: key `k-123`, secret `s-456`, nonce `1734513809` ->
    `ae1c9dec8a537ba8f7d42b13f91c4093119c6cfe346f292728eb3574f25717f8`.
    """
    return hmac.new(api_key.encode(), (api_secret + nonce).encode(), hashlib.sha256).hexdigest()


_LIBRARIES = frozenset({"python-requests", "python-urllib", "python", "aiohttp", "curl", "node", "undici"})


def has_own_user_agent(headers: Mapping[str, str]) -> bool:
    """Return whether a request has a `User-Agent` other than its HTTP library's."""
    product = headers.get("User-Agent", "").strip().lower().partition("/")[0]
    return bool(product) and product not in _LIBRARIES


@dataclass(slots=True)
class Project:
    """
    The one project of the emulator. With a secret it is in signature mode, without one in key-only mode.
    """

    api_key: str
    api_secret: str | None
    refuses_repeated_nonces: bool = True
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    """The team's member to whom the key belongs."""
    nonces_repeated: int = 0
    failures: int = 0
    _seen_nonces: set[str] = field(default_factory=set)

    def authorize(self, headers: Mapping[str, str]) -> None:
        """
        Check a request's key and signature; a refusal is counted.

        :raises ApiError: the documented refusal.
        """
        try:
            self._check(headers)
        except ApiError:
            self.failures += 1
            raise

    def _check(self, headers: Mapping[str, str]) -> None:
        if not hmac.compare_digest(headers.get("x-api-key", "").encode(), self.api_key.encode()):
            raise ApiError(0, "Project authorization is not founded.", http_status=401)
        nonce, signature = headers.get("x-nonce"), headers.get("x-signature")
        if self.api_secret is None:
            if nonce is not None or signature is not None:
                # A project's mode is fixed when it is created: this connection has a secret too many.
                raise ApiError(0, "Project authorization is not valid.", http_status=401)
            return
        if not nonce or not signature:
            raise ApiError(
                0,
                "Project requires signature authentication. x-signature and x-nonce headers are required.",
                http_status=401,
            )
        expected = signature_of(self.api_key, self.api_secret, nonce)
        well_formed = nonce.isascii() and nonce.isdigit()
        if not well_formed or not hmac.compare_digest(signature.encode(), expected.encode()):
            raise ApiError(0, "Project authorization is not valid.", http_status=401)
        if nonce in self._seen_nonces:
            self.nonces_repeated += 1
            if self.refuses_repeated_nonces:
                raise ApiError(
                    0,
                    "x-nonce has already been used. That is refused by the emulator's own strictness "
                    '(nonces="strict"), not by a documented rule of Wiro; every request needs a fresh one.',
                    http_status=403,
                )
        self._seen_nonces.add(nonce)
