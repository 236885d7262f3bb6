"""
What is known of the items of a batch, made of the entries of its journal, live as well as after a crash.

An entry is a small JSON object: ``what`` happened to which ``item``. :mod:`airflow_provider_wiro.batch`
keeps it durably, and applies it to the :class:`BatchState` when it happens as well as when it is read again:
one way for both, so that a retry finds what the batch knew. Of an item that is over, some bytes remain.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from airflow_provider_wiro.batch.state.costs import BatchCosts
from airflow_provider_wiro.exceptions import WiroOrphanedRunError
from airflow_provider_wiro.input_files.sent_files import Digests, read_digests
from airflow_provider_wiro.recovery.sending import Loss, Sending
from airflow_provider_wiro.state_files.task_try import TaskTry, WrittenBy
from airflow_provider_wiro.storage.timestamps import (
    from_stored,
    from_stored_or_none,
    to_stored,
    to_stored_or_none,
)

RECORD_VERSION = 1

#: Of ids that fit, 10,000 take 80 KB.
_LARGEST_NUMBER = 2**63
_MOST_COUNTED = 255

Entry = dict[str, Any]


class ItemState(IntEnum):
    """Where an item is."""

    PENDING = 0
    INTENDED = 1  # a Run may have been sent; its task is not known
    RUNNING = 2  # its task is known
    DONE = 3
    FAILED = 4  # for good, in this try of the Airflow task


@dataclass(slots=True)
class Attempt:
    """
    A run of an item that is not over.

    :ivar newest_before: see :class:`~airflow_provider_wiro.recovery.sending.Sending`, as the further fields.
    :ivar intended_at: Unix time, taken before the Run was sent.
    :ivar try_number: of the Airflow task that sent it.
    :ivar files: the digests of the files whose bytes are sent, as far as they are known.
    :ivar accepted_at: Unix time at which the task's id was learned; None in older entries.
    :ivar uploaded_for: seconds for which its files were seen on their way; None in older entries.
    """

    fingerprint: str
    newest_before: str | None
    intended_at: float
    try_number: int
    wiro_task_id: str | None = None
    wiro_at: float | None = None
    loss: Loss | None = None
    lost_after: float | None = None
    files: Digests = field(default_factory=dict)
    accepted_at: float | None = None
    uploaded_for: float | None = None

    @property
    def followed_since(self) -> float:
        """From when the task's age counts: since Wiro has it, or its time was begun again."""
        return max(self.intended_at, self.accepted_at or 0.0)

    @property
    def sending(self) -> Sending:
        return Sending(
            self.intended_at,
            self.newest_before,
            self.wiro_at,
            self.loss,
            self.lost_after,
            self.uploaded_for,
        )


class TaskIdSet:
    """A set of task ids that takes 8 bytes for each that is a number, as Wiro's are."""

    def __init__(self) -> None:
        self._numbers = array("Q")
        self._others: set[str] = set()

    def add(self, wiro_task_id: str) -> None:
        """Add an id; the newest are the largest, so that this is cheap."""
        if not _is_number(wiro_task_id):
            self._others.add(wiro_task_id)
        elif wiro_task_id not in self:
            self._numbers.insert(bisect_left(self._numbers, int(wiro_task_id)), int(wiro_task_id))

    def __contains__(self, wiro_task_id: object) -> bool:
        if not isinstance(wiro_task_id, str) or not _is_number(wiro_task_id):
            return wiro_task_id in self._others
        number = int(wiro_task_id)
        place = bisect_left(self._numbers, number)
        return place < len(self._numbers) and self._numbers[place] == number

    def __iter__(self) -> Iterator[str]:
        yield from map(str, self._numbers)
        yield from self._others

    @property
    def largest(self) -> str | None:
        return str(self._numbers[-1]) if self._numbers else None

    def latest(self, count: int) -> list[str]:
        """Return the largest ids that are numbers, the largest first."""
        return [str(number) for number in reversed(self._numbers[-count:])]


def _is_number(wiro_task_id: str) -> bool:
    return (
        wiro_task_id.isascii()
        and wiro_task_id.isdecimal()
        and str(int(wiro_task_id[:20])) == wiro_task_id
        and int(wiro_task_id) < _LARGEST_NUMBER
    )


def begin(fingerprint: str, total: int, by: TaskTry | None = None) -> Entry:
    """Return the first entry: which inputs the items are of, and which try wrote it."""
    entry = {"what": "batch", "version": RECORD_VERSION, "fingerprint": fingerprint, "total": total}
    return entry if by is None else {**entry, **_written_by(by)}


