"""Replays a batch's journal, and decides what of it holds for the inputs of this try."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.batch.state.batch_state import BatchState, written_by
from airflow_provider_wiro.batch.state.deletions import Deletion
from airflow_provider_wiro.batch.state.items import ItemState
from airflow_provider_wiro.state_files.task_try import is_of_deleted_dag_run, was_cleared_since
from airflow_provider_wiro.storage.store_refusals import refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow_provider_wiro.batch.inputs.items import Inputs
    from airflow_provider_wiro.batch.journal.interface import Journal
    from airflow_provider_wiro.batch.state.entries import Entry
    from airflow_provider_wiro.exceptions import WiroError
    from airflow_provider_wiro.redaction.loggers import Log
    from airflow_provider_wiro.state_files.task_try import TaskTry

_IDS_PER_ENTRY = 1000
#: How many of the tasks that are left to end are named in the log.
_MOST_NAMED = 20
#: Which of several earlier items with equal inputs is continued: the one furthest to the right.
_PREFERENCE = [ItemState.INTENDED, ItemState.RUNNING, ItemState.DONE]


def replay(
    journal: Journal | None,
    inputs: Inputs,
    *,
    task_try: TaskTry,
    max_tries: int,
    existing_shards: set[int] | None,
    log: Log,
    missing: Callable[[str], WiroError] | None = None,
    is_resumed: bool = False,
) -> tuple[BatchState, Mapping[str, Any] | None]:
    """
    Return the state of the items; and the batch's summary, if this try or one that it retries returned it.

    Items are recognised by their inputs: after a Clear with other inputs, those with the same inputs continue
    where they were, and the Wiro tasks of the others are left to end.

    :param max_tries: Airflow's, of the task instance.
    :param existing_shards: the result shards that exist; None: all that the journal names.
    :param missing: makes the error to raise if there is no journal, from where it should be; None: a new
        journal is started.
    :param is_resumed: this try continues after a deferral, which needs no log line.
    :raises WiroError: the error of ``missing``.
    :raises WiroUsageError: the place of a new journal refuses it.
    :raises WiroRecordError: the journal can't be read or written.
    :raises WiroOrphanedRunError: it is damaged.
    """
    fresh = BatchState(len(inputs), try_number=task_try.number, existing_shards=existing_shards)
    if journal is None:
        return fresh, None
    replayed = journal.read()
    first = next(replayed, None)
    if first is None:
        if missing is not None:
            raise missing(journal.position)
        with refusals(f"keep the journal of this batch, in {journal.position}"):
            journal.replace([_started(inputs, task_try)])
        return fresh, None
    fingerprint, total = entries.read_begin(first, journal.position)
    is_same = (fingerprint, total) == (inputs.fingerprint, len(inputs))
    if isinstance(files := first.get("file_columns"), list) and (is_same or inputs.file_columns is None):
        inputs.take_file_columns(map(str, files))
    earlier = BatchState(
        total, try_number=task_try.number, existing_shards=existing_shards, keeps_all=not is_same
    )
    for entry in replayed:
        earlier.apply(entry, journal.position)
    written = written_by(first, earlier)
    if is_of_deleted_dag_run(written, task_try):
        log.info(
            "The journal is of an earlier DAG run with the same id, which was deleted: %s. Its Wiro tasks "
            "are left to end, and this batch starts from the beginning.",
            _counts(earlier),
        )
        carried_over = _foreign_tasks(earlier)
    elif earlier.result_returned is not None:
        if is_same and not was_cleared_since(written, task_try, max_tries):
            return earlier, earlier.result_returned["summary"]
        log.info("The result of the earlier batch was used; this batch starts from the beginning.")
        carried_over = _foreign_tasks(earlier)
    elif is_same:
        if written.number < task_try.number and not is_resumed:
            log.info("Continuing an earlier try's batch: %s.", _counts(earlier))
        return earlier, None
    else:
        log.info(
            "An earlier try had other inputs: %s. Items with the same inputs continue.", _counts(earlier)
        )
        carried_over = _with_spending(_carry_over(inputs, earlier), earlier, fresh)
    journal.replace(_applied_to(fresh, _started(inputs, task_try), carried_over))
    _log_left_running(earlier, fresh, log)
    return fresh, None


def _started(inputs: Inputs, task_try: TaskTry) -> Entry:
    return entries.batch_started(inputs.fingerprint, len(inputs), task_try, file_columns=inputs.file_columns)


def _applied_to(fresh: BatchState, started: Entry, carried_over: Iterator[Entry]) -> Iterator[Entry]:
    yield started
    for entry in carried_over:
        fresh.apply(entry)
        yield entry


def _log_left_running(earlier: BatchState, fresh: BatchState, log: Log) -> None:
    """Log the tasks in flight that no item of the new state follows."""
    followed = {attempt.wiro_task_id for attempt in fresh.attempts.values()}
    left = [
        attempt.wiro_task_id
        for item, attempt in sorted(earlier.attempts.items())
        if earlier.item_state(item) is ItemState.RUNNING
        and attempt.wiro_task_id is not None
        and attempt.wiro_task_id not in followed
    ]
    if left:
        log.warning(
            "Wiro tasks of other inputs are left to end, and are billed: %s%s.",
            ", ".join(left[:_MOST_NAMED]),
            f" and {len(left) - _MOST_NAMED:,} more" if len(left) > _MOST_NAMED else "",
        )


def _counts(state: BatchState) -> str:
    return (
        f"{state.count(ItemState.DONE):,} of {state.total:,} done, {state.count(ItemState.RUNNING):,} "
        f"running, {state.count(ItemState.INTENDED):,} whose Run may have started a task"
    )


def _foreign_tasks(earlier: BatchState) -> Iterator[Entry]:
    """Yield the entries that keep tasks of earlier items from being taken for tasks of new ones."""
    ids = iter(earlier.known_ids)
    while some := list(islice(ids, _IDS_PER_ENTRY)):
        yield entries.foreign_tasks(some)


def _carry_over(inputs: Inputs, earlier: BatchState) -> Iterator[Entry]:
    """Yield the entries by which each item continues an earlier one with the same inputs."""
    yield from _foreign_tasks(earlier)
    yield from _continued_items(inputs, earlier)
    for wiro_task_id, usd in earlier.costs.learned.items():
        yield entries.cost_learned(wiro_task_id, usd)


def _with_spending(carried_over: Iterator[Entry], earlier: BatchState, fresh: BatchState) -> Iterator[Entry]:
    """Yield the entries, and then what the batch's budget has less because of runs that are not continued."""
    yield from carried_over
    left = earlier.committed_usd - fresh.committed_usd  # by now, the entries are applied
    if left > 0:
        yield entries.foreign_tasks([], left)


