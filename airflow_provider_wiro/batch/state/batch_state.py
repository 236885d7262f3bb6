"""The state of a batch's items, made of the entries of its journal."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from airflow_provider_wiro.batch.state.costs import BatchCosts
from airflow_provider_wiro.batch.state.deletions import Deletion, Deletions
from airflow_provider_wiro.batch.state.entries import Entry, damaged
from airflow_provider_wiro.batch.state.exposure import Exposure
from airflow_provider_wiro.batch.state.items import Attempt, ItemState
from airflow_provider_wiro.batch.state.task_ids import TaskIdSet
from airflow_provider_wiro.input_files.sent_files import read_digests
from airflow_provider_wiro.recovery.sending import Loss, Sending
from airflow_provider_wiro.state_files.task_try import WrittenBy
from airflow_provider_wiro.storage.timestamps import from_stored, from_stored_or_none

#: Of the Runs and the failures of an item, which take a byte each.
_MOST_COUNTED = 255


class BatchState:
    """
    The state of all items. One that is over takes a few bytes.

    Entries are applied when they happen, and again when a journal is replayed: one way for both, so that a
    retry finds what the batch knew.

    :param try_number: of the Airflow task. Items that failed permanently in an earlier try are pending again.
    :param existing_shards: the numbers of the result shards that exist; the task of an item whose result is
        missing is read again. None: all of them.
    :param keeps_all: keep attempts and last entries also of items that are over, to carry them over to other
        inputs.
    """

    def __init__(
        self, total: int, *, try_number: int, existing_shards: set[int] | None = None, keeps_all: bool = False
    ) -> None:
        self.total = total
        self.try_number = try_number
        self.attempts: dict[int, Attempt] = {}
        self.endings: dict[int, Entry] = {}
        self.known_ids = TaskIdSet()
        self.total_bytes = 0
        #: How many items that are done were made before, so that nothing was sent for them.
        self.reused = 0
        #: Whether another try of the Airflow task may help an item that failed.
        self.may_retry = False
        #: The last entry, if the batch's result was returned.
        self.result_returned: Entry | None = None
        #: Of items that were sent again: the sendings that are considered not started.
        self.lost_sendings: dict[int, tuple[Sending, ...]] = {}
        #: Of these: the project's newest task right before the latest sending; None if it isn't known.
        self.resent_after: dict[int, str | None] = {}
        self._losses: Counter[int] = Counter()
        #: The latest try of the Airflow task that an entry names.
        self.latest_try = 0
        #: The result shards that entries name; some may be superseded.
        self.named_shards: set[int] = set()
        self._existing_shards = existing_shards
        self._keeps_all = keeps_all
        self._states = bytearray(total)
        self._runs_sent = bytearray(total)
        self._failures = bytearray(total)
        self._shards = array("Q", bytes(array("Q").itemsize * total))
        self._rows = array("L", bytes(array("L").itemsize * total))
        self._counts = Counter({ItemState.PENDING: total})
        self.costs = BatchCosts()
        self.exposure = Exposure()
        self.deletions = Deletions(total)

    def item_state(self, item: int) -> ItemState:
        """Return how far an item is."""
        return ItemState(self._states[item])

    def count(self, state: ItemState) -> int:
        """Return how many items are that far."""
        return self._counts[state]

    def runs_sent(self, item: int) -> int:
        """Return how many Runs were sent for an item, over all tries."""
        return self._runs_sent[item]

    def failures(self, item: int) -> int:
        """Return how often an item failed in this try and was tried again."""
        return self._failures[item]

    def losses(self, item: int) -> int:
        """Return how many Runs of an item without a task were lost and not started, in this try."""
        return self._losses[item]

    def result_location(self, item: int) -> tuple[int, int]:
        """Return the shard, and the row in it, of the result of an item that is over."""
        return self._shards[item], self._rows[item]

    @property
    def committed_usd(self) -> Decimal:
        """What the runs have cost, with the upper end of the estimate of each whose cost isn't known."""
        return self.costs.known + self.exposure.open_usd + self.exposure.fixed_usd

    @property
    def is_over(self) -> bool:
        """Whether every item is done or failed permanently."""
        return self._counts[ItemState.DONE] + self._counts[ItemState.FAILED] == self.total

    @property
    def has_sent_nothing(self) -> bool:
        """Whether no Run was sent yet."""
        return self._counts[ItemState.PENDING] == self.total and not self.known_ids.largest

    def apply(self, entry: Mapping[str, Any], where: str | None = None) -> None:
        """
        Change the state by an entry.

        :param where: it is, if it was read.
        :raises WiroOrphanedRunError: it is no entry of this version; none is ever skipped.
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
        item, sending = self._item(entry), _sending(entry)
        if not isinstance(entry["fingerprint"], str):
            raise TypeError(entry)
        self.attempts[item] = Attempt(
            entry["fingerprint"],
            sending,
            int(entry["try"]),
            files=read_digests(entry.get("files", {})),
            max_usd=_usd(entry.get("max_usd")),
            item_id=entry.get("item_id"),
        )
        self.exposure.intend(item, self.attempts[item].max_usd)
        self._runs_sent[item] = min(_MOST_COUNTED, self._runs_sent[item] + 1)
        self._note_baseline(item, sending.newest_before)
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
        if entry.get("may_be_billed"):
            self.exposure.fix(item)
            self.costs.bill(None, None)
        else:
            self.exposure.release(item)
        if attempt is not None and attempt.wiro_task_id is None:
            self._runs_sent[item] -= 1 if self._runs_sent[item] < _MOST_COUNTED else 0
        self._move(item, ItemState.PENDING)

    def _apply_leaving(self, entry: Mapping[str, Any]) -> None:
        item = self._item(entry)
        self.attempts[item].sending = sending = _sending(entry)
        self._note_baseline(item, sending.newest_before)

    def _apply_lost(self, entry: Mapping[str, Any]) -> None:
        attempt = self.attempts[self._item(entry)]
        attempt.sending = replace(
            attempt.sending,
            loss=None if entry["loss"] is None else Loss(entry["loss"]),
            lost_after=None if entry["lost_after"] is None else float(entry["lost_after"]),
        )

    def _apply_not_started(self, entry: Mapping[str, Any]) -> None:
        item = self._item(entry)
        attempt = self.attempts.get(item)
        if attempt is not None and attempt.wiro_task_id is None:
            self.lost_sendings[item] = (*self.lost_sendings.get(item, ()), attempt.sending)
            self.resent_after.pop(item, None)  # until it is sent again
            self.exposure.lose(item)
            if entry["try"] == self.try_number:
                self._losses[item] += 1
        self._apply_gone(entry)

    def _apply_checked(self, entry: Mapping[str, Any]) -> None:
        self.lost_sendings.pop(self._item(entry), None)
        self.resent_after.pop(self._item(entry), None)
        is_certain = entry.get("is_certain", True)
        self.exposure.check(self._item(entry), is_certain=is_certain)
        if not is_certain:  # its tasks, if there are any, cost something that nobody will know
            self.costs.bill(None, None)

    def _apply_again(self, entry: Mapping[str, Any]) -> None:
        item = self._item(entry)
        if entry["try"] == self.try_number:
            self._failures[item] = min(_MOST_COUNTED, self._failures[item] + 1)
        if entry.get("is_billed"):
            self._bill(item, self._task_of(item), entry["cost"])
        if not entry["keeps_task"]:
            self.exposure.release(item)
            self.attempts.pop(item, None)
            self._move(item, ItemState.PENDING)

    def _apply_followed(self, entry: Mapping[str, Any]) -> None:
        attempt = self.attempts[self._item(entry)]
        attempt.sending = replace(attempt.sending, intended_at=from_stored(entry["at"]))
        attempt.try_number = self.try_number

    def _apply_done(self, entry: Mapping[str, Any]) -> None:
        item = self._item(entry)
        wiro_task_id = self._task_of(item)
        if not self._keep_result(item, entry):
            self._note_end(item)
            if entry.get("deletes"):
                self.deletions.end(item, Deletion.UNCLEAR)
            return  # its attempt is kept, so that its task is read again
        self._move(item, ItemState.DONE)
        if entry.get("deletes") and wiro_task_id is not None:
            self.deletions.begin(item, wiro_task_id)
        elif entry.get("deletes") is not None:
            self.deletions.end(item, Deletion.KEPT)
        self._bill(item, wiro_task_id, entry["cost"])
        self.total_bytes += entry["bytes"] or 0
        self.reused += bool(entry.get("is_reused"))

    def _apply_failed(self, entry: Mapping[str, Any]) -> None:
        item = self._item(entry)
        is_now = entry["try"] == self.try_number
        wiro_task_id = self._task_of(item)
        is_kept = is_now and self._keep_result(item, entry)
        if entry["keeps_task"] and not is_kept:
            if entry.get("is_billed"):
                self._note_end(item)
            return  # its task is read again
        if entry.get("is_billed", entry["cost"] is not None):
            self._bill(item, wiro_task_id, entry["cost"])
        elif entry["keeps_task"]:
            self.exposure.fix(item)  # for this try: it may be running, and the next one follows it
            self.costs.bill(None, None)
        self.exposure.release(item)
        if is_kept:
            self._move(item, ItemState.FAILED)
            self.may_retry = self.may_retry or bool(entry["may_retry"])
        else:
            self.attempts.pop(item, None)
            self._move(item, ItemState.PENDING)

    def _bill(self, item: int, wiro_task_id: str | None, cost: str | None) -> None:
        self.costs.bill(wiro_task_id, cost)
        if cost is None:
            self.exposure.unread(item, wiro_task_id)
        else:
            self.exposure.release(item)

    def _note_end(self, item: int) -> None:
        if item in self.attempts:
            self.attempts[item].has_ended = True

    def _task_of(self, item: int) -> str | None:
        attempt = self.attempts.get(item)
        return None if attempt is None else attempt.wiro_task_id

    def _keep_result(self, item: int, entry: Mapping[str, Any]) -> bool:
        shard, row = entry["place"]
        self.named_shards.add(shard)
        if self._existing_shards is not None and shard not in self._existing_shards:
            return False
        self._shards[item], self._rows[item] = shard, row
        if self._keeps_all:
            self.endings[item] = dict(entry)
        else:
            self.attempts.pop(item, None)
        return True

    def _apply_cost(self, entry: Mapping[str, Any]) -> None:
        self.costs.learn(str(entry["id"]), str(entry["cost"]))
        self.exposure.read(str(entry["id"]))

    def _apply_billed(self, entry: Mapping[str, Any]) -> None:
        wiro_task_id, usd = entry["id"], entry["cost"]
        if not isinstance(wiro_task_id, str) or not wiro_task_id:
            raise TypeError(entry)
        self.known_ids.add(wiro_task_id)
        self.costs.bill(wiro_task_id, None if usd is None else str(usd))
        if usd is None:
            self.exposure.unread_task(wiro_task_id, _usd(entry.get("max_usd")))

    def _apply_known(self, entry: Mapping[str, Any]) -> None:
        for wiro_task_id in entry["ids"]:
            self.known_ids.add(wiro_task_id)
        self.exposure.add(_usd(entry.get("spent_usd")) or Decimal(0))
        for name, deletion in (("deleted", Deletion.DELETED), ("kept", Deletion.KEPT)):
            for item in entry.get(name, ()):
                self.deletions.end(self._item({"item": item}), deletion)

    def _apply_spent(self, entry: Mapping[str, Any]) -> None:
        if not isinstance(entry["lifetime"], int) or not isinstance(entry["summary"], Mapping):
            raise TypeError(entry)
        self.result_returned = dict(entry)


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


def _sending(entry: Mapping[str, Any]) -> Sending:
    return Sending.from_json({**entry, "intended_at": entry["at"], "newest_before": entry["newest_before"]})


def _usd(stored: Any) -> Decimal | None:
    found = None if stored is None else Decimal(stored)
    if found is not None and not (found.is_finite() and found >= 0):
        raise ValueError(stored)
    return found


def written_by(first: Mapping[str, Any], state: BatchState) -> WrittenBy:
    """
    Return which try wrote a journal, as far as it says; journals of earlier versions say less.

    :param first: its first entry.
    """
    last = state.result_returned or first
    clears, number = last.get("clears"), first.get("try")
    try:
        started = from_stored_or_none(last.get("run_started_at"))
    except ValueError:
        started = None
    return WrittenBy(
        max(state.latest_try, number if isinstance(number, int) else 0),
        last.get("lifetime", 0),
        clears if isinstance(clears, int) else None,
        started,
    )
