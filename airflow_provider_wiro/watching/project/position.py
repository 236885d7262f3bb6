"""How far a trigger has seen a project's tasks, and that as a text that outlives a triggerer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from airflow_provider_wiro.exceptions import WiroRecordError

_VERSION = 1
#: Airflow's asset state store takes 65,535 bytes by default.
MOST_CHARACTERS = 60_000


@dataclass
class Position:
    """
    How far a trigger has seen a project's tasks. Ids are compared as numbers; no clock is involved.

    :ivar high: the largest id that was seen; None before the first look.
    :ivar open: the ids up to that one whose events Airflow doesn't have yet: the task hasn't ended, or
        Airflow hasn't stored its event.
    """

    high: int | None = None
    open: set[int] = field(default_factory=set)

    def to_text(self, address: str, *, most_characters: int = MOST_CHARACTERS) -> str:
        """
        Return the position as text.

        One that is too large loses the newest open ids, and ``high`` moves down to the last one that fits:
        the next walk down the task list finds the others again.

        :param address: of the API whose ids these are.
        """
        ids = sorted(self.open)
        high = self.high
        while len(text := _encode(address, high, ids)) > most_characters:
            ids = ids[: len(ids) * 9 // 10]
            high = ids[-1]
        return text

    @classmethod
    def from_text(cls, text: str, address: str) -> Position | None:
        """
        Return the position that a text describes, None if its ids are of another API.

        :raises WiroRecordError: it can't be read. That is never taken for no position: what has ended since
            would be lost.
        """
        try:
            found = json.loads(text)
            if found["version"] > _VERSION:
                raise WiroRecordError(
                    "The position of a WiroTaskEndedTrigger was stored by a newer version of "
                    "airflow-provider-wiro. Update this installation, or delete the position to start from "
                    "now."
                )
            high = None if found["high"] is None else int(found["high"])
            ids = set(accumulate(int(step) for step in found["open"]))
            is_same_api = found["api"] == address
        except (ValueError, KeyError, TypeError) as error:
            raise WiroRecordError(
                f"Expected the position of a WiroTaskEndedTrigger, found {text[:100]!r}. Delete it to start "
                "from now."
            ) from error
        return cls(high, ids) if is_same_api else None


def _encode(address: str, high: int | None, ids: list[int]) -> str:
    steps = [latter - former for former, latter in pairwise([0, *ids])]
    return json.dumps(
        {"version": _VERSION, "api": address, "high": high, "open": steps}, separators=(",", ":")
    )


def task_number(wiro_task_id: str) -> int | None:
    """Return the number that an id is, None if it is none that gives the same id again."""
    if not (wiro_task_id.isascii() and wiro_task_id.isdecimal() and len(wiro_task_id) <= 30):
        return None
    number = int(wiro_task_id)
    return number if str(number) == wiro_task_id else None