def _written_by(task_try: TaskTry) -> Entry:
    started = to_stored_or_none(task_try.run_started_at)
    return {"try": task_try.number, "clears": task_try.clears, "run_started_at": started}


def intent(item: int, attempt: Attempt) -> Entry:
    """Return the entry before a Run is sent; the run may exist from here on."""
    known = {
        "wiro_at": to_stored_or_none(attempt.wiro_at),
        "loss": attempt.loss.value if attempt.loss else None,
        "lost_after": attempt.lost_after,
        "files": attempt.files or None,
        "uploaded_for": attempt.uploaded_for,
    }
    return {
        "what": "intent",
        "item": item,
        "fingerprint": attempt.fingerprint,
        "newest_before": attempt.newest_before,
        "at": to_stored(attempt.intended_at),
        "try": attempt.try_number,
        **{name: value for name, value in known.items() if value is not None},
    }


def leaving(item: int, attempt: Attempt) -> Entry:
    """
    Return the entry for a Run that leaves later than a moment after its intent, and counts from then; or that
    was seen on its way for so long.
    """
    entry = {
        "what": "leaving",
        "item": item,
        "newest_before": attempt.newest_before,
        "at": to_stored(attempt.intended_at),
        "wiro_at": to_stored_or_none(attempt.wiro_at),
    }
    return entry if attempt.uploaded_for is None else {**entry, "uploaded_for": attempt.uploaded_for}


def lost(item: int, sending: Sending) -> Entry:
    """Return the entry for a Run whose answer was lost: how, and how long after it was sent."""
    loss = sending.loss.value if sending.loss else None
    return {"what": "lost", "item": item, "loss": loss, "lost_after": sending.lost_after}


def task_id(item: int, wiro_task_id: str, at: float | None = None) -> Entry:
    """
    Return the entry for the task that a Run has started.

    :param at: Unix time at which the id was learned; None if that isn't known.
    """
    entry = {"what": "id", "item": item, "id": wiro_task_id}
    return entry if at is None else {**entry, "at": to_stored(at)}


def gone(item: int) -> Entry:
    """Return the entry for a Run that certainly started nothing, or whose task needn't be known any more."""
    return {"what": "gone", "item": item}


def not_started(item: int, try_number: int) -> Entry:
    """Return the entry for a lost Run that is taken for not started, and may be sent again."""
    return {"what": "not_started", "item": item, "try": try_number}


def checked(item: int) -> Entry:
    """Return the entry for an item whose sendings that were taken for not started were looked at again."""
    return {"what": "checked", "item": item}


def billed(wiro_task_id: str, usd: str | None) -> Entry:
    """Return the entry for a task that is billed without being an item's result; None: not known yet."""
    return {"what": "billed", "id": wiro_task_id, "cost": usd}


def again(
    item: int,
    try_number: int,
    *,
    keeps_task: bool = False,
    is_billed: bool = False,
    cost: str | None = None,
) -> Entry:
    """
    Return the entry for a failure that is followed by another attempt in the same try of the Airflow task.

    :param keeps_task: it is the same task that is followed, or landed, once more.
    :param is_billed: the task succeeded all the same, and another one takes its place.
    :param cost: of that task, None if not known yet.
    """
    bill = {"is_billed": True, "cost": cost} if is_billed else {}
    return {"what": "again", "item": item, "try": try_number, "keeps_task": keeps_task, **bill}


def followed(item: int, at: float) -> Entry:
    """Return the entry for a task whose time counts anew from ``at``, a Unix time."""
    return {"what": "followed", "item": item, "at": to_stored(at)}


def done(item: int, place: tuple[int, int], *, cost: str | None, size: int | None) -> Entry:
    """Return the entry for an item that is done; ``place`` is the part and the row of its result."""
    return {"what": "done", "item": item, "place": list(place), "cost": cost, "bytes": size}


def failed(
    item: int,
    place: tuple[int, int],
    try_number: int,
    *,
    may_retry: bool,
    keeps_task: bool = False,
    is_billed: bool = False,
    cost: str | None = None,
) -> Entry:
    """
    Return the entry for an item that failed for good in this try.

    :param may_retry: whether another try may help.
    :param keeps_task: its task, or its lost Run, is to be looked at by the next try, which starts no other.
    :param is_billed: its run succeeded, but the outputs could not be had, or are too few.
    :param cost: of such a run, None if not known yet.
    """
    entry = {"what": "failed", "item": item, "place": list(place), "try": try_number}
    return {**entry, "may_retry": may_retry, "keeps_task": keeps_task, "is_billed": is_billed, "cost": cost}


