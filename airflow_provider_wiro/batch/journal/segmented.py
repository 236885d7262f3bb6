"""
A journal in segments: texts of many entries in a key-value store, and a pointer to those that count.

The last segment is written again, longer, with each group of entries, until it is full. So a journal of any
length is a few dozen segments to read, and needs no compaction. The package's docstring has a drawing.

Most stores have no conditional write. So a process reads the pointer after each write, and only if it is
still the one that it wrote are the entries durable. A process that opens the journal writes the pointer first
and reads the segments after that: it reads every entry whose writer still found its own pointer.

One gap remains where the pointer itself can't be written conditionally: two processes that open the journal
at the same moment, one of which is held up in that one write until the other has started to send.
"""

from __future__ import annotations

import itertools
import json
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.batch.journal.interface import (
    JournalFencedError,
    from_line,
    readable_entry,
    to_line,
    unreadable,
    unwritable,
)
from airflow_provider_wiro.batch.state.entries import damaged
from airflow_provider_wiro.exceptions import WiroError, WiroOrphanedRunError
from airflow_provider_wiro.storage.key_value import FolderKeys, TaskStateKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from airflow_provider_wiro.batch.state.entries import Entry
    from airflow_provider_wiro.exceptions import WiroRecordError
    from airflow_provider_wiro.storage.folder import Folder
    from airflow_provider_wiro.storage.key_value import KeyValueStore

#: Airflow warns of values of more than 65,535 bytes; in there, a quote takes two.
TASK_STATE_SEGMENT_BYTES = 40_000
OBJECT_SEGMENT_BYTES = 256 * 1024
#: On a disk, segments cost little, but what is written again has to get there.
LOCAL_SEGMENT_BYTES = 64 * 1024

#: The key of the pointer.
HEAD = "head"
_SUFFIX = ".jsonl"
#: The name of the file with the pointer, in a folder.
HEAD_FILE = f"{HEAD}{_SUFFIX}"
#: How often to try to fence a process that writes the pointer at the same time, as each does once.
_FENCE_ATTEMPTS = 3

#: Epochs, and how many of each one's segments count; None: all there are.
Chain = list[tuple[str, int | None]]


