"""
What Wiro's API returns, as dataclasses: tasks, their outputs, uploaded files.

Any field may be missing or null (see :mod:`~airflow_provider_wiro.api.decoding.fields`), and an unknown
status means "still running".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wiro.api.decoding.fields import json_object, moment, money, number, text, whole_number
from airflow_provider_wiro.api.decoding.llm_answers import (
    Content,
    answer_text,
    content_of,
    finish_reason,
    shows_nothing,
    usage,
)
from airflow_provider_wiro.redaction.plain_text import plain
from airflow_provider_wiro.redaction.secret_values import secret_values, without_likely_tokens

if TYPE_CHECKING:
    from datetime import datetime


class TaskStatus(StrEnum):
    """Wiro's documented statuses, in the order a task goes through them (steps can be skipped)."""

    QUEUE = "task_queue"
    ACCEPT = "task_accept"
    PREPROCESS_START = "task_preprocess_start"
    PREPROCESS_END = "task_preprocess_end"
    ASSIGN = "task_assign"
    START = "task_start"
    OUTPUT = "task_output"
    OUTPUT_FULL = "task_output_full"
    ERROR_FULL = "task_error_full"
    END = "task_end"
    POSTPROCESS_START = "task_postprocess_start"
    POSTPROCESS_END = "task_postprocess_end"
    CANCEL = "task_cancel"
    ERROR = "task_error"
    STREAM_READY = "task_stream_ready"
    STREAM_END = "task_stream_end"
    COST = "task_cost"


#: Final statuses in Task/Detail. ``task_end`` is none: files follow. Nor is ``task_error``, a failure before
#: the model ran: the task waits for a requeue, and may still run and be billed.
TERMINAL_STATUSES = frozenset({TaskStatus.POSTPROCESS_END, TaskStatus.CANCEL})
#: Still cancellable; everything else that is not terminal must be killed.
QUEUED_STATUSES = frozenset({TaskStatus.QUEUE})
KNOWN_STATUSES = frozenset(TaskStatus)

#: Stands for the status of a task that no poll has shown.
UNKNOWN_STATUS = "unknown"

#: Names appear in messages, XComs and manifests: a longer one loses its middle.
MAX_NAME_CHARACTERS = 1000
_NAME_END_CHARACTERS = 100
_MAX_CONTENT_TYPE_CHARACTERS = 200

#: How many of the model's last error lines a message quotes.
ERROR_LINES = 10


class TaskState(StrEnum):
    """A task's status in a word that anybody understands."""

    QUEUED = "queued"  # also one that failed before its model ran, and waits for a requeue
    RUNNING = "running"  # or in a status that this package doesn't know
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"  # or killed
    ENDED = "ended"  # how isn't known: only the status is


def state_of(status: str) -> TaskState:
    """Return the state that a status means; a final status alone doesn't show success or failure."""
    if status == TaskStatus.POSTPROCESS_END:
        return TaskState.ENDED
    if status == TaskStatus.CANCEL:
        return TaskState.CANCELLED
    return TaskState.QUEUED if status in {TaskStatus.QUEUE, TaskStatus.ERROR} else TaskState.RUNNING


@dataclass(frozen=True)
class Output:
    """
    One output of a task: a file on Wiro's CDN, or an LLM's answer.

    :ivar index: its position among the task's outputs, from 0.
    :ivar name: the server's name for it; never a path to trust.
    :ivar content_type: MIME type; ``raw`` is Wiro's word for an LLM's answer. Empty if unknown.
    :ivar size: bytes, None if unknown.
    :ivar url: where to fetch it for a limited time, None for an LLM's answer and for a file that has no link
        yet. Anybody who has the URL can fetch the file.
    :ivar content: an LLM's answer as Wiro sent it, an object or plain text, empty if Wiro sent none; None for
        files.
    """

    index: int
    name: str
    content_type: str
    size: int | None
    url: str | None
    content: Content | None = None

    @property
    def label(self) -> str:
        """What to call it in a message."""
        name = self.name if len(self.name) <= _NAME_END_CHARACTERS else f"{self.name[:_NAME_END_CHARACTERS]}…"
        return f"output {self.index} ({name!r})"

    @classmethod
    def from_wire(cls, index: int, item: Mapping[str, Any]) -> Self:
        content_type = text(item.get("contenttype")).strip()[:_MAX_CONTENT_TYPE_CHARACTERS]
        url = text(item.get("url")).strip() or None
        return cls(
            index=index,
            name=_bounded_name(text(item.get("name"))),
            content_type=content_type,
            # Wiro also writes "0" for files that are not empty, so 0 means unknown.
            size=whole_number(item.get("size")) or None,
            url=url,
            content=content_of(item, content_type=content_type, has_url=url is not None),
        )

    @property
    def awaits_link(self) -> bool:
        """Whether it is a file whose link Wiro has not shown yet."""
        return self.url is None and self.content is None


