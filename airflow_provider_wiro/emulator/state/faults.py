"""
Faults: what is to go wrong, where, and how often.

A fault is armed in advance and fires when a request, or a new task, matches it. Four families:

* `RESPONSE_KINDS` change how any endpoint answers, the API's and the CDN's;
* `CDN_KINDS` change how a file is served;
* `SOCKET_KINDS` change what a WebSocket connection sends: nothing at all, everything but a task's end,
  snapshots of any length, or what only realtime sessions have, besides;
* `TASK_KINDS` change the life or the result of the next run, or of the task named in `task_id`;
* `LATE_START`, of `Run` alone, carries the request out only after some seconds, whether or not its client
  still waits for the answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wiro.emulator.media.prose import SHAPES

if TYPE_CHECKING:
    from collections.abc import Mapping

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
_LEAST_TELLING_FIELDS = (
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
    One fault. Only the fields that its kind reads matter. `delay_seconds` are real seconds, whatever the
    clock; `seconds` are the emulator's.

    Which request: `endpoint` ("Run", "Task/Detail", "cdn", "socket", "*" for all), after letting `skip`
    matching ones pass, `times` times (`None`: until cleared). Which task: `task_id`, else the next runs of
    `model`, else any next run.
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
    Whether the request is carried out before it is answered badly; `drop_after`, `slow` and `truncated`
    always do.
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
    """`slow`: before the answer; `slow_body`: in the middle of the file."""
    after_bytes: int | None = None
    """`truncated`, `slow_body`, `wrong_size`: how many bytes are sent before it; half of them by default."""
    bytes_per_second: int = 90_000_000
    """`limited_speed`: what one answer gets; several at once get it each."""
    after_messages: int = 1
    """`drop_after` of a WebSocket: how many messages are sent before it."""

    task_id: str | None = None
    model: str | None = None
    exit_code: str = "1"
    """`exit_code`, and `fatal_error` with `then="exit"`: the task's `pexit`."""
    debug_error: str = "Traceback (most recent call last):\nRuntimeError: CUDA out of memory."
    """`exit_code`, `fatal_error`: what the task's `debugerror` says."""
    then: str = "requeue"
    """
    `fatal_error`: what follows the `task_error`. "requeue": the task waits in the queue again, runs, succeeds
    and is billed; "exit": it ends with `exit_code`; "cancel": it ends as cancelled; "stay": nothing, ever.
    """
    seconds: float = 2.0
    """
    How long it lasts, on the emulator's clock and whatever its speed. `fatal_error`: the `task_error`;
    `requeue`: the second wait in the queue; `slow_assign`: how much longer a worker is waited for;
    `late_cost`: from the end until the cost is recorded; `late_link`: until the outputs can be fetched;
    `late_start`: from the request to the task.
    """
    missing: bool = False
    """`late_cost`: until then `totalcost` is missing, not "0"; `output_size`: there is no `size` at all."""
    until_then: str = "empty"
    """`late_link`: "empty", the `url` is empty until then; "404", it is there and the CDN doesn't know it."""
    size: str = "0"
    """`output_size`: the `size` that every output gets."""
    shape: str = "segments"
    """`answer_shape`: what a language model's `content` consists of, one of `prose.SHAPES`."""
    finish_reason: str = "stop"
    """`answer_shape`: its `finishreason`, in the shapes that have one."""
    debug_output: str | None = None
    """`no_outputs`, `answer_shape`: what `debugoutput` says; `None`: what it always says."""
    message_bytes: int = 2 * 1024 * 1024
    """`long_snapshots`: how much longer each `task_output` gets."""
    task_status: str = "task_warp"
    """`unknown_status`: the status to show."""
    forever: bool = False
    """`unknown_status`: never leave it again."""
    fields: tuple[str, ...] = _LEAST_TELLING_FIELDS
    """`missing_fields`: which fields Detail lacks."""
    bytes: int = 1024**3
    """`big_output`: the size of each output."""
    outputs: int = 1
    """`big_output`: how many there are."""
    name: str = "../../etc/passwd"
    """`output_name`: the name that every output gets."""

    def __post_init__(self) -> None:
        """Refuse a kind that does not exist: a test that injects nothing proves nothing."""
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
            raise ValueError(f"nothing lasts less than no time, got seconds={self.seconds}")
        if self.bytes_per_second < 1:
            raise ValueError(f"something has to come, got bytes_per_second={self.bytes_per_second}")
        if self.times is not None and self.times < 1:
            raise ValueError(f"a fault fires at least once, got times={self.times}")
        object.__setattr__(self, "fields", tuple(self.fields))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build a fault from the control endpoint's JSON; unknown names are refused."""
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


@dataclass(slots=True)
class _Armed:
    fault: Fault
    to_skip: int
    left: int | None


@dataclass(slots=True)
class FaultBook:
    """The armed faults, first come first served."""

    _armed: list[_Armed] = field(default_factory=list)

    def arm(self, fault: Fault) -> None:
        """Add a fault behind the ones that are armed already."""
        self._armed.append(_Armed(fault, fault.skip, fault.times))

    def clear(self) -> None:
        """Disarm everything."""
        self._armed.clear()

    def armed(self) -> list[Fault]:
        """Return the faults that can still fire."""
        return [armed.fault for armed in self._armed]

    def take_for_request(self, endpoint: str) -> Fault | None:
        """Return the fault for this request, if any, and use it up by one."""
        of_one_place = {"cdn": CDN_KINDS, "socket": SOCKET_KINDS, "Run": frozenset({LATE_START})}
        kinds = RESPONSE_KINDS | of_one_place.get(endpoint, frozenset())
        for armed in self._armed:
            fault = armed.fault
            # Those that fit one place only fit it whatever else is said.
            places = {fault.endpoint} if fault.kind in RESPONSE_KINDS else {ANYWHERE}
            if fault.kind in kinds and (ANYWHERE in places or endpoint in places) and self._fires(armed):
                return fault
        return None

    def take_for_run(self, model: str) -> list[Fault]:
        """Return every task fault that is meant for the next run of `model`, each used up by one."""
        waiting = [
            armed
            for armed in self._armed
            if armed.fault.kind in TASK_KINDS
            and armed.fault.task_id is None
            and armed.fault.model in {None, model}
        ]
        return [armed.fault for armed in waiting if self._fires(armed)]

    def _fires(self, armed: _Armed) -> bool:
        if armed.to_skip > 0:
            armed.to_skip -= 1
            return False
        if armed.left is not None:
            armed.left -= 1
            if armed.left == 0:
                self._armed.remove(armed)
        return True
