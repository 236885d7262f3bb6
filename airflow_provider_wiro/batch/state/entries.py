"""The entries of a batch's journal: what happened to which item, as small JSON objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.decoding.fields import plain_usd
from airflow_provider_wiro.exceptions import WiroOrphanedRunError
from airflow_provider_wiro.storage.timestamps import to_stored, to_stored_or_none

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from decimal import Decimal

    from airflow_provider_wiro.batch.state.items import Attempt
    from airflow_provider_wiro.recovery.sending import Sending
    from airflow_provider_wiro.state_files.task_try import TaskTry

VERSION = 1

#: ``what`` happened, and what is known of it. The words are stored, and so don't change.
Entry = dict[str, Any]


def batch_started(
    fingerprint: str, total: int, by: TaskTry | None = None, *, file_columns: Collection[str] | None = None
) -> Entry:
    """
    Return the first entry: the inputs' fingerprint, the number of their items, and which try wrote it.

    :param file_columns: the names of columns that are sent as files; None for items that are no rows.
    """
    entry: Entry = {"what": "batch", "version": VERSION, "fingerprint": fingerprint, "total": total}
    if file_columns is not None:
        entry["file_columns"] = sorted(file_columns)
    return entry if by is None else {**entry, **_written_by(by)}


def _written_by(task_try: TaskTry) -> Entry:
    started = to_stored_or_none(task_try.run_started_at)
    return {"try": task_try.number, "clears": task_try.clears, "run_started_at": started}


def run_intended(item: int, attempt: Attempt) -> Entry:
    """Return the entry before a Run is sent. From here on the run may exist."""
    known = {
        **attempt.sending.to_json(),
        "files": attempt.files or None,
        "item_id": attempt.item_id,
        "max_usd": None if attempt.max_usd is None else plain_usd(attempt.max_usd),
    }
    at, newest_before = known.pop("intended_at"), known.pop("newest_before")
    return {
        "what": "intent",
        "item": item,
        "fingerprint": attempt.fingerprint,
        "newest_before": newest_before,
        "at": at,
        "try": attempt.try_number,
        **{name: value for name, value in known.items() if value is not None},
    }


def run_leaving(item: int, attempt: Attempt) -> Entry:
    """Return the entry for a Run that is sent long after its intent, or whose files have been uploading."""
    sending = attempt.sending
    entry = {
        "what": "leaving",
        "item": item,
        "newest_before": sending.newest_before,
        "at": to_stored(sending.intended_at),
        "wiro_at": to_stored_or_none(sending.wiro_at),
    }
    return entry if sending.uploaded_for is None else {**entry, "uploaded_for": sending.uploaded_for}


def run_lost(item: int, sending: Sending) -> Entry:
    """Return the entry for a Run whose response was lost: how, and how long after it was sent."""
    loss = sending.loss.value if sending.loss else None
    return {"what": "lost", "item": item, "loss": loss, "lost_after": sending.lost_after}


def run_accepted(item: int, wiro_task_id: str, at: float | None = None) -> Entry:
    """
    Return the entry for the task that a Run has started.

    :param at: Unix time at which the id was received; None if that isn't known.
    """
    entry = {"what": "id", "item": item, "id": wiro_task_id}
    return entry if at is None else {**entry, "at": to_stored(at)}


def run_not_started(item: int, *, may_be_billed: bool = False) -> Entry:
    """
    Return the entry for a Run that certainly started nothing, or whose task no longer matters.

    :param may_be_billed: it had a task, which Wiro doesn't show.
    """
    return {"what": "gone", "item": item, **({"may_be_billed": True} if may_be_billed else {})}


def lost_run_not_started(item: int, try_number: int) -> Entry:
    """Return the entry for a lost Run that is considered not started, and may be sent again."""
    return {"what": "not_started", "item": item, "try": try_number}


def strays_checked(item: int, *, is_certain: bool = True) -> Entry:
    """
    Return the entry for an item whose earlier lost Runs were checked again for tasks.

    :param is_certain: False: it isn't known whether they have any, or what these cost.
    """
    return {"what": "checked", "item": item, **({} if is_certain else {"is_certain": False})}


def task_billed(wiro_task_id: str, usd: str | None, max_usd: Decimal | None = None) -> Entry:
    """
    Return the entry for a task that is billed and is no item's result.

    :param usd: its cost, None if not known yet.
    :param max_usd: the upper end of its estimate, by which it counts until then.
    """
    known = {} if max_usd is None else {"max_usd": plain_usd(max_usd)}
    return {"what": "billed", "id": wiro_task_id, "cost": usd, **known}


def item_retried(
    item: int, try_number: int, *, keeps_task: bool = False, is_billed: bool = False, cost: str | None = None
) -> Entry:
    """
    Return the entry for a failed item that is tried again in this try of the Airflow task.

    :param keeps_task: its task is kept, and is followed or landed again.
    :param is_billed: the task succeeded nevertheless, and another one replaces it.
    :param cost: of that task in USD, None if not known yet.
    """
    bill = {"is_billed": True, "cost": cost} if is_billed else {}
    return {"what": "again", "item": item, "try": try_number, "keeps_task": keeps_task, **bill}


def timeout_restarted(item: int, at: float) -> Entry:
    """Return the entry for a task whose timeout counts from ``at``, a Unix time."""
    return {"what": "followed", "item": item, "at": to_stored(at)}


def item_done(
    item: int,
    location: tuple[int, int],
    *,
    cost: str | None,
    size: int | None,
    is_reused: bool = False,
    deletes: bool | None = None,
) -> Entry:
    """
    Return the entry for an item that is done.

    :param location: the number of the shard that has its result, and the row in it.
    :param size: of its files in bytes, None if none were landed.
    :param is_reused: it was made before, and nothing was sent.
    :param deletes: whether Wiro's copies of its files are to be deleted; None: nobody wants that.
    """
    entry = {"what": "done", "item": item, "place": list(location), "cost": cost, "bytes": size}
    known = {} if deletes is None else {"deletes": deletes}
    return {**entry, **({"is_reused": True} if is_reused else {}), **known}


def files_deleted(items: Sequence[int], *, kept: Sequence[int] = ()) -> Entry:
    """
    Return the entry for items whose files Wiro has deleted.

    It is a form of :func:`foreign_tasks`, whose further fields an earlier version ignores.

    :param kept: items whose files stay at Wiro, which refuses to delete them.
    """
    return {"what": "known", "ids": [], "deleted": list(items), "kept": list(kept)}


def item_failed(
    item: int,
    location: tuple[int, int],
    try_number: int,
    *,
    may_retry: bool,
    keeps_task: bool = False,
    is_billed: bool = False,
    cost: str | None = None,
) -> Entry:
    """
    Return the entry for an item that failed permanently in this try.

    :param location: see :func:`item_done`.
    :param may_retry: whether another try may help.
    :param keeps_task: the next try continues with its task, or lost Run, and starts no other.
    :param is_billed: its run succeeded, but its outputs are too few or can't be fetched.
    :param cost: of such a run in USD, None if not known yet.
    """
    entry = {"what": "failed", "item": item, "place": list(location), "try": try_number}
    return {**entry, "may_retry": may_retry, "keeps_task": keeps_task, "is_billed": is_billed, "cost": cost}


def cost_learned(wiro_task_id: str, usd: str) -> Entry:
    """Return the entry for the cost of a run that was not known when the run ended."""
    return {"what": "cost", "id": wiro_task_id, "cost": usd}


def foreign_tasks(wiro_task_ids: list[str], spent_usd: Decimal | None = None) -> Entry:
    """
    Return the entry for tasks of earlier inputs, which are never these items' tasks.

    :param spent_usd: what the batch's budget has less because of them.
    """
    spent = {} if spent_usd is None else {"spent_usd": plain_usd(spent_usd)}
    return {"what": "known", "ids": wiro_task_ids, **spent}


def result_returned(max_tries: int, summary: Mapping[str, Any], by: TaskTry | None = None) -> Entry:
    """
    Return the last entry: the batch's result was returned.

    :param max_tries: Airflow's, of the task instance.
    :param by: the try that returned it.
    """
    entry = {"what": "spent", "lifetime": max_tries, "summary": dict(summary)}
    return entry if by is None else {**entry, **_written_by(by)}


def read_begin(entry: Mapping[str, Any], where: str | None = None) -> tuple[str, int]:
    """
    Read a journal's first entry: the fingerprint of the inputs, and how many items they have.

    :param where: the entry is, for the error.
    :raises WiroOrphanedRunError: it is no first entry of this version.
    """
    is_whole = (
        entry.get("what") == "batch"
        and entry.get("version") == VERSION
        and isinstance(entry.get("fingerprint"), str)
        and isinstance(entry.get("total"), int)
        and entry["total"] >= 0
    )
    if not is_whole:
        raise damaged(entry, where)
    return entry["fingerprint"], entry["total"]


def damaged(entry: object, where: str | None = None) -> WiroOrphanedRunError:
    """
    Return the error for what should be an entry and is none.

    :param where: it is, if it was read.
    """
    position = "" if where is None else f", at {where}"
    return WiroOrphanedRunError(
        f"Expected an entry of a batch's journal, version {VERSION}{position}, found "
        f"{str(entry)[:200]!r}. Without this line its item, without the journal every item may be run and "
        "paid for again. So first check in the dashboard at wiro.ai what was started, and keep a copy; then "
        "repair the line. If you remove one, correct the number of lines in the first line of its file."
    )
