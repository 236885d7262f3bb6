"""Asks for tasks one by one: those that had not ended, and that the list's first pages don't show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_wiro.api import endpoints
from airflow_provider_wiro.api.flow import call
from airflow_provider_wiro.exceptions import (
    WiroAnswerTooLargeError,
    WiroAuthenticationError,
    WiroError,
    WiroTaskNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_provider_wiro.api.flow import Flow, FlowContext

#: How many failures in a row end the asking.
_MOST_FAILURES = 3


@dataclass(frozen=True)
class OpenTasks:
    """
    What Task/Detail has shown of open tasks.

    :ivar ended: those that have ended.
    :ivar running: those that have not.
    :ivar unknown: those that Wiro doesn't know, or doesn't show any more.
    :ivar last: the last one that was asked for, None if none was.
    :ivar failure: why the rest was not asked for, None if all were.
    """

    ended: tuple[int, ...] = ()
    running: frozenset[int] = frozenset()
    unknown: frozenset[int] = frozenset()
    last: int | None = None
    failure: WiroError | None = None


def ask_for(
    context: FlowContext, ids: Iterable[int], *, check: Callable[[], None] = lambda: None
) -> Flow[OpenTasks]:
    """
    Ask for each of these tasks.

    :param check: called before each request; what it raises ends the asking.
    :raises WiroAuthenticationError: Wiro refuses the key.
    """
    ended: list[int] = []
    running: set[int] = set()
    unknown: set[int] = set()
    last: int | None = None
    failures = 0
    failure: WiroError | None = None
    for number in ids:
        check()
        try:
            task = yield from call(endpoints.get_task(str(number)), context)
        except WiroTaskNotFoundError:
            unknown.add(number)
        except WiroAnswerTooLargeError as error:
            # Nothing small is too large: it has run.
            (ended.append if error.has_ended else running.add)(number)
        except WiroAuthenticationError:
            raise
        except WiroError as error:
            failures += 1
            if failures == _MOST_FAILURES:
                failure = error
                break
            continue
        else:
            (ended.append if task.is_terminal else running.add)(number)
        failures, last = 0, number
    return OpenTasks(tuple(ended), frozenset(running), frozenset(unknown), last, failure)
