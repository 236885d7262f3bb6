"""What an earlier try knew of a batch, read from its journal and held against the inputs of this one."""

from __future__ import annotations

from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.batch.preflight.store_refusals import refusals
from airflow_provider_wiro.batch.state import batch_state as batch_state
from airflow_provider_wiro.batch.state.batch_state import BatchState, ItemState
from airflow_provider_wiro.state_files.task_try import is_of_deleted_dag_run, was_cleared_since

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow_provider_wiro.batch.inputs.items import Inputs
    from airflow_provider_wiro.batch.journal.interface import Journal
    from airflow_provider_wiro.batch.settings import Log
    from airflow_provider_wiro.batch.state.batch_state import Entry
    from airflow_provider_wiro.exceptions import WiroError
    from airflow_provider_wiro.state_files.task_try import TaskTry

_IDS_AN_ENTRY = 1000
#: Of tasks that are left to end, so many are named in the log.
_MOST_NAMED = 20
#: An earlier item of equal inputs is taken over: rather one that is done than one that is on its way.
_WORTH = [ItemState.INTENDED, ItemState.RUNNING, ItemState.DONE]


def open_record(
    store: Journal | None,
    inputs: Inputs,
    *,
    task_try: TaskTry,
    lifetime: int,
    existing_parts: set[int] | None,
    log: Log,
    missing: Callable[[str], WiroError] | None = None,
    is_resumed: bool = False,
) -> tuple[BatchState, Mapping[str, Any] | None]:
    """
    Return what is known of the items; and the summary, if it was returned in this very lifetime.

    Items are known again by what they run: after a Clear with other inputs, those that are the same go on
    where they were, and the Wiro tasks of the others are left to end.

    :param lifetime: Airflow's ``max_tries`` of the task instance.
    :param existing_parts: the parts of the results that are there; None: all that the journal names.
    :param missing: makes the error to raise where there is no journal, of where it was looked for; None: a
        new one is begun.
    :param is_resumed: this very try goes on after a deferral, which is no news.
    :raises WiroError: the error of ``missing``.
    :raises WiroUsageError: a new journal is refused by where it is to be kept.
    :raises WiroRecordError: the journal can't be read or written.
    :raises WiroOrphanedRunError: it is damaged.
    """
    try_number = task_try.number
    fresh = BatchState(len(inputs), try_number=try_number, existing_parts=existing_parts)
    if store is None:
        return fresh, None
    entries = store.read()
    first = next(entries, None)
    begin = batch_state.begin(inputs.fingerprint, len(inputs), task_try)
    if first is None:
        if missing is not None:
            raise missing(store.position)
        with refusals(f"keep the journal of this batch, in {store.position}"):
            store.replace([begin])
        return fresh, None
    found = batch_state.read_begin(first, store.position)
    is_same = found == (inputs.fingerprint, len(inputs))
    record = BatchState(found[1], try_number=try_number, existing_parts=existing_parts, keeps_all=not is_same)
    for entry in entries:
        record.apply(entry, store.position)
    written = batch_state.written_by(first, record)
    if is_of_deleted_dag_run(written, task_try):
        log.info(
            "The journal is of an earlier DAG run with the same id, which was deleted: %s. Its Wiro tasks "
            "are left to end, and this batch starts from the beginning.",
            _counts(record),
        )
        carried = _tasks_of_others(record)
    elif record.spent is not None:
        if is_same and not was_cleared_since(written, task_try, lifetime):
            return record, record.spent["summary"]
        log.info("The earlier batch's result was used; this one begins anew.")
        carried = _tasks_of_others(record)
    elif is_same:
        if written.number < try_number and not is_resumed:
            log.info("Going on with an earlier try's batch: %s.", _counts(record))
        return record, None
    else:
        log.info("An earlier try had other inputs: %s. What is the same goes on.", _counts(record))
        carried = _carry_over(inputs, record)

    def kept() -> Iterator[Entry]:
        yield begin
        for entry in carried:
            fresh.apply(entry)
            yield entry

    store.replace(kept())
    if left := _left_running(record, fresh):
        log.warning(
            "Wiro tasks of other inputs are left to end, and are billed: %s%s.",
            ", ".join(left[:_MOST_NAMED]),
            f" and {len(left) - _MOST_NAMED:,} more" if len(left) > _MOST_NAMED else "",
        )
    return fresh, None


def _left_running(earlier: BatchState, fresh: BatchState) -> list[str]:
    """Return the tasks in flight that no item of the new record follows."""
    followed = {attempt.wiro_task_id for attempt in fresh.attempts.values()}
    return [
        attempt.wiro_task_id
        for item, attempt in sorted(earlier.attempts.items())
        if earlier.state(item) is ItemState.RUNNING
        and attempt.wiro_task_id is not None
        and attempt.wiro_task_id not in followed
    ]


def _counts(record: BatchState) -> str:
    return (
        f"{record.count(ItemState.DONE):,} of {record.total:,} done, {record.count(ItemState.RUNNING):,} "
        f"running, {record.count(ItemState.INTENDED):,} whose Run may have started a task"
    )


def _tasks_of_others(record: BatchState) -> Iterator[Entry]:
    """Yield the entries by which the tasks of earlier items are not taken for those of new ones."""
    ids = iter(record.known_ids)
    while some := list(islice(ids, _IDS_AN_ENTRY)):
        yield batch_state.known(some)


def _carry_over(inputs: Inputs, record: BatchState) -> Iterator[Entry]:
    """Yield the entries by which each item goes on as an earlier one with the same inputs."""
    yield from _tasks_of_others(record)
    yield from _carried(inputs, record)
    for wiro_task_id, usd in record.costs.learned.items():
        yield batch_state.cost(wiro_task_id, usd)


def _carried(inputs: Inputs, record: BatchState) -> Iterator[Entry]:
    earlier: dict[str, list[int]] = defaultdict(list)
    for item in sorted(record.attempts, key=lambda item: _worth(record, item)):
        earlier[record.attempts[item].fingerprint].append(item)
    for number, digest in enumerate(inputs.fingerprints()):
        if not earlier[digest]:
            continue
        item = earlier[digest].pop()
        attempt = record.attempts[item]
        yield batch_state.intent(number, attempt)
        if attempt.wiro_task_id is not None:
            yield batch_state.task_id(number, attempt.wiro_task_id, attempt.accepted_at)
        if item in record.endings and record.state(item) is not ItemState.RUNNING:
            yield {**record.endings[item], "item": number}


def _worth(record: BatchState, item: int) -> int:
    state = record.state(item)
    return _WORTH.index(state) if state in _WORTH else -1
