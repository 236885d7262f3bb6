"""The tasks that a batch runs, read from its state, or from a journal that may be damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.batch.lost_runs.unknown_sendings import unknown_sendings
from airflow_provider_wiro.batch.state.batch_state import BatchState
from airflow_provider_wiro.batch.state.task_ids import TaskIdSet
from airflow_provider_wiro.exceptions import WiroOrphanedRunError

if TYPE_CHECKING:
    from airflow_provider_wiro.batch.journal.interface import Journal
    from airflow_provider_wiro.batch.lost_runs.unknown_sendings import UnknownSending
    from airflow_provider_wiro.batch.state.entries import Entry

#: How many items a journal may be about whose first entry is damaged.
_MOST_ITEMS = 1_000_000


class RunningTasks:
    """
    The tasks of a batch that may be running.

    :ivar ids: their ids.
    :ivar unknown: the sendings that may have started tasks which are not known.
    :ivar known_ids: all tasks that are known to be the batch's.
    :ivar latest_try: the latest try of the Airflow task that sent one of its Runs.
    """

    def __init__(
        self,
        ids: list[str],
        unknown: list[UnknownSending] | None = None,
        known_ids: TaskIdSet | None = None,
        latest_try: int = 0,
    ) -> None:
        self.ids = ids
        self.unknown = unknown or []
        self.known_ids = known_ids or TaskIdSet()
        self.latest_try = latest_try

    @property
    def lost(self) -> int:
        """How many items have a Run that may have started a task which is not known."""
        return sum(sending.is_latest for sending in self.unknown)

    @classmethod
    def of_record(cls, state: BatchState) -> RunningTasks:
        """Return the tasks of the items that are not over."""
        if state.result_returned is not None:
            return cls([])
        ids = [attempt.wiro_task_id for attempt in state.attempts.values()]
        known = [wiro_task_id for wiro_task_id in ids if wiro_task_id is not None]
        return cls(known, unknown_sendings(state), state.known_ids, state.latest_try)

    @classmethod
    def of_journal(cls, journal: Journal, *, try_number: int) -> RunningTasks:
        """
        Return the tasks of the items that are not over, by a journal that may be damaged.

        No process is fenced by that: a batch that writes the journal continues.

        :raises WiroRecordError: it can't be read at the moment.
        """
        state = BatchState(0, try_number=try_number)
        # Ids without their intents, which are in lines that can't be read.
        orphans: dict[object, str] = {}
        for entry in journal.salvage():
            if entry.get("what") == "batch":
                state = BatchState(_total(entry), try_number=try_number)
                continue
            if not state.total:
                state = BatchState(_MOST_ITEMS, try_number=try_number)
            try:
                state.apply(entry)
            except WiroOrphanedRunError:
                if entry.get("what") == "id" and isinstance(entry.get("id"), str):
                    orphans[entry.get("item")] = entry["id"]
        found = cls.of_record(state)
        found.ids += [id_ for id_ in orphans.values() if id_ not in found.ids]
        return found


def _total(entry: Entry) -> int:
    total = entry.get("total")
    return total if isinstance(total, int) and 0 <= total <= _MOST_ITEMS else _MOST_ITEMS
