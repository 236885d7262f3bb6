"""
Reading an API response: its status, headers and body become an envelope, or one precise error.

Both failure shapes are understood: HTTP 200 with ``result: false``, and an HTTP status with JSON, HTML or
nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_wiro.api.decoding import deep_json
from airflow_provider_wiro.api.decoding.fields import number, text
from airflow_provider_wiro.exceptions import (
    WiroAnswerTooLargeError,
    WiroApiError,
    WiroAuthenticationError,
    WiroBalanceError,
    WiroConcurrencyLimitError,
    WiroNotFoundError,
    WiroNotStoppableError,
    WiroPermissionError,
    WiroRateLimitError,
    WiroResponseError,
    WiroServerError,
    WiroValidationError,
)
from airflow_provider_wiro.redaction.secret_values import without_likely_tokens

#: A larger API response is refused; the transports stop reading there.
MAX_BODY_BYTES = 1024 * 1024
#: The same for responses with tasks or models: an LLM's has the prompt twice, and the answer four times.
LARGE_BODY_BYTES = 16 * 1024 * 1024

_CHECK_BASE_URL = "Check the base URL (`host`) of {connection} and any proxy in between."

_OBJECT = re.compile(rb'\s*\{\s*"')

Envelope = Mapping[str, Any]


@dataclass(frozen=True)
class ApiResponse:
    """
    An HTTP response, as a transport received it.

    :ivar headers: names in lower case.
    :ivar body: at most one byte more than the call allows: a transport stops reading there. May hold a task's
        token.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def read(
    response: ApiResponse,
    *,
    secrets: Collection[str] = (),
    max_body_bytes: int = MAX_BODY_BYTES,
    only_names_tasks: bool = False,
    conn_id: str = "",
) -> Envelope:
    """
    Return the envelope of a successful response.

    :param secrets: words that no error message may repeat if the response echoes them.
    :param max_body_bytes: the largest body that is read.
    :param only_names_tasks: see :class:`~airflow_provider_wiro.api.endpoints.ApiCall`.
    :param conn_id: the Airflow connection, which the errors name. Empty: not known.
    :raises WiroApiError: one of its subclasses: Wiro refused the call.
    :raises WiroAnswerTooLargeError: the body is larger than that.
    :raises WiroResponseError: the response is not the API's.
    """
    check_base_url = _CHECK_BASE_URL.format(
        connection=f"connection {conn_id!r}" if conn_id else "the connection"
    )

    def refusal() -> WiroApiError:
        return _refusal(
            response,
            envelope,
            secrets,
            only_names_tasks=only_names_tasks,
            conn_id=conn_id,
            check_base_url=check_base_url,
        )

    is_too_large = len(response.body) > max_body_bytes
    envelope = None if is_too_large else _envelope(response.body)
    if response.status >= 400:
        raise refusal()
    if not 200 <= response.status < 300:
        raise WiroResponseError(
            f"Wiro's API answered HTTP {response.status}, which it never does by itself. {check_base_url}"
        )
    if is_too_large:
        # A body that doesn't even start like the API's JSON comes from another server: temporary.
        kind = WiroAnswerTooLargeError if _OBJECT.match(response.body) else WiroResponseError
        raise kind(f"Wiro's API answered more than {max_body_bytes} bytes; the rest was not read.")
    if envelope is None:
        raise WiroResponseError(
            f"Expected JSON from Wiro's API, found {_describe(response.body, secrets)} "
            f"(HTTP {response.status}). {check_base_url}"
        )
    result = text(envelope.get("result")).strip().lower()
    if envelope.get("result") is True or result in {"true", "1"}:
        return envelope
    # Only an explicit false is a refusal: for a Run it means that nothing was started.
    if envelope.get("result") is False or result in {"false", "0"} or _errors(envelope):
        raise refusal()
    raise WiroResponseError(
        f'Wiro\'s API answered JSON whose "result" is neither true nor false. {check_base_url}'
    )


