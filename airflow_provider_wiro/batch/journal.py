"""
The durable journal of a batch: entries that are there after a crash if they were there before it.

A local file is appended to. What has no append (an object store, Airflow's task state store) holds it in
numbered segments, of which the last is put anew, longer, for each group of entries, until it is long enough.
Both put a segment as a whole: there is the one before or the new one, nothing between. So a journal of any
length is a few dozen segments to read, and needs no compaction.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_wiro.api.batch_record import damaged
from airflow_provider_wiro.exceptions import WiroError, WiroRecordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from airflow_provider_wiro.api.batch_record import Entry
    from airflow_provider_wiro.batch.places import Place

#: Airflow warns of values of more than 65,535 bytes; quotes take two each in there.
TASK_STATE_SEGMENT_BYTES = 40_000
OBJECT_SEGMENT_BYTES = 256 * 1024


class JournalStore(Protocol):
    """Keeps entries, in order."""

    def read(self) -> Iterator[Entry]:
        """
        Yield the entries, none if there certainly is no journal. To be read to its end before anything else.

        :raises WiroRecordError: it can't be read.
        :raises WiroOrphanedRunError: it is damaged.
        """

    def append(self, entries: list[Entry]) -> None:
        """
        Add entries; they are durable when this returns, and each is there or not if it raises.

        :raises WiroRecordError: they may not be kept.
        """

    def replace(self, entries: Iterable[Entry]) -> None:
        """
        Begin anew with these entries: a crash leaves the journal before or the new one.

        :raises WiroRecordError: they may not be kept.
        """


def _line(entry: Entry) -> str:
    return json.dumps(entry, separators=(",", ":")) + "\n"


def _entry(line: str | bytes) -> Entry:
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict):
        raise damaged(line)
    return entry


class LocalJournal:
    """A file on this machine, which only one process may write."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0
        self._inode = 0

    def read(self) -> Iterator[Entry]:
        """See :class:`JournalStore`. A last line without its end is what a crash cut off: it is dropped."""
        self._size = 0
        try:
            with self._path.open("rb") as file:
                self._inode = os.fstat(file.fileno()).st_ino
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    entry = _entry(line)
                    self._size += len(line)
                    yield entry
        except FileNotFoundError:
            return
        except OSError as error:
            raise _unreadable(str(self._path), error) from error
        self._cut()

    def append(self, entries: list[Entry]) -> None:
        """See :class:`JournalStore`."""
        body = "".join(map(_line, entries)).encode()
        try:
            found = self._path.stat()
            if (found.st_ino, found.st_size) != (self._inode, self._size):
                raise WiroRecordError(
                    f"Another process writes the journal {self._path} of this batch. Nothing more is started "
                    "here."
                )
            with self._path.open("ab") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self._cut()  # what was half written would spoil what is appended later
            raise _unwritable(str(self._path), error) from error
        self._size += len(body)

    def replace(self, entries: Iterable[Entry]) -> None:
        """See :class:`JournalStore`."""
        scratch = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with scratch.open("wb") as file:
                file.writelines(_line(entry).encode() for entry in entries)
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(self._path)
            found = self._path.stat()
        except OSError as error:
            raise _unwritable(str(self._path), error) from error
        self._size, self._inode = found.st_size, found.st_ino

    def _cut(self) -> None:
        try:
            if self._path.stat().st_size > self._size:
                os.truncate(self._path, self._size)
        except OSError as error:
            raise _unwritable(str(self._path), error) from error


class Slots(Protocol):
    """Holds texts by name; each is put as a whole."""

    where: str

    def get(self, name: str) -> str | None:
        """Return a text, None if there certainly is none."""

    def put(self, name: str, text: str) -> None:
        """Put a text in place of the one before."""

    def delete(self, name: str) -> None:
        """Delete a text, if it is there."""


