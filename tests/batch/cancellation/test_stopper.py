"""Whoever ends a batch's Airflow task stops its Wiro tasks, by its journal, where no try would follow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_wiro.batch import runner
from airflow_provider_wiro.batch.cancellation.running_tasks import RunningTasks
from airflow_provider_wiro.batch.inputs import sources as batch_inputs
from airflow_provider_wiro.batch.journal.interface import JournalFencedError
from airflow_provider_wiro.batch.journal.segmented import SegmentedJournal
from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.batch.state.items import Attempt
from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.hooks import wiro as hooks
from airflow_provider_wiro.recovery.sending import Sending
from tests.batch.batch_work import prompts
from tests.operators.fakes import CANCELLED, NOT_INSTALLED

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import TaskDeferred

    from tests.batch.batch_work import BatchWork


@pytest.fixture(params=[False, True], ids=["file", "task state store"])
def deferred(work: BatchWork, request: pytest.FixtureRequest) -> TaskDeferred:
    """Defer a batch of three runs that don't end by themselves."""
    work.has_state_store = request.param
    work.wiro.inject(Fault("stuck_running", times=None))
    return work.defer(prompts(3))


def statuses(work: BatchWork) -> list[str]:
    return [task.status for task in work.wiro.tasks]


def test_inputs_that_were_replaced_while_deferred_stop_all_runs(
    work: BatchWork, deferred: TaskDeferred
) -> None:
    event = {"status": "success", "ended": [], "try_number": 1}

    with pytest.raises(AirflowFailException, match="Inputs changed during the deferral"):
        work.resume(deferred, prompts(4), event)

    assert statuses(work) == [CANCELLED] * 3
    assert "Stopped 3 Wiro tasks." in work.log


def test_inputs_that_are_gone_stop_all_runs(work: BatchWork, deferred: TaskDeferred) -> None:
    event = {"status": "success", "ended": [], "try_number": 1}

    with pytest.raises(AirflowFailException, match="found none"):
        work.resume(deferred, str(work.folder / "gone.jsonl"), event)
    assert statuses(work) == [CANCELLED] * 3


@pytest.mark.parametrize("event", [None, {"status": "success"}, {"status": "?", "ended": []}])
def test_an_event_that_cannot_be_read_is_an_error_and_stops_all_runs(
    work: BatchWork, deferred: TaskDeferred, event: Any
) -> None:
    with pytest.raises(AirflowFailException, match="Expected the event of a WiroBatchTrigger"):
        work.operator(prompts(3), deferrable=True).execute_complete(work.context, event, **deferred.kwargs)
    assert statuses(work) == [CANCELLED] * 3


@pytest.mark.parametrize("line", ["first", "intent", "id", "last"])
def test_a_damaged_journal_stops_every_run_that_it_names_or_that_wiros_list_shows(
    work: BatchWork, line: str
) -> None:
    work.wiro.inject(Fault("stuck_running", times=None))
    work.defer(prompts(3))
    lines = work.journal_lines
    whats = [entry["what"] for entry in work.entries]
    number = {"first": 0, "last": -1}.get(line)
    if number is None:
        number = whats.index(line)
    lines[number] = lines[number][:-8] + "\n"
    work.leave_journal(lines)

    with pytest.raises(AirflowFailException, match="Expected an entry of a batch's journal"):
        work.run(prompts(3))

    assert statuses(work) == [CANCELLED] * 3


def test_a_damaged_segment_or_one_that_is_missing_hides_no_other(work: BatchWork) -> None:
    work.has_state_store = True
    store = SegmentedJournal.in_task_state(work.store, 300)
    store.replace([entries.batch_started("digest", 30)])
    for item in range(30):
        store.append([entries.run_intended(item, Attempt("digest", Sending(5.0, "1"), 1))])
        store.append([entries.run_accepted(item, str(100 + item))])
    names = sorted(name for name in work.store.values if name[-1:].isdigit())
    assert len(names) > 8
    del work.store.values[names[3]]
    work.store.values[names[5]] = json.dumps("rubbish\n")

    found = RunningTasks.of_journal(SegmentedJournal.in_task_state(work.store, 300), try_number=1)

    assert len(found.ids) >= 22
    assert {"100", "129"} <= set(found.ids)


