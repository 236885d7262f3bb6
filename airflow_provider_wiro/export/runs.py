"""
What runs of the export do to its state: begin, claim, commit, end; and take over from runs that have died.

Each is a pure change: the state and the time in, the state out. A store may apply a change twice, when the
response to a conditional write is lost: the second time it has to change nothing, and to return the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroOvertakenError, WiroUsageError
from airflow_provider_wiro.export.state import FINAL, Outcome, Part, RunState, with_more

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.export.state import ExportState, TaskOutcome

#: How long a run may be silent before another one takes over what it has claimed.
LEASE_SECONDS = 15 * 60.0
#: How long an ended run is kept for another try of its task instance, and how many are.
KEPT_SECONDS = 2 * 24 * 3600.0
MAX_KEPT = 100
_MAX_REPLACED = 10
#: The start of the DAG run, at the end of what a task instance is named by.
_START = r"~\d{8}T\d{12}$"


@dataclass(frozen=True)
class Chunk:
    """
    Tasks that a run has claimed.

    :ivar ids: the smallest first.
    :ivar unclear: those of which the list has not shown whether they are wanted.
    :ivar tries: how often they could not be landed before.
    """

    ids: tuple[int, ...] = ()
    unclear: frozenset[int] = frozenset()
    tries: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Commit:
    """
    What became of tasks.

    :ivar number: of the commit within its run, from 1.
    :ivar outcomes: by task.
    :ivar part: where the part of the manifest with their lines is; None if there are no lines.
    :ivar deleted: tasks whose files need no deletion from Wiro any more.
    """

    number: int
    outcomes: Mapping[int, TaskOutcome]
    part: str | None = None
    deleted: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Committed:
    """
    What a commit has brought.

    :ivar dropped: tasks that another run was first with: they don't count here.
    :ivar to_delete: those whose files are now to be deleted from Wiro, earlier ones included.
    :ivar chunk: what is claimed now.
    """

    dropped: frozenset[int]
    to_delete: frozenset[int]
    chunk: Chunk


def with_run(
    state: ExportState,
    token: str,
    instance: str,
    now: float,
    *,
    manifest: str | None = None,
    lease_seconds: float = LEASE_SECONDS,
) -> ExportState:
    """
    Return the state in which a run is at work; what other tries of its task instance, and dead runs, had is
    its own now.

    :param manifest: the place of its manifest.
    :raises WiroOvertakenError: a later try of the task instance has taken its place.
    """
    _check_not_replaced(state, token, instance)
    until = now + lease_seconds
    run = state.runs.get(token, RunState(instance, until))
    runs = {other: found for other, found in state.runs.items() if other != token}
    freed: set[int] = set()
    for other, found in list(runs.items()):
        is_same = found.instance == instance
        is_cleared = manifest == found.manifest is not None and _is_of_task_instance(found, instance)
        if not (is_same or is_cleared) and found.ended_at is not None:
            # Its result stands. What it could not delete is for the next run.
            run = replace(run, to_delete=run.to_delete | found.to_delete)
            runs[other] = replace(found, to_delete=frozenset())
            continue
        if not is_same and found.ended_at is None and found.until > now:
            continue
        del runs[other]
        freed.update(found.claimed)
        run = _joined(found, run, other if is_same else None)
    runs[token] = replace(run, until=max(run.until, until), ended_at=None, manifest=manifest)
    return replace(
        state,
        pending=with_more(state.pending, freed),
        runs=_kept(runs, now),
    )


def check_place(state: ExportState, token: str, now: float) -> None:
    """
    Refuse a manifest that would replace that of another run: its lines are listed nowhere else.

    :param token: of a run that is at work. If it has nothing to list, its place doesn't matter.
    :raises WiroUsageError: another task instance has its manifest there, or is about to.
    """
    run = state.runs[token]
    has_begun = bool(run.parts or run.claimed)
    if run.manifest is None or not (has_begun or state.pending):
        return
    for other in state.runs.values():
        if other.manifest != run.manifest or _is_of_task_instance(other, run.instance):
            continue
        has_one = other.ended_at is not None and other.parts
        will_have_one = other.until > now and other.ended_at is None and (other.parts or other.claimed)
        if has_one or (will_have_one and not has_begun):
            raise WiroUsageError(
                f"Expected a manifest_uri of its own for each run, found {run.manifest[:300]!r}, where "
                "another run of this export has its manifest, which would be lost. Write {{ run_id }} into "
                "it, and {{ ti.map_index }} if the task is mapped."
            )


def with_draft(state: ExportState, token: str, place: str | None, now: float) -> tuple[ExportState, RunState]:
    """
    Return the state in which a run is about to write its manifest, and the run.

    If it dies before its end is recorded, the run that takes over knows which manifest lists the same tasks.

    :param token: of a run that is at work.
    :param place: the manifest's URI.
    :raises WiroUsageError: another run has its manifest there.
    """
    run = state.runs[token]
    if not run.parts:
        return state, run
    check_place(state, token, now)
    if place is not None and place not in run.drafts:
        run = replace(run, drafts=(*run.drafts, place))
    return replace(state, runs={**state.runs, token: run}), run


def with_claim(state: ExportState, token: str, most: int) -> tuple[ExportState, Chunk]:
    """
    Return the state in which a run has claimed its next tasks, the oldest first; and these.

    What it has claimed already it keeps, and is given again.

    :param token: of a run that is at work.
    """
    run = state.runs[token]
    if run.claimed or most <= 0:
        return state, _chunk(state, run.claimed)
    claimed: list[int] = []
    for number in state.pending:
        if len(claimed) == most:
            break
        if number not in run.later:
            claimed.append(number)
    pending = state.pending[len(claimed) :]
    if claimed and claimed[-1] != state.pending[len(claimed) - 1]:  # it has left some out
        taken = frozenset(claimed)
        pending = tuple(number for number in state.pending if number not in taken)
    changed = replace(
        state,
        pending=pending,
        runs={**state.runs, token: replace(run, claimed=tuple(claimed))},
    )
    return changed, _chunk(changed, tuple(claimed))


def with_second_try(state: ExportState, token: str) -> tuple[ExportState, int]:
    """Return the state in which a run may claim again what it could not land; and how many tasks that are."""
    run = state.runs[token]
    count = len(run.later.intersection(state.pending))
    return replace(state, runs={**state.runs, token: replace(run, later=frozenset())}), count


def with_commit(
    state: ExportState, token: str, commit: Commit, take: int, now: float
) -> tuple[ExportState, Committed]:
    """
    Return the state in which it is said what became of tasks, and the next ones are claimed.

    :param token: of a run that is at work.
    :param take: how many are claimed.
    """
    if commit.number > state.runs[token].commits:
        state, dropped = _with_outcomes(state, token, commit, now)
    else:  # it is there, and the response was lost
        parts = state.runs[token].parts
        dropped = next((part.dropped for part in parts if part.name == commit.part), frozenset())
    state, chunk = with_claim(state, token, take)
    return state, Committed(dropped, state.runs[token].to_delete, chunk)


def _with_outcomes(
    state: ExportState, token: str, commit: Commit, now: float
) -> tuple[ExportState, frozenset[int]]:
    """Return the state in which it is said what became of tasks; and those another run was first with."""
    run = state.runs[token]
    own = frozenset(run.claimed)
    others = frozenset(commit.outcomes) - own  # only a run that was taken over has any
    there = own | (others & _everywhere(state) if others else others)
    dropped = frozenset(commit.outcomes) - there
    committed = {number: found for number, found in commit.outcomes.items() if number in there}
    tally = run.tally
    for found in committed.values():
        tally = tally.plus({found.outcome.value: 1, **found.counts}, found.usd)
    final = frozenset(number for number, found in committed.items() if found.outcome in FINAL)
    later = frozenset(number for number, found in committed.items() if found.outcome is Outcome.LATER)
    reopened = {
        number: now if found.outcome is Outcome.UNKNOWN else None
        for number, found in committed.items()
        if found.outcome in {Outcome.UNKNOWN, Outcome.NOT_ENDED}
    }
    open_tasks = {number: since for number, since in state.open.items() if number not in committed}
    open_tasks.update(reopened)
    pending = state.pending
    if others:
        pending = tuple(number for number in pending if number not in committed)
    runs = {
        other: replace(found, claimed=tuple(number for number in found.claimed if number not in committed))
        for other, found in state.runs.items()
    }
    parts = () if commit.part is None else (Part(commit.part, dropped),)
    runs[token] = replace(
        runs[token],
        later=run.later | later,
        to_delete=(run.to_delete - commit.deleted).union(
            number for number in final if committed[number].delete
        ),
        parts=(*run.parts, *parts),
        tally=tally,
        commits=commit.number,
    )
    changed = replace(
        state,
        pending=with_more(pending, later),
        open=open_tasks,
        unclear=state.unclear - final,
        tries={
            **{number: count for number, count in state.tries.items() if number not in committed},
            **{number: state.tries.get(number, 0) + 1 for number in later},
        },
        runs=runs,
    )
    return changed, dropped


def with_end(
    state: ExportState, token: str, written: RunState, manifest: str | None, now: float
) -> tuple[ExportState, bool]:
    """
    Return the state in which a run has ended, and whether that is so: not if it has further parts or sums.

    What it has claimed is free again.

    :param written: the run as its manifest has it.
    :param manifest: where that is; None if it has none.
    """
    run = state.runs[token]
    parts = () if manifest is None else (Part(manifest),)
    if run.ended_at is not None and run.parts == parts:  # it is there, and the response was lost
        return state, True
    if (run.parts, run.tally, run.vanished) != (written.parts, written.tally, written.vanished):
        return state, False
    ended = replace(run, claimed=(), later=frozenset(), parts=parts, ended_at=now, drafts=())
    runs = _kept({**state.runs, token: ended}, now)
    return replace(state, pending=with_more(state.pending, run.claimed), runs=runs), True


def _check_not_replaced(state: ExportState, token: str, instance: str) -> None:
    for run in state.runs.values():
        if token in run.replaced and run.instance == instance:
            raise WiroOvertakenError(
                "Another try of this Airflow task continues the export, so this one ends. Nothing is lost."
            )


def _is_of_task_instance(run: RunState, instance: str) -> bool:
    """Whether a run is of a task instance, before or after a Clear, which gives the DAG run another start."""
    return re.sub(_START, "", run.instance) == re.sub(_START, "", instance)


def _joined(earlier: RunState, run: RunState, replaced: str | None) -> RunState:
    """Return a run with what an earlier one leaves; both may have parts, which come in their order."""
    return replace(
        run,
        to_delete=run.to_delete | earlier.to_delete,
        parts=(*earlier.parts, *run.parts),
        tally=run.tally.plus(earlier.tally.counts, earlier.tally.usd),
        vanished=(*earlier.vanished, *run.vanished),
        drafts=tuple(dict.fromkeys((*earlier.drafts, *run.drafts))),
        replaced=run.replaced
        if replaced is None
        else (*earlier.replaced, *run.replaced, replaced)[-_MAX_REPLACED:],
    )


def _kept(runs: Mapping[str, RunState], now: float) -> dict[str, RunState]:
    """Return the runs without those that ended long ago. One with files to delete stays."""
    ended = sorted(
        (found.ended_at, token)
        for token, found in runs.items()
        if found.ended_at is not None and not found.to_delete
    )
    old = {token for at, token in ended[:-MAX_KEPT] if at <= now}
    old |= {token for at, token in ended if now - at > KEPT_SECONDS}
    return {token: found for token, found in runs.items() if token not in old}


def _everywhere(state: ExportState) -> set[int]:
    """Return all tasks that nobody has committed."""
    return {*state.pending, *state.open, *(number for run in state.runs.values() for number in run.claimed)}


def _chunk(state: ExportState, ids: tuple[int, ...]) -> Chunk:
    return Chunk(
        ids,
        state.unclear.intersection(ids),
        {number: state.tries[number] for number in ids if number in state.tries},
    )
