"""
Whether to send a call again, and when.

The rule that protects the user's money: a Run is repeated only when it certainly did not reach Wiro.
Everything else is safe to repeat, so its only limit is patience, in seconds and not in tries.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroApiError, WiroConnectionError, WiroError, WiroServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

#: How long a call is repeated through rate limits, 5xx and network errors before it fails.
CALL_PATIENCE_SECONDS = 60.0
#: The same while following a task that is already paid for: a few minutes of outage must not fail it.
POLL_PATIENCE_SECONDS = 300.0
#: The default of ``[wiro] lost_run_patience``: a Run whose response timed out may start its task this long
#: after its last byte was sent.
LOST_RUN_PATIENCE_SECONDS = 600.0

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
#: The longest pause that a server can ask for, and the longest that a rate limit holds back a connection's
#: other calls: a day without polls would hide the end of every task, and one request a minute shows whether
#: the limit is over. Shorter than a call's patience, so that each call is repeated at least once.
LONGEST_ASKED_SECONDS = 45.0
_SHORTEST_WAIT_SECONDS = 0.001


@dataclass(frozen=True)
class RequestFailure:
    """
    What a transport reports when a request got no response.

    :ivar reason: the cause in a few words, without secrets.
    :ivar was_sent: False only when the request certainly did not reach the server (refused, name not found).
    :ivar was_cut_off: the connection was reset or closed before any byte of a response, rather than idle
        until the timeout.
    """

    reason: str
    was_sent: bool
    was_cut_off: bool = False


def certainly_not_started(error: WiroError, *, was_sent: bool) -> bool:
    """
    Whether a Run that ended like this has certainly started no task.

    True if the request never left, if Wiro refused it explicitly, and for a gateway's 503. Any other 5xx, an
    unreadable response or none at all leaves it open.
    """
    if isinstance(error, WiroServerError):
        return error.http_status == 503
    if isinstance(error, WiroApiError):
        return True
    return isinstance(error, WiroConnectionError) and not was_sent


def backoff_seconds(
    attempt: int, random: float, *, first: float | None = None, longest: float | None = None
) -> float:
    """
    Return the pause before try ``attempt + 1``: doubling from the first to the longest, each between half and
    all of it.

    :param attempt: how many tries have failed, from 1.
    :param random: from [0, 1).
    :param first: seconds; None is 1.
    :param longest: seconds; None is 30.
    """
    first = FIRST_PAUSE_SECONDS if first is None else first
    longest = LONGEST_PAUSE_SECONDS if longest is None else longest
    ceiling = min(longest, first * 2.0 ** min(attempt - 1, 10))
    return ceiling * (0.5 + random / 2)


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """
    Return what ``Retry-After`` asks for, given in seconds or as an HTTP date; None if absent or unreadable.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
        return max(0.0, (moment - now).total_seconds())
    except (TypeError, ValueError, OverflowError):  # absent, no date, a date without a zone
        return None


class RateGate:
    """
    One pause for all calls of a connection in a process: a call that has to wait makes the others wait too.

    A 429 counts for the whole Wiro project, so 50 triggers of one connection must not each run into it.

    :param steady: returns the seconds of a clock that nobody sets, shared by all calls of a process.
    """

    def __init__(self, steady: Callable[[], float]) -> None:
        self._steady = steady
        self._closed_until = -math.inf

    def close(self, seconds: float) -> None:
        """Let no call through for this long, at most ``LONGEST_ASKED_SECONDS``."""
        until = self._steady() + min(seconds, LONGEST_ASKED_SECONDS)
        self._closed_until = max(self._closed_until, until)

    def wait_seconds(self) -> float:
        """Return how long the next call has to wait, 0 if not at all."""
        remaining = self._closed_until - self._steady()
        # A pause below the clock's resolution might not advance it, and would repeat for ever.
        return remaining if remaining > _SHORTEST_WAIT_SECONDS else 0.0

    def bypass(self) -> RateGate:
        """Return a gate for calls that must not wait for the others: a stop, and a last poll."""
        return RateGate(self._steady)
