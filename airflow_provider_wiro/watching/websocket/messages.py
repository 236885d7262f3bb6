"""
The messages of Wiro's WebSocket: the registration of a task, and the messages about it.

Wiro has two dialects, and both are read: today's ``{type, id, message, result, success, terminal,
exitCode}``, and the older ``{type, id, tasktoken, message, result}``.

Whatever a server sends, reading it raises nothing: a message that is not understood is None, one of an
unknown type means "still running".
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_wiro.api.decoding.fields import number, text
from airflow_provider_wiro.api.models import TaskStatus

#: Of a longer message, such as the snapshot of a long answer, only the type and the id are read.
MAX_MESSAGE_CHARACTERS = 1024 * 1024
#: A larger frame ends its connection: the WebSocket client takes a whole frame into memory, or none of it.
MAX_FRAME_BYTES = 16 * 1024 * 1024
#: What ends a task over the WebSocket. ``task_error`` doesn't: there it is a line on stderr.
END_STATUSES = frozenset({TaskStatus.POSTPROCESS_END, TaskStatus.CANCEL})

#: Sent in realtime sessions; says nothing about how far a task is.
_IGNORED = frozenset({"task_cost"})
#: Both dialects begin a message so. It has to be the very beginning: the rest has texts of a model's making.
_HEAD = re.compile(r'\s*\{\s*"type"\s*:\s*"(\w{1,64})"\s*,\s*"id"\s*:\s*("?)(\d{1,20})\2\s*,', re.ASCII)

#: Higher numbers are dropped: a server's numbers go into a log.
_MOST = 10.0**9
_LONGEST_TEXT = 20


@dataclass(frozen=True)
class Progress:
    """
    How far a model is. What it doesn't report is None.

    :ivar percentage: from 0 to 100.
    :ivar step: of ``steps``.
    :ivar speed: in ``speed_unit``, such as ``it/s`` or ``words/s``.
    """

    percentage: float | None = None
    step: int | None = None
    steps: int | None = None
    speed: float | None = None
    speed_unit: str | None = None
    remaining_seconds: float | None = None

    @classmethod
    def from_wire(cls, item: Mapping[str, Any]) -> Progress | None:
        """
        Read the ``message`` of a ``task_output``; None if it reports no progress.

        An LLM's has its speed only, beside the text so far, which is not kept.
        """
        unit = "".join(filter(str.isprintable, text(item.get("speedType"))[:_LONGEST_TEXT])).strip()
        progress = cls(
            percentage=_amount(text(item.get("percentage")).rstrip(" %"), most=100.0),
            step=_count(item.get("stepCurrent")),
            steps=_count(item.get("stepTotal")),
            speed=_amount(item.get("speed")),
            speed_unit=unit or None,
            remaining_seconds=_seconds(item.get("remainingTime")),
        )
        return None if progress == cls(speed_unit=progress.speed_unit) else progress


@dataclass(frozen=True)
class PushMessage:
    """
    One message about a task. It says when to poll the task's Detail, which alone is the truth.

    :ivar status: the message's type; may be one that this package doesn't know.
    :ivar terminal: whether the message says so; only today's dialect does.
    :ivar output: what a ``task_output`` holds.
    """

    wiro_task_id: str
    status: str
    terminal: bool = False
    output: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)

    @property
    def progress(self) -> Progress | None:
        """How far the model is, None if it doesn't say. Read here: most messages are never logged."""
        return None if self.output is None else Progress.from_wire(self.output)

    @property
    def is_end(self) -> bool:
        """Whether the task changes no more, successful or not. A ``task_error`` never says that."""
        return self.status in END_STATUSES or (self.terminal and self.status != TaskStatus.ERROR)


def registration(token: str) -> str:
    """Return the message that asks for a task's messages. It is a secret, like the token."""
    return json.dumps({"type": "task_info", "tasktoken": token})


def read_message(frame: str, ids_by_token: Mapping[str, str], ids: Container[str]) -> PushMessage | None:
    """
    Read one text frame.

    A message names its task by id, in the older dialect also by token. The token takes
    precedence: nobody else knows it.

    :param ids_by_token: the tasks that were registered, each token's id.
    :param ids: the same ids, for a message without a token.
    :return: None for what is not understood or is of no interest, and for a task that was not registered.
    """
    if len(frame) > MAX_MESSAGE_CHARACTERS:
        return _read_head(frame, ids)
    try:
        item = json.loads(frame)
    except (ValueError, RecursionError):
        return None
    if not isinstance(item, dict):
        return None
    status = text(item.get("type")).strip()
    wiro_task_id = ids_by_token.get(text(item.get("tasktoken"))) or text(item.get("id")).strip()
    if not status or status in _IGNORED or wiro_task_id not in ids:
        return None
    output = item.get("message") if status == TaskStatus.OUTPUT else None
    return PushMessage(
        wiro_task_id,
        status,
        terminal=item.get("terminal") is True,
        output=output if isinstance(output, Mapping) else None,
    )


def _read_head(frame: str, ids: Container[str]) -> PushMessage | None:
    """Read type and id from the beginning of a message, without the time that parsing all of it takes."""
    head = _HEAD.match(frame)
    if head is None or head[3] not in ids:
        return None
    return PushMessage(head[3], head[1])


def _amount(value: object, *, most: float = _MOST) -> float | None:
    amount = number(value)
    return amount if amount is not None and 0 <= amount <= most else None


def _count(value: object) -> int | None:
    amount = _amount(value)
    return None if amount is None else int(amount)


def _seconds(value: object) -> float | None:
    """Read a duration: ``12``, ``"12.5s"``, or ``"1:02:03"`` as progress bars write it."""
    seconds = 0.0
    for part in text(value)[:_LONGEST_TEXT].strip().removesuffix("s").split(":"):
        amount = _amount(part)
        if amount is None:
            return None
        seconds = seconds * 60 + amount
    return _amount(seconds)