@pytest.mark.parametrize(("max_tries", "is_stopped"), [(0, True), (2, False)], ids=["last try", "retried"])
def test_a_batch_that_wiro_refuses_to_show_stops_its_runs_unless_a_retry_follows(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch, max_tries: int, is_stopped: bool
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__POLL_PATIENCE", "0.05")
    work.ti.max_tries = max_tries
    work.wiro.inject(Fault("stuck_running", times=None))
    for endpoint in ("Task/Detail", "Task/List"):
        work.wiro.inject(Fault("server_error", endpoint=endpoint, skip=1, times=None))

    with pytest.raises(Exception, match=r"Lost sight|502|500|Wiro"):
        work.run(prompts(3))

    assert (set(statuses(work)) == {CANCELLED}) is is_stopped


def test_a_batch_that_no_triggerer_can_follow_is_followed_by_the_worker_to_its_end(work: BatchWork) -> None:
    inputs = prompts(3)
    work.defer(inputs)

    summary = work.operator(inputs, deferrable=True).resume_execution("__fail__", NOT_INSTALLED, work.context)

    assert summary["succeeded"] == 3
    assert work.started_once(inputs)
    assert "ModuleNotFoundError" in work.log


@pytest.mark.usefixtures("deferred")
def test_a_kill_while_the_inputs_are_fetched_stops_all_runs_in_the_signals_handler(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = work.operator(prompts(3), deferrable=True)
    seen: list[list[str]] = []
    listed = batch_inputs._listed

    def fetch_and_be_killed(given: Any) -> Any:
        def refuse(*_: Any, **__: Any) -> Any:
            raise AssertionError("a signal handler that asks Airflow for anything deadlocks")

        with monkeypatch.context() as airflow:
            airflow.setattr(hooks.WiroHook, "get_connection", classmethod(refuse))
            airflow.setattr(hooks.WiroAsyncHook, "get_connection", classmethod(refuse))
            airflow.setattr(type(work.store), "get", refuse)
            operator.on_kill()
        seen.append(statuses(work))
        return listed(given)

    monkeypatch.setattr(batch_inputs, "_listed", fetch_and_be_killed)
    event = {"status": "success", "ended": [], "try_number": 1}
    with pytest.raises(AirflowException, match="was stopped"):
        operator.execute_complete(work.context, event)

    assert seen == [[CANCELLED] * 3]
    assert work.wiro.counts.requests["Run"] == 3


def test_a_kill_before_the_journal_is_open_leaves_alone_what_a_later_try_has_sent(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    work.wiro.inject(Fault("stuck_running", times=None))
    work.defer(prompts(3), max_active=1)
    operator = work.operator(prompts(3), deferrable=True)
    listed = batch_inputs._listed

    def fetch_and_be_killed(given: Any) -> Any:
        later = work.open_journal()
        list(later.read())
        later.append([entries.run_intended(1, Attempt("digest", Sending(5.0, "1"), 2))])
        operator.on_kill()
        return listed(given)

    monkeypatch.setattr(batch_inputs, "_listed", fetch_and_be_killed)
    with pytest.raises(AirflowException, match="was stopped"):
        operator.execute(work.context)

    assert CANCELLED not in statuses(work)
    assert "A later try continues this batch." in work.log


def test_a_lost_run_whose_inputs_are_others_now_is_reported_with_its_time(work: BatchWork) -> None:
    deferred = work.defer(prompts(2))
    journal = work.open_journal()
    list(journal.read())
    journal.append([entries.run_intended(1, Attempt("digest", Sending(1_764_212_400.0, "1"), 1))])

    with pytest.raises(AirflowFailException, match="Inputs changed"):
        work.resume(deferred, prompts(3), {"status": "success", "ended": [], "try_number": 1})

    assert "changed: item 1 at 2025-11-27 03:00:00 UTC. Check the dashboard" in work.log


@pytest.mark.usefixtures("deferred")
def test_cancel_on_kill_off_leaves_all_running(work: BatchWork) -> None:
    with pytest.raises(AirflowFailException):
        work.operator(prompts(3), cancel_on_kill=False).execute_complete(work.context, None)
    assert work.wiro.counts.tasks_stopped == 0
    assert "3 Wiro tasks are left running (cancel_on_kill=False)." in work.log


def test_a_batch_that_another_try_has_taken_over_stops_nothing(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The later try follows what runs, and this one has no retry left that would."""
    work.ti.max_tries = 0
    work.wiro.inject(Fault("stuck_running", times=None))
    work.defer(prompts(3))
    pick_up = runner.BatchRunner._pick_up

    def pick_up_and_be_overtaken(self: Any) -> None:
        list(work.open_journal().read())
        pick_up(self)

    monkeypatch.setattr(runner.BatchRunner, "_pick_up", pick_up_and_be_overtaken)
    with pytest.raises(JournalFencedError):
        work.run(prompts(4))
    assert work.wiro.counts.tasks_stopped == 0
