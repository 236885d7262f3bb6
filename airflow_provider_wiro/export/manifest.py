"""
The manifest of a run of the export: JSON Lines, written in parts before each commit, put together at its end.

A part is in a folder beside the state, since any run may have to put it into its manifest: that of a run that
has died is taken over by the next one.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.export.state import Part
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.state_files.record_errors import record_errors
from airflow_provider_wiro.storage.location import identity_of
from airflow_provider_wiro.storage.open_folder import open_folder, split_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

    from airflow_provider_wiro.export.state import RunState
    from airflow_provider_wiro.storage.folder import Folder
    from airflow_provider_wiro.storage.s3.put_object import OwnObjects

log = plain_logger(__name__)


class ExportManifest:
    """
    One run's manifest.

    :param uri: where it goes.
    :param parts: the folder of all runs' parts.
    :param token: the run's, which begins the names of its parts.
    :param own: how objects are put into S3.
    """

    def __init__(self, uri: str, parts: str, token: str, own: OwnObjects) -> None:
        folder, self._name = split_uri(uri)
        self.uri = uri
        self._token = token
        self._own = own
        self._target = open_folder(folder, own)
        self._parts = open_folder(parts, own)
        self._count = 0
        self._is_written_anew = False

    def write_part(self, lines: Iterable[Mapping[str, Any]]) -> str | None:
        """
        Write the lines of a chunk, and return the part's name; None if there are no lines.

        :raises WiroRecordError: it may not be kept.
        """
        body = b"".join(_text(line) for line in lines)
        if not body:
            return None
        self._count += 1
        name = f"{self._token}-{self._count:06d}.jsonl"
        with record_errors(f"a part of the export's manifest, {self._parts.uri}/{name}"):
            self._parts.write(name, body)
        return name

    def write(
        self,
        parts: Iterable[Part],
        check: Callable[[], None],
        take: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> str | None:
        """
        Put the parts together, and return the manifest's URI; None if there is no line.

        Each task is listed once. A try that died after it wrote the manifest, and before the run's end was
        recorded, has left it with the lines of parts that are there as well.

        :param check: called before each part; raises what is to end this.
        :param take: is given each line.
        :raises WiroRecordError: a part can't be read, or the manifest can't be written.
        """
        parts = list(parts)
        with _scratch("wiro-export-manifest-") as whole:
            with whole.open("wb") as target:
                for line in self._all_lines(parts, check):
                    target.write(line)
                    if take is not None:
                        take(json.loads(line))
            check()
            with record_errors(f"the manifest {self.uri}"):
                if whole.stat().st_size:
                    self._target.upload(self._name, whole)
                    self._is_written_anew = not any(map(self._is_here, parts))
                    return self.uri
                if self._is_written_anew:  # this run was taken over meanwhile, and so was all that it listed
                    self._target.delete(self._name)
        return None

    def delete_drafts(self, run: RunState, taken: Callable[[], Container[str]]) -> None:
        """
        Delete the manifests of runs that have died before their end was recorded: this one has their lines.

        :param taken: see :meth:`delete`.
        """
        needed = {part.name for part in run.parts}
        self.delete([Part(place) for place in run.drafts if place not in needed], taken)

    def delete(self, parts: Iterable[Part], taken: Callable[[], Container[str]] = tuple) -> None:
        """
        Delete parts that the manifest has. What can't be deleted stays, unused.

        So is the whole manifest of a run that was taken over: each task is in one manifest.

        :param taken: returns the places of manifests of runs that the state knows. They stay: after its
            takeover a run's next try may have written there again.
        """
        for part in parts:
            if self._is_here(part):
                continue
            try:
                if _is_manifest(part.name) and identity_of(part.name) in taken():
                    continue
                folder, name = self._place_of(part.name)
                folder.delete(name)
            except Exception as error:  # each store has its own
                log.info("Could not delete parts of the manifest in %s: %s", self._parts.uri, error)
                return

    def _is_here(self, part: Part) -> bool:
        return _is_manifest(part.name) and identity_of(part.name) == identity_of(self.uri)

    def _all_lines(self, parts: Sequence[Part], check: Callable[[], None]) -> Iterator[bytes]:
        """Yield the lines of parts, of each task the first one."""
        may_repeat = any(_is_manifest(part.name) for part in parts)
        listed: set[str] = set()
        for part in parts:
            check()
            for line in self._lines(part):
                if may_repeat:
                    wiro_task_id = str(json.loads(line)["wiro_task_id"])
                    if wiro_task_id in listed:
                        continue
                    listed.add(wiro_task_id)
                yield line

    def _lines(self, part: Part) -> Iterator[bytes]:
        """Yield the lines of a part that count."""
        folder, name = self._place_of(part.name)
        where = f"{folder.uri}/{name}"
        with _scratch("wiro-export-part-") as copy:
            with record_errors(f"a part of the export's manifest, {where}"):
                try:
                    folder.download(name, copy)
                except FileNotFoundError:
                    log.warning(
                        "%s is gone: its lines are not in the manifest. What they list is in the bucket.",
                        where,
                    )
                    return
            with copy.open("rb") as source:
                for line in source:
                    if not part.dropped or int(json.loads(line)["wiro_task_id"]) not in part.dropped:
                        yield line

    def _place_of(self, name: str) -> tuple[Folder, str]:
        if not _is_manifest(name):
            return self._parts, name
        folder, file = split_uri(name)
        return open_folder(folder, self._own), file


def _is_manifest(name: str) -> bool:
    """Whether a part is the whole manifest of an earlier try, which is kept by its URI."""
    return "/" in name


def _text(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


@contextmanager
def _scratch(prefix: str) -> Iterator[Path]:
    """Yield an empty local file, which is removed in the end."""
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=".jsonl")
    os.close(handle)
    file = Path(name)
    try:
        yield file
    finally:
        file.unlink()