def _bounded_name(name: str) -> str:
    """Return a name, without its middle if it is too long; the suffix stays."""
    if len(name) <= MAX_NAME_CHARACTERS:
        return name
    return f"{name[: MAX_NAME_CHARACTERS - _NAME_END_CHARACTERS]}{name[-_NAME_END_CHARACTERS:]}"


@dataclass(frozen=True)
class Task:
    """
    A Wiro task as Task/Detail and Task/List show it.

    :ivar id: the task's id.
    :ivar status: the status word; may be one that this package doesn't know.
    :ivar model: ``owner/model``, None if the response doesn't name it.
    :ivar exit_code: the model's exit code (``pexit``), None where missing.
    :ivar elapsed_seconds: the model's run time.
    :ivar cost_usd: what was billed, as text for ``Decimal``, such as ``0.00351``; None if not known (yet):
        Wiro can record a run's charge after its end, and shows none, or "0", until then.
    :ivar shows_parameters: whether the response had the run's parameters, even none.
    :ivar project_id: the project that is billed, None if the response doesn't name it.
    :ivar owner_uuid: whose task it is, None if the response doesn't name it.
    :ivar token: opens the task's WebSocket. A secret.
    """

    id: str
    status: str
    model: str | None = None
    exit_code: str | None = None
    outputs: tuple[Output, ...] = ()
    elapsed_seconds: float | None = None
    cost_usd: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)
    debug_output: str = field(default="", repr=False)
    debug_error: str = field(default="", repr=False)
    token: str | None = field(default=None, repr=False)
    project_id: str | None = None
    owner_uuid: str | None = None
    shows_parameters: bool = True

    @classmethod
    def from_wire(cls, item: Mapping[str, Any]) -> Self:
        token = text(item.get("socketaccesstoken")) or None
        shown_parameters = json_object(item.get("parameters"))
        parameters = shown_parameters or {}

        def printed(name: str) -> str:
            """Return what the model printed, without the secrets that Wiro's own errors can quote."""
            shown = text(item.get(name))
            if not shown:  # most polls: no secrets to search for
                return ""
            for secret in filter(None, (token, *secret_values(parameters))):
                shown = shown.replace(secret, "***")
            return shown

        owner, name = text(item.get("modelslugowner")).strip(), text(item.get("modelslugproject")).strip()
        outputs = item.get("outputs")
        if not isinstance(outputs, list):
            outputs = item.get("output")
        return cls(
            id=text(item.get("id")).strip() or text(item.get("taskid")).strip(),
            status=text(item.get("status")).strip(),
            model=f"{owner}/{name}" if owner and name else None,
            exit_code=text(item.get("pexit")).strip() or None,
            outputs=tuple(
                Output.from_wire(index, output)
                for index, output in enumerate(outputs if isinstance(outputs, list) else ())
                if isinstance(output, Mapping)
            ),
            elapsed_seconds=number(item.get("elapsedseconds")),
            cost_usd=_cost(item),
            created_at=moment(item.get("createtime")),
            started_at=moment(item.get("starttime")),
            ended_at=moment(item.get("endtime")),
            parameters=parameters,
            debug_output=printed("debugoutput"),
            debug_error=printed("debugerror")
            if shown_parameters is not None
            else without_likely_tokens(printed("debugerror")),
            token=token,
            project_id=text(item.get("projectid")).strip() or None,
            owner_uuid=text(item.get("uuid")).strip() or None,
            shows_parameters=shown_parameters is not None,
        )

    @property
    def is_known_status(self) -> bool:
        return self.status in KNOWN_STATUSES

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL_STATUSES

    @property
    def is_queued(self) -> bool:
        return self.status in QUEUED_STATUSES

    @property
    def has_error_status(self) -> bool:
        """Whether it failed before the model ran, and waits for a requeue: it has not ended."""
        return self.status == TaskStatus.ERROR

    @property
    def status_with_reason(self) -> str:
        """The status for a message, followed by the last line of ``debugerror`` where it is an error."""
        lines = self.debug_error.strip().splitlines() if self.has_error_status else []
        status = plain(self.status, 100)
        return f"{status}: {plain(lines[-1].strip(), 500)}" if lines else status

    @property
    def is_cancelled(self) -> bool:
        return self.status == TaskStatus.CANCEL

    @property
    def has_succeeded(self) -> bool:
        """
        Whether the task succeeded: an allow-list.

        ``task_postprocess_end`` alone says nothing. With an exit code, only ``0`` is success; without one (as
        in the reference's own sample), outputs have to be there.
        """
        if self.status != TaskStatus.POSTPROCESS_END:
            return False
        return bool(self.outputs) if self.exit_code is None else number(self.exit_code) == 0

    @property
    def state(self) -> TaskState:
        """The status in a word that anybody understands."""
        state = state_of(self.status)
        if state is not TaskState.ENDED:
            return state
        return TaskState.SUCCEEDED if self.has_succeeded else TaskState.FAILED

    @property
    def queue_seconds(self) -> float | None:
        """Seconds between creation and the model's start, None if either is unknown."""
        if self.created_at is None or self.started_at is None:
            return None
        return max(0.0, (self.started_at - self.created_at).total_seconds())

    @property
    def answer(self) -> str | None:
        """An LLM's answer as one text, None if the task has no such output."""
        contents = self._contents
        return answer_text(contents, self.debug_output) if contents else None

    @property
    def has_empty_answer(self) -> bool:
        """Whether one of the outputs is an LLM's answer without any content."""
        return any(shows_nothing(content, self.debug_output) for content in self._contents)

    @property
    def finish_reason(self) -> str | None:
        """Why an LLM stopped, such as ``stop`` or ``length``; None if unknown."""
        return finish_reason(self._contents)

    @property
    def usage(self) -> dict[str, int | None] | None:
        """An LLM's ``{"input_tokens", "output_tokens", "total_tokens"}``; None if unknown."""
        return usage(self._contents)

    @property
    def _contents(self) -> list[Content]:
        return [output.content for output in self.outputs if output.content is not None]

    @property
    def last_error_lines(self) -> str:
        """
        The last lines of the model's error output, or else of its output. Empty if there are none.
        """
        lines = (self.debug_error.strip() or self.debug_output.strip()).splitlines()
        return "\n".join(line[:500] for line in lines[-ERROR_LINES:])


