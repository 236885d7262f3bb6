"""
Sorted ids as a short text: 100,000 take some 100 to 250 kB.

Their differences are written as JSON and compressed, all by code in C, and in blocks that stay the same: a
state is written for each chunk of tasks.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What a text may unpack to: some millions of ids.
_MOST_BYTES = 64 * 1024 * 1024
#: How many ids a block has.
_BLOCK = 2000


def pack_blocks(ids: tuple[int, ...]) -> list[str]:
    """
    Return sorted ids as several texts.

    Ids are taken away at the beginning: then all texts but the first stay the same, and are made once.
    """
    ends = range(len(ids), 0, -_BLOCK)
    return [_packed_block(ids[max(0, end - _BLOCK) : end]) for end in reversed(ends)]


def unpack_blocks(texts: object) -> tuple[int, ...]:
    """
    Return the ids of several texts.

    :raises ValueError: :func:`pack_blocks` didn't make them.
    """
    if not isinstance(texts, list):
        raise ValueError(f"expected packed ids, found {texts!r:.100}")  # noqa: TRY004  one error for all
    return tuple(number for text in texts for number in unpack(text))


def pack(ids: Iterable[int]) -> str:
    """Return ids as a text; their order is lost."""
    numbers = sorted(ids)
    if not numbers:
        return ""
    differences = [number - before for before, number in zip((0, *numbers[:-1]), numbers, strict=True)]
    text = json.dumps(differences, separators=(",", ":"))
    return base64.b85encode(zlib.compress(text.encode(), 6)).decode()


def unpack(text: object) -> tuple[int, ...]:
    """
    Return the ids of a text, the smallest first.

    :raises ValueError: :func:`pack` didn't make it.
    """
    if not isinstance(text, str):
        raise ValueError(f"expected packed ids, found {text!r:.100}")  # noqa: TRY004  one error for all
    if not text:
        return ()
    unzip = zlib.decompressobj()
    try:
        body = unzip.decompress(base64.b85decode(text), _MOST_BYTES)
        differences = json.loads(body) if unzip.eof else None
    except (zlib.error, binascii.Error, ValueError) as error:
        raise ValueError(f"expected packed ids, found {text[:100]!r}") from error
    if not isinstance(differences, list) or not all(
        type(difference) is int and difference >= 0 for difference in differences
    ):
        raise ValueError(f"expected packed ids, found {text[:100]!r}")
    return tuple(accumulate(differences))


@lru_cache(maxsize=128)
def _packed_block(ids: tuple[int, ...]) -> str:
    return pack(ids)