class SegmentedJournal:
    """
    A journal in segments, see :class:`~airflow_provider_wiro.batch.journal.interface.Journal`.

    :param segment_bytes: how long a segment gets before the next one starts.
    """

    def __init__(self, keys: KeyValueStore, segment_bytes: int) -> None:
        self.position = keys.location
        self._keys = keys
        self._segment_bytes = segment_bytes
        #: The pointer, as this process wrote it; None before it did.
        self._pointer: str | None = None
        #: The segments of other epochs, which those of this one follow.
        self._chain: Chain = []
        #: Segments that the process before, and this one, have copied into epochs of their own.
        self._copied_before: Chain = []
        self._copied: Chain = []
        self._epoch = ""
        #: Whether the pointer names this epoch's segments.
        self._is_listed = False
        #: The number and the lines of this epoch's last segment.
        self._number = 0
        self._tail = ""

    @classmethod
    def in_task_state(cls, state: Any, segment_bytes: int = TASK_STATE_SEGMENT_BYTES) -> SegmentedJournal:
        """Return the journal in the task state store of Airflow 3.3."""
        return cls(TaskStateKeys(state, prefix="wiro_batch_"), segment_bytes)

    @classmethod
    def in_folder(cls, folder: Folder, segment_bytes: int = OBJECT_SEGMENT_BYTES) -> SegmentedJournal:
        """Return the journal in a folder of its own."""
        return cls(FolderKeys(folder, suffix=_SUFFIX), segment_bytes)

    def read(self) -> Iterator[Entry]:
        """See :meth:`Journal.read`."""
        with self._failures(unreadable):
            before, self._copied_before = self._fence()
            self._number, self._tail = 0, ""
            self._chain, self._copied = [], []
            for epoch, count in before:
                number = 0
                for number, segment in enumerate(self._segments(epoch, count), start=1):
                    self._tail = segment
                    yield from self._entries(epoch, number, segment)
                if number:
                    self._chain.append((epoch, number))
            self._plan_copy_of_tail()

    def salvage(self) -> Iterator[Entry]:
        """See :meth:`Journal.salvage`."""
        with self._failures(unreadable):
            pointer = self._readable(HEAD)
            if pointer is None:
                return
            try:
                chain, _ = _parsed(pointer, self._keys.describe(HEAD))
            except WiroOrphanedRunError:
                return  # without it, it isn't known which segments count
            for epoch, count in chain:
                missing = 0
                for number in itertools.count(1):
                    if missing > 1 or (count is not None and number > count):
                        break
                    segment = self._readable(_key(epoch, number))
                    # A missing segment is not the end: the one after it may exist.
                    missing = missing + 1 if segment is None else 0
                    # The first line counts the others.
                    yield from filter(None, map(readable_entry, (segment or "").splitlines()[1:]))

    def _readable(self, key: str) -> str | None:
        try:
            return self._keys.get(key)
        except WiroOrphanedRunError:
            return None

    def append(self, entries: list[Entry]) -> None:
        """See :meth:`Journal.append`."""
        with self._failures(unwritable):
            self._list_own_epoch()
            for lines in _portions(entries, self._segment_bytes):
                self._append(lines)
            self._check()

    def replace(self, entries: Iterable[Entry]) -> None:
        """See :meth:`Journal.replace`."""
        before = [*self._chain, *self._copied_before, *self._copied, (self._epoch, None)]
        with self._failures(unwritable):
            self._epoch, self._number, self._tail = _new_epoch(), 0, ""
            for lines in _portions(entries, self._segment_bytes):
                self._append(lines)
            self._copied = []
            self._put_pointer([(self._epoch, None)])
            self._check()
        self._chain, self._is_listed = [], True
        self._delete([_key(epoch, 1) for epoch, _ in before])

    def check(self) -> None:
        """See :meth:`Journal.check`."""
        with self._failures(unreadable):
            self._check()

    @contextmanager
    def _failures(self, error_of: Callable[[str, Exception], WiroRecordError]) -> Iterator[None]:
        """Raise what the store's client raises as an error of the provider."""
        try:
            yield
        except WiroError:
            raise
        except Exception as error:
            raise error_of(self._keys.location, error) from error

    # The pointer.

    def _fence(self) -> tuple[Chain, Chain]:
        """Make the journal this process's; return its segments, and which were copied lately."""
        self._epoch, self._is_listed = _new_epoch(), False
        for _ in range(_FENCE_ATTEMPTS):
            self._pointer = self._keys.get(HEAD)
            if self._pointer is None:
                return [], []
            chain, copied = _parsed(self._pointer, self._keys.describe(HEAD))
            text = _pointer(self._epoch, chain, copied)
            if self._keys.compare_and_swap(HEAD, text, self._pointer):
                self._pointer = text
                return chain, copied
        raise JournalFencedError(self._keys.location)

    def _list_own_epoch(self) -> None:
        """
        Have the pointer name the segments that were read, followed by those of this epoch.

        What the process before adds to its own from now on no longer counts, and is refused anyway.
        """
        if self._is_listed:
            return
        if self._tail:
            self._number = 1
            self._put(self._tail)
        self._put_pointer([*self._chain, (self._epoch, None)])
        self._is_listed = True
        # Not those copied now: without conditional writes, another process may be about to read them.
        self._delete([_key(epoch, count or 1) for epoch, count in self._copied_before])

    def _put_pointer(self, chain: Chain) -> None:
        text = _pointer(self._epoch, chain, self._copied)
        if not self._keys.compare_and_swap(HEAD, text, self._pointer):
            raise JournalFencedError(self._keys.location)
        self._pointer = text

    def _check(self) -> None:
        if self._keys.get(HEAD) != self._pointer:
            raise JournalFencedError(self._keys.location)

    # Segments.

    def _segments(self, epoch: str, count: int | None) -> Iterator[str]:
        number = 1
        while (count is None or number <= count) and (found := self._segment(epoch, number)) is not None:
            yield found
            number += 1
        has_later = self._keys.get(_key(epoch, number + 1)) is not None
        # Read it once more, since its writer may be alive.
        if number <= (count or 0) or (has_later and self._segment(epoch, number) is None):
            raise damaged("no such segment", self._keys.describe(_key(epoch, number)))

    def _segment(self, epoch: str, number: int) -> str | None:
        where = self._keys.describe(_key(epoch, number))
        found = self._keys.get(_key(epoch, number))
        if found is None:
            return None
        first, _, text = found.partition("\n")
        if from_line(first, f"line 1 of {where}").get("lines") != text.count("\n") or text[-1:] != "\n":
            raise damaged(f"half a segment: {found[:100]}", where)
        return text

    def _entries(self, epoch: str, number: int, segment: str) -> Iterator[Entry]:
        for line, text in enumerate(segment.splitlines(), start=2):  # after the one that counts them
            self.position = f"line {line} of {self._keys.describe(_key(epoch, number))}"
            yield from_line(text, self.position)

    def _plan_copy_of_tail(self) -> None:
        """
        Have this epoch start with a copy of the last segment, in place of that one.

        Its writer may be alive and write it again. It also keeps the segments few.
        """
        if self._pointer is None:
            return
        if not self._chain:  # every journal has a segment
            raise damaged("no segment", self._keys.describe(HEAD))
        epoch, count = self._chain.pop()
        self._copied = [(epoch, count)]
        if count is not None and count > 1:
            self._chain.append((epoch, count - 1))

    def _append(self, lines: str) -> None:
        if not self._number or len(self._tail) + len(lines) > self._segment_bytes:
            # Counted before the write: one that fails and yet happened is overwritten by the next.
            self._number, self._tail = self._number + 1, ""
        self._put(self._tail + lines)

    def _put(self, text: str) -> None:
        self._keys.put(_key(self._epoch, self._number), f'{{"lines":{text.count(chr(10))}}}\n{text}')
        self._tail = text

    def _delete(self, first_keys: Iterable[str]) -> None:
        """Delete segments and those that follow them, as far as that is possible."""
        try:
            for key in first_keys:
                epoch, _, number = key.rpartition("-")
                for later in itertools.count(int(number)):
                    if self._keys.get(_key(epoch, later)) is None:
                        break
                    self._keys.delete(_key(epoch, later))
        except Exception:  # noqa: S110  no pointer names what is left over
            pass


def _new_epoch() -> str:
    return secrets.token_hex(8)


def _key(epoch: str, number: int) -> str:
    return f"{epoch}-{number:06d}"


def _pointer(epoch: str, chain: Chain, copied: Chain) -> str:
    return json.dumps({"version": 2, "owner": epoch, "segments": chain, "copied": copied})


def _parsed(pointer: str, where: str) -> tuple[Chain, Chain]:
    """Return a pointer's segments, and those that were copied lately."""
    found = from_line(pointer, where)
    try:
        if found["version"] == 2:
            return _as_chain(found["segments"]), _as_chain(found["copied"])
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(pointer, where) from error
    raise damaged(pointer, where)


def _as_chain(found: Any) -> Chain:
    return [(str(epoch), None if count is None else int(count)) for epoch, count in found]


def _portions(entries: Iterable[Entry], most: int) -> Iterator[str]:
    """Yield the entries as lines, in texts that fit into a segment."""
    portion: list[str] = []
    size = 0
    for entry in entries:
        line = to_line(entry)
        if portion and size + len(line) > most:
            yield "".join(portion)
            portion, size = [], 0
        portion.append(line)
        size += len(line)
    if portion:
        yield "".join(portion)