def _cost(item: Mapping[str, Any]) -> str | None:
    """
    Return what a task cost, None if that is not known yet.

    A zero counts only for tasks that are not billed: those that failed or never started. A killed run, like
    one that succeeded, can be charged later.
    """
    cost = money(item.get("totalcost"))
    if cost is None or number(cost) != 0:
        return cost
    status, exit_code = text(item.get("status")).strip(), text(item.get("pexit")).strip()
    has_failed = status == TaskStatus.POSTPROCESS_END and exit_code != "" and number(exit_code) != 0
    never_started = status == TaskStatus.CANCEL and moment(item.get("starttime")) is None
    return cost if has_failed or never_started else None


@dataclass(frozen=True)
class StartedRun:
    """
    The response to Run.

    :ivar wiro_task_id: the id of the task that was started.
    :ivar token: opens the task's WebSocket. A secret.
    """

    wiro_task_id: str
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class UploadedFile:
    """
    A file in the project's Wiro storage.

    :ivar id: Wiro's id of the file.
    :ivar name: its name.
    :ivar content_type: media type.
    :ivar size: bytes, None if unknown.
    :ivar url: to pass to a model as a parameter.
    """

    id: str
    name: str
    content_type: str
    size: int | None
    url: str

    @classmethod
    def from_wire(cls, item: Mapping[str, Any]) -> Self:
        return cls(
            id=text(item.get("id")),
            name=text(item.get("name")),
            content_type=text(item.get("contenttype")),
            size=whole_number(item.get("size")),
            url=text(item.get("url")),
        )
