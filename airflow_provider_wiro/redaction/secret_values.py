"""
Finds the secrets among a run's parameters, by their names and by the form of their values.

Some models want a key of another service, a callback has a token in its address, and ``previousTaskToken``,
which continues a conversation with an LLM, gives access to another task.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from operator import is_not
from typing import Any

from airflow_provider_wiro.redaction.names import is_hook_name, is_secret_name, is_token_name, may_be_key_name
from airflow_provider_wiro.redaction.patterns import secrets_in_text

#: A shorter value is not masked everywhere, as ordinary words would be, too. Airflow's own limit.
_SHORTEST = 5
#: A shorter value of a parameter called ``token`` is a word, such as ``start``.
_SHORTEST_TOKEN = 8
#: A shorter line of a secret is masked only as part of the whole.
_SHORTEST_LINE = 8
#: A number with at least this many digits under a token's name is no count.
_DIGITS = 6
_MAX_DEPTH = 20
#: Names beside a password whose values are no secrets.
_BESIDE = re.compile(
    r"type|kind|scheme|method|user|username|login|name|email|region|host|hostname|port|url|endpoint|provider"
    r"|version|realm|domain|account",
    re.IGNORECASE,
)
#: Values that only name the kind of a secret.
_WORDS = frozenset({"airflow", "basic", "bearer", "digest", "false", "password", "secret", "token", "none"})
#: What may be a token where none is known: a long run of letters and digits, with some of each.
_LIKE_A_TOKEN = re.compile(r"(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{16,}(?![\w-])", re.ASCII)


def secret_values(parameters: object) -> tuple[str, ...]:
    """
    Return the values that no log, error message or manifest may show; never raises.

    The longest come first, since one can be part of another.
    """
    found = {value.strip() for value in _secrets(parameters, _MAX_DEPTH)}
    found.update([other for value in found for other in _otherwise_written(value)])
    kept = {value for value in found if len(value) >= _SHORTEST and value.lower() not in _WORDS}
    return tuple(sorted(kept, key=lambda value: (-len(value), value)))


def _otherwise_written(secret: str) -> Iterator[str]:
    """Yield the forms of a secret in JSON and in a log, where its line breaks split it."""
    in_json = json.dumps(secret)[1:-1]
    if in_json != secret:
        yield in_json
        lines = [line.strip() for line in secret.splitlines()]
        yield from (line for line in lines if len(lines) > 1 and len(line) >= _SHORTEST_LINE)


def without_likely_tokens(words: str) -> str:
    """Mask what may be a token in Wiro's words, for use where the run's parameters are not known."""
    return _LIKE_A_TOKEN.sub("***", words)


def is_secret(name: str, value: object) -> bool:
    """Whether a single value is a secret because of its name."""
    if value is None or isinstance(value, bool) or value == "":
        return False
    if is_secret_name(name):
        shown = str(value)
        is_number = isinstance(value, int | float) or shown.replace(".", "", 1).isdigit()
        return not (is_number and is_token_name(name)) or (shown.isdigit() and len(shown) >= _DIGITS)
    return isinstance(value, str) and may_be_key_name(name) and _looks_random(value)


def _looks_random(value: str) -> bool:
    return re.fullmatch(r"\S{16,}", value) is not None and "://" not in value


def names_and_values(value: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """Yield a mapping's items; for ``{"name": "X-Api-Key", "value": …}`` also the value under that name."""
    for name, part in value.items():
        yield str(name), part
    named, held = name_beside_value(value)
    if named is not None and held is not None:
        yield named, value[held]


def name_beside_value(value: Mapping[Any, Any]) -> tuple[str | None, Any]:
    """Return the name in ``{"name": "X-Api-Key", "value": …}``, and the key of its value."""
    keys = {str(key).lower(): key for key in value}
    names = (value[keys[name]] for name in ("name", "key", "header", "variable") if name in keys)
    named = next((name for name in names if isinstance(name, str)), None)
    return named, next((keys[name] for name in ("value", "val") if name in keys), None)


def is_named_secret(value: Any) -> bool:
    """
    Whether a list is a name and its secret, as HTTP clients take headers: ``["X-Api-Key", …]``.

    ``["cookies", "chocolate"]`` is a list of words.
    """
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], str)
        and is_secret(value[0], value[1])
        and re.fullmatch(r"(?=.*\d)\S{8,}", value[1]) is not None
    )


def _secrets(value: Any, depth: int, name: str = "") -> Iterator[str]:
    """Yield the secrets below a value: in objects, lists, and JSON inside text."""
    if not depth:
        return
    if isinstance(value, Mapping):
        for inner, part in names_and_values(value):
            if is_secret_name(inner) and isinstance(part, Mapping | list | tuple):
                yield from _all_below(part, depth - 1, inner)
            yield from _secrets(part, depth - 1, inner)
    elif is_named_secret(value):
        yield from _secrets(value[1], depth - 1, value[0])
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _secrets(part, depth - 1, name)
    elif isinstance(value, str):
        parsed = json_in(value)
        if parsed is not None:
            if is_secret_name(name):
                yield from _all_below(parsed, depth - 1, name)
            yield from _secrets(parsed, depth - 1, name)
        elif _hides(name, value.strip()):
            yield value
        yield from secrets_in_text(value, is_hook=is_hook_name(name))
    elif _hides(name, value):
        yield str(value)


def _hides(name: str, value: Any) -> bool:
    """Whether a value is a secret to mask everywhere, not only under its name."""
    if not is_secret(name, value):
        return False
    is_word = is_token_name(name) and not str(value).isdigit()
    return not is_word or len(str(value)) >= _SHORTEST_TOKEN


def _all_below(value: Any, depth: int, name: str) -> Iterator[str]:
    """Yield the values in an object or list under a secret's name, except those that only describe it."""
    if not depth:
        return
    if isinstance(value, Mapping):
        for inner, part in value.items():
            if not _BESIDE.fullmatch(str(inner)):
                yield from _all_below(part, depth - 1, name)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _all_below(part, depth - 1, name)
    elif isinstance(value, str | int | float) and _hides(name, value):
        yield str(value)


def json_in(text: str) -> Mapping[str, Any] | list[Any] | None:
    """Return the object or list that a JSON text holds; None for anything else."""
    if text.lstrip()[:1] not in {"{", "["}:
        return None
    with suppress(ValueError, RecursionError):
        found = json.loads(text)
        if isinstance(found, Mapping | list):
            return found
    return None


def with_secret_numbers_as_text(value: Any) -> Any:
    """
    Return parameters with each secret number as text, which Wiro accepts, too.

    Airflow masks only text: it would show the number 123456 under ``password``.
    """
    return _with_numbers_as_text(value, "", _MAX_DEPTH)


def _with_numbers_as_text(value: Any, name: str, depth: int) -> Any:
    if not depth:
        return value
    if type(value) is dict:
        # Everything below a secret's name is a secret.
        parts = {
            inner: _with_numbers_as_text(part, name if is_secret_name(name) else str(inner), depth - 1)
            for inner, part in value.items()
        }
        return parts if any(parts[inner] is not part for inner, part in value.items()) else value
    if type(value) in {list, tuple}:
        items = [_with_numbers_as_text(part, name, depth - 1) for part in value]
        return type(value)(items) if any(map(is_not, items, value)) else value
    if isinstance(value, int | float) and is_secret(name, value):
        return str(value)
    return value
