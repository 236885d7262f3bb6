"""Keeps result cards: of what a transfer has landed and verified, and of answers that are text alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.reuse.card import CardOutput, ResultCard
from airflow_provider_wiro.reuse.card_store import CardStore
from airflow_provider_wiro.reuse.summary import CardPlace
from airflow_provider_wiro.storage.landed_object import LandedObject

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.landing.plan import PlannedObject
    from airflow_provider_wiro.landing.transfer import Transfer
    from airflow_provider_wiro.redaction.loggers import Log


def keep_card(
    summary: object,
    transfer: Transfer[Any],
    files: Sequence[Mapping[str, Any]],
    secrets: Collection[str],
    log: Log,
) -> None:
    """
    Keep the card of a run whose outputs have landed, if its summary says where it belongs.

    :param summary: what the transfer was given as the task.
    :param files: what the transfer has landed, one for each object.
    :param secrets: texts that must not be in a card.
    """
    place = CardPlace.in_summary(summary)
    if place is None:
        return
    if transfer.unverified:
        log.warning("No result card is kept: an output may be truncated.")
        return
    card = card_of(transfer.task, place.fingerprint, landed_objects(transfer.planned, files))
    listed = summary.get("outputs") if isinstance(summary, dict) else None
    if isinstance(listed, list | tuple) and len(listed) != len(card.outputs):
        log.warning("No result card is kept: Wiro shows other outputs now than when the run ended.")
        return
    try:
        store = CardStore(place.uri, log)
    except WiroUsageError as error:
        log.warning("No result card is kept: %s", error)
        return
    keep(store, card, secrets, log)


def keep(
    store: CardStore, card: ResultCard, secrets: Collection[str], log: Log, *, is_logged: bool = True
) -> None:
    """
    Store a card, if it says where all of the result is, and quotes no secret.

    :param secrets: the connection's, and those among the run's parameters.
    :param is_logged: say so if it is kept, or if there is nothing to keep.
    """
    if not card.is_whole:
        if is_logged:
            log.info("No result card is kept: the result has no outputs, or is incomplete.")
        return
    stored = card.to_bytes().decode()
    shown = f"{stored}\n{card.text or ''}"
    if any(secret and secret in shown for secret in secrets):
        log.warning("No result card is kept: the result quotes a secret of the run or the connection.")
        return
    if store.write(card) and is_logged:
        log.info("Kept the result card of Wiro task %s in %s.", card.wiro_task_id, store.uri)


def card_of(task: Task, fingerprint: str, landed: Sequence[LandedObject] = ()) -> ResultCard:
    """
    Return the card of a task that has succeeded.

    Its age counts from the end of the run, as Wiro says it, or else from now.
    """
    now = time.time()
    ended_at = now if task.ended_at is None else min(task.ended_at.timestamp(), now)
    return ResultCard(
        fingerprint,
        task.id,
        task.model or "",
        ended_at,
        tuple(
            CardOutput(output.index, output.name, output.content_type or None, output.size)
            for output in task.outputs
        ),
        tuple(landed),
        task.answer,
        task.finish_reason,
        task.usage,
        task.elapsed_seconds,
        task.cost_usd,
    )


def landed_objects(
    planned: Sequence[PlannedObject], files: Sequence[Mapping[str, Any]]
) -> list[LandedObject]:
    """Return what a transfer has landed."""
    return [
        LandedObject(
            one.output.index,
            one.part,
            file["name"],
            file["content_type"] or "",
            file["uri"],
            file["size"],
            file["sha256"],
            file["etag"],
        )
        for one, file in zip(planned, files, strict=True)
    ]
