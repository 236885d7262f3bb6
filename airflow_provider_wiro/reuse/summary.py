"""Run summaries and result cards: the summary that a card gives, and what a summary says of its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wiro.api.models import TaskState, TaskStatus
from airflow_provider_wiro.storage.timestamps import to_stored

if TYPE_CHECKING:
    from airflow_provider_wiro.api.run_summary import RunSummary
    from airflow_provider_wiro.reuse.card import ResultCard
    from airflow_provider_wiro.storage.landed_object import LandedObject

#: The part of a run summary that says where its result card is, or is to be.
REUSE = "reuse"


@dataclass(frozen=True)
class CardPlace:
    """
    Where a run's result card belongs.

    :ivar uri: the folder, as ``reuse_results`` names it.
    :ivar fingerprint: of the inputs.
    """

    uri: str
    fingerprint: str

    def to_json(self) -> dict[str, Any]:
        """Return it as a run summary has it."""
        return {"uri": self.uri, "fingerprint": self.fingerprint}

    @classmethod
    def in_summary(cls, summary: object) -> Self | None:
        """Return the place that a new run's summary names; None where it names none, or was reused."""
        if not isinstance(summary, Mapping) or summary.get("reused"):
            return None
        found = summary.get(REUSE)
        if not isinstance(found, Mapping):
            return None
        uri, fingerprint = found.get("uri"), found.get("fingerprint")
        return cls(uri, fingerprint) if isinstance(uri, str) and isinstance(fingerprint, str) else None


def with_card_place(summary: RunSummary, place: CardPlace | None) -> RunSummary:
    """Return a run summary that says where the run's card belongs, so that a transfer can write it."""
    return summary if place is None else {**summary, REUSE: place.to_json()}


def reused_summary(
    card: ResultCard, place: CardPlace, landed: Sequence[LandedObject], *, model: str, label: str | None
) -> RunSummary:
    """
    Return the run summary of a run that was not sent, since a card has its result.

    :param landed: the objects that are there, unchanged.
    :param model: as this run names it.
    :param label: of this run.
    """
    uris = {one.output: one.uri for one in landed if not one.part}
    return {
        "wiro_task_id": card.wiro_task_id,
        "model": model,
        "status": TaskStatus.POSTPROCESS_END.value,
        "state": TaskState.SUCCEEDED.value,
        "outputs": [
            {
                "index": output.index,
                "name": output.name,
                "content_type": output.content_type,
                "size": output.size,
                "url": None,
                "uri": uris.get(output.index),
            }
            for output in card.outputs
        ],
        "text": card.text,
        "finish_reason": card.finish_reason,
        "usage": None if card.usage is None else dict(card.usage),
        "elapsed_seconds": card.elapsed_seconds,
        "cost_usd": "0",
        "label": label,
        "reused": True,
        REUSE: {
            **place.to_json(),
            "made_at": to_stored(card.made_at),
            "cost_usd": card.cost_usd,
            "landed": [one.to_json() for one in landed],
        },
    }
