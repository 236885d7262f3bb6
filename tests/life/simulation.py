"""
A Wiro, a worker that crashes, and a clock that jumps, all in memory: the world of the property test.

The Wiro here knows the truth: which tasks were started, which are alive, which succeeded. The code under test
only sees answers, and loses some of them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Self, TypeVar

from airflow_provider_wiro.api.flow import Digest, Flow, FlowContext, Pause, Send, drive
from airflow_provider_wiro.api.parameters import FileContent
from airflow_provider_wiro.api.responses import ApiResponse
from airflow_provider_wiro.api.retry import RateGate, RequestFailure
from airflow_provider_wiro.api.signing import Credentials
from airflow_provider_wiro.exceptions import WiroRecordError
from airflow_provider_wiro.recovery.run_record import RunRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")

#: What can happen to one request.
FATES = (
    "ok",
    "refused",  # never left
    "lost_before",  # left, never arrived
    "lost_after",  # arrived and was carried out; the answer is lost
    "rate_limit",
    "full",  # code 96, for Run only
    "unavailable",  # 503
    "broken",  # 500, not carried out
    "broken_after",  # 502 from a gateway, carried out
    "html_after",  # a web page, carried out
    "vague",  # code 0 without a reason, not carried out
    "timeout",  # 408
    "slow",  # for Run only: the client's timeout passes, and it is carried out minutes later
    "cut_off",  # left, never arrived; the connection was reset
    "cut_off_after",  # the same, and it was carried out
)
ACCEPTED_SECONDS = 8.0
ERROR_SECONDS = 20.0
NO_TASK_YET = {"result": False, "errors": [{"code": 1, "message": "There is no task yet."}]}
ENDS = ("success", "failure", "cancelled", "endless")


class CrashError(BaseException):
    """The worker is gone: nothing can catch this."""


@dataclass
class SimulatedTask:
    """
    One paid (or to be paid) task at Wiro.

    :ivar is_ours: False for another DAG run's, or a teammate's.
    """

    id: str
    parameters: dict[str, Any]
    created_at: float
    runs_from: float
    ends_at: float
    end: str
    stopped_at: float | None = None
    is_ours: bool = True
    project: str = "1"

    def status(self, now: float) -> str:
        """
        Return the status: after the queue each task is at ``task_accept`` for a while, where nothing stops
        it, and each second one fails before its model runs, and is queued again.
        """
        if self.stopped_at is not None and now >= self.stopped_at:
            return "task_cancel"
        if self.end != "endless" and now >= self.ends_at:
            return "task_cancel" if self.end == "cancelled" else "task_postprocess_end"
        if now < self.runs_from:
            return "task_queue"
        if now < self.runs_from + ACCEPTED_SECONDS:
            return "task_accept"
        is_in_error = int(self.id) % 2 and now < self.runs_from + ACCEPTED_SECONDS + ERROR_SECONDS
        return "task_error" if is_in_error else "task_start"

    def is_alive(self, now: float) -> bool:
        return self.status(now) not in {"task_cancel", "task_postprocess_end"}

    def has_succeeded(self, now: float) -> bool:
        return self.status(now) == "task_postprocess_end" and self.end == "success"

    def to_wire(self, now: float) -> dict[str, Any]:
        is_over = self.status(now) == "task_postprocess_end"
        return {
            "id": self.id,
            "status": self.status(now),
            "createtime": str(int(self.created_at)),
            "parameters": self.parameters,
            "projectid": self.project,
            "modelslugowner": "owner",
            "modelslugproject": "model",
            "pexit": ("0" if self.end == "success" else "1") if is_over else None,
        }


@dataclass
class World:
    """
    Wiro, the network and the time.

    :ivar fates: what happens to each request; "ok" when they run out.
    :ivar crashes: steps (sends, pauses and record operations, counted over all tries) at which the worker
        dies.
    :ivar jumps: by how much the worker's clock jumps at a step, in seconds.
    :ivar delays: how long after they were sent slow Runs are carried out.
    :ivar strangers: seconds from the beginning, and what somebody else starts then: the changes to a run that
        is otherwise ours, and whose it is.
    """

    fates: Iterator[str]
    ends: Iterator[tuple[str, float, float]]
    crashes: set[int] = field(default_factory=set)
    jumps: dict[int, float] = field(default_factory=dict)
    time: float = 1_800_000_000.0
    clock_error: float = 0.0
    steps: int = 0
    tasks: list[SimulatedTask] = field(default_factory=list)
    delays: Iterator[float] = field(default_factory=lambda: iter(()))
    strangers: list[tuple[float, dict[str, Any], str]] = field(default_factory=list)
    #: Slow Runs: when each is carried out, and with which fields.
    pending: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    #: URL → the digest of the file that Wiro keeps there.
    stored: dict[str, str] = field(default_factory=dict)
    #: What our Runs have sent, for strangers to repeat.
    ours: dict[str, Any] = field(default_factory=dict)
    began_at: float = field(init=False)

    @classmethod
    def with_earlier_task(cls, *arguments: Any, **settings: Any) -> Self:
        """Return a world in which our project has run something before."""
        world = cls(*arguments, **settings)
        world._start({"prompt": "of yesterday"}, ("success", 1.0, 5.0), project="1").created_at -= 86_400
        world.tasks[0].runs_from = world.tasks[0].ends_at = world.tasks[0].created_at
        return world

    #: The most tasks of ours that were alive at one moment.
    most_alive: int = 0

    def __post_init__(self) -> None:
        self.began_at = self.time
        self.strangers = sorted(self.strangers, key=lambda one: one[0])

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and what is due in it happen at Wiro."""
        until = self.time + seconds
        while True:
            due = sorted((at, number) for number, (at, _) in enumerate(self.pending) if at <= until)
            stranger_at = self.began_at + self.strangers[0][0] if self.strangers else None
            if stranger_at is not None and stranger_at <= until and (not due or stranger_at <= due[0][0]):
                _, changes, project = self.strangers.pop(0)
                self.time = max(self.time, stranger_at)
                if self.ours:
                    self._start({**self.ours, **changes}, ("success", 1.0, 60.0), project=project)
            elif due:
                at, number = due[0]
                self.time = max(self.time, at)
                _, fields = self.pending.pop(number)
                self._start(fields, next(self.ends, ("success", 1.0, 5.0)))
                self._count()
            else:
                break
        self.time = until

    def _count(self) -> None:
        self.most_alive = max(self.most_alive, len(self.alive()))

    def _start(
        self, fields: dict[str, Any], end: tuple[str, float, float], *, project: str | None = None
    ) -> SimulatedTask:
        """Start a task; of a stranger if a project is given."""
        kind, queued, ran = end
        task = SimulatedTask(
            id=str(1000 + len(self.tasks)),
            parameters={name: str(value) for name, value in fields.items()},
            created_at=self.time,
            runs_from=self.time + queued,
            ends_at=self.time + queued + ran,
            end=kind,
            is_ours=project is None,
            project=project or "1",
        )
        self.tasks.append(task)
        return task

    def digest(self, what: Digest) -> str | None:
        """Read a file: what Wiro keeps, or ours."""
        self.step()
        if isinstance(what.source, str):
            return self.stored.get(what.source)
        return what.source.identity.removeprefix("sha256:")

    def step(self) -> None:
        """Pass a point at which the worker may die or its clock may jump."""
        self.steps += 1
        self.clock_error += self.jumps.get(self.steps, 0.0)
        if self.steps in self.crashes:
            raise CrashError

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time + self.clock_error, tz=UTC)

    def pause(self, pause: Pause) -> None:
        self.step()
        self.pass_time(pause.seconds)

    def send(self, what: Send) -> ApiResponse | RequestFailure:
        self.step()
        self.pass_time(0.2)
        fate = next(self.fates, "ok")
        outcome = self._outcome(what, fate)
        self._count()
        # The worker can also die after Wiro has acted and before the answer is seen.
        self.step()
        return outcome

    def alive(self) -> list[SimulatedTask]:
        return [task for task in self.tasks if task.is_ours and task.is_alive(self.time)]

    def succeeded(self) -> list[SimulatedTask]:
        return [task for task in self.tasks if task.is_ours and task.has_succeeded(self.time)]

    def _outcome(self, what: Send, fate: str) -> ApiResponse | RequestFailure:
        match fate:
            case "refused":
                return RequestFailure("ConnectionRefusedError", was_sent=False)
            case "lost_before":
                return RequestFailure("ReadTimeout", was_sent=True)
            case "cut_off":
                return RequestFailure("ConnectionResetError", was_sent=True, was_cut_off=True)
            case "rate_limit":
                return self._answer(429, b"", {"retry-after": "7"})
            case "unavailable":
                return self._answer(503, b"")
            case "broken":
                return self._answer(500, b'{"result": false, "errors": [{"code": 0, "message": "oops"}]}')
            case "timeout":
                return self._answer(408, b"")
            case "vague" if not what.path.startswith("Run/"):
                return self._json(
                    {"result": False, "errors": [{"code": 0, "message": "Something went wrong."}]}
                )
            case "full" if what.path.startswith("Run/"):
                return self._json({"result": False, "errors": [{"code": 96, "message": "limit"}]})
            case "slow" if what.path.startswith("Run/"):
                self.pending.append((self.time + next(self.delays, 100.0), self._fields(what)))
                self.pass_time(60.0)
                return RequestFailure("ReadTimeout", was_sent=True)
        done = self._carry_out(what)
        match fate:
            case "lost_after":
                return RequestFailure("ReadTimeout", was_sent=True)
            case "cut_off_after":
                return RequestFailure("ConnectionResetError", was_sent=True, was_cut_off=True)
            case "broken_after":
                return self._answer(502, b"<html>Bad gateway</html>")
            case "html_after":
                return self._answer(200, b"<html>Sorry</html>")
        return done

    def _fields(self, what: Send) -> dict[str, Any]:
        """Return what a Run asks for; files go into Wiro's storage, and are shown by their URLs there."""
        if what.body.json is not None:
            self.ours = json.loads(what.body.json)
            return dict(self.ours)
        fields: dict[str, Any] = {}
        for name, value in what.body.form:
            if isinstance(value, FileContent):
                url = f"https://cdn1.wiro.ai/{len(self.stored)}/{value.name}"
                self.stored[url] = value.identity.removeprefix("sha256:")
                fields[name] = url
            else:
                fields[name] = value
        self.ours = dict(fields)
        return fields

    def _carry_out(self, what: Send) -> ApiResponse:
        if what.path.startswith("Run/"):
            task = self._start(self._fields(what), next(self.ends, ("success", 1.0, 5.0)))
            return self._json({"result": True, "errors": [], "taskid": task.id, "socketaccesstoken": "token"})
        fields = json.loads(what.body.json or "{}")
        if what.path in {"Tool/Detail", "Tool/List"}:
            return self._json({"result": False, "errors": [{"code": 1, "message": "not-exist"}]})
        if what.path == "Task/List":
            start, limit = int(fields["start"]), int(fields["limit"])
            newest_first = self.tasks[::-1][start : start + limit]
            if not self.tasks:
                return self._json(NO_TASK_YET)
            shown = [task.to_wire(self.time) for task in newest_first]
            return self._json({"result": True, "tasklist": shown})
        found = next((task for task in self.tasks if task.id == fields["taskid"]), None)
        if found is None:
            return self._json(NO_TASK_YET)
        needed = {"Task/Cancel": {"task_queue"}, "Task/Kill": {"task_start", "task_error"}}.get(what.path)
        if needed is not None:
            if found.status(self.time) not in needed:
                text = "Task is not in a cancellable state."
                return self._json({"result": False, "errors": [{"code": 1, "message": text}]})
            found.stopped_at = self.time
        return self._json({"result": True, "tasklist": [found.to_wire(self.time)]})

    def _json(self, envelope: dict[str, Any]) -> ApiResponse:
        return self._answer(200, json.dumps(envelope).encode())

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> ApiResponse:
        return ApiResponse(status, {"date": formatdate(self.time, usegmt=True), **(headers or {})}, body)


