"""RangedObject: an object of a store, of which some bytes are read at a time, all of one version."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class UnreadableObjectError(Exception):
    """
    A store doesn't give an object's bytes. The text is a sentence for the page, without names of the store's.

    :ivar status: the HTTP status that says the same.
    """

    status = 502


class MissingObjectError(UnreadableObjectError):
    """There is no such object."""

    status = 404


class ReplacedObjectError(UnreadableObjectError):
    """Another object has taken its place since it was read first."""


class BeyondEndError(UnreadableObjectError):
    """The object ends before the bytes that were asked for."""

    status = 416


@dataclass(frozen=True)
class StoredFacts:
    """
    What a store says of an object.

    :ivar version: names these very bytes, as the store's next call takes it.
    :ivar metadata: the user metadata, its names in lower case.
    """

    size: int
    version: str
    metadata: Mapping[str, str] = field(default_factory=dict)


class RangedObject(Protocol):
    """
    An object that may be there. Calls may come from any thread.

    Each raises :class:`UnreadableObjectError`, or one of those above.
    """

    @property
    def identity(self) -> tuple[str, ...]:
        """What names it within this process: where it is, and how it is reached."""

    def facts(self) -> StoredFacts:
        """Return what the store says of it."""

    def read(self, start: int, stop: int, version: str | None = None) -> tuple[bytes, StoredFacts]:
        """
        Return some of its bytes, fewer where it ends before ``stop``.

        :param version: only of this one; None: whichever is there.
        """

    def read_tail(self, size: int) -> tuple[bytes, StoredFacts]:
        """Return its last bytes, or all of a smaller object."""