def _continued_items(inputs: Inputs, earlier: BatchState) -> Iterator[Entry]:
    ordered = sorted(earlier.attempts, key=lambda item: _preference(earlier.item_state(item)))
    same, others = defaultdict(list), defaultdict(list)
    for item in ordered:
        same[_identity(earlier, item)].append(item)
    # First the items that have their id still: one with another id and the same input must not get their
    # outputs.
    taken = {number: same[identity].pop() for number, identity in _identities(inputs) if same.get(identity)}
    left = set(ordered).difference(taken.values())
    for item in filter(left.__contains__, ordered):
        others[earlier.attempts[item].fingerprint].append(item)
    for number, (fingerprint, item_id) in _identities(inputs):
        if number in taken:
            yield from _continued(number, taken[number], earlier, item_id)
        elif others.get(fingerprint):
            yield from _continued(number, others[fingerprint].pop(), earlier, item_id)


def _continued(number: int, item: int, earlier: BatchState, item_id: str | None) -> Iterator[Entry]:
    attempt = earlier.attempts[item]
    yield entries.run_intended(number, replace(attempt, item_id=item_id))
    if attempt.wiro_task_id is not None:
        yield entries.run_accepted(number, attempt.wiro_task_id, attempt.accepted_at)
    # Under another id its outputs land again, by a key with that id: its task is read again, not paid again.
    # Where Wiro may not have them any more, they stay under the old one.
    has_moved = (
        attempt.item_id != item_id
        and attempt.wiro_task_id is not None
        and not earlier.deletions.may_be_gone(item)
    )
    if item in earlier.endings and earlier.item_state(item) is not ItemState.RUNNING and not has_moved:
        yield {**earlier.endings[item], "item": number}
        if (deletion := earlier.deletions.of(item)) in {Deletion.DELETED, Deletion.KEPT}:
            is_deleted = deletion is Deletion.DELETED
            yield entries.files_deleted([number] if is_deleted else [], kept=[] if is_deleted else [number])


def _identity(state: BatchState, item: int) -> tuple[str, str | None]:
    return state.attempts[item].fingerprint, state.attempts[item].item_id


def _identities(inputs: Inputs) -> Iterator[tuple[int, tuple[str, str | None]]]:
    return enumerate(zip(inputs.fingerprints(), inputs.ids(), strict=True))


def _preference(state: ItemState) -> int:
    return _PREFERENCE.index(state) if state in _PREFERENCE else -1
