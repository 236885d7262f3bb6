"""Rows of Airflow's database, as the gallery needs them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class Kind(StrEnum):
    """What a task of this provider does."""

    RUN = "run"
    SENSOR = "sensor"
    TRANSFER = "transfer"
    BATCH = "batch"
    EXPORT = "export"


@dataclass(frozen=True)
class DagRunRow:
    """
    A DAG run.

    :ivar id: Airflow's number of it, by which XComs name it.
    """

    id: int
    dag_id: str
    run_id: str
    state: str
    logical_date: datetime | None = None
    start_date: datetime | None = None
    run_after: datetime | None = None

    @property
    def is_on_its_way(self) -> bool:
        """Whether tasks of it may still run."""
        return self.state in {"queued", "running"}

    @property
    def at(self) -> str | None:
        """Its logical date, or else when it started, in ISO 8601."""
        moment = self.logical_date or self.start_date or self.run_after
        return None if moment is None else moment.isoformat()


@dataclass(frozen=True)
class DagTask:
    """
    A task of this provider, as its DAG has it.

    :ivar order: its place among the DAG's tasks.
    :ivar arguments: those that say where results are, by name, as far as the DAG file gives them without a
        template.
    :ivar follows: whether another task of this provider comes before it.
    """

    task_id: str
    kind: Kind
    order: int = 0
    arguments: Mapping[str, Any] = field(default_factory=dict)
    follows: bool = False


@dataclass(frozen=True)
class InstanceKey:
    """What names a task instance within a DAG."""

    run_id: str
    task_id: str
    map_index: int = -1


@dataclass(frozen=True)
class Instance:
    """
    A task instance of this provider.

    :ivar state: Airflow's; None: not scheduled yet.
    :ivar label: what ``map_index_template`` gave.
    :ivar wiro_task_id: the Wiro task that its links name; None if it has stored none (yet).
    """

    key: InstanceKey
    task: DagTask
    state: str | None = None
    try_number: int | None = None
    label: str | None = None
    wiro_task_id: str | None = None

    @property
    def kind(self) -> Kind:
        """What its task does."""
        return self.task.kind

    @property
    def name(self) -> str:
        """The task's name, with the map index if it is mapped."""
        return self.key.task_id if self.key.map_index < 0 else f"{self.key.task_id}[{self.key.map_index}]"

    @property
    def title(self) -> str:
        """The name for a reader: with what ``map_index_template`` gave, if it gave anything."""
        if self.key.map_index < 0:
            return self.key.task_id
        return f"{self.key.task_id} [{self.label or self.key.map_index}]"


@dataclass(frozen=True)
class Values:
    """
    The values that a task instance has left.

    :ivar xcoms: by key, as plain JSON.
    :ivar rendered: its arguments as the worker rendered and masked them; None if Airflow has them no longer.
    :ivar unread: keys of XComs that are too large to be read, or kept where they can't be read.
    """

    xcoms: Mapping[str, Any] = field(default_factory=dict)
    rendered: Mapping[str, Any] | None = None
    unread: Mapping[str, str] = field(default_factory=dict)
