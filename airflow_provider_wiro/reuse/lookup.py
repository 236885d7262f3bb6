"""ResultReuse: looks a run's inputs up among the result cards, before it is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from airflow_provider_wiro.failures import TaskStoppedError
from airflow_provider_wiro.redaction.plain_text import plain
from airflow_provider_wiro.reuse.contents import UnreadableContentError
from airflow_provider_wiro.reuse.fingerprint import is_conversation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_wiro.redaction.loggers import Log
    from airflow_provider_wiro.reuse.card import ResultCard
    from airflow_provider_wiro.reuse.card_store import CardStore
    from airflow_provider_wiro.reuse.contents import RunInputs
    from airflow_provider_wiro.storage.landed_object import LandedObject


class Verifier(Protocol):
    """Compares landed objects with what is there."""

    def change_of(self, landed: LandedObject) -> str | None:
        """Return what has become of an object, None if it is unchanged."""


@dataclass(frozen=True)
class FoundResult:
    """
    A card whose result can be returned.

    :ivar landed: the objects that are there, unchanged.
    """

    card: ResultCard
    landed: Sequence[LandedObject]


@dataclass(frozen=True)
class ResultReuse:
    """
    Looks results up. Nothing that goes wrong here ends a run; it is sent instead.

    :ivar max_age: seconds; None: whatever the result's age.
    :ivar now: returns Unix time.
    :ivar fetch: returns the SHA-256 of what is at a URL, None if that can't be had.
    """

    cards: CardStore
    objects: Verifier
    max_age: float | None
    now: Callable[[], float]
    fetch: Callable[[str], str | None]
    log: Log

    def fingerprint_of(self, inputs: RunInputs) -> str | None:
        """Return the fingerprint of a run's inputs; None: it can't be known, so that nothing is reused."""
        if is_conversation(inputs.parameters):
            self.log.warning(
                "No result is reused: the run continues a conversation that Wiro keeps, so that the answer "
                "depends on more than its inputs."
            )
            return None
        try:
            return inputs.fingerprint(self.fetch)
        except UnreadableContentError as error:
            self.log.warning("No result is reused: %s. The run is sent.", error)
            return None

    def find(self, fingerprint: str, *, min_outputs: int | None = None) -> FoundResult | None:
        """
        Return the result of equal inputs, None if there is none that can be used.

        :param min_outputs: how many outputs it must have.
        """
        card = self.card(fingerprint, min_outputs=min_outputs)
        return None if card is None else self.result_of(card)

    def card(self, fingerprint: str, *, min_outputs: int | None = None) -> ResultCard | None:
        """Return the card of these inputs, if its result is wanted: see :meth:`find`."""
        card = self.cards.read(fingerprint)
        return card if card is not None and self._is_wanted(card, min_outputs) else None

    def result_of(self, card: ResultCard) -> FoundResult | None:
        """Return the result that a card names, None if it is no longer there unchanged."""
        landed = self._unchanged(card)
        return None if landed is None else FoundResult(card, landed)

    def _is_wanted(self, card: ResultCard, min_outputs: int | None) -> bool:
        if not card.is_whole:
            self._miss(card, "its card doesn't say where all of it is")
        elif card.made_at > self.now() and not card.is_of_age(self.now(), None):
            self._miss(card, "its card is from the future: a clock is wrong")
        elif not card.is_of_age(self.now(), self.max_age):
            self.log.info("The result of Wiro task %s is older than reuse_max_age.", card.wiro_task_id)
        elif min_outputs is not None and len(card.outputs) < min_outputs:
            self.log.info("The result of Wiro task %s has too few outputs.", card.wiro_task_id)
        else:
            return True
        return False

    def _unchanged(self, card: ResultCard) -> Sequence[LandedObject] | None:
        """Return the objects of a card if all are there, unchanged; an answer's text needs none."""
        for one in card.landed:
            try:
                change = self.objects.change_of(one)
            except TaskStoppedError:
                raise
            except Exception as error:  # each store has its own
                change = f"can't be looked at: {plain(str(error), 300)}"
            if change is not None:
                if card.is_text:
                    return ()
                self._miss(card, f"{plain(one.uri, 200)} {change}")
                return None
        return card.landed

    def _miss(self, card: ResultCard, reason: str) -> None:
        self.log.warning("The result of Wiro task %s is not reused: %s.", card.wiro_task_id, reason)
