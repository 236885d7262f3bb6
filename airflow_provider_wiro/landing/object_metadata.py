"""What one S3 object carries: content type, metadata, tags; complete once its first bytes are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.landing.provenance import tag_set, tagging_header, with_digest, with_md5
from airflow_provider_wiro.landing.user_metadata import IDENTITY
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.s3.checksums import md5_of

if TYPE_CHECKING:
    from collections.abc import Mapping

log = plain_logger(__name__)


@dataclass
class ObjectMetadata:
    """
    Content type, metadata and tags of one object.

    :ivar content_type: as announced; after :meth:`check_type` the one to store.
    :ivar metadata: without ``sha256``.
    :ivar tags: without ``sha256``; None: none of the provider's, and the user's as they are.
    :ivar unchecked: the label of an output whose first bytes are yet to be compared with its type. None for
        bytes that the provider wrote.
    :ivar given: the type that the user gave, which is stored whatever the bytes are, unless a web page.
    """

    content_type: str
    metadata: Mapping[str, str]
    tags: Mapping[str, str] | None = None
    unchecked: str | None = None
    given: str | None = None

    def check_type(self, first: bytes | bytearray) -> None:
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
        Return boto3's arguments for the creation of the object.

        :param first: the first bytes, or all.
        :param sha256: of all bytes, if that is known by now.
        """
        self.check_type(first)
        metadata = dict(self.metadata)
        if sha256 is not None:
            metadata = with_md5({**metadata, "sha256": sha256}, md5_of(first))
        arguments = {"ContentType": self.content_type, "Metadata": metadata}
        if self.tags is not None:
            arguments["Tagging"] = tagging_header(with_digest(self.tags, sha256))
        return arguments

    def is_of_the_same(self, metadata: Mapping[str, str]) -> bool:
        """Whether an object's metadata names this very output, whichever run put it."""
        return all(metadata.get(name) == self.metadata.get(name) for name in IDENTITY)

    def is_of_this_run(self, metadata: Mapping[str, str]) -> bool:
        """
        Whether an object's metadata names this very Airflow task as the one that put it.

        An earlier try that is still alive writes the same metadata; what it put counts as this task's own.
        """
        return {name.lower(): value for name, value in self.metadata.items()}.items() <= metadata.items()

    def tag_digest(self, client: Any, sha256: str, **where: Any) -> None:
        """
        Add the digest to the tags of an object that was put in parts, before it was known.

        The object is there and whole, so a failure is only logged.
        """
        if self.tags is None or "sha256" in self.tags or not sha256:
            return
        try:
            client.put_object_tagging(**where, Tagging=tag_set(with_digest(self.tags, sha256)))
        except Exception:
            log.warning("Could not add sha256 to the tags of %s.", where.get("Key"), exc_info=True)
