"""A task's parameters in a form that may be kept: what was asked for, without secrets and contents."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

#: Longer texts are cut: no prompt is as long, but a file's content in a parameter is.
MAX_TEXT = 20_000
_MAX_DEPTH = 20
_MASK = "***"

#: Ends of names whose text is a secret. ``max_tokens`` ends otherwise, and is a number at that.
_SECRET_NAME = re.compile(
    r"(?:secret|password|passwd|passphrase|token|apikey|accesskey|privatekey|secretkey|credentials?|signature"
    r"|authorization|cookie|auth)\Z"
)
#: ``openaiKey`` may be one, ``key`` of a piece of music is none: only what looks random is taken for one.
_KEY_NAME = re.compile(r"[a-z]key\Z")
_RANDOM = re.compile(r"\S{16,}")
# All repetitions are bounded where a match could begin anywhere: the text comes from a server.
_SECRET_TEXT = re.compile(
    r"\b(?:sk-[\w-]{16,}|A[KS]IA[0-9A-Z]{16}|gh[pousr]_\w{20,}|hf_\w{20,}|xox[abprs]-[\w-]{10,}"
    r"|eyJ[\w-]{8,2000}\.[\w-]{8,4000}\.[\w-]{0,2000}|(?i:bearer)\s[\w.~+/-]{8,}=*)"
)
_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]{0,20}://)(?:[^\s/?#@]{0,2000}@)?(?P<rest>[^\s?#\"'<>]*)"
    r"(?P<query>[?#][^\s\"'<>]+)?",
    re.IGNORECASE,
)
_DATA_URL = re.compile(
    r"(data:[\w.+/-]{0,100}(?:;[\w=.+-]{1,60}){0,5};base64,)[A-Za-z0-9+/=_-]+", re.IGNORECASE
)
_BLOB = re.compile(r"[A-Za-z0-9+/_-]{400,}={0,2}")


def without(secrets: Iterable[str]) -> Callable[[str], str]:
    """Return what takes secrets that are known out of a text."""
    known = [secret for secret in secrets if secret]

    def scrub(text: str) -> str:
        for secret in known:
            text = text.replace(secret, _MASK)
        return text

    return scrub


def masked(value: Any, scrub: Callable[[str], str] = str, *, name: str = "") -> Any:
    """
    Return a value without what must not be kept; JSON-safe, whatever came.

    Masked are texts whose names or looks say that they are secrets. URLs lose credentials and query, where
    signatures are; base64 is shortened to its beginning.

    :param scrub: takes secrets that are known out of a text.
    :param name: under which the value stands.
    """
    return _masked(value, scrub, name, _MAX_DEPTH)


def _masked(value: Any, scrub: Callable[[str], str], name: str, depth: int) -> Any:
    if isinstance(value, Mapping):
        if not depth:
            return "…"
        return {
            text_without_secrets(str(key), scrub): _masked(item, scrub, str(key), depth - 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_masked(item, scrub, name, depth - 1) for item in value] if depth else "…"
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    shown = str(value)
    return _MASK if _is_secret(name, shown) else text_without_secrets(shown, scrub)


def _is_secret(name: str, value: str) -> bool:
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    if not value or value.replace(".", "", 1).isdigit():
        return False
    return bool(_SECRET_NAME.search(plain) or (_KEY_NAME.search(plain) and _RANDOM.fullmatch(value)))


def text_without_secrets(text: str, scrub: Callable[[str], str] = str) -> str:
    """Return a text without the secrets in it, of bounded length."""
    length = len(text)
    # Cut in two steps: what a secret's second half is cut off from has to be gone when the text is shown.
    shown = _SECRET_TEXT.sub(_MASK, scrub(text)[: 2 * MAX_TEXT])
    shown = _DATA_URL.sub(lambda found: f"{found[1]}… ({len(found[0]):,} characters)", shown)
    shown = _URL.sub(lambda url: f"{url['scheme']}{url['rest']}{'?…' if url['query'] else ''}", shown)
    shown = _BLOB.sub(lambda blob: f"{blob[0][:40]}… ({len(blob[0]):,} characters)", shown)
    is_whole = length <= 2 * MAX_TEXT and len(shown) <= MAX_TEXT
    return shown if is_whole else f"{shown[:MAX_TEXT]}… ({length:,} characters)"


def web_addresses(value: Any) -> list[str]:
    """Return the http(s) URLs among a task's parameters that are a value of their own, without query."""
    found: dict[str, None] = {}
    waiting: list[tuple[Any, int]] = [(value, _MAX_DEPTH)]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, Mapping | list | tuple) and depth:
            items = list(item.values()) if isinstance(item, Mapping) else list(item)
            waiting += [(inner, depth - 1) for inner in reversed(items)]
        elif isinstance(item, str):
            for part in item.split(","):
                if match := re.fullmatch(r"\s*https?://[^\s]+\s*", part):
                    found[text_without_secrets(match[0].strip()).removesuffix("?…")] = None
    return list(found)
