"""Masks secrets in a task's parameters, and shortens file contents, so that they can be stored."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from airflow_provider_wiro.redaction.names import is_hook_name, is_secret_name
from airflow_provider_wiro.redaction.patterns import secrets_in_text
from airflow_provider_wiro.redaction.secret_values import (
    is_named_secret,
    is_secret,
    json_in,
    name_beside_value,
    names_and_values,
)

#: Longer texts are truncated: no prompt is as long, but a file's content in a parameter is.
MAX_TEXT = 20_000
_MAX_DEPTH = 20
_MASK = "***"

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
    """Return a function that masks known secrets in a text."""
    known = [secret for secret in secrets if secret]

    def scrub(text: str) -> str:
        for secret in known:
            text = text.replace(secret, _MASK)
        return text

    return scrub


def masked(value: Any, scrub: Callable[[str], str] = str) -> Any:
    """
    Return a value without what must not be stored; always JSON-safe.

    Values are masked whose name or form shows that they are secrets. URLs lose their credentials and their
    query, where signatures are; base64 is shortened to its beginning.

    :param scrub: masks known secrets in a text.
    """
    return _masked(value, scrub, "", _MAX_DEPTH)


def _masked(value: Any, scrub: Callable[[str], str], name: str, depth: int) -> Any:
    if isinstance(value, Mapping):
        return _masked_object(value, scrub, name, depth) if depth else "…"
    if is_named_secret(value):
        return [value[0], _MASK]
    if isinstance(value, list | tuple):
        return [_masked(item, scrub, name, depth - 1) for item in value] if depth else "…"
    if is_secret(name, value):
        return _MASK
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    shown = str(value)
    parsed = json_in(shown) if depth else None
    if parsed is not None:
        inner = _masked(parsed, scrub, name, depth - 1)
        if inner != parsed:
            shown = json.dumps(inner, ensure_ascii=False)
    return text_without_secrets(shown, scrub, is_hook=is_hook_name(name))


def _masked_object(value: Mapping[Any, Any], scrub: Callable[[str], str], name: str, depth: int) -> Any:
    kept = {}
    named = dict(names_and_values(value))
    for inner, item in value.items():
        # Everything below a secret's name is a secret.
        by = name if is_secret_name(name) else str(inner)
        kept[text_without_secrets(str(inner), scrub)] = _masked(item, scrub, by, depth - 1)
    _, held = name_beside_value(value)
    if any(is_secret(other, value[held]) for other in named.keys() - set(map(str, value))):
        kept[str(held)] = _MASK
    return kept


def text_without_secrets(text: str, scrub: Callable[[str], str] = str, *, is_hook: bool = False) -> str:
    """
    Return a text without the secrets in it, of bounded length.

    :param is_hook: the text is a webhook's address.
    """
    length = len(text)
    # Truncated in two steps, so that the text can't end in the first half of a secret.
    shown = scrub(text)[: 2 * MAX_TEXT]
    for secret in sorted(set(secrets_in_text(shown, is_hook=is_hook)), key=len, reverse=True):
        if secret:
            shown = shown.replace(secret, _MASK)
    shown = _DATA_URL.sub(lambda found: f"{found[1]}… ({len(found[0]):,} characters)", shown)
    shown = _URL.sub(lambda url: f"{url['scheme']}{url['rest']}{'?…' if url['query'] else ''}", shown)
    shown = _BLOB.sub(lambda blob: f"{blob[0][:40]}… ({len(blob[0]):,} characters)", shown)
    is_whole = length <= 2 * MAX_TEXT and len(shown) <= MAX_TEXT
    return shown if is_whole else f"{shown[:MAX_TEXT]}… ({length:,} characters)"


def web_addresses(value: Any) -> list[str]:
    """Return the http(s) URLs that are values among a task's parameters, without their queries."""
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
