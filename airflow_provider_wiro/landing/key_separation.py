"""Whether a key template separates what must not share keys: a batch's items, an export's tasks. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.storage.object_keys import PLACEHOLDER

if TYPE_CHECKING:
    from collections.abc import Collection

#: Placeholders whose text somebody chooses: it can contain what is beside it.
_FREE_TEXT = frozenset({"name", "stem", "suffix", "id", "model"})
#: Of a batch: the model is the same for all items.
SAME_MODEL = frozenset({"model"})


def is_apart(key: str, names: Collection[str], *, same: Collection[str] = ()) -> bool:
    """
    Whether a part of a key template differs for each value of one of these placeholders.

    It doesn't if none is there, or none is separated from its neighbours: ``{item}{index}`` is 111 for item 1
    and for item 11.

    :param same: placeholders that have the same value everywhere.
    """
    return any(_is_of_one(segment, names, same) for segment in key.split("/"))


def _is_of_one(segment: str, distinguishing: Collection[str], same: Collection[str]) -> bool:
    """Whether a segment of a key differs for each value, whatever its other placeholders are."""
    pieces = PLACEHOLDER.split(segment)  # literal, placeholder, literal, …
    names, literals = pieces[1::2], pieces[::2]
    free = _FREE_TEXT.difference(same)
    for position, name in enumerate(names):
        before, after = names[:position], names[position + 1 :]
        if after[:1] == ["suffix"] and not literals[position + 1]:
            after = after[1:]  # it starts with a dot, which no number has
            is_apart = True
        else:
            is_apart = not after or _separates(literals[position + 1], after[0], same)
        is_apart = is_apart and (not before or _separates(literals[position], before[-1], same))
        is_between = free.intersection(before) and free.intersection(after)
        if name in distinguishing and is_apart and not is_between:
            return True
    return False


def _separates(literal: str, neighbour: str, same: Collection[str]) -> bool:
    return neighbour in same or any(not character.isalnum() for character in literal)
