"""What one object is to say of itself: content type, metadata, tags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.landing.provenance import IDENTITY, tag_set, tagging_header, with_digest, with_md5
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.s3.checksums import md5_of

if TYPE_CHECKING:
    from collections.abc import Mapping

log = plain_logger(__name__)


@dataclass
class ObjectMetadata:
    """
    The description of one object, complete once its first bytes are known.

    :ivar content_type: as announced; after :meth:`settle` the one to store.
    :ivar metadata: without ``sha256``.
    :ivar tags: without ``sha256``; None: none of ours, and the user's as they are.
    :ivar unchecked: the output in words whose first bytes are still to be compared with its type. None where
        we wrote the bytes.
    :ivar given: the type that the user gave, which is stored whatever the bytes are, unless a web page.
    """

    content_type: str
    metadata: Mapping[str, str]
    tags: Mapping[str, str] | None = None
    unchecked: str | None = None
    given: str | None = None

    def settle(self, first: bytes | bytearray) -> None:
        """
        Compare the type with the first bytes.

        :raises WiroOutputRefusedError: they are a web page.
        """
        if self.unchecked is None:
            self.content_type = self.given or self.content_type
            return
        from airflow_provider_wiro.landing.content_type import HEAD_BYTES, settled_content_type

        head = bytes(first[:HEAD_BYTES])
        found = settled_content_type(self.content_type, head, self.unchecked, given=self.given)
        if found not in {self.content_type, self.given}:
            log.warning(
                "Wiro announced %s as %s; by its first bytes it is %s, and is stored as that.",
                self.unchecked,
                self.content_type,
                found,
            )
        self.content_type, self.unchecked = found, None

    def arguments(self, first: bytes | bytearray, sha256: str | None = None) -> dict[str, Any]:
        """
        Return what boto3 is to be told when the object is created.

        :param first: the first bytes, or all.
        :param sha256: of all bytes, if that is known by now.
        """
        self.settle(first)
        metadata = dict(self.metadata)
        if sha256 is not None:
            metadata = with_md5({**metadata, "sha256": sha256}, md5_of(first))
        told = {"ContentType": self.content_type, "Metadata": metadata}
        return (
            told if self.tags is None else {**told, "Tagging": tagging_header(with_digest(self.tags, sha256))}
        )

    def is_of_the_same(self, metadata: Mapping[str, str]) -> bool:
        """Whether an object's metadata says that it is this very output, whoever put it."""
        return all(metadata.get(name) == self.metadata.get(name) for name in IDENTITY)

    def is_of_this_run(self, metadata: Mapping[str, str]) -> bool:
        """
        Whether an object's metadata says that this very Airflow task put it.

        An earlier try of it that is still alive says the same. It can't be told apart, and what it put is as
        much this task's own.
        """
        return {name.lower(): value for name, value in self.metadata.items()}.items() <= metadata.items()

    def tag_digest(self, client: Any, sha256: str, **where: Any) -> None:
        """
        Add the digest to the tags of an object that was put in parts, before it was known.

        The object is there and whole, so that it is only logged if this fails.
        """
        if self.tags is None:
            return
        try:
            client.put_object_tagging(**where, Tagging=tag_set(with_digest(self.tags, sha256)))
        except Exception:
            log.warning("Could not add sha256 to the tags of %s.", where.get("Key"), exc_info=True)
