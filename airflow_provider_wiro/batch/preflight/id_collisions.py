"""
Refuses, before the first Run, ids by which the outputs of two items of a batch would have one key.

An id is a user's text. Cleaned for a key, two of them can become one, and beside other text in the same part
of a key the end of one can be read as the beginning of what follows the other: with ``{id}-{index}{suffix}``
the ids ``a`` and ``a-1.b`` can meet in ``a-1.b-0``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.batch.inputs.item_names import SeenTexts
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.storage.object_keys import PLACEHOLDER, key_segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

#: A piece of a key template: a literal, or a placeholder's name in braces.
Piece = str


def id_segment(item_id: str | None, name: str) -> str:
    """
    Return an item's id as a part of its keys.

    :param name: the item's, for messages.
    :raises WiroUsageError: it has none, or nothing of it may be in a key.
    """
    if item_id is None:
        raise WiroUsageError(
            f"{name} has no id, and s3_key has {{id}} in it. Give each item an id, as in "
            '{"id": "SKU-001", "parameters": {…}} or by id_column, or use {item}, its number. Nothing was '
            "submitted for it."
        )
    segment = key_segment(item_id)
    if not segment:
        raise WiroUsageError(
            f"Nothing of the id {item_id!r} of {name} may be in a key. Give it an id with letters or digits."
        )
    return segment


def check_ids(
    ids: Callable[[], Iterable[str | None]], name: Callable[[int], str], beside: Sequence[Sequence[Piece]]
) -> None:
    """
    Refuse ids by which two items can get one key.

    :param ids: returns the items' ids, in order; called again to say which two would meet.
    :param name: returns an item's name for messages.
    :param beside: what follows ``{id}`` in each part of the key that has it; one part that keeps the items
        apart is enough. Empty: something else keeps them apart, and each item only needs an id.
    :raises WiroUsageError: two would meet, or one has no id.
    """
    seen = SeenTexts()
    for number, item_id in enumerate(ids()):
        segment = _segment(number, item_id, name)
        if beside and not seen.add(segment):
            _refuse_if_met(ids, name, number, segment, segment)
    if not beside or any(map(_stands_alone, beside)):
        return
    for number, item_id in enumerate(ids()):
        segment = _segment(number, item_id, name)
        for end in _ends(segment, beside[0]):
            is_read_otherwise = all(_may_begin(after, segment[end:]) for after in beside)
            if is_read_otherwise and segment[:end] in seen:
                _refuse_if_met(ids, name, number, segment, segment[:end])


def _segment(number: int, item_id: str | None, name: Callable[[int], str]) -> str:
    segment = "" if item_id is None else key_segment(item_id)
    return segment or id_segment(item_id, name(number))


def _refuse_if_met(
    ids: Callable[[], Iterable[str | None]], name: Callable[[int], str], number: int, segment: str, other: str
) -> None:
    for found, item_id in enumerate(ids()):
        if found != number and item_id is not None and key_segment(item_id) == other:
            first, second = sorted((found, number))
            there = (other, segment) if found < number else (segment, other)
            is_same = "have the same id" if segment == other else "have {!r} and {!r}".format(*there)
            raise WiroUsageError(
                f"{name(first)} and {name(second).replace('Item', 'item', 1)} {is_same} in their keys, so "
                "their outputs could have one key. Give them ids that differ in letters or digits, or put "
                "{item} or {wiro_task_id} into s3_key. Nothing was submitted."
            )


def pieces_after_id(key_template: str) -> Iterator[list[Piece]]:
    """
    Yield what follows ``{id}`` in each part of a key template where nothing before it varies in length.

    :param key_template: of an object, without a bucket.
    """
    for segment in key_template.split("/"):
        pieces = _pieces(segment)
        if pieces.count("{id}") != 1:
            continue
        position = pieces.index("{id}")
        before = pieces[:position]
        if all(_ends_clearly(piece, before[at + 1 :]) for at, piece in enumerate(before)):
            yield pieces[position + 1 :]


def _ends_clearly(piece: Piece, after: Sequence[Piece]) -> bool:
    """Whether it shows in a key where a piece before ``{id}`` ends."""
    if not piece.startswith("{") or piece == "{model}":
        return True
    # A number ends where something else than a digit follows.
    is_number = piece in {"{index}", "{item}"}
    return is_number and bool(after) and not after[0].startswith("{") and not after[0][0].isdigit()


def _pieces(segment: str) -> list[Piece]:
    found = PLACEHOLDER.split(segment)  # literal, placeholder, literal, …
    named = [f"{{{piece}}}" if position % 2 else piece for position, piece in enumerate(found)]
    return [piece for piece in named if piece]


def _stands_alone(after: Sequence[Piece]) -> bool:
    """Whether nothing but literals follows: two keys are equal only if the ids are."""
    return not any(piece.startswith("{") and piece != "{model}" for piece in after)


def _ends(segment: str, after: Sequence[Piece]) -> Iterator[int]:
    """Yield where a part of an id can end that is an id itself; what follows it begins with a literal."""
    literal = "" if after[0].startswith("{") else after[0][0]
    return (end for end in range(1, len(segment)) if segment.startswith(literal, end))


def _may_begin(after: Sequence[Piece], rest: str) -> bool:
    """
    Whether what follows an id can be the rest of a longer id and what follows that one.

    :param rest: of the longer id.
    """
    literal = after[0] if after and not after[0].startswith("{") else ""
    return _can_start(after, rest + literal)


def _can_start(after: Sequence[Piece], text: str) -> bool:
    """Whether a text can be the beginning of what a template's pieces become."""
    if not text:
        return True
    if not after:
        return False
    piece, others = after[0], after[1:]
    if piece == "{suffix}":
        if _can_start(others, text):
            return True
        # It has one dot, at its beginning.
        return text[0] == "." and _fills(others, text[1:], lambda character: character != ".")
    if piece in {"{index}", "{item}"}:
        return text[0].isdigit() and _fills(others, text[1:], str.isdigit)
    if piece.startswith("{") and piece != "{model}":
        return _fills(others, text[1:], lambda _: True)
    if piece == "{model}":
        return True
    if len(text) <= len(piece):
        return piece.startswith(text)
    return text.startswith(piece) and _can_start(others, text[len(piece) :])


def _fills(others: Sequence[Piece], text: str, is_of_it: Callable[[str], bool]) -> bool:
    """Whether a placeholder takes some of a text, and the other pieces can start with the rest."""
    for end in range(len(text) + 1):
        if _can_start(others, text[end:]):
            return True
        if end < len(text) and not is_of_it(text[end]):
            return False
    return True