def _envelope(body: bytes) -> Envelope | None:
    """Return the JSON object that a body is, None if it is anything else."""
    try:
        value = deep_json.loads(body)
    except ValueError:
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


#: Statuses of a server or proxy that gave up: like a 5xx they don't say what became of the request.
_AS_VAGUE_AS_5XX = frozenset({408, 409, 425, 499})

# Errors that need different reactions share codes; only the words distinguish them.
_NO_TASK = re.compile(r"no task yet|task-not-(founded|found|exist)", re.IGNORECASE)
_NOT_STOPPABLE = re.compile(r"not in a cancell?able state|could not be (killed|cancell?ed)", re.IGNORECASE)
_AUTHORIZATION = re.compile(
    r"authorization|requested ip|signature|nonce|sign.?in|bearer|api.?key", re.IGNORECASE
)
#: Narrow, since a Run's own parameters are quoted too: "The prompt was blocked" is about the prompt.
_PERMISSION = re.compile(
    r"permission|suspended|not available for your|spend(ing)?[ -]limit|team admin"
    r"|(account|team|member|user|project)\b.{0,40}\b(blocked|banned|disabled|inactive|deactivated)",
    re.IGNORECASE,
)
_TOO_LITTLE = re.compile(r"insufficient|not enough|too (low|little)", re.IGNORECASE)
_FOR_ADMINS = re.compile(r"\bonly\b.*\badmin|permission", re.IGNORECASE)
_BALANCE = re.compile(r"balance|fund|credit|top.?up|\bat least\b|[$€]\s*\d|\d\s*usd", re.IGNORECASE)
#: An error without a reason: it names nothing that a caller could change.
_UNSPECIFIC = re.compile(
    r"(oops\W*|sorry\W*)?"
    r"(something (has gone|went) wrong|an? (internal|unknown|unexpected)( server)? error( has)?( occurred)?"
    r"|(internal|unknown|unexpected)( server)? error|no reason given)"
    r"\W*((please )?(try|retry) (it )?(again)?( later)?)?\W*",
    re.IGNORECASE,
)

# When a call that only names tasks is refused, the wait for a paid task ends. So only Wiro's own sentences
# count as a refusal there, not those of a failing server ("assigning", "required service unavailable",
# "EACCES: permission denied").
_OWN_AUTHORIZATION = re.compile(
    r"\bproject authorization is not (founded|found|valid)\b|\bproject requires signature authentication\b"
    r"|\brequested ip\b.{0,60}\bis not allowed\b",
    re.IGNORECASE,
)
_OWN_PERMISSION = re.compile(
    r"\b(don.?t|do not) have (any )?permission\b|\baccount\b.{0,20}\bsuspended\b"
    r"|\bnot available for your team\b|\bspend(ing)?[ -]limit\b|\bonly a team admin\b",
    re.IGNORECASE,
)
_OWN_VALIDATION = re.compile(
    r"\brequest (parameters?|files?) \[[^\]]*\] required\b|\bmust be between\b"
    r"|\brequest parameters are invalid\b",
    re.IGNORECASE,
)

_BY_CODE: Mapping[int, type[WiroApiError]] = {
    0: WiroValidationError,
    1: WiroNotFoundError,
    96: WiroConcurrencyLimitError,
    97: WiroBalanceError,
    98: WiroAuthenticationError,
    99: WiroAuthenticationError,
}