class SegmentedJournal:
    """
    A journal in numbered segments.

    :param segment_bytes: how long a segment gets before the next one begins.
    """

    def __init__(self, slots: Slots, segment_bytes: int) -> None:
        self._slots = slots
        self._segment_bytes = segment_bytes
        self._generation = 0
        self._number = 0
        self._tail = ""

    def read(self) -> Iterator[Entry]:
        """See :class:`JournalStore`."""
        try:
            head = self._slots.get("head")
            if head is None:
                return
            self._generation, self._number, self._tail = _generation(head), 0, ""
            while (segment := self._segment(self._number + 1)) is not None:
                self._number += 1
                self._tail = segment
                yield from map(_entry, segment.splitlines())
            self._check_end()
        except WiroError:
            raise
        except Exception as error:
            raise _unreadable(self._slots.where, error) from error

    def append(self, entries: list[Entry]) -> None:
        """See :class:`JournalStore`."""
        try:
            for lines in _portions(entries, self._segment_bytes):
                self._append(lines)
        except Exception as error:
            raise _unwritable(self._slots.where, error) from error

    def _append(self, lines: str) -> None:
        if not self._number or len(self._tail) + len(lines) > self._segment_bytes:
            # Before it is put: should that fail and yet have been done, the next one takes its place.
            self._number, self._tail = self._number + 1, ""
        text = self._tail + lines
        self._slots.put(self._name(self._number), f'{{"lines":{text.count(chr(10))}}}\n{text}')
        self._tail = text

    def replace(self, entries: Iterable[Entry]) -> None:
        """See :class:`JournalStore`."""
        try:
            before = self._generation
            self._generation, self._number, self._tail = before + 1, 0, ""
            for lines in _portions(entries, self._segment_bytes):
                self._append(lines)
            self._delete_from(self._number + 1)  # of a replacement that a crash cut off
            self._slots.put("head", json.dumps({"version": 1, "generation": self._generation}))
        except Exception as error:
            raise _unwritable(self._slots.where, error) from error
        if before:
            self._forget(before)

    def _forget(self, generation: int) -> None:
        current, self._generation = self._generation, generation
        try:
            self._delete_from(1)
        except Exception:  # noqa: S110  what is left over is read by nobody
            pass
        finally:
            self._generation = current

    def _delete_from(self, number: int) -> None:
        while self._slots.get(self._name(number)) is not None:
            self._slots.delete(self._name(number))
            number += 1

    def _segment(self, number: int) -> str | None:
        found = self._slots.get(self._name(number))
        if found is None:
            return None
        head, _, text = found.partition("\n")
        if _entry(head).get("lines") != text.count("\n") or not text.endswith("\n"):
            raise damaged(f"segment {number} of the journal in {self._slots.where}: {found[:100]}")
        return text

    def _check_end(self) -> None:
        if self._slots.get(self._name(self._number + 2)) is not None:
            raise damaged(f"no segment {self._number + 1} in {self._slots.where}")

    def _name(self, number: int) -> str:
        return f"{self._generation}-{number:06d}"


def _generation(head: str) -> int:
    generation = _entry(head).get("generation")
    if not isinstance(generation, int):
        raise damaged(head)
    return generation


def _portions(entries: Iterable[Entry], most: int) -> Iterator[str]:
    """Yield the entries as lines, in texts that fit into a segment."""
    portion: list[str] = []
    size = 0
    for entry in entries:
        line = _line(entry)
        if portion and size + len(line) > most:
            yield "".join(portion)
            portion, size = [], 0
        portion.append(line)
        size += len(line)
    if portion:
        yield "".join(portion)


class TaskStateSlots:
    """Airflow 3.3's task state store. Its calls may come from any thread: its socket has a lock there."""

    where = "Airflow's task state store"

    def __init__(self, state: Any) -> None:
        self._state = state

    def get(self, name: str) -> str | None:
        """See :class:`Slots`."""
        found = self._state.get(f"wiro_batch_{name}")
        if found is not None and not isinstance(found, str):
            raise damaged(found)
        return found

    def put(self, name: str, text: str) -> None:
        """See :class:`Slots`."""
        self._state.set(f"wiro_batch_{name}", text)

    def delete(self, name: str) -> None:
        """See :class:`Slots`."""
        self._state.delete(f"wiro_batch_{name}")


class PlaceSlots:
    """A folder in an object store."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.where = place.uri

    def get(self, name: str) -> str | None:
        """See :class:`Slots`."""
        body = self._place.read(f"{name}.jsonl")
        return None if body is None else body.decode()

    def put(self, name: str, text: str) -> None:
        """See :class:`Slots`."""
        self._place.write(f"{name}.jsonl", text.encode())

    def delete(self, name: str) -> None:
        """See :class:`Slots`."""
        self._place.delete(f"{name}.jsonl")


def _unreadable(where: str, error: Exception) -> WiroRecordError:
    return WiroRecordError(
        f"Can't read this batch's journal in {where}: {error}. Nothing was started, since an earlier try may "
        "have been."
    )


def _unwritable(where: str, error: Exception) -> WiroRecordError:
    return WiroRecordError(f"Can't write this batch's journal in {where}: {error}.")
