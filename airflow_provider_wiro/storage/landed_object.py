"""LandedObject: a verified object that a transfer has put into a store, as a result card names it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

_SHA256 = re.compile("[0-9a-f]{64}")
#: What distinguishes the objects that one output became.
PARTS = ("", "json", "txt")
#: Of a text in a card.
_LONGEST = 4096


@dataclass(frozen=True)
class LandedObject:
    """
    One object that an output of a run became.

    :ivar output: the output's index.
    :ivar part: distinguishes the objects that one output became: empty, ``json`` or ``txt``.
    :ivar uri: ``s3://bucket/key``, or the URI of a file in another store, its connection included.
    :ivar size: bytes.
    :ivar sha256: of its bytes, None where the transfer didn't know it.
    :ivar etag: S3's or Azure's ETag, Google's generation, None in another store.
    """

    output: int
    part: str
    name: str
    content_type: str
    uri: str
    size: int
    sha256: str | None
    etag: str | None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: object) -> Self:
        """
        Read one.

        :raises ValueError: it is none.
        """
        if not isinstance(found, Mapping):
            raise ValueError(f"Expected an object, found {type(found).__name__}.")  # noqa: TRY004  foreign JSON
        if found.get("part") not in PARTS:
            raise ValueError(f"Expected part as one of {', '.join(map(repr, PARTS))}.")
        sha256 = found.get("sha256")
        if sha256 is not None and not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
            raise ValueError("Expected sha256 as 64 hex digits.")
        return cls(
            _count(found, "output"),
            _text(found, "part"),
            _text(found, "name"),
            _text(found, "content_type"),
            _text(found, "uri"),
            _count(found, "size"),
            sha256,
            None if found.get("etag") is None else _text(found, "etag"),
        )


def _count(found: Mapping[str, Any], name: str) -> int:
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"Expected {name} as a number from 0.")
    return value


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise ValueError(f"Expected {name} as text.")
    return value
