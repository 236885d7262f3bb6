"""The emulator's whole state. Only the server's event loop touches it."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_wiro.emulator.state.auth import Project
from airflow_provider_wiro.emulator.state.clock import ChangeNotifier, Clock, wait_for
from airflow_provider_wiro.emulator.state.deviation import deviated
from airflow_provider_wiro.emulator.state.faults import ArmedFaults, Fault
from airflow_provider_wiro.emulator.state.files import FileStore
from airflow_provider_wiro.emulator.state.recording import ActivityLog, Counts, ReceivedRequest
from airflow_provider_wiro.emulator.state.task_store import TaskStatistics, TaskStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from airflow_provider_wiro.emulator.settings import Settings
    from airflow_provider_wiro.emulator.state.lifecycle import Lifecycle
    from airflow_provider_wiro.emulator.state.task import Task

_CLOCK = "the clock"
"""Takes the place of a task's id for those who wait for a moment only."""


@dataclass(slots=True)
class World:
    """One Wiro: a project, its tasks and files, the armed faults, and the log of what has happened."""

    settings: Settings
    clock: Clock
    directory: Path
    base_url: str = ""
    count_connections: Callable[[], int] = lambda: 0
    changes: ChangeNotifier = field(default_factory=ChangeNotifier)
    tasks: TaskStore = field(default_factory=TaskStore)
    faults: ArmedFaults = field(default_factory=ArmedFaults)
    activity: ActivityLog = field(default_factory=ActivityLog)
    project: Project = field(init=False)
    files: FileStore = field(init=False)
    teammates: list[str] = field(init=False)
    """The `uuid` of each other member of the team who starts the same runs."""

    def __post_init__(self) -> None:
        """Make the project and the file store for the settings."""
        settings = self.settings
        strict = settings.nonces == "strict"
        self.project = Project(settings.api_key, settings.api_secret, refuses_repeated_nonces=strict)
        self.teammates = [str(uuid.uuid4()) for _ in range(settings.teammates)]
        self.files = FileStore(settings.link_lifetime_seconds)
        self.files.add_sample_input(self.now())

    @property
    def cdn_url(self) -> str:
        """The address below which all files are."""
        return f"{self.base_url}/cdn"

    def now(self) -> float:
        """Return the present moment in Unix seconds."""
        return self.clock.now()

    async def until(self, moment: float) -> None:
        """Return once the clock has reached `moment`."""
        while self.now() < moment:
            await wait_for(self.changes.subscribe(_CLOCK), self.clock, moment)

    @property
    def statistics(self) -> TaskStatistics:
        """The statistics of the project's own tasks at this moment."""
        return self.tasks.statistics.advance_to(self.now())

    def receive(
        self, endpoint: str, *, path: str, method: str, headers: Mapping[str, str]
    ) -> ReceivedRequest:
        """Record a request and return its record; header names become lower case."""
        lower = {name.lower(): value for name, value in headers.items()}
        return self.activity.record(ReceivedRequest(endpoint, path, method, lower, self.now()))

    def fire_fault(self, request: ReceivedRequest) -> Fault | None:
        """Return the fault that fires for this request, if any, and record it."""
        fault = self.faults.take_for_request(request.endpoint)
        if fault is not None:
            request.fault = fault.kind
            self.activity.faults_fired[fault.kind] += 1
        return fault

    def arm(self, fault: Fault) -> None:
        """
        Arm a fault; one that names a task changes that task at once.

        :raises ValueError: if there is no such task.
        """
        if fault.task_id is None:
            self.faults.arm(fault)
            return
        task = self.tasks.by_id(fault.task_id)
        if task is None:
            raise ValueError(f"there is no task {fault.task_id!r} to inject {fault.kind} into")
        self.activity.faults_fired[fault.kind] += 1
        if fault.kind == "cancelled_by_hand":
            self.stop(task)
            return
        task.deviation = deviated(task.deviation, fault)
        timing, created = task.inputs.model.timing, task.lifecycle.created
        self._change_lifecycle(task, task.deviation.plan(timing, created=created, speed=task.speed))

    def stop(self, task: Task) -> None:
        """Cancel or kill a task now; one that has ended stays as it is."""
        now = self.now()
        if task.is_terminal(now):
            return
        if not task.is_teammates:
            self.activity.tasks_stopped += 1
        self._change_lifecycle(task, task.lifecycle.stopped(now))

    def forget(self, task_id: str) -> None:
        """
        Let a task vanish.

        :raises ValueError: if there is no such task.
        """
        task = self.tasks.by_id(task_id)
        if task is None:
            raise ValueError(f"there is no task {task_id!r} to forget")
        task.is_forgotten = True

    def _change_lifecycle(self, task: Task, lifecycle: Lifecycle) -> None:
        task.lifecycle = lifecycle
        if not task.is_teammates:
            self.tasks.statistics.replan(task)
        self.changes.notify(task.id)

    def counts(self) -> Counts:
        """Return the counters at this moment, without the teammates' tasks."""
        now, statistics, activity = self.now(), self.statistics, self.activity
        own = [task for task in self.tasks if not task.is_teammates]
        return Counts(
            requests=activity.requests.copy(),
            faults_fired=activity.faults_fired.copy(),
            tasks_started=len(own),
            tasks_stopped=activity.tasks_stopped,
            tasks_active=statistics.active,
            tasks_by_status=Counter(str(task.status(now)) for task in own),
            nonces_repeated=self.project.nonces_repeated,
            auth_failures=self.project.failures,
            callbacks_sent=activity.callbacks_sent,
            callbacks_failed=activity.callbacks_failed,
            open_connections=self.count_connections(),
            open_sockets=activity.open_sockets,
            socket_registrations=activity.socket_registrations,
            bytes_served=activity.bytes_served,
            spent_usd=float(statistics.spent_usd),
        )
