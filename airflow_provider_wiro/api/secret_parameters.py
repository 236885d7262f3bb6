"""
Which of a run's parameters are secrets.

``previousTaskToken`` continues a conversation with an LLM. It is the token of another task, which shows that
task, and its prompt, to whoever holds it.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Names as Wiro lists them, in lower case.
_SECRET_NAMES = frozenset({"previoustasktoken"})
#: Shorter text is no token; to hide it wherever it stands would hide ordinary words.
_SHORTEST = 8


def secret_values(parameters: object) -> tuple[str, ...]:
    """Return the values that no log, error message or manifest may show; parameters may be of any kind."""
    if not isinstance(parameters, Mapping):
        return ()
    found = (
        value.strip()
        for name, value in parameters.items()
        if isinstance(name, str) and name.strip().lower() in _SECRET_NAMES and isinstance(value, str)
    )
    return tuple(value for value in found if len(value) >= _SHORTEST)
