"""An Airflow small enough to see through: a task instance, a state store, a log; and waiting made short."""

from __future__ import annotations

import asyncio
import json
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.run import follower
from airflow_provider_wiro.triggers.wiro import WiroPauseTrigger, WiroTaskTrigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.emulator import WiroEmulator

RETRO = "retroAIx/Retro-Cartoons"
GPT = "openai/gpt-5-nano"
# A small picture: what a test wants to know never depends on a large one.
SMALL = {"prompt": "a robot on the moon", "samples": 1, "width": 64, "height": 64}
DONE = "task_postprocess_end"
CANCELLED = "task_cancel"
#: What Airflow resumes a task with whose trigger it could not run.
NOT_INSTALLED = {"error": "Trigger failure", "traceback": ["ModuleNotFoundError: No module named 'x'\n"]}

TRIGGERS = {f"{kind.__module__}.{kind.__qualname__}": kind for kind in (WiroTaskTrigger, WiroPauseTrigger)}


@dataclass
class FakeDagRun:
    """What the provider uses of a DAG run; as under ``dag.test()``, it starts at its logical date."""

    clear_number: int = 0
    start_date: datetime = datetime(2026, 11, 23, tzinfo=UTC)
    logical_date: datetime = datetime(2026, 11, 23, tzinfo=UTC)


@dataclass
class FakeTi:
    """What the provider uses of a task instance. XComs go through JSON, as in a real one."""

    dag_id: str = "dag"
    run_id: str = "manual__2026-11-23"
    task_id: str = "generate"
    map_index: int = -1
    try_number: int = 1
    max_tries: int = 2
    first_reschedule_date: datetime | None = None
    xcoms: dict[str, Any] = field(default_factory=dict)
    dag_run: FakeDagRun | None = None

    @property
    def context(self) -> dict[str, Any]:
        return {"ti": self, **({} if self.dag_run is None else {"dag_run": self.dag_run})}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = json.loads(json.dumps(value))

    def xcom_pull(self, *, key: str, task_ids: str, map_indexes: int) -> Any:
        assert (task_ids, map_indexes) == (self.task_id, self.map_index), "that is another task's XCom"
        return self.xcoms.get(key)

    def get_first_reschedule_date(self, context: Any) -> datetime | None:
        return self.first_reschedule_date


class DictStore:
    """Airflow's task state store: JSON in, JSON out. Methods named in ``fails`` raise."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.fails: set[str] = set()
        self.writes: list[dict[str, Any]] = []
        self.after_set: Callable[[], None] | None = None

    def _call(self, name: str) -> None:
        if name in self.fails:
            raise RuntimeError(f"API_SERVER_ERROR: {name}")

    def get(self, key: str, default: Any = None) -> Any:
        self._call("get")
        return json.loads(self.values[key]) if key in self.values else default

    def set(self, key: str, value: Any) -> None:
        self._call("set")
        assert value is not None
        self.values[key] = json.dumps(value)
        self.writes.append(json.loads(self.values[key]))
        if self.after_set is not None:
            self.after_set()

    def delete(self, key: str) -> None:
        self._call("delete")
        self.values.pop(key, None)

    @property
    def record(self) -> dict[str, Any] | None:
        stored = self.values.get("wiro_run")
        return None if stored is None else json.loads(stored)


class FakeLog:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, message: str, *args: Any) -> None:
        line = message % args if args else message
        if "outside of the Task Runner" not in line:  # Airflow, about these tests
            self.lines.append(line)

    warning = error = exception = info

    def debug(self, message: str, *args: Any, **_: Any) -> None:
        """Keep nothing: users don't see it."""

    def __contains__(self, part: str) -> bool:
        return any(part in line for line in self.lines)


