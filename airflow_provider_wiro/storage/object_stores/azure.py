"""One block blob of Azure, by the client that adlfs holds."""

from __future__ import annotations

import errno
import hashlib
import io
import uuid
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroOutputUnavailableError, WiroUsageError
from airflow_provider_wiro.storage.conditions import ObjectExistsError
from airflow_provider_wiro.storage.object_stores.store_object import (
    Condition,
    Described,
    ObjectFacts,
    refused,
)
from airflow_provider_wiro.storage.object_stores.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: The most blocks of a blob.
_MAX_BLOCKS = 50_000
#: What Azure says where a condition isn't met.
_TAKEN = frozenset({"BlobAlreadyExists", "ConditionNotMet"})
_NO_SUCH_RANGE = 416
_PERMANENT_STATUSES = frozenset({401, 403})
#: What it says of a blob that nobody may write, or only the holder of a lease. It answers 409 or 412.
_LOCKS = ("BlobImmutable", "Lease")
#: What it says of names that no container or blob can have, and of blobs of another type.
_WRONG_NAMES = frozenset({"InvalidResourceName", "InvalidUri", "OutOfRangeInput", "InvalidBlobType"})


def _never() -> None:
    pass


class AzureBlob:
    """
    A block blob, as a :class:`~airflow_provider_wiro.storage.object_stores.store_object.StoreObject`.

    :param fs: adlfs's AzureBlobFileSystem.
    :param check: called while waiting; what it raises ends the wait.
    """

    def __init__(
        self, fs: Any, uri: str, container: str, key: str, check: Callable[[], None] = _never
    ) -> None:
        self.uri = uri
        self._fs = fs
        self._container, self._key = container, key
        self._check = check

    def kept(self, metadata: Mapping[str, str]) -> dict[str, str]:
        """Azure's names are identifiers, and upper case is as good as lower case."""
        return {name.replace("-", "_").lower(): value for name, value in metadata.items()}

    def part_bytes(self, size: int | None, wanted: int) -> int:
        return max(wanted, -(-(size or 0) // _MAX_BLOCKS))

    def facts(self) -> ObjectFacts | None:
        try:
            found = self.call("get_blob_properties")
        except FileNotFoundError:
            return None
        if not found.etag:  # such as the page of a proxy
            raise OSError(errno.EPROTO, "What answers is not Azure's store", self.uri)
        metadata = {name.lower(): value for name, value in (found.metadata or {}).items()}
        if metadata.get("hdi_isfolder") == "true":
            raise WiroUsageError(f"Expected a file, or nothing, at {self.uri}, found a directory.")
        settings = found.content_settings
        md5 = bytes(settings.content_md5).hex() if settings.content_md5 else None
        return ObjectFacts(
            found.size, found.etag, found.etag.strip('"'), settings.content_type or "", metadata, md5
        )

    def read(self, most: int | None = None) -> tuple[bytes, str] | None:
        async def read() -> tuple[bytes, str]:
            arguments = {} if most is None else {"offset": 0, "length": most}
            stream = await self._client().download_blob(**arguments)
            return await stream.readall(), stream.properties.etag

        from azure.core.exceptions import HttpResponseError

        try:
            with self.plain_errors():
                return wait_for(self._fs, read(), self._check)
        except FileNotFoundError:
            return None
        except HttpResponseError as error:
            if error.status_code != _NO_SUCH_RANGE:
                raise
            facts = self.facts()  # an empty blob has no first bytes
            return None if facts is None else (b"", facts.version)

    def read_part(self, start: int, stop: int, version: str) -> bytes:
        async def read() -> bytes:
            arguments = {"offset": start, "length": stop - start, **conditional(Condition(version))}
            stream = await self._client().download_blob(**arguments)
            found: bytes = await stream.readall()
            return found

        with self.plain_errors():
            return wait_for(self._fs, read(), self._check)

    def put(
        self, body: bytes | bytearray, described: Described, condition: Condition | None = None
    ) -> ObjectFacts:
        digest = hashlib.md5(body, usedforsecurity=False)
        taken = self.call(
            "upload_blob",
            io.BytesIO(body),
            length=len(body),
            overwrite=True,  # or it would replace the condition by its own
            validate_content=True,  # Azure compares the MD5 of what it got
            **self.described(described, bytearray(digest.digest())),
            **conditional(condition),
        )
        return self._compared(taken, described, len(body), digest.hexdigest())

    def begin(self, described: Described, condition: Condition | None = None) -> AzureBlocks:
        return AzureBlocks(self, condition)

    def names(self) -> set[str]:
        prefix = f"{self._key}/" if self._key else ""

        async def listed() -> set[str]:
            container = self._fs.service_client.get_container_client(self._container)
            walk = container.walk_blobs(name_starts_with=prefix, delimiter="/")
            return {str(found.name).removeprefix(prefix).rstrip("/") async for found in walk}

        with self.plain_errors():
            return wait_for(self._fs, listed(), self._check) - {""}

    def delete(self, version: str | None = None) -> None:
        condition = None if version is None else Condition(version)
        with suppress(ObjectExistsError, FileNotFoundError):
            self.call("delete_blob", **conditional(condition))

    def call(self, method: str, *args: Any, **arguments: Any) -> Any:
        """Call a method of the blob's client."""
        with self.plain_errors():
            return wait_for(self._fs, getattr(self._client(), method)(*args, **arguments), self._check)

    def committed(self, taken: Mapping[str, Any], described: Described, size: int) -> ObjectFacts:
        """Return what Azure shows of the blob that it has just taken."""
        return self._compared(taken, described, size, None)

    def _client(self) -> Any:
        return self._fs.service_client.get_blob_client(self._container, self._key)

    @staticmethod
    def described(described: Described, md5: bytearray | None = None) -> dict[str, Any]:
        """Return arguments of the client for what a blob carries."""
        from azure.storage.blob import ContentSettings

        settings = ContentSettings(content_type=described.content_type, content_md5=md5)
        return {"metadata": dict(described.metadata), "content_settings": settings}

    def _compared(
        self, taken: Mapping[str, Any], described: Described, size: int, md5: str | None
    ) -> ObjectFacts:
        etag = str(taken["etag"])
        found = self.facts()
        if found is None or found.version != etag:
            raise WiroOutputUnavailableError(
                f"Another task has overwritten or deleted {self.uri} as soon as it was there."
            )
        if found.size != size or (md5 is not None and found.md5 not in {md5, None}):
            raise refused(self, found, size)
        return found

    @contextmanager
    def plain_errors(self) -> Iterator[None]:
        """Raise Azure's errors as those of files."""
        from azure.core.exceptions import HttpResponseError

        try:
            yield
        except HttpResponseError as error:
            code, status = _code(error), error.status_code
            words = f"{code}: {error.reason or ''}".strip(": ")
            if status in _PERMANENT_STATUSES or code.startswith(_LOCKS):
                raise PermissionError(errno.EACCES, words, self.uri) from error
            if code in _TAKEN or status == 412:
                raise ObjectExistsError(self.uri) from error
            if status == 404:
                raise FileNotFoundError(errno.ENOENT, words, self.uri) from error
            if code in _WRONG_NAMES:
                raise OSError(errno.EINVAL, words, self.uri) from error
            raise


class AzureBlocks:
    """
    The blocks of one blob, stored in any order.

    Blocks that are never committed show nowhere. Azure discards them after a week, or with the next commit.
    """

    def __init__(self, blob: AzureBlob, condition: Condition | None) -> None:
        self._blob = blob
        self._condition = condition
        self._name = uuid.uuid4().hex  # those of two writers of one blob must not be mixed up
        self._sizes: dict[int, int] = {}

    def put(self, number: int, body: bytearray) -> None:
        self._blob.call(
            "stage_block", self._id(number), io.BytesIO(body), length=len(body), validate_content=True
        )
        self._sizes[number] = len(body)

    def complete(self, described: Described) -> ObjectFacts:
        from azure.core.exceptions import HttpResponseError
        from azure.storage.blob import BlobBlock

        blocks = [BlobBlock(self._id(number)) for number in sorted(self._sizes)]
        try:
            taken = self._blob.call(
                "commit_block_list",
                blocks,
                **self._blob.described(described),
                **conditional(self._condition),
            )
        except HttpResponseError as error:
            if _code(error) != "InvalidBlockList":
                raise
            raise ObjectExistsError(self._blob.uri) from error  # another commit has discarded the blocks
        return self._blob.committed(taken, described, sum(self._sizes.values()))

    def abort(self) -> None:
        """There is no call that discards blocks."""

    def _id(self, number: int) -> str:
        return f"{self._name}{number:08}"


def _code(error: Any) -> str:
    """Return Azure's name of an error, empty if it has none."""
    found = getattr(error, "error_code", None)
    return str(getattr(found, "value", found) or "")


def conditional(condition: Condition | None) -> dict[str, Any]:
    """Return the arguments of the client that make a call conditional."""
    from azure.core import MatchConditions

    if condition is None:
        return {}
    if condition.version is None:
        return {"match_condition": MatchConditions.IfMissing}
    return {"match_condition": MatchConditions.IfNotModified, "etag": condition.version}