def cost(wiro_task_id: str, usd: str) -> Entry:
    """Return the entry for a run's cost that was not known at its end, and is now."""
    return {"what": "cost", "id": wiro_task_id, "cost": usd}


def known(wiro_task_ids: list[str]) -> Entry:
    """Return the entry for tasks of earlier inputs, which are not to be taken for these items' tasks."""
    return {"what": "known", "ids": wiro_task_ids}


def spent(lifetime: int, summary: Mapping[str, Any], by: TaskTry | None = None) -> Entry:
    """
    Return the last entry: the batch's result is returned.

    :param lifetime: Airflow's ``max_tries`` of the task instance.
    :param by: the try that returned it.
    """
    entry = {"what": "spent", "lifetime": lifetime, "summary": dict(summary)}
    return entry if by is None else {**entry, **_written_by(by)}


class BatchState:
    """
    The state of all items.

    :param try_number: of the Airflow task: what failed for good in an earlier try is pending again.
    :param existing_parts: the parts of the results that are there; of an item whose result is not, the task
        is looked at again. None: all.
    :param keeps_all: keep attempts and entries of items that are over as well, to carry them over to other
        inputs.
    """

    def __init__(
        self, total: int, *, try_number: int, existing_parts: set[int] | None = None, keeps_all: bool = False
    ) -> None:
        self.total = total
        self.try_number = try_number
        self.attempts: dict[int, Attempt] = {}
        self.endings: dict[int, Entry] = {}
        self.known_ids = TaskIdSet()
        self.total_bytes = 0
        #: Whether another try of the Airflow task may help an item that failed.
        self.may_retry = False
        self.spent: Entry | None = None
        #: Of items that were sent again: the sendings that were taken for not started.
        self.lost_sendings: dict[int, tuple[Sending, ...]] = {}
        #: Of these: the project's newest task right before the latest sending; None if it isn't known.
        self.resent_after: dict[int, str | None] = {}
        self._losses: Counter[int] = Counter()
        #: The latest try that an entry names.
        self.latest_try = 0
        #: The parts of the results that entries name, of which some may be superseded.
        self.named_parts: set[int] = set()
        self._existing_parts = existing_parts
        self._keeps_all = keeps_all
        self._states = bytearray(total)
        self._starts = bytearray(total)
        self._failures = bytearray(total)
        self._parts = array("Q", bytes(array("Q").itemsize * total))
        self._rows = array("L", bytes(array("L").itemsize * total))
        self._counts = Counter({ItemState.PENDING: total})
        self.costs = BatchCosts()

    def state(self, item: int) -> ItemState:
        return ItemState(self._states[item])

    def count(self, state: ItemState) -> int:
        return self._counts[state]

    def starts(self, item: int) -> int:
        """Return how many Runs were sent for an item, over all tries."""
        return self._starts[item]

    def failures(self, item: int) -> int:
        """Return how often an item failed in this try and was begun, or followed, again."""
        return self._failures[item]

    def losses(self, item: int) -> int:
        """Return how many Runs of an item, which has no task yet, were lost and not started in this try."""
        return self._losses[item]

    def place(self, item: int) -> tuple[int, int]:
        """Return part and row of the result of an item that is over."""
        return self._parts[item], self._rows[item]

    @property
    def is_over(self) -> bool:
        return self._counts[ItemState.DONE] + self._counts[ItemState.FAILED] == self.total

    def apply(self, entry: Mapping[str, Any], where: str | None = None) -> None:
        """
        Take an entry in.

        :param where: it stands, if it was read.
        :raises WiroOrphanedRunError: it is none of ours; it is never taken for nothing.
        """
        try:
            _APPLY[entry["what"]](self, entry)
            self.latest_try = max(self.latest_try, entry.get("try") or 0)
        except (KeyError, TypeError, ValueError, IndexError, ArithmeticError, AttributeError) as error:
            raise damaged(entry, where) from error

    def _item(self, entry: Mapping[str, Any]) -> int:
        item: int = entry["item"]
        if not 0 <= item < self.total:
            raise ValueError(item)
        return item

    def _move(self, item: int, state: ItemState) -> None:
        self._counts[ItemState(self._states[item])] -= 1
        self._counts[state] += 1
        self._states[item] = state

    def _apply_intent(self, entry: Mapping[str, Any]) -> None:
        item, newest = self._item(entry), entry["newest_before"]
        if not isinstance(entry["fingerprint"], str) or not (newest is None or isinstance(newest, str)):
            raise TypeError(entry)
        loss, after, wiro_at = entry.get("loss"), entry.get("lost_after"), entry.get("wiro_at")
        self.attempts[item] = Attempt(
            entry["fingerprint"],
            newest,
            from_stored(entry["at"]),
            int(entry["try"]),
            wiro_at=from_stored_or_none(wiro_at),
            loss=None if loss is None else Loss(loss),
            lost_after=None if after is None else float(after),
            files=read_digests(entry.get("files", {})),
            uploaded_for=_seconds(entry.get("uploaded_for")),
        )
        self._starts[item] = min(_MOST_COUNTED, self._starts[item] + 1)
        self._note_baseline(item, newest)
        self._move(item, ItemState.INTENDED)

    def _note_baseline(self, item: int, newest_before: str | None) -> None:
        if item in self.lost_sendings:
            self.resent_after[item] = newest_before

    def _apply_id(self, entry: Mapping[str, Any]) -> None:
        item = self._item(entry)
        if not isinstance(entry["id"], str) or not entry["id"]:
            raise TypeError(entry)
        attempt, at = self.attempts[item], entry.get("at")
        attempt.wiro_task_id, attempt.accepted_at = entry["id"], from_stored_or_none(at)
        self.known_ids.add(entry["id"])
        self._losses.pop(item, None)
        self._move(item, ItemState.RUNNING)

    def _apply_gone(self, entry: Mapping[str, Any]) -> None:
        item = self._item(entry)
        attempt = self.attempts.pop(item, None)
        if attempt is not None and attempt.wiro_task_id is None:
            self._starts[item] -= 1 if self._starts[item] < _MOST_COUNTED else 0
        self._move(item, ItemState.PENDING)

    def _apply_leaving(self, entry: Mapping[str, Any]) -> None:
        attempt, newest, wiro_at = self.attempts[self._item(entry)], entry["newest_before"], entry["wiro_at"]
        if not (newest is None or isinstance(newest, str)):
            raise TypeError(entry)
        attempt.intended_at, attempt.newest_before = from_stored(entry["at"]), newest
        self._note_baseline(self._item(entry), newest)
        attempt.wiro_at = from_stored_or_none(wiro_at)
        attempt.uploaded_for = _seconds(entry.get("uploaded_for"))

    def _apply_lost(self, entry: Mapping[str, Any]) -> None:
        attempt = self.attempts[self._item(entry)]
        attempt.loss = None if entry["loss"] is None else Loss(entry["loss"])
        attempt.lost_after = None if entry["lost_after"] is None else float(entry["lost_after"])

    def _apply_not_started(self, entry: Mapping[str, Any]) -> None:
        item = self._item(entry)
        attempt = self.attempts.get(item)
        if attempt is not None and attempt.wiro_task_id is None:
            self.lost_sendings[item] = (*self.lost_sendings.get(item, ()), attempt.sending)
            self.resent_after.pop(item, None)  # until it is sent again
            if entry["try"] == self.try_number:
                self._losses[item] += 1
        self._apply_gone(entry)

    def _apply_checked(self, entry: Mapping[str, Any]) -> None:
        self.lost_sendings.pop(self._item(entry), None)
        self.resent_after.pop(self._item(entry), None)

    def _apply_again(self, entry: Mapping[str, Any]) -> None:
        item = self._item(entry)
        if entry["try"] == self.try_number:
            self._failures[item] = min(_MOST_COUNTED, self._failures[item] + 1)
        if entry.get("is_billed"):
            self.costs.bill(self._task_of(item), entry["cost"])
        if not entry["keeps_task"]:
            self.attempts.pop(item, None)
            self._move(item, ItemState.PENDING)

    def _apply_followed(self, entry: Mapping[str, Any]) -> None:
        attempt = self.attempts[self._item(entry)]
        attempt.intended_at, attempt.try_number = from_stored(entry["at"]), self.try_number

    def _apply_done(self, entry: Mapping[str, Any]) -> None:
        item = self._item(entry)
        wiro_task_id = self._task_of(item)
        if not self._put(item, entry):
            return  # its attempt stands, so that its task is looked at again
        self._move(item, ItemState.DONE)
        self.costs.bill(wiro_task_id, entry["cost"])
        self.total_bytes += entry["bytes"] or 0

    def _apply_failed(self, entry: Mapping[str, Any]) -> None:
        item = self._item(entry)
        is_now = entry["try"] == self.try_number
        wiro_task_id = self._task_of(item)
        is_kept = is_now and self._put(item, entry)
        if entry["keeps_task"] and not is_kept:
            return  # its task is looked at again
        if entry.get("is_billed", entry["cost"] is not None):
            self.costs.bill(wiro_task_id, entry["cost"])
        if is_kept:
            self._move(item, ItemState.FAILED)
            self.may_retry = self.may_retry or bool(entry["may_retry"])
        else:
            self.attempts.pop(item, None)
            self._move(item, ItemState.PENDING)

    def _task_of(self, item: int) -> str | None:
        attempt = self.attempts.get(item)
        return None if attempt is None else attempt.wiro_task_id

    def _put(self, item: int, entry: Mapping[str, Any]) -> bool:
        part, row = entry["place"]
        self.named_parts.add(part)
        if self._existing_parts is not None and part not in self._existing_parts:
            return False
        self._parts[item], self._rows[item] = part, row
        if self._keeps_all:
            self.endings[item] = dict(entry)
        else:
            self.attempts.pop(item, None)
        return True

    def _apply_cost(self, entry: Mapping[str, Any]) -> None:
        self.costs.learn(str(entry["id"]), str(entry["cost"]))

    def _apply_billed(self, entry: Mapping[str, Any]) -> None:
        wiro_task_id, usd = entry["id"], entry["cost"]
        if not isinstance(wiro_task_id, str) or not wiro_task_id:
            raise TypeError(entry)
        self.known_ids.add(wiro_task_id)
        self.costs.bill(wiro_task_id, None if usd is None else str(usd))

    def _apply_known(self, entry: Mapping[str, Any]) -> None:
        for wiro_task_id in entry["ids"]:
            self.known_ids.add(wiro_task_id)

    def _apply_spent(self, entry: Mapping[str, Any]) -> None:
        if not isinstance(entry["lifetime"], int) or not isinstance(entry["summary"], Mapping):
            raise TypeError(entry)
        self.spent = dict(entry)


