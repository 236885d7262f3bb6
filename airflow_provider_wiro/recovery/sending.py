"""
One sending of a Run: when it left, how its response was lost, and how long Wiro may still start its task.

Times are Unix seconds by this machine's clock. Wiro's clock, read from the ``Date`` header of its responses,
is recorded beside it: this machine's can be wrong, or be set during a search.
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

#: A Run whose connection was reset or closed before any byte of a response may start its task this long after
#: that.
CUT_OFF_PATIENCE_SECONDS = 60.0
#: A reset after a longer idle time is a server's or a proxy's timeout, behind which Wiro may be at work.
_CUT_OFF_IDLE_SECONDS = 5.0
#: While files are uploaded, the record is updated this often.
UPLOAD_NOTE_SECONDS = 5.0
#: Wiro's ``createtime`` and ``Date`` have whole seconds and can come from two machines.
CLOCK_SLACK_SECONDS = 30.0
#: A task that came after a sending by its id, but up to this much before it by its ``createtime``, is a
#: doubt.
_CREATE_DOUBT_SECONDS = 1800.0
#: Without a response that names it, only a task created within this after a sending's last byte is stopped as
#: its task. A later one may be an equal run of another Airflow task: following that by mistake costs nothing,
#: stopping it does.
STOP_WINDOW_SECONDS = 10.0
#: This machine's clock and Wiro's agree about an elapsed time if they differ by no more than this.
_CLOCK_DRIFT_SECONDS = 2.0
#: Where Wiro's clock is not known, this machine's is used. It may be wrong by as much as this.
_CLOCK_DOUBT_SECONDS = 24 * 3600.0


class Loss(Enum):
    """How the response to a Run was lost."""

    TIMEOUT = "timeout"  # also a 5xx and an unreadable response: Wiro may be at work on the request
    CUT_OFF = "cut_off"  # reset or closed at once, before any byte of a response


class Timing(Enum):
    """Whether a task was created within the time in which a sending can have started it."""

    POSSIBLE = "possible"
    IMPOSSIBLE = "impossible"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Sending:
    """
    A Run that was, or may have been, sent.

    :ivar intended_at: Unix time right before it was sent.
    :ivar newest_before: id of the project's newest task before that, empty if it had none; only later tasks
        can be this run's. None if Wiro didn't say.
    :ivar wiro_at: Unix time of the same moment by Wiro's clock; None if not known.
    :ivar loss: how its response was lost; None if it wasn't, or if the worker died before it knew.
    :ivar lost_after: seconds from the sending to the loss.
    :ivar uploaded_for: seconds from the sending for which the upload of its files is known to have lasted;
        None if it has no files, or they took a moment.
    """

    intended_at: float
    newest_before: str | None = None
    wiro_at: float | None = None
    loss: Loss | None = None
    lost_after: float | None = None
    uploaded_for: float | None = None

    def lose(
        self, error: WiroLostRunError, after_seconds: float, idle_seconds: float | None = None
    ) -> Sending:
        """
        Return the sending with what is known of its loss.

        :param after_seconds: from the sending to the loss, by a monotonic clock.
        :param idle_seconds: from the last byte that was sent to the loss; default: ``after_seconds``.
        """
        idle = after_seconds if idle_seconds is None else idle_seconds
        is_weak = error.was_cut_off and idle <= _CUT_OFF_IDLE_SECONDS
        loss = Loss.CUT_OFF if is_weak else Loss.TIMEOUT
        return replace(self, loss=loss, lost_after=max(0.0, after_seconds))

    def holds_seconds(self, patience_seconds: float) -> float:
        """
        Return for how many seconds after the sending Wiro may still start its task.

        The patience counts from the last byte: Wiro can't start a task before it has all of the request.

        :param patience_seconds: ``[wiro] lost_run_patience``.
        """
        if self.loss is Loss.CUT_OFF:
            return (self.lost_after or 0.0) + min(CUT_OFF_PATIENCE_SECONDS, patience_seconds)
        return self.latest_seconds(patience_seconds)

    def latest_seconds(self, patience_seconds: float) -> float:
        """Convert a patience that counts from the last byte into one that counts from the sending."""
        return (self.uploaded_seconds if self.loss is None else self.lost_after or 0.0) + patience_seconds

    @property
    def uploaded_seconds(self) -> float:
        """For how long after the sending the upload of its files may have lasted, as far as it is known."""
        return 0.0 if self.uploaded_for is None else self.uploaded_for + UPLOAD_NOTE_SECONDS

    def elapsed_seconds(self, now: float, wiro_now: float | None) -> float:
        """
        Return how much time has certainly passed since the sending.

        :param now: Unix time by this machine's clock.
        :param wiro_now: the same moment by Wiro's clock; None if not known.
        """
        own = now - self.intended_at
        if wiro_now is None or self.wiro_at is None:
            return own
        wiros = wiro_now - self.wiro_at
        # Wiro's clock has whole seconds; this machine's is finer, but may have been set meanwhile.
        return own if abs(own - wiros) <= _CLOCK_DRIFT_SECONDS else wiros - 1.0

    def timing(self, task: Task, window_seconds: float) -> Timing:
        """
        Return whether a task that was not there before was created while this sending could start one.

        :param window_seconds: for how long after the sending it could.
        """
        if task.created_at is None:
            return Timing.UNCLEAR
        created_at = task.created_at.timestamp()
        at = self.intended_at if self.wiro_at is None else self.wiro_at
        if at - CLOCK_SLACK_SECONDS <= created_at <= at + window_seconds + CLOCK_SLACK_SECONDS:
            return Timing.POSSIBLE
        if self.newest_before is not None and at - _CREATE_DOUBT_SECONDS < created_at < at:
            return Timing.UNCLEAR  # by its id it came after the sending: which clock is wrong?
        if self.wiro_at is not None:
            return Timing.IMPOSSIBLE
        is_far = abs(created_at - at) > window_seconds + _CLOCK_DOUBT_SECONDS
        return Timing.IMPOSSIBLE if is_far else Timing.UNCLEAR

    def was_right_before(self, task: Task) -> bool:
        """Whether a task that was not there before was created right after the sending, as is usual."""
        if task.created_at is None:
            return False
        at = self.intended_at if self.wiro_at is None else self.wiro_at
        return task.created_at.timestamp() <= at + self.uploaded_seconds + STOP_WINDOW_SECONDS

    def was_after(self, task: Task) -> bool:
        """
        Whether a listed task, and so all that the list shows after it, was there before the Run was sent.
        """
        if self.newest_before is None:
            at = self.intended_at if self.wiro_at is None else self.wiro_at
            return task.created_at is not None and task.created_at.timestamp() < at - _CLOCK_DOUBT_SECONDS
        if task.id.isdecimal() and self.newest_before.isdecimal():
            return int(task.id) <= int(self.newest_before)
        return task.id == self.newest_before

    @property
    def age(self) -> tuple[int, float]:
        """Sorts sendings, the oldest first."""
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
        Read a stored sending; fields that an earlier version didn't write are None.

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
