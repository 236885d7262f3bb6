"""
Reading a task from the first bytes of a Task/Detail or Task/List response that is too large to read whole.

Such a task can still be followed: its status usually stands before its outputs. A running task is polled
again, a failed one has failed, and for one that succeeded the error can say that it is paid for.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.decoding.fields import text
from airflow_provider_wiro.api.models import Task
from airflow_provider_wiro.api.responses import LARGE_BODY_BYTES
from airflow_provider_wiro.exceptions import WiroAnswerTooLargeError, WiroResponseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: A JSON token: a string, punctuation, a number or a word. A quote alone starts a truncated string.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|"|[{}\[\],:]|[^\s{}\[\],:"]++', re.DOTALL)
#: More than a real Detail has before its outputs; a hostile deep nest must not hold the event loop.
_MAX_TOKENS = 200_000
_WANTED = frozenset({"id", "taskid", "status", "pexit"})
#: Fields that identify the run of a listed task.
_LISTED = _WANTED | {"createtime", "modelslugowner", "modelslugproject", "projectid", "uuid", "parameters"}
#: Bytes; longer parameters are not read.
_MOST_PARAMETERS = 1024 * 1024


def task_from_beginning(wiro_task_id: str, body: bytes) -> Task:
    """
    Return the task of a truncated Detail, with its status alone.

    :param body: the part of the response that was read.
    :raises WiroAnswerTooLargeError: the task has succeeded, so its outputs are needed; or its status isn't in
        this part.
    :raises WiroResponseError: the response is about another task.
    """
    shown = _first_task(body)
    if (shown.get("id") or shown.get("taskid") or wiro_task_id).strip() != wiro_task_id:
        raise WiroResponseError(f"Asked for Wiro task {wiro_task_id}, the response was about another one.")
    exit_code = (shown.get("pexit") or "").strip() or None
    return _status_of(Task(id=wiro_task_id, status=(shown.get("status") or "").strip(), exit_code=exit_code))


def task_from_list(wiro_task_id: str, listed: Iterable[Task]) -> Task:
    """
    Return a task from the task list, with its status alone, where its Detail doesn't start with the status.

    :raises WiroAnswerTooLargeError: as :func:`task_from_beginning`.
    """
    found = next((task for task in listed if task.id == wiro_task_id), Task(id=wiro_task_id, status=""))
    return _status_of(Task(id=wiro_task_id, status=found.status, exit_code=found.exit_code))


def listed_from_beginning(body: bytes) -> tuple[Task, ...]:
    """
    Return the task of a truncated list of one: the fields before its outputs.

    :param body: the part of the response that was read.
    :raises WiroAnswerTooLargeError: even the task's id is missing.
    """
    shown = _first_task(body, _LISTED)
    task = Task.from_wire(shown)
    if not task.id:
        raise WiroAnswerTooLargeError(
            f"Wiro's task list has a task that alone takes more than {LARGE_BODY_BYTES // 1024**2} MiB, and "
            "doesn't start with its id."
        )
    return (task,)


def _status_of(task: Task) -> Task:
    has_failed = task.is_terminal and task.exit_code is not None and not task.has_succeeded
    if task.is_cancelled or has_failed or (task.status and not task.is_terminal):
        return task
    limit = f"more than {LARGE_BODY_BYTES // 1024**2} MiB"
    what = (
        f"Wiro task {task.id} has ended and is paid; its response has {limit}"
        if task.status
        else f"Wiro's response about task {task.id} has {limit}, and doesn't show whether the task has ended"
    )
    raise WiroAnswerTooLargeError(
        f"{what}. No more than that is read, and a retry would get the same. Take the result from the "
        "dashboard at wiro.ai. A new run is billed again: ask the model for less at once.",
        wiro_task_id=task.id,
        has_ended=bool(task.status),
    )


def _first_task(body: bytes, wanted: frozenset[str] = _WANTED) -> Mapping[str, Any]:
    """Return those of the wanted fields that the first task in a response has."""
    found: dict[str, Any] = {}
    depth, is_in_list, name, is_name_next = 0, False, "", False
    for count, match in enumerate(_TOKEN.finditer(body)):
        first = body[match.start() : match.start() + 1]
        if count == _MAX_TOKENS or match.group() == b'"':
            break
        is_here = depth == 1 or (depth == 3 and is_in_list)
        if first in (b"{", b"["):
            if depth == 3 and is_in_list and name == "parameters" and name in wanted:
                found[name] = _structure(body[match.start() : match.start() + _MOST_PARAMETERS])
            if depth == 1:
                is_in_list = name == "tasklist" and first == b"["
            depth, is_name_next = depth + 1, True
        elif first in (b"}", b"]"):
            if depth == 3 and is_in_list:
                break
            depth -= 1
        elif first == b",":
            is_name_next = True
        elif first != b":" and is_here:
            if is_name_next:
                name, is_name_next = _value(match.group()), False
            elif depth == 3 and name in wanted:
                found[name] = _value(match.group())
    return found


def _structure(beginning: bytes) -> Any:
    """Return the object or list at the start of some JSON, None if it is truncated."""
    try:
        return json.JSONDecoder().raw_decode(beginning.decode(errors="ignore"))[0]
    except (ValueError, RecursionError):
        return None


def _value(token: bytes) -> str:
    try:
        return text(json.loads(token))
    except ValueError:
        return ""