_APPLY = {
    "intent": BatchState._apply_intent,
    "id": BatchState._apply_id,
    "leaving": BatchState._apply_leaving,
    "lost": BatchState._apply_lost,
    "gone": BatchState._apply_gone,
    "not_started": BatchState._apply_not_started,
    "checked": BatchState._apply_checked,
    "billed": BatchState._apply_billed,
    "again": BatchState._apply_again,
    "followed": BatchState._apply_followed,
    "done": BatchState._apply_done,
    "failed": BatchState._apply_failed,
    "cost": BatchState._apply_cost,
    "known": BatchState._apply_known,
    "spent": BatchState._apply_spent,
}


def _seconds(stored: Any) -> float | None:
    return None if stored is None else float(stored)


def damaged(entry: object, where: str | None = None) -> WiroOrphanedRunError:
    """
    Return the error for an entry that is none of ours.

    :param where: it stands, if it was read.
    """
    stands = "" if where is None else f", at {where}"
    return WiroOrphanedRunError(
        f"Expected an entry of a batch's journal, version {RECORD_VERSION}{stands}, found "
        f"{str(entry)[:200]!r}. What a journal doesn't tell is forgotten: without this line its item, "
        "without the journal every item may be run and paid for again. So look first in the dashboard at "
        "wiro.ai what was started, and keep a copy; then mend the line, or delete what you can do without."
    )


def read_begin(entry: Mapping[str, Any], where: str | None = None) -> tuple[str, int]:
    """
    Return the fingerprint and the number of items of the inputs that a journal is about.

    :param where: the entry stands.
    :raises WiroOrphanedRunError: it doesn't begin as it should.
    """
    is_whole = (
        entry.get("what") == "batch"
        and entry.get("version") == RECORD_VERSION
        and isinstance(entry.get("fingerprint"), str)
        and isinstance(entry.get("total"), int)
        and entry["total"] >= 0
    )
    if not is_whole:
        raise damaged(entry, where)
    return entry["fingerprint"], entry["total"]


def written_by(first: Mapping[str, Any], record: BatchState) -> WrittenBy:
    """
    Return which try a journal is of, as far as it tells: older ones tell less.

    :param first: its first entry.
    """
    last = record.spent or first
    clears, number = last.get("clears"), first.get("try")
    try:
        started = from_stored_or_none(last.get("run_started_at"))
    except ValueError:
        started = None
    return WrittenBy(
        max(record.latest_try, number if isinstance(number, int) else 0),
        last.get("lifetime", 0),
        clears if isinstance(clears, int) else None,
        started,
    )
