"""
A task's life as data: which status follows which, and after how long.

The status of a task is a pure function of its recorded life and the clock. Reading it changes nothing, so two
readers at the same moment always see the same thing, and skipping a poll skips nothing but the sight of it.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

Phase = Literal["queue", "prepare", "run", "finish"]


class Status(StrEnum):
    """The statuses of an ordinary (not realtime) task, as Wiro documents them."""

    QUEUE = "task_queue"
    ACCEPT = "task_accept"
    PREPROCESS_START = "task_preprocess_start"
    PREPROCESS_END = "task_preprocess_end"
    ASSIGN = "task_assign"
    START = "task_start"
    OUTPUT = "task_output"
    OUTPUT_FULL = "task_output_full"
    END = "task_end"
    POSTPROCESS_START = "task_postprocess_start"
    POSTPROCESS_END = "task_postprocess_end"
    CANCEL = "task_cancel"
    ERROR = "task_error"


TERMINAL = frozenset({Status.POSTPROCESS_END, Status.CANCEL})
"""The only statuses that end a task. A `task_error` waits for a requeue."""


BEFORE_A_WORKER = frozenset({Status.ACCEPT, Status.PREPROCESS_START, Status.PREPROCESS_END})
"""Out of the queue, and not assigned yet."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a model takes, in seconds, phase by phase."""

    queue: float = 1.0
    prepare: float = 2.0
    run: float = 4.0
    finish: float = 1.0

    @property
    def total(self) -> float:
        """The seconds from acceptance to the end."""
        return self.queue + self.prepare + self.run + self.finish

    def of(self, phase: Phase) -> float:
        """Return the length of one phase in seconds."""
        return {"queue": self.queue, "prepare": self.prepare, "run": self.run, "finish": self.finish}[phase]


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table: where a status leads, after which share of which phase."""

    to: str
    phase: Phase
    share: float


# Read as: a task in the status on the left is followed by the one on the right after that share of that
# phase. The shares of one phase add up to 1. The order is the documented one.
TRANSITIONS: dict[str, Transition] = {
    Status.QUEUE: Transition(Status.ACCEPT, "queue", 1.0),
    Status.ACCEPT: Transition(Status.PREPROCESS_START, "prepare", 0.0),
    Status.PREPROCESS_START: Transition(Status.PREPROCESS_END, "prepare", 0.4),
    Status.PREPROCESS_END: Transition(Status.ASSIGN, "prepare", 0.1),
    Status.ASSIGN: Transition(Status.START, "prepare", 0.5),
    Status.START: Transition(Status.OUTPUT, "run", 0.1),
    Status.OUTPUT: Transition(Status.OUTPUT_FULL, "run", 0.85),
    Status.OUTPUT_FULL: Transition(Status.END, "run", 0.05),
    Status.END: Transition(Status.POSTPROCESS_START, "finish", 0.0),
    Status.POSTPROCESS_START: Transition(Status.POSTPROCESS_END, "finish", 1.0),
}


@dataclass(frozen=True, slots=True)
class Detour:
    """
    A row put in place of one of `TRANSITIONS`, once: how a task goes wrong.

    `to=None` means that the task never leaves `leaving`. `back_to` names the status that follows `to`, after
    `stay_seconds` (whatever the speed) or, without them, after as long as `leaving` lasted; from there on the
    table is followed again. Without `back_to` the status `to` is the last one.
    """

    leaving: str
    to: str | None
    back_to: str | None = None
    stay_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A status and the moment, in Unix seconds, at which it begins."""

    status: str
    moment: float


@dataclass(frozen=True, slots=True)
class Life:
    """Everything that is settled about one task's course: the planned steps, and a stop if there was one."""

    steps: tuple[Step, ...]
    stopped_at: float | None = None

    def history(self, now: float) -> tuple[Step, ...]:
        """Return the steps that have begun by `now`, first to last."""
        if self.stopped_at is None or now < self.stopped_at:
            return self._begun(now)
        return (*self._begun(self.stopped_at), Step(Status.CANCEL, self.stopped_at))

    def _begun(self, moment: float) -> tuple[Step, ...]:
        return self.steps[: bisect_right(self.steps, moment, key=lambda step: step.moment)]

    def status_at(self, now: float) -> str:
        """Return the status at `now`. A moment before the task's creation reads as its first status."""
        history = self.history(now)
        return history[-1].status if history else self.steps[0].status

    def moment_of(self, status: str, now: float) -> float | None:
        """Return when `status` began, in Unix seconds, or `None` while it has not."""
        return next((step.moment for step in self.history(now) if step.status == status), None)

    def last_moment_of(self, status: str, now: float) -> float | None:
        """Return when `status` last began: after a requeue a task passes the same one again."""
        return next((step.moment for step in reversed(self.history(now)) if step.status == status), None)

    def is_terminal_at(self, now: float) -> bool:
        """Tell whether the task is over at `now`, well or badly."""
        return self.status_at(now) in TERMINAL

    @property
    def ends_at(self) -> float | None:
        """The moment from which the task is over, `None` for one that never ends."""
        if self.stopped_at is not None:
            return self.stopped_at
        return self.steps[-1].moment if self.steps[-1].status in TERMINAL else None

    def next_moment(self, now: float) -> float | None:
        """Return the moment of the next step after `now`, or `None` when nothing more is planned."""
        if self.stopped_at is not None:
            return self.stopped_at if now < self.stopped_at else None
        return next((step.moment for step in self.steps if step.moment > now), None)

    def stopped(self, moment: float) -> Life:
        """Return this life ended by hand at `moment`: cancelled in the queue, or killed."""
        return replace(self, stopped_at=moment)


def plan(
    timing: Timing,
    *,
    created: float,
    speed: float = 1.0,
    detour: Detour | None = None,
    assign_delay: float = 0.0,
) -> Life:
    """
    Lay out a life from its first step to its last.

    `speed` divides the model's durations: the moments stay real moments, so that they can be compared with
    the caller's own clock, and only the waiting gets shorter. `assign_delay` is how many seconds longer,
    whatever the speed, the task waits for the worker that it is assigned to.
    """
    steps = [Step(Status.QUEUE, created)]
    while True:
        here = steps[-1]
        if detour is not None and here.status == detour.leaving:
            if detour.to is None:
                break
            share = TRANSITIONS[here.status]
            steps.append(Step(detour.to, here.moment + timing.of(share.phase) * share.share / speed))
            if detour.back_to is None:
                break
            stay = detour.stay_seconds
            if stay is None:
                # As long again as the status it was entered from, so that a poll can see it.
                stay = timing.of(share.phase) * max(share.share, 0.1) / speed
            steps.append(Step(detour.back_to, steps[-1].moment + stay))
            detour = None
            continue
        transition = TRANSITIONS.get(here.status)
        if transition is None:
            break
        lasts = timing.of(transition.phase) * transition.share / speed
        if transition.to == Status.ASSIGN:
            lasts += assign_delay
        steps.append(Step(transition.to, here.moment + lasts))
    return Life(tuple(steps))
