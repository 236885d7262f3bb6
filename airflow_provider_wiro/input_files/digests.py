"""SHA-256 of files: of those that a run sends, and of those that Wiro shows for a task."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.models import Output
from airflow_provider_wiro.api.parameters import MAX_FILE_BYTES, FileContent
from airflow_provider_wiro.exceptions import WiroError

if TYPE_CHECKING:
    from airflow_provider_wiro.transport.connection import WiroConnection

_PIECE_BYTES = 256 * 1024


def content_digest(content: FileContent) -> str | None:
    """Return the SHA-256 of a file to send, in hex digits; None if it can't be read (any more)."""
    try:
        with content.open() as file:
            return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    except WiroError:
        return None


def fetched_digest(connection: WiroConnection, url: str) -> str | None:
    """
    Return the SHA-256 of a file at a URL that Wiro shows, in hex digits.

    The file is fetched like an output: with the connection's timeouts, and from public addresses only.

    :return: None if it can't be fetched, may be truncated, or has more bytes than Wiro accepts.
    """
    from airflow_provider_wiro.downloads.stream import open_output

    digest = _BoundedDigest()
    try:
        with open_output(connection, _shown_file(url)) as stream:
            while piece := stream.read(_PIECE_BYTES):
                if not digest.takes(piece):
                    return None
            if stream.is_unverified:
                return None
    except WiroError:
        return None
    return digest.hexdigest()


async def fetched_digest_async(connection: WiroConnection, url: str) -> str | None:
    """See :func:`fetched_digest`."""
    from airflow_provider_wiro.downloads.async_stream import open_output

    digest = _BoundedDigest()
    try:
        async with open_output(connection, _shown_file(url)) as stream:
            while piece := await stream.read(_PIECE_BYTES):
                if not digest.takes(piece):
                    return None
            if stream.is_unverified:
                return None
    except WiroError:
        return None
    return digest.hexdigest()


class _BoundedDigest:
    """SHA-256 over at most as many bytes as Wiro accepts."""

    def __init__(self) -> None:
        self._digest, self._size = hashlib.sha256(), 0

    def takes(self, piece: bytes) -> bool:
        """Add the next bytes; False: there are too many."""
        self._size += len(piece)
        if self._size > MAX_FILE_BYTES:
            return False
        self._digest.update(piece)
        return True

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def _shown_file(url: str) -> Output:
    shown: dict[str, Any] = {"index": 0, "name": "input", "content_type": "", "size": None, "url": url}
    return Output(**shown)
