"""
What an answer means: status, headers and bytes become an envelope, or one precise error (contract §2).

Both failure shapes are understood: HTTP 200 with ``result: false``, and an HTTP status with JSON, HTML or
nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_wiro.api.wire import number, text
from airflow_provider_wiro.exceptions import (
    WiroApiError,
    WiroAuthenticationError,
    WiroBalanceError,
    WiroConcurrencyLimitError,
    WiroNotFoundError,
    WiroNotStoppableError,
    WiroRateLimitError,
    WiroResponseError,
    WiroServerError,
    WiroValidationError,
)

#: An API answer larger than this is refused; the shells stop reading there.
MAX_BODY_BYTES = 1024 * 1024

Envelope = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """
    An HTTP answer, as a shell saw it.

    :ivar headers: names in lower case.
    :ivar body: at most ``MAX_BODY_BYTES + 1`` bytes: a shell stops reading there.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


def read(answer: Answer, *, secrets: Collection[str] = ()) -> Envelope:
    """
    Return the envelope of a successful answer.

    :param secrets: words that no error message may repeat, should the answer echo them.
    :raises WiroApiError: one of its subclasses: Wiro said no.
    :raises WiroResponseError: the answer is not the API's.
    """
    envelope = _envelope(answer.body)
    if answer.status >= 400:
        raise _refusal(answer, envelope, secrets)
    if not 200 <= answer.status < 300:
        raise WiroResponseError(
            f"Wiro's API answered HTTP {answer.status}, which it never does by itself. Check the base URL "
            "of the "
            "connection (its `host`) and any proxy in between."
        )
    if envelope is None:
        raise WiroResponseError(
            f"Expected JSON from Wiro's API, found {_hide(_describe(answer.body), secrets)} "
            f"(HTTP {answer.status}). "
            "Check the base URL of the connection (its `host`) and any proxy in between."
        )
    if envelope.get("result") is True or text(envelope.get("result")).lower() in {"true", "1"}:
        return envelope
    if "result" not in envelope and not _errors(envelope):
        raise WiroResponseError(
            'Wiro\'s API answered JSON without "result". Check the base URL of the connection (its `host`).'
        )
    raise _refusal(answer, envelope, secrets)


def _envelope(body: bytes) -> Envelope | None:
    if len(body) > MAX_BODY_BYTES:
        raise WiroResponseError(
            f"Wiro's API answered more than {MAX_BODY_BYTES} bytes; the rest was not read."
        )
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _errors(envelope: Envelope) -> list[tuple[int | None, str]]:
    """Return the envelope's errors as (code, message); an element may also be a bare string."""
    errors = envelope.get("errors")
    found: list[tuple[int | None, str]] = []
    for error in errors if isinstance(errors, list) else [errors]:
        if isinstance(error, dict):
            code = number(error.get("code"))
            found.append((None if code is None else int(code), text(error.get("message")).strip()))
        elif text(error):
            found.append((None, text(error).strip()))
    return found


#: Code 1 covers "not found" and "not in a state to be stopped"; only the words tell them apart.
_NOT_STOPPABLE = re.compile(r"not in a cancell?able state|could not be (killed|cancell?ed)", re.IGNORECASE)
_AUTHORIZATION = re.compile(
    r"authorization is not|requested ip|signature|nonce|sign.?in|bearer", re.IGNORECASE
)

_BY_CODE: Mapping[int, type[WiroApiError]] = {
    0: WiroValidationError,
    1: WiroNotFoundError,
    96: WiroConcurrencyLimitError,
    97: WiroBalanceError,
    98: WiroAuthenticationError,
    99: WiroAuthenticationError,
}


def _refusal(answer: Answer, envelope: Envelope | None, secrets: Collection[str]) -> WiroApiError:
    errors = _errors(envelope) if envelope is not None else []
    code = next((code for code, _ in errors if code is not None), None)
    words = "; ".join(message[:500] for _, message in errors if message) or _describe(answer.body)
    what = f"HTTP {answer.status}" if code is None else f"HTTP {answer.status}, code {code}"
    return _refusal_class(answer.status, code, words)(
        f"Wiro refused the call ({what}): {_hide(words, secrets)}", code=code, http_status=answer.status
    )


def _refusal_class(status: int, code: int | None, words: str) -> type[WiroApiError]:
    if status == 429:
        return WiroRateLimitError
    by_code = _BY_CODE.get(code) if code is not None else None
    if by_code in {WiroConcurrencyLimitError, WiroBalanceError}:  # certain, whatever status carries them
        return by_code
    if status >= 500:
        return WiroServerError
    if status in {401, 403}:
        return WiroAuthenticationError
    if code == 1 and _NOT_STOPPABLE.search(words):
        return WiroNotStoppableError
    if code == 0 and _AUTHORIZATION.search(words):
        return WiroAuthenticationError
    if by_code is not None:
        return by_code
    if status == 404:
        return WiroNotFoundError
    return WiroApiError if status == 200 else WiroValidationError


def _describe(body: bytes) -> str:
    """Say what kind of body this is, without quoting more than its first words."""
    if not body.strip():
        return "an empty body"
    start = " ".join(text(body[:200].decode("utf-8", "replace")).split())[:80]
    start = "".join(character if character.isprintable() else "?" for character in start)
    if re.match(r"\s*(<!doctype|<html|<\?xml|<head|<body)", start, re.IGNORECASE):
        return f"a web page ({start!r})"
    return f"{len(body)} bytes that are not the API's JSON ({start!r})"


def _hide(words: str, secrets: Collection[str]) -> str:
    for secret in secrets:
        if secret:
            words = words.replace(secret, "***")
    return words