@dataclass
class AirflowTask:
    """One Airflow task instance across its tries: what a scheduler would call, in the order it would."""

    wiro: WiroEmulator
    log: FakeLog
    ti: FakeTi = field(default_factory=FakeTi)
    store: DictStore = field(default_factory=DictStore)
    has_state_store: bool = True
    settings: dict[str, Any] = field(default_factory=dict)
    #: The events that the triggers have fired.
    events: list[Any] = field(default_factory=list)

    @property
    def context(self) -> Any:
        store = {"task_state_store": self.store} if self.has_state_store else {}
        return {**self.ti.context, **store}

    def operator(self, *inputs: Any, **settings: Any) -> Any:
        """Return a new operator, as a new worker process would have it."""
        raise NotImplementedError

    def run(self, *inputs: Any, **settings: Any) -> Any:
        """Run one try to its end, deferrals included."""
        operator = self.operator(*inputs, **settings)
        try:
            return operator.execute(self.context)
        except TaskDeferred as deferred:
            return self._resume(deferred, inputs, None, settings)

    def defer(self, *inputs: Any, **settings: Any) -> TaskDeferred:
        """Run the part of a try before its deferral."""
        operator = self.operator(*inputs, **{"deferrable": True, **settings})
        return self._deferral_of(operator)

    def _deferral_of(self, operator: Any) -> TaskDeferred:
        try:
            found = operator.execute(self.context)
        except TaskDeferred as deferred:
            return deferred
        raise AssertionError(f"did not defer, but returned {found!r}")

    def _resume(
        self, deferred: TaskDeferred, inputs: tuple[Any, ...], event: Any, settings: dict[str, Any]
    ) -> Any:
        """Run the trigger (unless its event is given), and the part of a try after it, deferrals included."""
        event = fire(deferred) if event is None else event
        self.events.append(event)
        operator = self.operator(*inputs, **{"deferrable": True, **settings})
        kwargs = json.loads(json.dumps(deferred.kwargs or {}))
        try:
            return getattr(operator, deferred.method_name)(self.context, event=event, **kwargs)
        except TaskDeferred as again:
            return self._resume(again, inputs, None, settings)

    def retry(self) -> None:
        """Let Airflow retry: another try, XCom emptied, the state store and all files kept."""
        self.ti.try_number += 1
        self.ti.xcoms.clear()

    def clear(self) -> None:
        """Let a user clear the task: a further try, and as many retries as at first."""
        self.ti.max_tries = self.ti.try_number + 2
        self.retry()

    def kept_text(self) -> str:
        """Return everything that Airflow would keep of this task instance as plain text."""
        return json.dumps([self.ti.xcoms, self.store.values, self.log.lines, self.events])


@dataclass
class Work(AirflowTask):
    """An Airflow task instance that runs a model."""

    def operator(self, **settings: Any) -> WiroRunOperator:  # type: ignore[override]
        defaults = {"model": RETRO, "parameters": SMALL, "poll_interval": 0.02, "deferrable": False}
        return WiroRunOperator(task_id=self.ti.task_id, **{**defaults, **self.settings, **settings})

    def defer(self, *, polls: bool = False, **settings: Any) -> TaskDeferred:  # type: ignore[override]
        """
        Run the part of a try before its deferral.

        :param polls: poll the task first, as a real try does. It may have ended by then.
        """
        operator = self.operator(**{"deferrable": True, **settings})
        unseen = nullcontext() if polls else patch.object(follower, "poll_once", return_value=None)
        with unseen:
            return self._deferral_of(operator)

    def resume(self, deferred: TaskDeferred, event: Any = None, **settings: Any) -> Any:
        """Run the trigger (unless its event is given), and the part of a try after it, deferrals included."""
        return self._resume(deferred, (), event, settings)

    @property
    def started(self) -> int:
        return self.wiro.counts.tasks_started

    @property
    def statuses(self) -> list[str]:
        return [task.status for task in self.wiro.tasks]


def rebuild(deferred: TaskDeferred) -> Any:
    """Return the trigger as the triggerer makes it: from JSON."""
    path, kwargs = deferred.trigger.serialize()
    return TRIGGERS[path](**json.loads(json.dumps(kwargs)))


async def one_event(trigger: Any) -> Any:
    """Run a trigger to its end; it fires exactly one event."""
    [event] = [event async for event in trigger.run()]
    return json.loads(json.dumps(event.payload))


def fire(deferred: TaskDeferred) -> Any:
    return asyncio.run(one_event(rebuild(deferred)))
