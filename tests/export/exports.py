"""An export, its runs, and a Wiro whose list they read."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.export.export_run import ExportRun
from airflow_provider_wiro.export.state import Outcome, TaskOutcome
from airflow_provider_wiro.export.state_store import ExportStateStore
from airflow_provider_wiro.export.wanted import ExportIdentity, Filters
from airflow_provider_wiro.storage.local_folder import LocalFolder
from tests.api.fake_transport import NOON, FakeTransport
from tests.task_history.lists import WiroList

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_wiro.api.flow import Flow, FlowContext
    from airflow_provider_wiro.export.state import RunState
    from airflow_provider_wiro.storage.folder import Folder

IDENTITY = ExportIdentity("api.wiro.ai", "s3://bucket/wiro", Filters())
#: Before all tasks.
LONG_AGO = NOON.replace(year=2020)


def task(number: int, status: str = "task_postprocess_end", **fields: Any) -> dict[str, Any]:
    """Return a task as the list and Detail show it."""
    created = str(1_700_000_000 + number)
    return {"id": str(number), "status": status, "pexit": "0", "createtime": created, **fields}


def landed(*ids: int, delete: bool = False) -> dict[int, TaskOutcome]:
    """Return that these tasks have landed, with a file each that cost a cent."""
    return {number: TaskOutcome(Outcome.LANDED, {"files": 1}, Decimal("0.01"), delete) for number in ids}


def store_in(folder: Folder, identity: ExportIdentity = IDENTITY) -> ExportStateStore:
    """Return an export's state in a folder; pauses take no time."""
    return ExportStateStore(folder, identity, pause=lambda _: None, chance=lambda: 0.5)


class Wiro(WiroList):
    """Wiro's list; runs flows as a hook does."""

    def run_flow(self, make_flow: Callable[[FlowContext], Flow[Any]]) -> Any:
        transport = FakeTransport(self)
        return transport.drive(make_flow(transport.context))

    def start(self, number: int, status: str = "task_postprocess_end", **fields: Any) -> None:
        """Show a further task."""
        self.tasks.insert(0, task(number, status, **fields))

    def end(self, number: int) -> None:
        """Let a task end."""
        next(task for task in self.tasks if task["id"] == str(number))["status"] = "task_postprocess_end"

    def lose(self, number: int) -> None:
        """Let a task vanish."""
        self.tasks = [task for task in self.tasks if task["id"] != str(number)]


class Export:
    """An export whose runs share a folder and a clock."""

    def __init__(self, folder: Path, identity: ExportIdentity = IDENTITY) -> None:
        self.folder = folder
        self.identity = identity
        self.now = NOON.timestamp()

    def store(self) -> ExportStateStore:
        return store_in(LocalFolder(str(self.folder)), self.identity)

    def run(self, token: str, instance: str = "", manifest: str | None = None) -> ExportRun:
        """Begin a run, of a task instance of its own unless one is named."""
        run = ExportRun(
            self.store(), token=token, instance=instance or token, now=lambda: self.now, manifest=manifest
        )
        run.begin()
        return run

    def run_of(self, token: str) -> RunState:
        """Return what the state knows of a run."""
        return self.store().load().runs[token]

    @property
    def text(self) -> str:
        """The text of the state."""
        (file,) = self.folder.glob("*.json")
        return file.read_text()
