"""
A batch's journal where nothing can be appended to: in segments, each put as a whole.

The last segment is put anew, longer, for each group of entries, until it is long enough. So a journal of any
length is a few dozen segments to read, and needs no compaction. Each process puts segments of its own names,
so that nobody overwrites another's. ``head`` tells whose turn it is, and which segments are the journal.

Most stores know no conditional put, so a process asks after each put whether ``head`` still is what it has
left there, and only then counts the entries as durable. Whoever takes the journal over puts ``head`` first
and reads the segments after it: so every entry whose writer still found its own ``head`` was read.

What remains where ``head`` itself can't be put conditionally: two processes that open the journal in the same
moment, one of which is held up in this one put until the other has begun to send.
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
from airflow_provider_wiro.batch.state.batch_state import damaged
from airflow_provider_wiro.exceptions import WiroError, WiroOrphanedRunError
from airflow_provider_wiro.storage.key_value import FolderKeys, TaskStateKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from airflow_provider_wiro.batch.state.batch_state import Entry
    from airflow_provider_wiro.exceptions import WiroRecordError
    from airflow_provider_wiro.storage.folder import Folder
    from airflow_provider_wiro.storage.key_value import KeyValueStore

#: Airflow warns of values of more than 65,535 bytes; quotes take two each in there.
TASK_STATE_SEGMENT_BYTES = 40_000
OBJECT_SEGMENT_BYTES = 256 * 1024

HEAD = "head"
_SUFFIX = ".jsonl"
#: The name of the file with ``head``, in a folder.
HEAD_FILE = f"{HEAD}{_SUFFIX}"
#: How often a journal is tried to be taken over from a process that puts ``head`` at the same time, as it
#: does once.
_ATTEMPTS = 3

#: Whose segments, and how many of them; None for all there are.
Chain = list[tuple[str, int | None]]


class SegmentedJournal:
    """
    A journal in segments.

    :param segment_bytes: how long a segment gets before the next one begins.
    """

    def __init__(self, keys: KeyValueStore, segment_bytes: int) -> None:
        self.position = keys.location
        self._keys = keys
        self._segment_bytes = segment_bytes
        #: As this process has put it.
        self._head: str | None = None
        #: The segments of others, which this process's own follow.
        self._chain: Chain = []
        #: What the process before, and this one, have put into segments of their own.
        self._copied_before: Chain = []
        self._copied: Chain = []
        self._owner = ""
        self._is_listed = False
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
        """See :class:`JournalStore`."""
        with self._failures(unreadable):
            before, self._copied_before = self._take_over()
            self._number, self._tail = 0, ""
            self._chain, self._copied = [], []
            for owner, count in before:
                number = 0
                for number, segment in enumerate(self._segments(owner, count), start=1):
                    self._tail = segment
                    yield from self._entries(owner, number, segment)
                if number:
                    self._chain.append((owner, number))
            self._take_tail_along()

    def salvage(self) -> Iterator[Entry]:
        """See :class:`JournalStore`."""
        with self._failures(unreadable):
            head = self._readable(HEAD)
            if head is None:
                return
            try:
                chain, _ = _parsed(head, self._keys.describe(HEAD))
            except WiroOrphanedRunError:
                return  # without it, it isn't known which segments are the journal
            for owner, count in chain:
                missing = 0
                for number in itertools.count(1):
                    if missing > 1 or (count is not None and number > count):
                        break
                    segment = self._readable(_name(owner, number))
                    # One that is missing is no end: the one after it may be there.
                    missing = missing + 1 if segment is None else 0
                    # The first line counts the others.
                    yield from filter(None, map(readable_entry, (segment or "").splitlines()[1:]))

    def _readable(self, name: str) -> str | None:
        try:
            return self._keys.get(name)
        except WiroOrphanedRunError:
            return None

    def append(self, entries: list[Entry]) -> None:
        """See :class:`JournalStore`."""
        with self._failures(unwritable):
            self._list()
            for lines in _portions(entries, self._segment_bytes):
                self._append(lines)
            self._check()

    def replace(self, entries: Iterable[Entry]) -> None:
        """See :class:`JournalStore`."""
        before = [*self._chain, *self._copied_before, *self._copied, (self._owner, None)]
        with self._failures(unwritable):
            self._owner, self._number, self._tail = _new_owner(), 0, ""
            for lines in _portions(entries, self._segment_bytes):
                self._append(lines)
            self._copied = []
            self._put_head([(self._owner, None)])
            self._check()
        self._chain, self._is_listed = [], True
        self._forget([_name(owner, 1) for owner, _ in before])

    def check(self) -> None:
        """See :class:`JournalStore`."""
        with self._failures(unreadable):
            self._check()

    @contextmanager
    def _failures(self, told: Callable[[str, Exception], WiroRecordError]) -> Iterator[None]:
        """Let what the slots' store raises leave as an error of ours."""
        try:
            yield
        except WiroError:
            raise
        except Exception as error:
            raise told(self._keys.location, error) from error

    # Whose it is.

    def _take_over(self) -> tuple[Chain, Chain]:
        """Make the journal this process's; return which segments it has, and which were copied lately."""
        self._owner, self._is_listed = _new_owner(), False
        for _ in range(_ATTEMPTS):
            self._head = self._keys.get(HEAD)
            if self._head is None:
                return [], []
            chain, copied = _parsed(self._head, self._keys.describe(HEAD))
            text = _head(self._owner, chain, copied)
            if self._keys.compare_and_swap(HEAD, text, self._head):
                self._head = text
                return chain, copied
        raise JournalFencedError(self._keys.location)

    def _list(self) -> None:
        """
        Have the journal be what was read, followed by segments of this process.

        What the process before adds to its own from now on, though that is refused, no longer shows up.
        """
        if self._is_listed:
            return
        if self._tail:
            self._number = 1
            self._put(self._tail)
        self._put_head([*self._chain, (self._owner, None)])
        self._is_listed = True
        # Not those of this time: where there are no conditions somebody may be about to read them.
        self._forget([_name(owner, count or 1) for owner, count in self._copied_before])

    def _put_head(self, chain: Chain) -> None:
        text = _head(self._owner, chain, self._copied)
        if not self._keys.compare_and_swap(HEAD, text, self._head):
            raise JournalFencedError(self._keys.location)
        self._head = text

    def _check(self) -> None:
        if self._keys.get(HEAD) != self._head:
            raise JournalFencedError(self._keys.location)

    # Segments.

    def _segments(self, owner: str, count: int | None) -> Iterator[str]:
        number = 1
        while (count is None or number <= count) and (found := self._segment(owner, number)) is not None:
            yield found
            number += 1
        has_later = self._keys.get(_name(owner, number + 1)) is not None
        # Another look, for its writer may be alive.
        if number <= (count or 0) or (has_later and self._segment(owner, number) is None):
            raise damaged("no such segment", self._keys.describe(_name(owner, number)))

    def _segment(self, owner: str, number: int) -> str | None:
        where = self._keys.describe(_name(owner, number))
        found = self._keys.get(_name(owner, number))
        if found is None:
            return None
        first, _, text = found.partition("\n")
        if from_line(first, f"line 1 of {where}").get("lines") != text.count("\n") or text[-1:] != "\n":
            raise damaged(f"half a segment: {found[:100]}", where)
        return text

    def _entries(self, owner: str, number: int, segment: str) -> Iterator[Entry]:
        for line, text in enumerate(segment.splitlines(), start=2):  # after the one that counts them
            self.position = f"line {line} of {self._keys.describe(_name(owner, number))}"
            yield from_line(text, self.position)

    def _take_tail_along(self) -> None:
        """
        Have this process's segments begin with a copy of the last one.

        Who has put that can be alive, and put it anew. It also keeps the segments from becoming many.
        """
        if self._head is None:
            return
        if not self._chain:  # a journal has a segment from its beginning
            raise damaged("no segment", self._keys.describe(HEAD))
        owner, count = self._chain.pop()
        self._copied = [(owner, count)]
        if count is not None and count > 1:
            self._chain.append((owner, count - 1))

    def _append(self, lines: str) -> None:
        if not self._number or len(self._tail) + len(lines) > self._segment_bytes:
            # Before it is put: should that fail and yet have been done, the next one takes its place.
            self._number, self._tail = self._number + 1, ""
        self._put(self._tail + lines)

    def _put(self, text: str) -> None:
        self._keys.put(_name(self._owner, self._number), f'{{"lines":{text.count(chr(10))}}}\n{text}')
        self._tail = text

    def _forget(self, names: Iterable[str]) -> None:
        """Delete segments, and those that follow them."""
        try:
            for name in names:
                owner, _, number = name.rpartition("-")
                for later in itertools.count(int(number)):
                    if self._keys.get(_name(owner, later)) is None:
                        break
                    self._keys.delete(_name(owner, later))
        except Exception:  # noqa: S110  what is left over is read by nobody
            pass


def _new_owner() -> str:
    return secrets.token_hex(8)


def _name(owner: str, number: int) -> str:
    return f"{owner}-{number:06d}"


def _head(owner: str, chain: Chain, copied: Chain) -> str:
    return json.dumps({"version": 2, "owner": owner, "segments": chain, "copied": copied})


def _parsed(head: str, where: str) -> tuple[Chain, Chain]:
    """Return the segments of a head; in version 1 their names began with a generation's number."""
    found = from_line(head, where)
    try:
        if found["version"] == 1:
            return [(str(int(found["generation"])), None)], []
        if found["version"] == 2:
            return _as_chain(found["segments"]), _as_chain(found["copied"])
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(head, where) from error
    raise damaged(head, where)


def _as_chain(found: Any) -> Chain:
    return [(str(owner), None if count is None else int(count)) for owner, count in found]


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
