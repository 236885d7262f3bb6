"""Whenever an export dies, and however many of its runs work at once: each output is once in the bucket."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.export import execution
from airflow_provider_wiro.export.export_run import ExportRun
from airflow_provider_wiro.export.landing.chunk_landing import ChunkLanding
from airflow_provider_wiro.export.manifest import ExportManifest
from airflow_provider_wiro.failures import TaskStoppedError
from tests.contract.hostile import wait_until
from tests.contract.scripts import respond
from tests.transfers.fake_project import body_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.hostile import Wire
    from tests.operators.fakes import FakeTi
    from tests.transfers.fake_project import Exports, Project

pytestmark = pytest.mark.usefixtures("connect")

TASKS = range(1, 8)


class Died(BaseException):
    """The process is gone."""


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "CHUNK", 3)


def dies(monkeypatch: pytest.MonkeyPatch, where: Any, method: str, *, at: int, after: bool) -> None:
    """Let the process die at the n-th call of a method, before it or when it is done."""
    original, count = getattr(where, method), 0

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        if count == at and not after:
            raise Died
        result = original(*args, **kwargs)
        if count == at:
            raise Died
        return result

    monkeypatch.setattr(where, method, call)


DEATHS = [
    (ExportRun, "look", 1, True),
    (ExportRun, "take", 1, True),
    (ChunkLanding, "land", 2, True),
    (ExportManifest, "write_part", 2, False),
    (ExportManifest, "write_part", 2, True),
    (ExportRun, "commit", 1, True),
    (ExportRun, "commit", 3, False),
    (ExportManifest, "write", 1, False),
    (ExportManifest, "write", 1, True),
    (ExportRun, "end", 1, True),
]


@pytest.mark.parametrize("is_next_run", [False, True], ids=["its next try", "the next run"])
@pytest.mark.parametrize(("where", "method", "at", "after"), DEATHS)
def test_what_a_dead_process_has_left_is_landed_and_listed_once(
    project: Project,
    exports: Exports,
    pass_time: Callable[[float], None],
    where: Any,
    method: str,
    at: int,
    after: bool,
    is_next_run: bool,
) -> None:
    for number in TASKS:
        project.add(number)
    ti = exports.next_ti()
    with pytest.MonkeyPatch.context() as patch:
        dies(patch, where, method, at=at, after=after)
        with pytest.raises(Died):
            exports.run(ti)
    has_ended = (where, method) == (ExportRun, "end")
    if is_next_run:
        pass_time(16 * 60)
        ti = exports.next_ti()
    else:
        ti.try_number = 2
    result = exports.run(ti)
    assert exports.outputs == {f"wiro/2026/03/01/{number}/0-0.png": body_of(number) for number in TASKS}
    expected = 0 if has_ended and is_next_run else len(TASKS)
    assert (result["tasks"], result["pending"]) == (expected, 0)
    if expected:
        listed = sorted(int(line["wiro_task_id"]) for line in exports.lines(result))
        assert listed == list(TASKS)
    assert exports.run()["tasks"] == 0


def test_the_next_run_waits_with_what_a_silent_run_has_claimed(project: Project, exports: Exports) -> None:
    for number in TASKS:
        project.add(number)
    with pytest.MonkeyPatch.context() as patch:
        dies(patch, ChunkLanding, "land", at=1, after=True)
        with pytest.raises(Died):
            exports.run()
    assert exports.run()["tasks"] == len(TASKS) - 3


def test_runs_at_once_share_the_tasks_and_each_is_in_one_manifest(project: Project, exports: Exports) -> None:
    many = range(1, 25)
    for number in many:
        project.add(number)
    results: list[dict[str, Any]] = []
    instances: list[FakeTi] = [exports.next_ti() for _ in range(3)]

    def run(ti: FakeTi) -> None:
        results.append(exports.run(ti))

    threads = [threading.Thread(target=run, args=(ti,)) for ti in instances]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 3
    listed = [
        int(line["wiro_task_id"])
        for result in results
        if result["manifest_uri"] is not None
        for line in exports.lines(result)
    ]
    assert sorted(listed) == list(many)
    assert sum(result["tasks"] for result in results) == len(many)
    assert len(exports.outputs) == len(many)


def test_a_kill_ends_everything_at_once_and_the_next_try_continues(
    project: Project, exports: Exports
) -> None:
    started = threading.Event()

    def hangs(wire: Wire) -> None:
        started.set()
        wire.wait(30)

    for number in TASKS:
        project.add(number)
    project.add(5, project.file(5, 0, hangs))
    operator = exports.operator()
    ti = exports.next_ti()
    errors: list[BaseException] = []

    def execute() -> None:
        try:
            operator.execute(ti.context)  # type: ignore[arg-type]
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=execute)
    thread.start()
    assert started.wait(20)
    killed_at = time.monotonic()
    operator.on_kill()
    thread.join(10)
    assert time.monotonic() - killed_at < 5
    assert isinstance(errors[0], TaskStoppedError)
    assert "wiro/2026/03/01/5/0-0.png" not in exports.outputs
    project.cdn.on("/5/0.png", respond(body_of(5), content_type="image/png"))
    ti.try_number = 2
    result = exports.run(ti)
    assert result["tasks"] == len(TASKS)
    assert len(exports.outputs) == len(TASKS)
    assert wait_until(lambda: not thread.is_alive())


def test_a_deletion_is_not_forgotten_by_a_process_that_dies_before_it(
    project: Project, exports: Exports, pass_time: Callable[[float], None]
) -> None:
    project.add(1)
    with pytest.MonkeyPatch.context() as patch:
        dies(patch, ExportRun, "commit", at=1, after=True)
        with pytest.raises(Died):
            exports.run(delete_after=True)
    assert project.deleted == []
    pass_time(16 * 60)
    exports.run(delete_after=True)
    assert project.deleted == ["token-of-1-a7f3c9"]


def test_nothing_is_deleted_before_it_is_committed(project: Project, exports: Exports) -> None:
    project.add(1)
    with pytest.MonkeyPatch.context() as patch:
        dies(patch, ExportRun, "commit", at=1, after=False)
        with pytest.raises(Died):
            exports.run(delete_after=True)
    assert project.deleted == []
