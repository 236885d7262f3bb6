"""An export waits for tasks that have not ended, on a worker or deferred, and stops none of them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_wiro.export.opening import STATE_FOLDER
from airflow_provider_wiro.transfers import wiro_project_to_s3
from airflow_provider_wiro.triggers.wiro_batch import WiroBatchTrigger
from tests.operators.fakes import NOT_INSTALLED
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from tests.operators.fakes import FakeTi
    from tests.transfers.fake_project import Exports, Project

pytestmark = pytest.mark.usefixtures("connect")


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiro_project_to_s3, "_LOOK_SECONDS", 0.01)


def ends_after(project: Project, number: int, looks: int) -> None:
    """Let a task end when the list was read so often."""
    listed, count = project.listed, 0

    def show(task: dict[str, Any]) -> dict[str, Any]:
        nonlocal count
        if int(task["id"]) == number and task["status"] == "task_start":
            count += 1
            if count == looks:
                project.end(number)
        return listed(project.tasks[int(task["id"])])

    project.listed = show


def deferred(exports: Exports, ti: FakeTi, **arguments: Any) -> TaskDeferred:
    operator = exports.operator(deferrable=True, **arguments)
    with pytest.raises(TaskDeferred) as found:
        operator.execute(ti.context)  # type: ignore[arg-type]
    return found.value


def resume(exports: Exports, ti: FakeTi, event: Any, handed_over: Any, **arguments: Any) -> dict[str, Any]:
    operator = exports.operator(deferrable=True, **arguments)
    result: dict[str, Any] = operator.execute_complete(ti.context, event, **handed_over)  # type: ignore[arg-type]
    return result


def event_of(trigger: WiroBatchTrigger, *ended: int) -> dict[str, Any]:
    return {"status": "success", "ended": [str(one) for one in ended], "try_number": trigger.try_number}


def test_without_a_wait_open_tasks_are_only_counted(project: Project, exports: Exports) -> None:
    project.start(1)
    assert exports.run()["open"] == 1


def test_a_worker_lands_what_ends_while_it_waits(project: Project, exports: Exports) -> None:
    project.add(1)
    project.start(2)
    ends_after(project, 2, looks=4)
    result = exports.run(wait_for_open=1)
    assert (result["tasks"], result["open"]) == (2, 0)
    assert [line["wiro_task_id"] for line in exports.lines(result)] == ["1", "2"]


def test_the_wait_has_an_end(project: Project, exports: Exports) -> None:
    project.start(1)
    started = time.monotonic()
    result = exports.run(wait_for_open=0.01)
    assert (result["tasks"], result["open"]) == (0, 1)
    assert time.monotonic() - started < 20


def test_tasks_that_start_during_the_wait_do_not_lengthen_it(project: Project, exports: Exports) -> None:
    project.start(1)
    ends_after(project, 1, looks=3)
    listed = project.listed

    def show(task: dict[str, Any]) -> dict[str, Any]:
        if task["id"] == "1" and len(project.tasks) < 6:  # once at each look
            project.start(max(project.tasks) + 1)
        return listed(task)

    project.listed = show
    result = exports.run(wait_for_open=5)
    assert result["tasks"] == 1
    assert result["open"] > 0


def test_deferred_it_waits_without_a_worker_and_leaves_the_tasks_alone(
    project: Project, exports: Exports
) -> None:
    project.add(1)
    project.start(2)
    project.start(3)
    ti = exports.next_ti()
    found = deferred(exports, ti, wait_for_open=30)
    trigger = found.trigger
    assert isinstance(trigger, WiroBatchTrigger)
    assert trigger.wiro_task_ids == ["2", "3"]
    assert not trigger.cancel_on_kill
    assert trigger.watch == "poll"
    assert trigger.wake_at is not None
    assert 29 * 60 < trigger.wake_at - time.time() <= 30 * 60
    assert found.timeout is not None
    assert "token" not in str(trigger.serialize())
    assert list(exports.outputs) == ["wiro/2026/03/01/1/0-0.png"]

    project.end(2)
    assert found.kwargs is not None
    with pytest.raises(TaskDeferred) as again:
        resume(exports, ti, event_of(trigger, 2), found.kwargs, wait_for_open=30)
    second = again.value.trigger
    assert isinstance(second, WiroBatchTrigger)
    assert (second.wiro_task_ids, second.wake_at) == (["3"], trigger.wake_at)

    project.end(3)
    assert again.value.kwargs is not None
    result = resume(exports, ti, event_of(second, 3), again.value.kwargs, wait_for_open=30)
    assert (result["tasks"], result["open"]) == (3, 0)
    assert [line["wiro_task_id"] for line in exports.lines(result)] == ["1", "2", "3"]
    assert [project.requests_for(number) for number in (1, 2, 3)] == [1, 1, 1]
    paths = {request.path for request in project.server.requests}
    assert paths == {"/v1/Task/List", "/v1/Task/Detail"}


def test_a_user_who_marks_the_deferred_task_stops_nothing_at_wiro(project: Project, exports: Exports) -> None:
    project.start(1)
    ti = exports.next_ti()
    trigger = deferred(exports, ti, wait_for_open=30).trigger
    trigger.task_instance = ti  # type: ignore[assignment]
    asyncio.run(trigger.on_kill())  # type: ignore[attr-defined]
    assert {request.path for request in project.server.requests} == {"/v1/Task/List"}


def test_during_a_deferral_no_other_run_takes_its_place(project: Project, exports: Exports) -> None:
    project.add(1)
    project.start(2)
    ti = exports.next_ti()
    found = deferred(exports, ti, wait_for_open=60)
    with pytest.MonkeyPatch.context() as patch:
        later = time.time() + 50 * 60
        patch.setattr("airflow_provider_wiro.export.opening.time.time", lambda: later)
        assert exports.run()["tasks"] == 0
    project.end(2)
    assert found.kwargs is not None
    result = resume(exports, ti, event_of(found.trigger, 2), found.kwargs, wait_for_open=60)  # type: ignore[arg-type]
    assert result["tasks"] == 2


def test_what_is_left_of_the_wait_is_too_short_to_defer(project: Project, exports: Exports) -> None:
    project.start(1)
    ends_after(project, 1, looks=3)
    assert exports.run(deferrable=True, wait_for_open=0.1)["tasks"] == 1


def test_an_event_of_the_try_before_starts_from_the_beginning(project: Project, exports: Exports) -> None:
    project.start(1)
    ti = exports.next_ti()
    found = deferred(exports, ti, wait_for_open=30)
    ti.try_number = 2
    assert found.kwargs is not None
    with pytest.raises(TaskDeferred) as again:
        resume(exports, ti, event_of(found.trigger), found.kwargs, wait_for_open=30)  # type: ignore[arg-type]
    assert again.value.trigger.try_number == 2  # type: ignore[attr-defined]


def test_a_triggerer_that_can_not_follow_is_not_waited_for_again(project: Project, exports: Exports) -> None:
    project.start(1)
    ti = exports.next_ti()
    found = deferred(exports, ti, wait_for_open=30)
    ends_after(project, 1, looks=2)
    event = {"status": "error", "ended": [], "try_number": 1, "message": "No connection."}
    assert found.kwargs is not None
    assert resume(exports, ti, event, found.kwargs, wait_for_open=30)["tasks"] == 1


def test_a_deferral_that_airflow_ends_itself_continues_on_the_worker(
    project: Project, exports: Exports
) -> None:
    project.start(1)
    ti = exports.next_ti()
    deferred(exports, ti, wait_for_open=30)
    ends_after(project, 1, looks=2)
    operator = exports.operator(deferrable=True, wait_for_open=30)
    result = operator.resume_execution("__fail__", NOT_INSTALLED, ti.context)  # type: ignore[arg-type]
    assert result["tasks"] == 1


def test_what_is_no_event_of_the_trigger_fails(project: Project, exports: Exports) -> None:
    project.start(1)
    ti = exports.next_ti()
    found = deferred(exports, ti, wait_for_open=30)
    with pytest.raises(AirflowFailException, match="Expected the event of a WiroBatchTrigger"):
        resume(exports, ti, {"status": "done"}, found.kwargs, wait_for_open=30)


def test_the_state_shows_where_the_export_is(project: Project, exports: Exports) -> None:
    project.start(1)
    exports.run()
    (state,) = (key for key in exports.s3.keys if STATE_FOLDER in key)
    assert state.startswith("wiro/")
    assert (
        b"somebody's secret plan" not in exports.s3.client.get_object(Bucket=BUCKET, Key=state)["Body"].read()
    )
