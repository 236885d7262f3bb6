"""Findings: what a check of a run found, and how it is said in one message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A message lists this many problems, and counts the rest.
MOST_SHOWN = 5


@dataclass(frozen=True)
class Findings:
    """
    What a check of a run found, each a sentence or two for a person.

    :ivar refusals: why the run can't be right.
    :ivar warnings: what is probably not meant.
    """

    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def refusal(self, model: str) -> str | None:
        """Return all refusals of a run of a model as one error message, None if there are none."""
        if not self.refusals:
            return None
        return (
            f"{model} was not run, and nothing is paid for: {numbered(self.refusals)} "
            '`check_parameters="off"` skips this check.'
        )

    def warning(self, model: str) -> str | None:
        """Return all warnings about a run of a model as one line for a log, None if there are none."""
        return f"{model}: {numbered(self.warnings)}" if self.warnings else None


def numbered(sentences: Sequence[str]) -> str:
    """Return sentences in one text: numbered if there are several, the first few and a count if many."""
    if len(sentences) == 1:
        return sentences[0]
    shown = " ".join(f"({number}) {sentence}" for number, sentence in enumerate(sentences[:MOST_SHOWN], 1))
    more = len(sentences) - MOST_SHOWN
    return f"{shown} And {more:,} more." if more > 0 else shown
