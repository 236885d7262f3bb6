"""The upload of one object into a store with metadata and conditional writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.downloads.range_reader import Restart
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.conditions import ObjectExistsError
from airflow_provider_wiro.storage.object_stores.store_object import IF_ABSENT, Described

if TYPE_CHECKING:
    from airflow_provider_wiro.landing.object_metadata import ObjectMetadata
    from airflow_provider_wiro.storage.object_stores.store_object import (
        ObjectFacts,
        PartsUpload,
        StoreObject,
    )

log = plain_logger(__name__)


class ObjectUpload:
    """
    One object on its way. See :class:`~airflow_provider_wiro.landing.multipart.Target`.

    :param metadata: its names as they are everywhere; the store's own are made of them.
    :param only_if_absent: overwrite nothing.
    :ivar sha256: of the object's bytes, empty until they are known.
    """

    def __init__(self, target: StoreObject, metadata: ObjectMetadata, *, only_if_absent: bool) -> None:
        self._object = target
        self._metadata = metadata
        self._condition = IF_ABSENT if only_if_absent else None
        self._parts: PartsUpload | None = None
        self._stored: ObjectFacts | None = None
        self._size = 0
        self.sha256 = ""

    @property
    def etag(self) -> str | None:
        """What names the object's bytes in the store, once it is there."""
        return None if self._stored is None else self._stored.etag or None

    def put(self, body: bytes | bytearray, sha256: str) -> None:
        self._size, self.sha256 = len(body), sha256
        self._stored = self._object.put(body, self._described(body, sha256), self._condition)

    def begin(self, first: bytearray) -> None:
        self._parts = self._object.begin(self._described(first, None), self._condition)

    def put_part(self, number: int, body: bytearray) -> None:
        self._open_parts().put(number, body)

    def complete(self, size: int, sha256: str) -> None:
        self._size, self.sha256 = size, sha256
        try:
            self._stored = self._open_parts().complete(self._described(b"", sha256))
        except ObjectExistsError as error:
            if self._condition is not None:
                raise
            raise Restart("another task has written it meanwhile") from error
        self._parts = None

    def abort(self) -> None:
        """Give up an upload in parts. A failure is only logged: the error that led here matters more."""
        parts, self._parts = self._parts, None
        if parts is None:
            return
        try:
            parts.abort()
        except Exception:
            log.warning("Could not remove what was written of %s.", self._object.uri, exc_info=True)

    def own(self) -> ObjectFacts | None:
        """Return the object that prevented the put if the put has made it, and only its response was lost."""
        found = self._object.facts()
        if found is None or not self.sha256 or found.size != self._size:
            return None
        own = self._object.kept({**self._metadata.metadata, "sha256": self.sha256})
        return found if own.items() <= found.metadata.items() else None

    def _described(self, first: bytes | bytearray, sha256: str | None) -> Described:
        """
        Return what the object carries.

        :param first: the first bytes, or all, if the type is yet to be compared with them.
        """
        self._metadata.check_type(first)
        more = {} if sha256 is None else {"sha256": sha256}
        kept = self._object.kept({**self._metadata.metadata, **more})
        return Described(self._metadata.content_type, kept)

    def _open_parts(self) -> PartsUpload:
        if self._parts is None:
            raise Restart("its upload was given up")
        return self._parts