def _refusal(
    response: ApiResponse,
    envelope: Envelope | None,
    secrets: Collection[str],
    *,
    only_names_tasks: bool,
    conn_id: str,
    check_base_url: str,
) -> WiroApiError:
    errors = _errors(envelope) if envelope is not None else []
    code = next((code for code, _ in errors if code is not None), None)
    # Masked before it is truncated: truncation could leave half of a secret.
    words = _hide("; ".join(message for _, message in errors if message), secrets)[:1000]
    if only_names_tasks:
        words = without_likely_tokens(words)
    if not words:
        words = "no reason given" if envelope is not None else _describe(response.body, secrets)
    facts = [f"HTTP {response.status}"]
    facts += [] if code is None else [f"code {code}"]
    facts += [f"connection {conn_id!r}"] if conn_id else []
    if only_names_tasks and envelope is None and response.status not in {401, 429} and response.body.strip():
        kind: type[WiroApiError] = WiroServerError  # a proxy's page, which says nothing about the task
    else:
        kind = _refusal_class(response.status, code, words, only_names_tasks=only_names_tasks)
    if envelope is not None and kind in {WiroValidationError, WiroApiError}:
        # This leaves a Run open, too: the server can have failed after it created the task.
        is_the_servers_own = code == 0 and response.status < 400 and _UNSPECIFIC.fullmatch(words)
        if is_the_servers_own or (only_names_tasks and not _OWN_VALIDATION.search(words)):
            kind = WiroServerError
    message = f"Wiro refused the call: {words.rstrip(' .')} ({', '.join(facts)})."
    if kind is WiroNotFoundError and code is None and response.status == 404:
        message += f" {check_base_url}"  # not how Wiro reports an unknown model or task
    return kind(message, code=code, http_status=response.status)


def _refusal_class(
    status: int, code: int | None, words: str, *, only_names_tasks: bool
) -> type[WiroApiError]:
    if status == 429:
        return WiroRateLimitError
    by_code = _BY_CODE.get(code) if code is not None else None
    if by_code is WiroConcurrencyLimitError:  # certain whatever the HTTP status; so is the next
        return by_code
    if by_code is WiroBalanceError:
        if _TOO_LITTLE.search(words) or (_BALANCE.search(words) and not _FOR_ADMINS.search(words)):
            return by_code
        return WiroPermissionError if _PERMISSION.search(words) else WiroApiError
    if status >= 500 or status in _AS_VAGUE_AS_5XX:
        return WiroServerError
    by_words = _class_by_words(words, only_names_tasks=only_names_tasks)
    if status in {401, 403}:
        return by_words if by_words is WiroPermissionError else WiroAuthenticationError
    if by_words in {WiroNotFoundError, WiroNotStoppableError} or (by_words is not None and code == 0):
        return by_words
    if by_code is not None:
        return by_code
    if status == 404:
        return WiroNotFoundError
    return WiroApiError if status == 200 else WiroValidationError


def _class_by_words(words: str, *, only_names_tasks: bool) -> type[WiroApiError] | None:
    if _NO_TASK.search(words):
        return WiroNotFoundError
    if _NOT_STOPPABLE.search(words):
        return WiroNotStoppableError
    if (_OWN_AUTHORIZATION if only_names_tasks else _AUTHORIZATION).search(words):
        return WiroAuthenticationError
    permission = _OWN_PERMISSION if only_names_tasks else _PERMISSION
    return WiroPermissionError if permission.search(words) else None


#: How many bytes of a body are decoded to describe it.
_DESCRIBED_BYTES = 64 * 1024


def _describe(body: bytes, secrets: Collection[str]) -> str:
    """Describe a body, quoting its first words at most."""
    if not body.strip():
        return "an empty body"
    # Truncated first: a copy of a large body as text would be larger still. No secret is that long.
    beginning = body[:_DESCRIBED_BYTES].decode("utf-8", "replace")
    words = _hide(text(beginning), secrets).split(maxsplit=80)
    start = " ".join(words)[:80]
    start = "".join(character if character.isprintable() else "?" for character in start)
    if re.match(r"(<!doctype|<html|<\?xml|<head|<body)", start, re.IGNORECASE):
        return f"a web page ({start!r})"
    return f"{len(body)} bytes that are not the API's JSON ({start!r})"


#: A task's token, also in truncated JSON that can't be parsed.
_TOKEN = re.compile(r'("(?:socketaccess|task)token"\s*:\s*)"[^"]*"?', re.IGNORECASE)


def _hide(words: str, secrets: Collection[str]) -> str:
    for secret in sorted(
        filter(None, secrets), key=len, reverse=True
    ):  # longest first: one may be part of another
        words = words.replace(secret, "***")
    return _TOKEN.sub(r'\1"***"', words)
