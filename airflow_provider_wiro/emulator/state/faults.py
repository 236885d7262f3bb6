"""
Faults: what goes wrong on purpose, where, and how often.

A fault is armed in advance and fires when a request, or a new task, matches it:

* `RESPONSE_KINDS` change the response of any endpoint, the API's and the CDN's;
* `CDN_KINDS` change how a file is served;
* `SOCKET_KINDS` change what a WebSocket connection sends: nothing at all, everything but a task's end,
  snapshots of any length, or also what only realtime sessions send;
* `TASK_KINDS` change the course or the result of the next run, or of the task named in `task_id`;
* `LATE_START`, for `Run` only, carries the request out after some seconds, whether or not its client still
  waits for the response.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wiro.emulator.media.prose import SHAPES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RESPONSE_KINDS = frozenset(
    {
        "rate_limit",
        "server_error",
        "api_error",
        "html",
        "empty",
        "redirect",
        "drop_before",
        "drop_after",
        "slow",
        "truncated",
    }
)
CDN_KINDS = frozenset({"expired_link", "slow_body", "limited_speed", "wrong_size", "ignore_range"})
SOCKET_KINDS = frozenset({"silent_socket", "missing_end", "long_snapshots", "realtime"})
TASK_KINDS = frozenset(
    {
        "exit_code",
        "no_exit_code",
        "fatal_error",
        "requeue",
        "slow_assign",
        "late_cost",
        "billed_kill",
        "cancelled_by_hand",
        "stuck_in_queue",
        "stuck_running",
        "unknown_status",
        "missing_fields",
        "numbers_as_numbers",
        "no_outputs",
        "big_output",
        "output_file",
        "output_name",
        "output_url",
        "output_size",
        "late_link",
        "answer_shape",
    }
)
LATE_START = "late_start"
ANYWHERE = "*"
AFTER_A_FATAL_ERROR = ("requeue", "exit", "cancel", "stay")
_DISPENSABLE_FIELDS = (
    "pexit",
    "uuid",
    "elapsedseconds",
    "totalcost",
    "createtime",
    "endtime",
    "size",
    "parameters",
)


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One fault. Its kind says which of the fields it reads. `delay_seconds` are real seconds, `seconds` are
    the emulator's clock's.

    Which request: `endpoint` ("Run", "Task/Detail", "cdn", "socket", "*" for all), after `skip` matching
    ones, `times` times (`None`: until cleared). Which task: `task_id`, else the next runs of `model`, else
    any next run.
    """

    kind: str
    endpoint: str = ANYWHERE
    times: int | None = 1
    skip: int = 0

    status: int | None = None
    """
    HTTP status of `server_error` (500), `html` (200), `empty` (200), `redirect` (302), `expired_link` (403).
    """
    processed: bool = False
    """
    Whether the request is carried out before the faulty response; with `drop_after`, `slow` and `truncated`
    it always is.
    """
    retry_after: int | str | None = None
    """`rate_limit` and `server_error`: the header as sent, seconds or an HTTP date."""
    body: str = "json"
    """`server_error`: "json", "html", "text" or "empty"."""
    code: int | str = 0
    message: str = "Something went wrong."
    """`api_error`: the error's code and text in an HTTP 200 envelope (or `status`)."""
    bare: bool = False
    """`api_error`: the element of `errors` is the text alone."""
    url: str = ""
    """`redirect`: where to; `output_url`: the address that Detail gives for every output."""
    delay_seconds: float = 1.0
    """`slow`: before the response; `slow_body`: in the middle of the file."""
    after_bytes: int | None = None
    """`truncated`, `slow_body`, `wrong_size`: how many bytes are sent before it; by default half of them."""
    bytes_per_second: int = 90_000_000
    """`limited_speed`: the speed of each response."""
    after_messages: int = 1
    """`drop_after` of a WebSocket: how many messages are sent before it."""

    task_id: str | None = None
    model: str | None = None
    exit_code: str = "1"
    """`exit_code`, and `fatal_error` with `then="exit"`: the task's `pexit`."""
    debug_error: str = "Traceback (most recent call last):\nRuntimeError: CUDA out of memory."
    """`exit_code`, `fatal_error`: the task's `debugerror`."""
    then: str = "requeue"
    """
    `fatal_error`: what follows the `task_error`. "requeue": the task waits in the queue again, succeeds and
    is billed; "exit": it ends with `exit_code`; "cancel": it ends as cancelled; "stay": nothing, ever.
    """
    seconds: float = 2.0
    """
    A duration on the emulator's clock, whatever its speed. `fatal_error`: of the `task_error`; `requeue`: of
    the second wait in the queue; `slow_assign`: of the additional wait for a worker; `late_cost`: from the
    end to the recorded cost; `late_link`: from the end to working links; `late_start`: from the request to
    the task.
    """
    missing: bool = False
    """`late_cost`: until then there is no `totalcost`, in place of "0"; `output_size`: there is no `size`."""
    until_then: str = "empty"
    """`late_link`: until then the `url` is "empty", or it is set and the CDN responds with "404"."""
    size: str = "0"
    """`output_size`: the `size` that every output gets."""
    shape: str = "segments"
    """`answer_shape`: what a language model's `content` consists of, one of `prose.SHAPES`."""
    finish_reason: str = "stop"
    """`answer_shape`: the `finishreason`, in the shapes that have one."""
    debug_output: str | None = None
    """`no_outputs`, `answer_shape`: the task's `debugoutput`; `None`: the ordinary one."""
    message_bytes: int = 2 * 1024 * 1024
    """`long_snapshots`: the length of the `raw` in each `task_output`."""
    task_status: str = "task_warp"
    """`unknown_status`: the status to show."""
    forever: bool = False
    """`unknown_status`: the task stays in it."""
    fields: tuple[str, ...] = _DISPENSABLE_FIELDS
    """`missing_fields`: the fields that a task lacks."""
    bytes: int = 1024**3
    """`big_output`: the size of each output."""
    outputs: int = 1
    """`big_output`: how many there are."""
    name: str = "../../etc/passwd"
    """`output_name`: the name that every output gets; `output_file`: its name."""
    content_type: str = "image/svg+xml"
    content: str = '<svg xmlns="http://www.w3.org/2000/svg"/>'
    """`output_file`: the only output in place of what the model makes, as a text."""

    def __post_init__(self) -> None:
        """Refuse what doesn't exist: a test whose fault never fires proves nothing."""
        known = RESPONSE_KINDS | CDN_KINDS | SOCKET_KINDS | TASK_KINDS | {LATE_START}
        if self.kind not in known:
            raise ValueError(f"unknown fault kind {self.kind!r}, expected one of {sorted(known)}")
        if self.then not in AFTER_A_FATAL_ERROR:
            raise ValueError(
                f"a fatal_error is followed by one of {AFTER_A_FATAL_ERROR}, not by {self.then!r}"
            )
        if self.until_then not in {"empty", "404"}:
            raise ValueError(f"a late_link is 'empty' or '404' until then, not {self.until_then!r}")
        if self.shape not in SHAPES:
            raise ValueError(f"an answer has one of the shapes {sorted(SHAPES)}, not {self.shape!r}")
        if self.seconds < 0:
            raise ValueError(f"a duration must not be below zero, got seconds={self.seconds}")
        if self.bytes_per_second < 1:
            raise ValueError(f"a speed must be above zero, got bytes_per_second={self.bytes_per_second}")
        if self.times is not None and self.times < 1:
            raise ValueError(f"a fault fires at least once, got times={self.times}")
        object.__setattr__(self, "fields", tuple(self.fields))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Make a fault from the control endpoint's JSON; unknown names are a `ValueError`."""
        known = {item.name for item in fields(cls)}
        if unknown := sorted(set(data) - known):
            raise ValueError(f"unknown fault fields {unknown}, expected some of {sorted(known)}")
        if "kind" not in data:
            raise ValueError("a fault needs a kind")
        return cls(**data)

    def to_json(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults."""
        pairs = ((item, getattr(self, item.name)) for item in fields(self))
        return {item.name: value for item, value in pairs if item.name == "kind" or value != item.default}


_KINDS_OF_ONE_ENDPOINT = {"cdn": CDN_KINDS, "socket": SOCKET_KINDS, "Run": frozenset({LATE_START})}


@dataclass(slots=True)
class _Armed:
    fault: Fault
    to_skip: int
    left: int | None


@dataclass(slots=True)
class ArmedFaults:
    """The faults that can still fire, in the order in which they were armed."""

    _armed: list[_Armed] = field(default_factory=list)

    def arm(self, fault: Fault) -> None:
        """Add a fault after the others."""
        self._armed.append(_Armed(fault, fault.skip, fault.times))

    def clear(self) -> None:
        """Disarm everything."""
        self._armed.clear()

    def __iter__(self) -> Iterator[Fault]:
        """Iterate over the faults."""
        return iter([armed.fault for armed in self._armed])

    def take_for_request(self, endpoint: str) -> Fault | None:
        """Return the fault that fires for this request, if any, and count it as fired once more."""
        own_kinds = _KINDS_OF_ONE_ENDPOINT.get(endpoint, frozenset())
        for armed in self._armed:
            fault = armed.fault
            # A kind that exists for one endpoint only needs no `endpoint`.
            is_meant = fault.kind in own_kinds or (
                fault.kind in RESPONSE_KINDS and fault.endpoint in {ANYWHERE, endpoint}
            )
            if is_meant and self._fires(armed):
                return fault
        return None

    def take_for_run(self, model: str) -> list[Fault]:
        """Return the task faults that fire for the next run of `model`, and count each as fired once more."""
        meant = [
            armed
            for armed in self._armed
            if armed.fault.kind in TASK_KINDS
            and armed.fault.task_id is None
            and armed.fault.model in {None, model}
        ]
        return [armed.fault for armed in meant if self._fires(armed)]

    def _fires(self, armed: _Armed) -> bool:
        if armed.to_skip > 0:
            armed.to_skip -= 1
            return False
        if armed.left is not None:
            armed.left -= 1
            if armed.left == 0:
                self._armed.remove(armed)
        return True
