"""A run of an export: what has ended is landed once, whatever dies, and however many runs there are."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

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

IDENTITY = ExportIdentity("api.wiro.ai", "s3://bucket/wiro", Filters())


def task(number: int, status: str = "task_postprocess_end", **fields: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "status": status,
        "pexit": "0",
        "createtime": str(1_700_000_000 + number),
        **fields,
    }


class Wiro(WiroList):
    """Wiro's list; runs flows as a hook does."""

    def run_flow(self, make_flow: Callable[[FlowContext], Flow[Any]]) -> Any:
        transport = FakeTransport(self)
        return transport.drive(make_flow(transport.context))

    def end(self, number: int) -> None:
        next(task for task in self.tasks if task["id"] == str(number))["status"] = "task_postprocess_end"


class Export:
    """An export whose runs share a folder and a clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = NOON.timestamp()

    def store(self) -> ExportStateStore:
        return ExportStateStore(
            LocalFolder(str(self.folder)), IDENTITY, pause=lambda _: None, chance=lambda: 0.5
        )

    def run(self, token: str, instance: str = "") -> ExportRun:
        run = ExportRun(self.store(), token=token, instance=instance or token, now=lambda: self.now)
        run.begin()
        return run


@pytest.fixture
def export(tmp_path: Path) -> Export:
    return Export(tmp_path)


def landed(*ids: int) -> dict[int, TaskOutcome]:
    return {number: TaskOutcome(Outcome.LANDED, {"files": 1}, Decimal("0.01")) for number in ids}


def test_what_has_ended_is_given_once_the_oldest_first(export: Export) -> None:
    wiro = Wiro(task(3), task(2, "task_start"), task(1))
    run = export.run("a")
    run.look(wiro.run_flow, since=NOON.replace(year=2020))
    assert run.take(10).ids == (1, 3)
    run.commit(landed(1, 3), part="part-1")
    wiro.end(2)
    run.look(wiro.run_flow)
    assert run.take(10).ids == (2,)
    run.commit(landed(2), part="part-2")
    run.look(wiro.run_flow)
    assert run.take(10).ids == ()
    written = run.end(lambda found: f"manifest of {[part.name for part in found.parts]}")
    assert written.tally.counts == {"landed": 3, "files": 3}
    assert written.tally.usd == Decimal("0.03")


def test_a_first_look_without_a_beginning_leaves_out_what_has_ended(export: Export) -> None:
    wiro = Wiro(task(3), task(2, "task_start"), task(1))
    run = export.run("a")
    run.look(wiro.run_flow)
    assert run.take(10).ids == ()
    wiro.end(2)
    wiro.tasks.insert(0, task(4))
    run.look(wiro.run_flow)
    assert run.take(10).ids == (2, 4)
