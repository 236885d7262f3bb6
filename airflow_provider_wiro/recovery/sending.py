"""
One sending of a Run: when it left, how its answer was lost, and how long Wiro may still be at work on it.

Times are Unix seconds by our clock. Wiro's clock, as the ``Date`` of its answers shows it, is noted beside
it: ours can be wrong, or be set while a run is looked for.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wiro.storage.timestamps import (
    from_stored,
    from_stored_or_none,
    to_stored,
    to_stored_or_none,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.exceptions import WiroLostRunError

#: One whose connection was reset or closed before any byte of an answer, as long as this after that.
CUT_OFF_PATIENCE_SECONDS = 60.0
#: One that came after a longer silence is a server's or a proxy's timeout, behind which Wiro may be at work.
_CUT_OFF_SILENCE_SECONDS = 5.0
#: While files are uploaded, a record says so this often.
UPLOAD_NOTE_SECONDS = 5.0
#: Wiro's ``createtime`` and ``Date`` have whole seconds and can come from two machines.
CLOCK_SLACK_SECONDS = 30.0
#: A task that came after a sending, by its id, but has an earlier ``createtime``, by up to this, is a doubt.
_CREATE_DOUBT_SECONDS = 1800.0
#: Only what was created within this after the last byte of a sending is stopped as its task without an
#: answer that says so. Later, it may as well be an equal run of another Airflow task: following such a task
#: by mistake costs nothing, stopping it does.
STOP_WINDOW_SECONDS = 10.0
#: Our clock and Wiro's pass the same time if they differ by no more than this.
_CLOCK_DRIFT_SECONDS = 2.0
#: Where Wiro's clock is not known, ours has to do. It may be wrong by as much as this.
_CLOCK_DOUBT_SECONDS = 24 * 3600.0


class Loss(Enum):
    """How the answer of a Run was lost."""

    TIMEOUT = "timeout"  # also a 5xx and an answer that can't be read: Wiro may be at work on the request
    CUT_OFF = "cut_off"  # reset or closed at once, before any byte of an answer


class Timing(Enum):
    """Whether a task was created when a sending can have started it."""

    POSSIBLE = "possible"
    IMPOSSIBLE = "impossible"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class Sending:
    """
    A Run that was, or may have been, sent.

    :ivar intended_at: Unix time right before it was sent.
    :ivar newest_before: the project's newest task before that, empty if it had none; only later ones can be
        this run. None if Wiro didn't say.
    :ivar wiro_at: Unix time of the same moment by Wiro's clock; None if not known.
    :ivar loss: how its answer was lost; None while it isn't, or where the worker died before it knew.
    :ivar lost_after: seconds from the sending to the loss.
    :ivar uploaded_for: seconds from the sending for which its files were seen on their way; None if there are
        none, or they took a moment.
    """

    intended_at: float
    newest_before: str | None = None
    wiro_at: float | None = None
    loss: Loss | None = None
    lost_after: float | None = None
    uploaded_for: float | None = None

    def lose(
        self, error: WiroLostRunError, after_seconds: float, silent_seconds: float | None = None
    ) -> Sending:
        """
        Return the sending with what is known of its loss.

        :param after_seconds: from the sending to the loss, by a clock that nobody sets.
        :param silent_seconds: from the last byte that was sent to the loss; default: ``after_seconds``.
        """
        silent = after_seconds if silent_seconds is None else silent_seconds
        is_weak = error.was_cut_off and silent <= _CUT_OFF_SILENCE_SECONDS
        loss = Loss.CUT_OFF if is_weak else Loss.TIMEOUT
        return replace(self, loss=loss, lost_after=max(0.0, after_seconds))

    def holds_seconds(self, patience_seconds: float) -> float:
        """
        Return for how long after the sending Wiro may still start its task.

        Not from its start: Wiro can't begin before it has the last byte, and an upload takes its time.

        :param patience_seconds: ``[wiro] lost_run_patience``.
        """
        if self.loss is Loss.CUT_OFF:
            return (self.lost_after or 0.0) + min(CUT_OFF_PATIENCE_SECONDS, patience_seconds)
        return self.latest_seconds(patience_seconds)

    def latest_seconds(self, patience_seconds: float) -> float:
        """Return a patience that counts from the last byte as one that counts from the sending."""
        return (self.uploaded_seconds if self.loss is None else self.lost_after or 0.0) + patience_seconds

    @property
    def uploaded_seconds(self) -> float:
        """For how long after the sending its files may have been on their way, as far as it is known."""
        return 0.0 if self.uploaded_for is None else self.uploaded_for + UPLOAD_NOTE_SECONDS

    def elapsed_seconds(self, now: float, wiro_now: float | None) -> float:
        """
        Return how much time has certainly passed since the sending.

        :param now: Unix time by our clock.
        :param wiro_now: by Wiro's at the same moment; None if not known.
        """
        ours = now - self.intended_at
        if wiro_now is None or self.wiro_at is None:
            return ours
        wiros = wiro_now - self.wiro_at
        # Wiro's clock comes in whole seconds; ours is finer, but somebody may have set it.
        return ours if abs(ours - wiros) <= _CLOCK_DRIFT_SECONDS else wiros - 1.0

    def timing(self, task: Task, window_seconds: float) -> Timing:
        """
        Return whether a task that was not there before was created when this sending can have started it.

        :param window_seconds: for how long after the sending that is.
        """
        if task.created_at is None:
            return Timing.UNCLEAR
        created_at = task.created_at.timestamp()
        at = self.intended_at if self.wiro_at is None else self.wiro_at
        if at - CLOCK_SLACK_SECONDS <= created_at <= at + window_seconds + CLOCK_SLACK_SECONDS:
            return Timing.POSSIBLE
        if self.newest_before is not None and at - _CREATE_DOUBT_SECONDS < created_at < at:
            return Timing.UNCLEAR  # its id says that it came after the sending: which clock is wrong?
        if self.wiro_at is not None:
            return Timing.IMPOSSIBLE
        is_far = abs(created_at - at) > window_seconds + _CLOCK_DOUBT_SECONDS
        return Timing.IMPOSSIBLE if is_far else Timing.UNCLEAR

    def was_right_before(self, task: Task) -> bool:
        """Whether a task that was not there before was created within a moment, as usual."""
        if task.created_at is None:
            return False
        at = self.intended_at if self.wiro_at is None else self.wiro_at
        return task.created_at.timestamp() <= at + self.uploaded_seconds + STOP_WINDOW_SECONDS

    def was_after(self, task: Task) -> bool:
        """Whether a task was there before the Run was sent; so were all that the list shows after it."""
        if self.newest_before is None:
            at = self.intended_at if self.wiro_at is None else self.wiro_at
            return task.created_at is not None and task.created_at.timestamp() < at - _CLOCK_DOUBT_SECONDS
        if task.id.isdecimal() and self.newest_before.isdecimal():
            return int(task.id) <= int(self.newest_before)
        return task.id == self.newest_before

    @property
    def age(self) -> tuple[int, float]:
        """What sendings are ordered by, the oldest first."""
        newest = self.newest_before or "0"
        return (int(newest) if newest.isdecimal() else 0), self.intended_at

    @property
    def moment(self) -> datetime:
        """When it was sent."""
        return datetime.fromtimestamp(self.intended_at, tz=UTC)

    def to_json(self) -> dict[str, Any]:
        """Return the sending as it is stored, with ISO times."""
        return {
            **asdict(self),
            "intended_at": to_stored(self.intended_at),
            "wiro_at": to_stored_or_none(self.wiro_at),
            "loss": None if self.loss is None else self.loss.value,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """
        Read a stored sending; what a version before this one didn't write is not known.

        :raises ValueError, TypeError, KeyError: it is damaged.
        """
        newest, loss = stored.get("newest_before"), stored.get("loss")
        if not (newest is None or isinstance(newest, str)):
            raise TypeError(newest)
        return cls(
            from_stored(stored["intended_at"]),
            newest,
            from_stored_or_none(stored.get("wiro_at")),
            None if loss is None else Loss(loss),
            _seconds(stored.get("lost_after")),
            _seconds(stored.get("uploaded_for")),
        )


def _seconds(stored: object) -> float | None:
    return None if stored is None else float(stored)  # type: ignore[arg-type]
