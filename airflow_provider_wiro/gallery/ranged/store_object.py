"""An object in Google Cloud Storage or Azure, or a file of another store, read by ranges of bytes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.gallery.ranged.ranged_object import (
    BeyondEndError,
    MissingObjectError,
    ReplacedObjectError,
    StoredFacts,
    UnreadableObjectError,
)
from airflow_provider_wiro.gallery.ranged.store_calls import calls
from airflow_provider_wiro.gallery.ranged.timed_cache import TimedCache
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.conditions import ObjectExistsError
from airflow_provider_wiro.storage.object_files import open_object
from airflow_provider_wiro.storage.object_stores.opening import store_object

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.storage.location import Location
    from airflow_provider_wiro.storage.object_stores.store_object import ObjectFacts, StoreObject

T = TypeVar("T")

log = plain_logger(__name__)

#: Each range of bytes would be a request more if the store's facts were asked for before each.
_FACTS_SECONDS = 20.0
_MOST_FACTS = 2000
#: Of a message, in characters.
_LONGEST = 500

_facts: TimedCache[ObjectFacts] = TimedCache(_FACTS_SECONDS, _MOST_FACTS, time.monotonic)


class GoogleOrAzureObject:
    """
    An object with metadata, as a :class:`~airflow_provider_wiro.gallery.ranged.ranged_object.RangedObject`.

    :param location: with the connection to read it with.
    """

    def __init__(self, location: Location) -> None:
        self._location = location

    @property
    def identity(self) -> tuple[str, ...]:
        """See :attr:`RangedObject.identity`."""
        return (self._location.uri,)

    def facts(self) -> StoredFacts:
        """See :meth:`RangedObject.facts`."""
        return self._asked(lambda: self._as_facts(self._read_facts(fresh=True)))

    def read(self, start: int, stop: int, version: str | None = None) -> tuple[bytes, StoredFacts]:
        """See :meth:`RangedObject.read`."""
        return self._asked(lambda: self._read(start, stop, version))

    def read_tail(self, size: int) -> tuple[bytes, StoredFacts]:
        """See :meth:`RangedObject.read_tail`."""

        def ask() -> tuple[bytes, StoredFacts]:
            facts = self._read_facts(fresh=False)
            if not facts.size:
                return b"", self._as_facts(facts)
            return self._read(max(0, facts.size - size), facts.size, facts.version)

        return self._asked(ask)

    def _read(self, start: int, stop: int, version: str | None) -> tuple[bytes, StoredFacts]:
        facts = self._read_facts(fresh=False)
        if start >= facts.size:
            raise BeyondEndError("It ends before these bytes.")
        body = self._opened().read_part(start, min(stop, facts.size), version or facts.version)
        return body, self._as_facts(facts)

    def _read_facts(self, *, fresh: bool) -> ObjectFacts:
        found = None if fresh else _facts.get(self.identity)
        if found is None:
            found = self._opened().facts()
            if found is None:
                raise MissingObjectError("It is not in its store any more.")
            _facts.put(self.identity, found)
        return found

    def _as_facts(self, facts: ObjectFacts) -> StoredFacts:
        metadata = {name.lower(): value for name, value in facts.metadata.items()}
        if "a-b" not in self._opened().kept({"a-b": ""}):  # Azure, whose names have no hyphen
            metadata = {name.replace("_", "-"): value for name, value in metadata.items()}
        return StoredFacts(facts.size, facts.version, metadata)

    def _opened(self) -> StoreObject:
        location = self._location
        path = open_object(location.uri, "the URI of an output")
        found = store_object(path, location.uri, location.bucket, location.path)
        if found is None:
            raise UnreadableObjectError("Its store keeps no metadata, by which it could be recognised.")
        return found

    def _asked(self, ask: Callable[[], T]) -> T:
        try:
            with calls.one((self._location.scheme, self._location.conn_id)):
                return ask()
        except UnreadableObjectError:
            raise
        except (ObjectExistsError, FileNotFoundError):
            _facts.forget(self.identity)
            raise ReplacedObjectError("It was replaced or deleted while it was read.") from None
        except Exception as error:  # each store has its own
            raise unreadable(self._location, error) from None


def unreadable(location: Location, error: Exception) -> UnreadableObjectError:
    """Log why a store doesn't give an object's bytes, and return it as an error for the page."""
    shown = f"{location.scheme}://{location.bucket}/{location.path}"
    log.warning("Could not read %s with the connection %r: %s", shown, location.conn_id, type(error).__name__)
    if isinstance(error, WiroUsageError):  # the URI names no one place
        return MissingObjectError(str(error)[:_LONGEST])
    if isinstance(error, ImportError):
        return UnreadableObjectError(
            f"Airflow's API server has no provider for {location.scheme}:// installed."
        )
    return UnreadableObjectError(
        f"Its store can't be read with the connection {location.conn_id!r} at the moment; the log of "
        "Airflow's API server says why."
    )
