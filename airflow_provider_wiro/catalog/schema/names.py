"""Names of a model's parameters, and which of them a mistyped name may mean."""

from __future__ import annotations

from difflib import SequenceMatcher
from functools import lru_cache
from typing import TYPE_CHECKING

from airflow_provider_wiro.catalog.schema.quoting import quoted_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_wiro.api.catalog import Model

#: Parameters of every model.
_EVERY_MODELS = frozenset({"callbackUrl", "projectid"})
#: Those of models that call tools, whether or not their schema lists them.
_TOOL_CALLERS = frozenset({"messages", "tools", "tool_choice", "toolOutputs", "previousTaskToken"})

#: How alike two names are, from 0 to 1, before one is proposed for the other.
_ALIKE = 0.62
#: No name is longer; comparing takes time with the product of the lengths.
_LONGEST = 80
_MOST_LISTED = 8


def unlisted_names(model: Model) -> frozenset[str]:
    """Return the names that Wiro reads although a model's schema need not list them."""
    calls_tools = any(category.strip().lower() == "llm-tool-call" for category in model.categories)
    return _EVERY_MODELS | _TOOL_CALLERS if calls_tools else _EVERY_MODELS


@lru_cache(maxsize=4096)
def nearest_name(name: object, known: tuple[str, ...]) -> str | None:
    """
    Return the known name that a name may mean.

    ``sampels`` means ``samples``, ``negative_prompt`` means ``negativePrompt``, ``image`` ``inputImage``.
    """
    wanted = _plain(str(name))
    if not wanted:
        return None
    best, most = None, _ALIKE
    for candidate in known:
        other = _plain(candidate)
        if other == wanted:
            return candidate
        matcher = SequenceMatcher(None, wanted, other, autojunk=False)
        if matcher.real_quick_ratio() <= most or matcher.quick_ratio() <= most:
            continue
        likeness = matcher.ratio()
        if likeness > most:
            best, most = candidate, likeness
    return best


def _plain(name: str) -> str:
    return "".join(character for character in name[:_LONGEST].casefold() if character.isalnum())


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return a sentence that proposes a name, or lists the names that there are."""
    names = tuple(known)
    nearest = nearest_name(name, names)
    if nearest is not None:
        return f"Did you mean {quoted_name(nearest)}?"
    if not names:
        return "It has none."
    shown = ", ".join(map(quoted_name, names[:_MOST_LISTED]))
    return f"It has {shown}{f' and {len(names) - _MOST_LISTED} more' if len(names) > _MOST_LISTED else ''}."
