"""A task at one moment as plain values, for tests and for the control endpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.state.task import Task
    from airflow_provider_wiro.emulator.state.world import World


@dataclass(frozen=True, slots=True)
class FileSnapshot:
    """A file that came with a run."""

    field: str
    name: str
    content_type: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSnapshot:
    """A task at one moment. `history` has each status so far with the Unix second at which it started."""

    id: str
    token: str
    uuid: str
    model: str
    parameters: dict[str, Any]
    status: str
    history: tuple[tuple[str, float], ...]
    files: tuple[FileSnapshot, ...]
    is_terminal: bool
    exit_code: str | None
    cost_usd: float
    elapsed_seconds: float
    callback_url: str
    project_id: str
    is_teammates: bool
    created_at: float

    @property
    def statuses(self) -> tuple[str, ...]:
        """The statuses so far, first to last."""
        return tuple(status for status, _ in self.history)

    def to_json(self) -> dict[str, Any]:
        """Return the snapshot for the control endpoint."""
        return asdict(self)


def snapshot_of(task: Task, world: World) -> TaskSnapshot:
    """Return `task` as it is now."""
    now = world.now()
    history = task.lifecycle.history(now)
    return TaskSnapshot(
        id=task.id,
        token=task.token,
        uuid=task.uuid,
        model=task.inputs.model.slug,
        parameters=dict(task.parameters),
        status=str(task.status(now)),
        history=tuple((str(step.status), step.moment) for step in history),
        files=tuple(
            FileSnapshot(file.field, file.name, file.content_type, file.size, file.sha256)
            for file in task.inputs.body.files
        ),
        is_terminal=task.is_terminal(now),
        exit_code=task.deviation.exit_code if task.is_terminal(now) else None,
        cost_usd=float(task.cost(now)),
        elapsed_seconds=task.elapsed_seconds(now),
        callback_url=task.callback_url,
        project_id=task.project_id,
        is_teammates=task.is_teammates,
        created_at=task.lifecycle.created,
    )
