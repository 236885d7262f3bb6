"""The write of one file on this machine, or a disk that is mounted: its parts at once, then renamed."""

from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.downloads.range_reader import Restart
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.conditions import ObjectExistsError
from airflow_provider_wiro.storage.private_files import open_private, replacing

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import IO

    from airflow_provider_wiro.landing.object_metadata import ObjectMetadata

log = plain_logger(__name__)

#: Of file systems without hard links.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EACCES})


class DiskUpload:
    """
    One file on its way. See :class:`~airflow_provider_wiro.landing.multipart.Target`.

    It is written beside its place and renamed, so it is there as a whole or not at all, whenever the machine
    stops.

    :param check_place: raises if the file's folder, which exists by then, is not where it may be.
    :param is_private: only its owner may read it.
    :param only_if_absent: overwrite nothing, not even what another process writes meanwhile.
    """

    #: Disks know none.
    etag = None
    sha256 = ""

    def __init__(
        self,
        path: Path,
        metadata: ObjectMetadata,
        check_place: Callable[[], None],
        *,
        is_private: bool,
        only_if_absent: bool,
    ) -> None:
        self._path = path
        self._metadata = metadata
        self._check_place = check_place
        self._open_file: Any = open_private if is_private else Path.open
        self._put_in_place = put_new if only_if_absent else os.replace
        self._writing: AbstractContextManager[IO[bytes]] | None = None
        self._file: IO[bytes] | None = None
        self._part_bytes = 0

    def put(self, body: bytes | bytearray, sha256: str) -> None:
        self._metadata.check_type(body)
        with self._replacing() as file:
            file.write(body)

    def begin(self, first: bytearray) -> None:
        self._metadata.check_type(first)
        self._part_bytes = len(first)
        self._writing = self._replacing()
        self._file = self._writing.__enter__()

    def put_part(self, number: int, body: bytearray) -> None:
        file = self._file
        if file is None:
            raise Restart("its file was given up")
        offset = (number - 1) * self._part_bytes
        with memoryview(body) as view:
            written = 0
            while written < len(view):
                written += os.pwrite(file.fileno(), view[written:], offset + written)

    def complete(self, size: int, sha256: str) -> None:
        writing, self._writing, self._file = self._writing, None, None
        if writing is None:
            raise Restart("its file was given up")
        writing.__exit__(None, None, None)

    def own(self) -> None:
        """Return None: a rename has no response that could be lost."""

    def abort(self) -> None:
        """Remove what was written. A failure is only logged: the error that led here matters more."""
        writing, self._writing, self._file = self._writing, None, None
        if writing is None:
            return
        reason = Restart("it was given up")
        try:
            writing.__exit__(type(reason), reason, None)
        except Exception as error:
            if error is not reason:
                log.warning("Could not remove what was written of %s.", self._path, exc_info=True)

    def _replacing(self) -> AbstractContextManager[IO[bytes]]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._check_place()
        scratch = self._path.with_name(f".wiro-{uuid.uuid4().hex}.part")
        return replacing(self._path, self._put_in_place, open_file=self._open_file, scratch=scratch)


def put_new(scratch: Path, path: Path) -> None:
    """
    Move a file to a path where there is none.

    A file system without hard links has no such call: a file that appears at the very same moment is lost.

    :raises ObjectExistsError: something is there.
    """
    try:
        os.link(scratch, path)
    except FileExistsError as error:
        raise ObjectExistsError(path) from error
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(path):
            raise ObjectExistsError(path) from error
        os.replace(scratch, path)  # noqa: PTH105
        return
    scratch.unlink()
