"""Random faults for the emulator, drawn from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

#: The connection's read timeout: a slower response is a lost one.
READ_TIMEOUT_SECONDS = 4
#: How long a lost Run is searched for: longer than any fault here delays a Run in the emulator.
LOST_RUN_PATIENCE_SECONDS = 30

#: Not `parameters`: a task that is shown without them can't be matched, and a lost response then leaves the
#: decision to a person, as promised.
_MISSING = ("pexit", "uuid", "elapsedseconds", "totalcost", "createtime", "endtime", "size")
#: No traceback, since the soak test searches the logs for tracebacks.
_LAST_WORDS = "CUDA out of memory."
_CALLS = ("Run", "Run", "Task/Detail", "Task/Detail", "Task/List", "Task/List", "socket", "*")


@dataclass
class RandomFaults:
    """An endless series of faults. The same seed brings the same series."""

    seed: int

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def next(self) -> dict[str, Any]:
        """Return a fault, in the form of the emulator's control endpoint."""
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
        """Return a fault of the next task to start."""
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
