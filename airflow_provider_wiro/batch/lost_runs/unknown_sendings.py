"""Runs of a batch whose task isn't known, and the search for their tasks when the batch is stopped."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroError
from airflow_provider_wiro.input_files.resolve import files_as_far_as_known
from airflow_provider_wiro.input_files.sent_files import with_digests
from airflow_provider_wiro.recovery.lost_run_digests import LostRunDigests
from airflow_provider_wiro.recovery.lost_runs import STRAY_WINDOW_SECONDS, LostRun, find_lost

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_wiro.batch.inputs.items import Inputs, Item
    from airflow_provider_wiro.batch.settings import BatchSettings
    from airflow_provider_wiro.batch.state.batch_state import BatchState
    from airflow_provider_wiro.batch.state.task_ids import TaskIdSet
    from airflow_provider_wiro.hooks.wiro import WiroAsyncHook
    from airflow_provider_wiro.input_files.sent_files import Digests, SentFiles
    from airflow_provider_wiro.recovery.sending import Sending
    from airflow_provider_wiro.redaction.loggers import Log

#: How many known tasks are read to learn who starts this project's tasks.
OWN_IDS = 3
#: How many tasks that aren't the lost Runs' a trigger may know.
_MOST_NOTED_IDS = 500


@dataclass(frozen=True)
class FoundTasks:
    """
    The result of a search.

    :ivar ids: tasks that certainly are the batch's.
    :ivar doubtful_ids: tasks that may be.
    :ivar settled: items whose task is among ``ids``, or whose Run certainly started none.
    """

    ids: tuple[str, ...] = ()
    doubtful_ids: tuple[str, ...] = ()
    settled: frozenset[int] = field(default_factory=frozenset)


@dataclass(frozen=True)
class UnknownSending:
    """
    A sending of an item.

    :ivar fingerprint: of the item's inputs; empty if it is not known.
    :ivar digests: of the files that were sent, as far as they are known.
    :ivar is_latest: it isn't one that was considered not started, after which the item was sent again.
    """

    item: int
    sending: Sending
    fingerprint: str = ""
    digests: Digests = field(default_factory=dict)
    is_latest: bool = True


def unknown_sendings(state: BatchState) -> list[UnknownSending]:
    """Return the sendings that may have started a task which is not known."""
    latest = [
        UnknownSending(item, attempt.sending, attempt.fingerprint, attempt.files)
        for item, attempt in state.attempts.items()
        if attempt.wiro_task_id is None
    ]
    earlier = [
        UnknownSending(item, sending, is_latest=False)
        for item, sendings in state.lost_sendings.items()
        for sending in sendings
    ]
    return latest + earlier


def unknown_items(state: BatchState) -> set[int]:
    """Return the items whose latest Run was sent, or is about to be, and whose task isn't known."""
    return {item for item, attempt in state.attempts.items() if attempt.wiro_task_id is None}


def lost_run(
    settings: BatchSettings,
    inputs: Inputs,
    number: int,
    spec: Item,
    sending: Sending,
    files: SentFiles,
    digests: Digests,
) -> LostRun:
    """
    Return a sending of an item, to search for.

    :param number: identifies it in the findings.
    :param files: of the item, as far as they exist.
    :param digests: of the files that were sent, as far as they are known.
    """
    files = with_digests(files, digests)
    return LostRun(
        number,
        settings.model,
        spec.parameters,
        inputs.fingerprint_of(spec),
        sending,
        files,
        settings.project_id,
    )


def describe(
    settings: BatchSettings, inputs: Inputs, unknown: Iterable[UnknownSending]
) -> list[tuple[UnknownSending, LostRun]]:
    """
    Return sendings as Runs to search for, as far as the inputs still show what was sent.

    Blocks: files are read.
    """
    found = []
    for number, sent in enumerate(unknown):
        if sent.item >= len(inputs):
            continue
        spec = inputs[sent.item]
        if sent.fingerprint not in {"", inputs.fingerprint_of(spec)}:
            continue
        files = files_as_far_as_known(spec.files, settings.aws_conn_id)
        found.append((sent, lost_run(settings, inputs, number, spec, sent.sending, files, sent.digests)))
    return found


def notes_of(settings: BatchSettings, inputs: Inputs, state: BatchState) -> LostRunDigests | None:
    """
    Return the lost Runs of a batch as its trigger may know them.

    :return: None if there are none, or if too many tasks were started since to name them all.
    """
    latest = [sent for sent in unknown_sendings(state) if sent.is_latest]
    runs = [run for _, run in describe(settings, inputs, latest)]
    newest = [run.sending.newest_before or "" for run in runs]
    oldest = min((int(one) for one in newest if one.isdecimal()), default=0)
    known = state.known_ids.latest(_MOST_NOTED_IDS + 1)
    since = [wiro_task_id for wiro_task_id in known if int(wiro_task_id) > oldest]
    if not runs or len(since) > _MOST_NOTED_IDS:
        return None
    return LostRunDigests(tuple(runs), tuple(reversed(since or known[:OWN_IDS])), settings.lost_run_patience)


async def find_tasks(
    hook: WiroAsyncHook,
    lost: Sequence[tuple[UnknownSending, LostRun]],
    known_ids: TaskIdSet,
    log: Log,
    *,
    patience_seconds: float,
    seconds: float,
) -> FoundTasks:
    """
    Search once for the tasks of Runs, for as long as there is time.

    :param lost: each sending, and the Run to search for, with a unique number.
    :param known_ids: tasks that are known to be other runs.
    :param patience_seconds: ``[wiro] lost_run_patience``.
    :param seconds: how long it may take.
    """
    runs = [run for _, run in lost]
    if not runs:
        return FoundTasks()
    has_strays = not all(sent.is_latest for sent, _ in lost)
    try:
        async with asyncio.timeout(seconds):
            found = await hook.run_flow(
                lambda context: find_lost(
                    context,
                    runs,
                    known_ids,
                    own_ids=known_ids.latest(OWN_IDS),
                    patience_seconds=patience_seconds,
                    window_seconds=STRAY_WINDOW_SECONDS if has_strays else 0.0,
                    call_patience_seconds=seconds,
                )
            )
    except (WiroError, TimeoutError) as error:
        log.warning("Wiro's task list can't be searched for the tasks of lost Runs: %s", error or "no time")
        return FoundTasks()
    settled = {*found.tasks, *found.not_started}
    sendings = {run.item: run.sending for run in runs}
    # A task that came later than right after the sending may be an equal run of another Airflow task.
    certain = {id_: sendings[item].was_right_before(found.seen[id_]) for item, id_ in found.tasks.items()}
    doubtful = [id_ for ids in found.doubts.values() for id_ in ids]
    return FoundTasks(
        tuple(id_ for id_, is_certain in certain.items() if is_certain),
        tuple(dict.fromkeys([*(id_ for id_ in certain if not certain[id_]), *doubtful])),
        frozenset(sent.item for sent, run in lost if sent.is_latest and run.item in settled),
    )
