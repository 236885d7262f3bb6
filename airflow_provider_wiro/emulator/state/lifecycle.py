"""
A task's lifecycle as data: which status follows which, and after how long.

The status of a task is a pure function of its recorded lifecycle and the clock. Reading it changes nothing:
two readers at the same moment always see the same, and a poll that is skipped changes nothing either.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.catalog.model import Phase, Timing


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

WITHOUT_A_WORKER = frozenset({Status.ACCEPT, Status.PREPROCESS_START, Status.PREPROCESS_END})
"""Out of the queue, and not assigned to a worker yet."""


@dataclass(frozen=True, slots=True)
class Transition:
    """The status that comes next, after which share of which phase."""

    to: str
    phase: Phase
    share: float


# The documented order. The shares of one phase add up to 1.
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
    How a task leaves the documented order, once.

    From `leaving` it goes to `to`, or stays there for ever if `to` is `None`. After `to` it goes to `back_to`
    and follows `TRANSITIONS` again; without `back_to` it stays in `to`. It is in `to` for `stay_seconds`
    (whatever the speed), by default for as long as it was in `leaving`.
    """

    leaving: str
    to: str | None
    back_to: str | None = None
    stay_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A status and the moment, in Unix seconds, at which it starts."""

    status: str
    moment: float


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The planned steps of one task, and the moment of a stop if there was one."""

    steps: tuple[Step, ...]
    stopped_at: float | None = None

    def history(self, now: float) -> tuple[Step, ...]:
        """Return the steps that have started by `now`, first to last."""
        if self.stopped_at is None or now < self.stopped_at:
            return self._steps_until(now)
        return (*self._steps_until(self.stopped_at), Step(Status.CANCEL, self.stopped_at))

    def _steps_until(self, moment: float) -> tuple[Step, ...]:
        return self.steps[: bisect_right(self.steps, moment, key=lambda step: step.moment)]

    def status_at(self, now: float) -> str:
        """Return the status at `now`; before the task's creation, its first status."""
        history = self.history(now)
        return history[-1].status if history else self.steps[0].status

    def moment_of(self, status: str, now: float) -> float | None:
        """Return when `status` first started, in Unix seconds; `None` if it has not by `now`."""
        return next((step.moment for step in self.history(now) if step.status == status), None)

    def last_moment_of(self, status: str, now: float) -> float | None:
        """Return when `status` last started: after a requeue a task passes the same status again."""
        return next((step.moment for step in reversed(self.history(now)) if step.status == status), None)

    def is_terminal_at(self, now: float) -> bool:
        """Return whether the task has ended by `now`, with success or without."""
        return self.status_at(now) in TERMINAL

    @property
    def created(self) -> float:
        """The moment of the first step."""
        return self.steps[0].moment

    @property
    def ends_at(self) -> float | None:
        """The moment at which the task ends; `None` if it never does."""
        if self.stopped_at is not None:
            return self.stopped_at
        return self.steps[-1].moment if self.steps[-1].status in TERMINAL else None

    def next_moment(self, now: float) -> float | None:
        """Return the moment of the next step after `now`; `None` if nothing more is planned."""
        if self.stopped_at is not None:
            return self.stopped_at if now < self.stopped_at else None
        return next((step.moment for step in self.steps if step.moment > now), None)

    def stopped(self, moment: float) -> Lifecycle:
        """Return this lifecycle stopped at `moment`: cancelled in the queue, or killed."""
        return replace(self, stopped_at=moment)


def plan_lifecycle(
    timing: Timing,
    *,
    created: float,
    speed: float = 1.0,
    detour: Detour | None = None,
    assign_delay: float = 0.0,
) -> Lifecycle:
    """
    Plan all steps of a task.

    :param created: the moment of the first step, in Unix seconds.
    :param speed: divides the model's durations; the moments stay comparable with the caller's own clock.
    :param assign_delay: seconds, whatever the speed, by which the task waits longer for its worker.
    """
    steps = [Step(Status.QUEUE, created)]
    while (transition := TRANSITIONS.get(steps[-1].status)) is not None:
        here = steps[-1]
        lasts = timing.of(transition.phase) * transition.share / speed
        if detour is None or here.status != detour.leaving:
            if transition.to == Status.ASSIGN:
                lasts += assign_delay
            steps.append(Step(transition.to, here.moment + lasts))
            continue
        if detour.to is None:
            break
        steps.append(Step(detour.to, here.moment + lasts))
        if detour.back_to is None:
            break
        stay = detour.stay_seconds
        if stay is None:
            # At least a tenth of the phase, so that a poll can see it.
            stay = timing.of(transition.phase) * max(transition.share, 0.1) / speed
        steps.append(Step(detour.back_to, steps[-1].moment + stay))
        detour = None
    return Lifecycle(tuple(steps))