class SimulatedHook:
    """Drives flows in the world, as the hooks do over HTTP."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._nonces = iter(range(1, 10**9))
        self._gate = RateGate(lambda: world.time)

    def run_flow(self, make: Callable[[FlowContext], Flow[T]]) -> T:
        world = self._world
        ahead = world.now() - datetime.fromtimestamp(world.time, tz=UTC)  # as it is when the wait begins
        context = FlowContext(
            credentials=Credentials("key-123", "secret-456"),
            now=lambda: datetime.fromtimestamp(world.time, tz=UTC) + ahead,
            random=lambda: 0.5,
            nonce=lambda: next(self._nonces),
            gate=self._gate,
            host="api.wiro.ai",
        )
        return drive(make(context), world.send, world.pause, world.digest)

    def pause(self, seconds: float) -> None:
        self._world.pause(Pause(seconds))


class SimulatedStore:
    """A record store that survives crashes, and fails when told to."""

    def __init__(self, world: World, failures: Iterator[bool]) -> None:
        self._world = world
        self._failures = failures
        self._stored: str | None = None

    def read(self) -> RunRecord | None:
        self._pass()
        return None if self._stored is None else RunRecord.from_json(json.loads(self._stored))

    def write(self, record: RunRecord) -> None:
        self._pass()
        self._stored = json.dumps(record.to_json())
        self._world.step()

    def clear(self) -> None:
        self._pass()
        self._stored = None
        self._world.step()

    def _pass(self) -> None:
        self._world.step()
        if next(self._failures, False):
            raise WiroRecordError("the store is down")


class Silent:
    """A log nobody reads."""

    def info(self, message: str, /, *args: object) -> None: ...
    def warning(self, message: str, /, *args: object) -> None: ...
    def error(self, message: str, /, *args: object) -> None: ...
    def exception(self, message: str, /, *args: object) -> None: ...
