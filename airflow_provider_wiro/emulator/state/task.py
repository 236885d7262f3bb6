"""The tasks, what is recorded of them, and what follows from the record and the clock."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.emulator.generation.inputs import NOT_A_MODELS, Inputs
from airflow_provider_wiro.emulator.generation.pricing import cost_usd
from airflow_provider_wiro.emulator.generation.rendering import Rendering, render
from airflow_provider_wiro.emulator.state.contents import Content, EndlessContent, MemoryContent
from airflow_provider_wiro.emulator.state.deviation import Twist
from airflow_provider_wiro.emulator.state.lifecycle import TERMINAL, Life, Status
from airflow_provider_wiro.emulator.state.task_store import Reckoning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_wiro.emulator.state.files import FileStore, StoredFile

_FIRST_ID = 2221  # the id of the reference's sample task


@dataclass(slots=True, kw_only=True)
class Task:
    """One run. Everything but `life`, `twist` and the files' presence is settled when it is accepted."""

    id: str
    token: str
    inputs: Inputs
    life: Life
    speed: float
    twist: Twist = field(default_factory=Twist)
    uuid: str
    """The member of the team who started it."""
    is_teammates: bool = False
    folder_id: str = field(default_factory=lambda: secrets.token_hex(16))
    input_files: dict[str, list[StoredFile]] = field(default_factory=dict)
    files_deleted: bool = False
    _rendering: Rendering | None = None
    _outputs: list[StoredFile] | None = None

    @property
    def callback_url(self) -> str:
        """Where the finished task is to be POSTed, `""` for nowhere."""
        return self.inputs.body.text("callbackUrl")

    @property
    def project_id(self) -> str:
        """The other project to bill, `""` for the caller's own."""
        return self.inputs.body.text("projectid")

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters as they were sent."""
        return {name: value for name, value in self.inputs.body.fields.items() if name not in NOT_A_MODELS}

    def status(self, now: float) -> str:
        """Return the status at `now`."""
        return self.life.status_at(now)

    def is_terminal(self, now: float) -> bool:
        """Tell whether the task is over at `now`."""
        return self.status(now) in TERMINAL

    def has_succeeded(self, now: float) -> bool:
        """Tell whether the task is over, well, and billed."""
        return self.status(now) == Status.POSTPROCESS_END and self.twist.succeeds

    def ended(self, now: float) -> float | None:
        """Return when the model stopped working, in Unix seconds; `None` while it works or before it."""
        if self.life.stopped_at is not None and self.life.stopped_at <= now:
            return self.life.stopped_at
        for status in (Status.CANCEL, Status.END, Status.POSTPROCESS_END):
            if (moment := self.life.moment_of(status, now)) is not None:
                return moment
        return None

    def elapsed_seconds(self, now: float) -> float:
        """
        Return the model's own seconds from acceptance to its end, or to `now`.

        They are the model's, not the wall's: a run at fifty times the speed costs what it costs at one.
        """
        accepted = self.life.last_moment_of(Status.ACCEPT, now)  # a requeued task is billed for one run
        if accepted is None:
            return 0.0
        end = self.ended(now)
        # Rounded as it is shown, so that the price is the shown seconds' price.
        return round(((now if end is None else end) - accepted) * self.speed, 4)

    def cost(self, now: float) -> Decimal:
        """Return what the task has cost, in USD: a success, and a killed one where the settings say so."""
        if not (self.has_succeeded(now) or self._was_killed_and_is_billed(now)):
            return Decimal(0)
        return cost_usd(self.inputs, self.rendering, self.elapsed_seconds(now))

    def cost_is_recorded(self, now: float) -> bool:
        """Return whether `totalcost` shows the cost yet."""
        over = self.life.ends_at
        return over is None or now >= over + self.twist.late_cost_seconds

    def _was_killed_and_is_billed(self, now: float) -> bool:
        if not self.twist.billed_when_killed or self.status(now) != Status.CANCEL:
            return False
        return self.life.moment_of(Status.ASSIGN, now) is not None

    @property
    def rendering(self) -> Rendering:
        """What the model makes of the inputs: the same whenever it is asked."""
        if self._rendering is None:
            self._rendering = render(self.inputs)
        return self._rendering

    def outputs(self, store: FileStore, now: float) -> list[StoredFile]:
        """Return the output files that are there at `now`."""
        if self.files_deleted or not self.has_succeeded(now) or not self.twist.makes_outputs:
            return []
        if self._outputs is None:
            finished = self.life.moment_of(Status.POSTPROCESS_END, now) or now
            self._outputs = [
                store.add(
                    name,
                    content_type,
                    content,
                    parent_id=self.folder_id,
                    now=finished,
                    appears=finished + self.twist.late_link_seconds,
                )
                for name, content_type, content in self._contents()
            ]
        return self._outputs

    def delete_files(self, store: FileStore, cdn_url: str) -> None:
        """
        Remove every input and output; the record stays. What was uploaded before and given to the run by its
        URL is an input, too, also where other runs still need it.
        """
        self.files_deleted = True
        inputs = (file for files in self.input_files.values() for file in files)
        named = (store.find_by_url(url, cdn_url) for url in _texts(self.parameters))
        uploads = (file for file in named if file is not None and file.is_upload)
        for file in (*inputs, *uploads, *(self._outputs or ())):
            store.remove(file.access_key)

    def _contents(self) -> Iterator[tuple[str, str, Content]]:
        """Yield the name, content type and content of each output."""
        twist = self.twist
        if twist.output_bytes is not None:
            for index in range(twist.output_count):
                seed = f"{self.inputs.variety}/{index}" if index else self.inputs.variety
                content = EndlessContent(twist.output_bytes, seed)
                yield twist.output_name or f"{index}.bin", "application/octet-stream", content
            return
        for art in self.rendering.files:
            yield twist.output_name or art.name, art.content_type, MemoryContent(art.draw())


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a parameter's value; several URLs come separated by commas."""
    match value:
        case str():
            yield from (part.strip() for part in value.split(","))
        case list():
            yield from (text for item in value for text in _texts(item))
        case dict():
            yield from (text for item in value.values() for text in _texts(item))


@dataclass(slots=True)
class TaskStore:
    """All tasks of the project and of its teammates, oldest first."""

    _by_id: dict[str, Task] = field(default_factory=dict)
    _by_token: dict[str, Task] = field(default_factory=dict)
    reckoning: Reckoning = field(default_factory=Reckoning)

    def __iter__(self) -> Iterator[Task]:
        """Iterate over all tasks, oldest first."""
        return iter(tuple(self._by_id.values()))

    def __len__(self) -> int:
        """Return how many tasks there are."""
        return len(self._by_id)

    def add(
        self,
        inputs: Inputs,
        life: Life,
        twist: Twist,
        speed: float,
        *,
        uuid: str,
        is_teammates: bool = False,
    ) -> Task:
        """Record an accepted run under the next id."""
        alphabet = string.ascii_letters + string.digits
        task = Task(
            id=str(_FIRST_ID + len(self._by_id)),
            token="".join(secrets.choice(alphabet) for _ in range(30)),
            inputs=inputs,
            life=life,
            speed=speed,
            twist=twist,
            uuid=uuid,
            is_teammates=is_teammates,
        )
        self._by_id[task.id] = task
        self._by_token[task.token] = task
        if not is_teammates:
            self.reckoning.begin(task)
        return task

    def by_id(self, task_id: str) -> Task | None:
        """Return the task with this id."""
        return self._by_id.get(task_id)

    def by_token(self, token: str) -> Task | None:
        """Return the task with this token."""
        return self._by_token.get(token)
