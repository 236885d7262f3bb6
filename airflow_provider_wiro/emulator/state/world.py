"""The emulator's whole state. It knows nothing of HTTP, and only the server's event loop touches it."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_wiro.emulator.state.auth import Project
from airflow_provider_wiro.emulator.state.clock import Clock, Pulse, wait_for
from airflow_provider_wiro.emulator.state.deviation import Twist, twisted_by
from airflow_provider_wiro.emulator.state.faults import Fault, FaultBook
from airflow_provider_wiro.emulator.state.files import FileStore
from airflow_provider_wiro.emulator.state.lifecycle import Life, Status, plan
from airflow_provider_wiro.emulator.state.recording import Counts, Ledger
from airflow_provider_wiro.emulator.state.task import Task, TaskStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal
    from pathlib import Path

    from airflow_provider_wiro.emulator.settings import Settings
    from airflow_provider_wiro.emulator.state.task_store import Reckoning

_CLOCK = "the clock"
"""What is listened to, in place of a task's id, by what waits for a moment only."""


@dataclass(slots=True)
class World:
    """One Wiro: a project, its tasks and files, the armed faults, and what was seen so far."""

    settings: Settings
    clock: Clock
    directory: Path
    base_url: str = ""
    count_connections: Callable[[], int] = lambda: 0
    pulse: Pulse = field(default_factory=Pulse)
    tasks: TaskStore = field(default_factory=TaskStore)
    faults: FaultBook = field(default_factory=FaultBook)
    ledger: Ledger = field(default_factory=Ledger)
    project: Project = field(init=False)
    files: FileStore = field(init=False)
    teammates: list[str] = field(init=False)
    """The `uuid` of each other member who starts what the project starts."""

    def __post_init__(self) -> None:
        """Make the project and the file store that the settings ask for."""
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
            await wait_for(self.pulse.listen(_CLOCK), self.clock, moment)

    @property
    def reckoning(self) -> Reckoning:
        """How the tasks stand at this moment."""
        return self.tasks.reckoning.at(self.now())

    def active_tasks(self) -> int:
        """Return how many tasks are under way: neither finished nor stopped."""
        return self.reckoning.active

    def spent_usd(self) -> Decimal:
        """Return what all successful tasks have cost together."""
        return self.reckoning.spent_usd

    def arm(self, fault: Fault) -> None:
        """Arm a fault; one that names an existing task changes that task at once."""
        if fault.task_id is None:
            self.faults.arm(fault)
            return
        task = self.tasks.by_id(fault.task_id)
        if task is None:
            raise ValueError(f"there is no task {fault.task_id!r} to inject {fault.kind} into")
        self.ledger.faults_fired[fault.kind] += 1
        if fault.kind == "cancelled_by_hand":
            self.stop(task)
        else:
            self.twist(task, twisted_by(task.twist, fault))

    def twist(self, task: Task, twist: Twist) -> None:
        """Give a task another course; its life is laid out anew from its creation."""
        task.twist = twist
        created = task.life.steps[0].moment
        self._change_life(
            task,
            plan(
                task.inputs.model.timing,
                created=created,
                speed=task.speed,
                detour=twist.detour,
                assign_delay=twist.assign_delay,
            ),
        )

    def stop(self, task: Task) -> None:
        """End a task by hand, now; one that is over stays as it is."""
        now = self.now()
        if task.is_terminal(now):
            return
        if not task.is_teammates:
            self.ledger.tasks_stopped += 1
        self._change_life(task, task.life.stopped(now))

    def _change_life(self, task: Task, life: Life) -> None:
        task.life = life
        if not task.is_teammates:
            self.tasks.reckoning.begin_anew(task)
        self.pulse.wake(task.id)

    def counts(self) -> Counts:
        """Return the counters of this moment; a teammate's tasks are in none of them."""
        now = self.now()
        own = [task for task in self.tasks if not task.is_teammates]
        return Counts(
            requests=self.ledger.requests.copy(),
            faults_fired=self.ledger.faults_fired.copy(),
            tasks_started=len(own),
            tasks_stopped=self.ledger.tasks_stopped,
            tasks_active=self.active_tasks(),
            tasks_by_status=Counter(str(task.status(now)) for task in own),
            nonces_repeated=self.project.nonces_repeated,
            auth_failures=self.project.failures,
            callbacks_sent=self.ledger.callbacks_sent,
            callbacks_failed=self.ledger.callbacks_failed,
            open_connections=self.count_connections(),
            open_sockets=self.ledger.open_sockets,
            socket_registrations=self.ledger.socket_registrations,
            bytes_served=self.ledger.bytes_served,
            spent_usd=float(self.spent_usd()),
        )

    def queue_is_left(self, task: Task) -> bool:
        """Tell whether a worker has taken the task out of the queue."""
        return task.status(self.now()) != Status.QUEUE
