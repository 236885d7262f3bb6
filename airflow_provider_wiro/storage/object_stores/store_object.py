"""What one object of a store offers beyond a file: its metadata, conditional writes, and writes in parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

from airflow_provider_wiro.exceptions import WiroOutputUnavailableError
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.conditions import ObjectExistsError

if TYPE_CHECKING:
    from collections.abc import Mapping


log = plain_logger(__name__)

#: How much is read at once.
READ_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class ObjectFacts:
    """
    What a store says of an object.

    :ivar version: names these very bytes: Google's generation, Azure's ETag.
    :ivar metadata: the user metadata, named as :meth:`StoreObject.kept` returns it.
    :ivar md5: of its bytes in hex digits, None if the store doesn't know it.
    """

    size: int
    version: str
    etag: str
    content_type: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    md5: str | None = None


@dataclass(frozen=True)
class Described:
    """
    What an object is to carry beside its bytes.

    :ivar metadata: named as :meth:`StoreObject.kept` returns it.
    """

    content_type: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Condition:
    """
    When a write may happen.

    :ivar version: of the object that is replaced; None: only if there is no object.
    """

    version: str | None


IF_ABSENT = Condition(None)


class ObjectReader:
    """
    An object as a stream of its bytes, all of one version.

    :param facts: what the store says of it.
    """

    def __init__(self, source: StoreObject, facts: ObjectFacts) -> None:
        self._source = source
        self._facts = facts
        self._position = 0
        self._left = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._left = b""

    def close(self) -> None:
        """Nothing is open between reads."""

    def read(self, size: int, /) -> bytes:
        """
        Return the next bytes, fewer only at the end.

        :raises WiroOutputUnavailableError: another object has taken its place.
        """
        while len(self._left) < size and self._position < self._facts.size:
            stop = min(self._position + max(READ_BYTES, size), self._facts.size)
            try:
                self._left += self._source.read_part(self._position, stop, self._facts.version)
            except (ObjectExistsError, FileNotFoundError) as error:
                raise WiroOutputUnavailableError(
                    f"{self._source.uri} was replaced or deleted while it was read."
                ) from error
            self._position = stop
        found, self._left = self._left[:size], self._left[size:]
        return found


class PartsUpload(Protocol):
    """An object on its way in parts. Nothing shows before :meth:`complete`."""

    def put(self, number: int, body: bytearray) -> None:
        """Store a part. They are numbered from 1; several threads may call this."""

    def complete(self, described: Described) -> ObjectFacts:
        """
        Make the parts an object, and compare what the store says of it.

        :raises ObjectExistsError: the condition of the upload isn't met.
        """

    def abort(self) -> None:
        """Give the parts up. May raise what the store's client raises."""


class StoreObject(Protocol):
    """
    One object in a store, there or to be.

    Its calls may come from any thread. They raise FileNotFoundError, PermissionError, and what the store's
    client raises.
    """

    uri: str

    def kept(self, metadata: Mapping[str, str]) -> dict[str, str]:
        """Return metadata with the names that the store can keep."""

    def part_bytes(self, size: int | None, wanted: int) -> int:
        """
        Return how large the parts of an object have to be: as wanted, if the store takes them so.

        :param size: of the object, None if not known.
        """

    def facts(self) -> ObjectFacts | None:
        """Return what the store says of it, None if there is none."""

    def read(self, most: int | None = None) -> tuple[bytes, str] | None:
        """
        Return its bytes and their version, None if there is none.

        :param most: how many bytes are read; None: all.
        """

    def read_part(self, start: int, stop: int, version: str) -> bytes:
        """
        Return some of its bytes.

        :raises ObjectExistsError: it has another version by now.
        """

    def put(
        self, body: bytes | bytearray, described: Described, condition: Condition | None = None
    ) -> ObjectFacts:
        """
        Store it whole, and compare what the store says of it.

        :raises ObjectExistsError: the condition isn't met.
        """

    def begin(self, described: Described, condition: Condition | None = None) -> PartsUpload:
        """
        Begin to store it in parts.

        :raises ObjectExistsError: the condition can't be met any more.
        """

    def names(self) -> set[str]:
        """Return the names of the objects and folders directly below its key, as if it were a folder."""

    def delete(self, version: str | None = None) -> None:
        """
        Delete it, if it exists.

        :param version: only if it still has this one; None: whichever it has.
        """


def refused(target: StoreObject, found: ObjectFacts, size: int) -> WiroOutputUnavailableError:
    """
    Delete an object that isn't what was sent, and return the error that says so.

    :param size: bytes that were sent.
    """
    kept = "Nothing was kept; a retry sends them again."
    try:
        target.delete(found.version)
    except Exception as error:  # each store has its own
        log.warning("Could not delete %s, which is damaged: %s", target.uri, error)
        kept = "It could not be deleted and must not stay: delete it, or set replace=True."
    return WiroOutputUnavailableError(
        f"{target.uri} took {size} bytes, and its store shows {found.size} or other ones. {kept}"
    )
