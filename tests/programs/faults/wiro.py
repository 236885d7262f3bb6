"""One scenario's Wiro: an emulator in its own process, to query, to arm with faults and to freeze."""

from __future__ import annotations

import itertools
import json
import os
import signal
import urllib.request
from dataclasses import dataclass
from typing import Any

from tests.programs.system.emulator import Emulator
from tests.programs.system.servers import DIRECT

#: Statuses of a task that no worker has yet. After the first of them, neither Cancel nor Kill works.
BEFORE_ASSIGN = frozenset({"task_queue", "task_accept", "task_preprocess_start", "task_preprocess_end"})


@dataclass(frozen=True)
class Seen:
    """The emulator's record so far."""

    counts: dict[str, Any]
    tasks: tuple[dict[str, Any], ...]

    @property
    def started(self) -> int:
        return int(self.counts["tasks_started"])

    @property
    def stopped(self) -> int:
        return int(self.counts["tasks_stopped"])

    @property
    def alive(self) -> int:
        return int(self.counts["tasks_active"])

    @property
    def succeeded(self) -> int:
        """Tasks that succeeded: those that Wiro bills."""
        return sum(it["status"] == "task_postprocess_end" and it["exit_code"] == "0" for it in self.tasks)

    @property
    def running(self) -> int:
        """Tasks that run on one of Wiro's workers: those that Task/Kill can stop."""
        return sum(not it["is_terminal"] and it["status"] not in BEFORE_ASSIGN for it in self.tasks)

    @property
    def faults_fired(self) -> int:
        return sum(self.counts["faults_fired"].values())

    def requests(self, *endpoints: str) -> int:
        """How many requests some endpoints received: `Run`, `Task/Kill`, …"""
        return sum(self.counts["requests"].get(endpoint, 0) for endpoint in endpoints)

    @property
    def most_starts_of_one_run(self) -> int:
        return max((len(tasks) for tasks in self._by_run().values()), default=0)

    @property
    def overlaps(self) -> int:
        """How many tasks were started while an earlier one of the same run was still alive."""
        return sum(
            _ended_at(earlier) > later["created_at"]
            for tasks in self._by_run().values()
            for earlier, later in itertools.pairwise(tasks)
        )

    def _by_run(self) -> dict[str, list[dict[str, Any]]]:
        """Return the tasks of each run, oldest first: each run has a prompt of its own."""
        found: dict[str, list[dict[str, Any]]] = {}
        for task in sorted(self.tasks, key=lambda task: float(task["created_at"])):
            found.setdefault(str(task["parameters"].get("prompt")), []).append(task)
        return found


def _ended_at(task: dict[str, Any]) -> float:
    return float(task["history"][-1][1]) if task["is_terminal"] else float("inf")


class Wiro(Emulator):
    """An emulator process, which can be stopped even while it is frozen."""

    def seen(self) -> Seen:
        found = self._control("GET", "state")
        return Seen(found["counts"], tuple(found["tasks"]))

    def arm(self, *faults: dict[str, Any]) -> None:
        """Arm faults, in the form of the emulator's control endpoint."""
        self._control("POST", "faults", list(faults))

    def disarm(self) -> None:
        self._control("DELETE", "faults")

    def freeze(self) -> None:
        """Freeze it: the kernel accepts connections, but nothing responds."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def _control(self, method: str, what: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        # The scheme is a constant.
        request = urllib.request.Request(  # noqa: S310
            f"{self.page}__emulator__/{what}", data=data, method=method
        )
        with DIRECT.open(request, timeout=60) as response:
            return json.load(response)
