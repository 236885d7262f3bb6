"""How far a trigger has come with a project's tasks, and that as a text that outlives a triggerer."""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroRecordError
from airflow_provider_wiro.task_history.position import Position

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_VERSION = 1
#: Airflow's asset state store takes 65,535 bytes by default.
MOST_CHARACTERS = 60_000


@dataclass
class Progress:
    """
    How far a trigger has come. Ids are compared as numbers; no clock is involved.

    :ivar seen: up to where it has seen the task list; None before the first look.
    :ivar open: the ids whose events Airflow doesn't have yet: the task hasn't ended, or Airflow hasn't
        stored its event.
    """

    seen: Position | None = None
    open: set[int] = field(default_factory=set)

    @property
    def high(self) -> int:
        """The largest id that was seen."""
        return 0 if self.seen is None else self.seen.high

    def is_done(self, number: int) -> bool:
        """Whether a task was seen, and nothing of it is left to do."""
        return self.seen is not None and not self.seen.is_new(number) and number not in self.open

    def to_text(self, address: str, *, most_characters: int = MOST_CHARACTERS) -> str:
        """
        Return the progress as text.

        One that is too large loses the newest open ids, and what was seen ends at the last one that fits:
        the next walk down the task list finds the others again.

        :param address: of the API whose ids these are.
        """
        steps = _steps(sorted(self.open))
        text = _encode(address, self.seen, steps)
        if len(text) <= most_characters:
            return text
        room = most_characters - len(_encode(address, Position(max(self.open)), []))
        lengths = list(accumulate(len(str(step)) + 1 for step in steps))
        steps = steps[: bisect_right(lengths, room)]
        return _encode(address, Position(sum(steps)), steps)

    @classmethod
    def from_text(cls, text: str, address: str) -> Progress | None:
        """
        Return the progress that a text describes, None if its ids are of another API.

        :raises WiroRecordError: it can't be read. That is never taken for no progress: what has ended since
            would be lost.
        """
        try:
            found = json.loads(text)
            if found["version"] > _VERSION:
                raise WiroRecordError(
                    "The progress of a WiroTaskEndedTrigger was stored by a newer version of "
                    "airflow-provider-wiro. Update this installation, or delete it to start from now."
                )
            floor = found["floor"]
            seen = None if floor is None else Position(int(floor), tuple(_ids(found["recent"])))
            progress = cls(seen, set(_ids(found["open"])))
            is_same_api = found["api"] == address
        except (ValueError, KeyError, TypeError) as error:
            raise WiroRecordError(
                f"Expected the progress of a WiroTaskEndedTrigger, found {text[:100]!r}. Delete it to start "
                "from now."
            ) from error
        return progress if is_same_api else None


def _encode(address: str, seen: Position | None, steps: Sequence[int]) -> str:
    content = {
        "version": _VERSION,
        "api": address,
        "floor": None if seen is None else seen.floor,
        "recent": [] if seen is None else _steps(seen.recent),
        "open": steps,
    }
    return json.dumps(content, separators=(",", ":"))


def _steps(ids: Iterable[int]) -> list[int]:
    """Return sorted ids as the differences between them, which are shorter."""
    return [latter - former for former, latter in pairwise([0, *ids])]


def _ids(steps: Iterable[object]) -> Iterable[int]:
    return accumulate(int(step) for step in steps)  # type: ignore[call-overload]
