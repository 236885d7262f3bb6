"""Random faults for the emulator, drawn from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

#: The connection's read timeout: an answer that is slower is a lost one.
READ_TIMEOUT_SECONDS = 4
#: How long a lost Run is looked for: longer than any fault here keeps the emulator from carrying one out.
LOST_RUN_PATIENCE_SECONDS = 30

#: Not `parameters`: of a task that is shown without them nobody can tell whose it is, and a lost answer is
#: then a doubt that a person has to settle, as promised.
_MISSING = ("pexit", "uuid", "elapsedseconds", "totalcost", "createtime", "endtime", "size")
#: No traceback, since one in a log is what the soak looks for.
_LAST_WORDS = "CUDA out of memory."
_CALLS = ("Run", "Run", "Task/Detail", "Task/Detail", "Task/List", "Task/List", "socket", "*")


@dataclass
class RandomFaults:
    """An endless series of faults. The same seed brings the same series."""

    seed: int

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def next(self) -> dict[str, Any]:
        """Return a fault, as the emulator's control endpoint takes it."""
        return self._random.choice((self._call, self._call, self._call, self._task))()

    def seconds_to_next(self, mean: float) -> float:
        return self._random.expovariate(1 / mean)

    def _call(self) -> dict[str, Any]:
        dice = self._random
        kind = dice.choice(
            (
                {"kind": "server_error", "status": dice.choice((500, 502, 503, 504))},
                {"kind": "server_error", "status": 502, "body": "html", "processed": True},
                {"kind": "rate_limit", "retry_after": dice.choice((1, 2))},
                {"kind": "html"},
                {"kind": "empty"},
                {"kind": "drop_before"},
                {"kind": "drop_after"},
                {"kind": "truncated"},
                {"kind": "slow", "delay_seconds": dice.uniform(0.5, READ_TIMEOUT_SECONDS * 1.5)},
            )
        )
        return {**kind, "endpoint": dice.choice(_CALLS), "times": dice.choice((1, 1, 1, 2, 5))}

    def _task(self) -> dict[str, Any]:
        """Return a fault of the next task that is started."""
        return self._random.choice(
            (
                {"kind": "exit_code", "debug_error": _LAST_WORDS},
                {
                    "kind": "fatal_error",
                    "debug_error": _LAST_WORDS,
                    "then": self._random.choice(("requeue", "exit", "cancel")),
                },
                {"kind": "cancelled_by_hand"},
                {"kind": "no_exit_code"},
                {"kind": "unknown_status"},
                {"kind": "missing_fields", "fields": _MISSING},
                {"kind": "numbers_as_numbers"},
            )
        )
