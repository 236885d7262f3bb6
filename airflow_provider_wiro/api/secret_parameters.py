"""
Which of a run's parameters are secrets.

``previousTaskToken`` continues a conversation with an LLM. It is the token of another task, which shows that
task, and its prompt, to whoever holds it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

#: Names as Wiro lists them, without their capitals and underscores.
_SECRET_NAMES = frozenset({"previoustasktoken"})
#: Shorter text is no token; to hide it wherever it stands would hide ordinary words.
_SHORTEST = 8
_MAX_DEPTH = 20
#: What can be a token where none is known: a long run of letters and digits, some of each.
_LIKE_A_TOKEN = re.compile(r"(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{16,}(?![\w-])", re.ASCII)


def secret_values(parameters: object) -> tuple[str, ...]:
    """Return the values that no log, error message or manifest may show; parameters may be of any kind."""
    found = (value.strip() for value in _secrets(parameters, _MAX_DEPTH))
    return tuple(dict.fromkeys(value for value in found if len(value) >= _SHORTEST))


def without_likely_tokens(words: str) -> str:
    """Return words of Wiro's without what can be a token, for where the run's parameters are not known."""
    return _LIKE_A_TOKEN.sub("***", words)


def _secrets(value: Any, depth: int) -> Iterator[str]:
    """Yield the texts below a secret's name, wherever it stands: in objects, lists, JSON inside text."""
    if not depth:
        return
    if isinstance(value, Mapping):
        for name, part in value.items():
            if isinstance(name, str) and re.sub(r"[\s_-]", "", name).lower() in _SECRET_NAMES:
                yield from _texts(part, depth - 1)
            else:
                yield from _secrets(part, depth - 1)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _secrets(part, depth - 1)
    elif isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        with suppress(ValueError, RecursionError):
            yield from _secrets(json.loads(value), depth - 1)


def _texts(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple) and depth:
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(part, depth - 1)
