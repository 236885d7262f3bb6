"""WiroBatchRunOperator itself: its arguments, where it keeps things, and what it makes of an event."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_wiro import version_compat
from airflow_provider_wiro.batch.runner import BatchRunner
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.operators import wiro as operators
from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator
from tests.batch.batch_work import prompts
from tests.operators.fakes import FakeDagRun

if TYPE_CHECKING:
    from tests.batch.batch_work import BatchWork


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("max_active", 0),
        ("max_active", 2.5),
        ("max_active", True),
        ("max_item_retries", -1),
        ("max_item_retries", 101),
        ("on_item_failure", "ignore"),
        ("on_orphaned_intent", "maybe"),
        ("watch", "closely"),
        ("timeout", 0),
        ("poll_interval", -1),
    ],
)
def test_an_argument_that_cannot_be_right_fails_the_dag_file(argument: str, value: Any) -> None:
    with pytest.raises(WiroUsageError, match=argument):
        WiroBatchRunOperator(task_id="t", model="a/b", inputs=[], **{argument: value})


def test_it_can_be_imported_beside_the_single_run() -> None:
    assert operators.WiroBatchRunOperator is WiroBatchRunOperator
    with pytest.raises(AttributeError):
        operators.WiroBatch  # noqa: B018


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "no-slug"}, "Expected a model as `owner/model`"),
        ({"parameters": "text"}, "Expected `parameters` as a dict"),
        ({"files": ["a"]}, "Expected `files` as a dict"),
        ({"files": {"inputImage": "/not/there.png"}}, "/not/there.png"),
        ({"s3_bucket": "b", "s3_key": "{unknown}"}, "Unknown placeholder"),
    ],
)
def test_what_cannot_be_right_is_said_before_anything_is_submitted(
    work: BatchWork, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises((AirflowFailException, WiroUsageError), match=message):
        work.run(prompts(2), **settings)
    assert work.wiro.counts.requests["Run"] == 0


def test_without_a_place_for_results_nothing_is_submitted(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_wiro.version_compat.local_state_path", lambda: None)
    work.has_state_store = True
    with pytest.raises(AirflowFailException, match="Give manifest_uri"):
        work.run(prompts(2), manifest_uri=None)
    assert work.wiro.counts.requests["Run"] == 0


def test_without_a_journal_a_batch_that_waits_here_warns_and_one_that_defers_fails(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_wiro.version_compat.local_state_path", lambda: None)
    with pytest.raises(AirflowFailException, match="A deferrable batch needs a place for its journal"):
        work.run(prompts(2), state_path=None, deferrable=True)

    assert work.run(prompts(2), state_path=None)["succeeded"] == 2
    assert "nothing remembers this batch if its worker dies" in work.log


def test_airflows_own_store_keeps_the_journal_where_there_is_one(work: BatchWork) -> None:
    work.has_state_store = True

    work.run(prompts(3), deferrable=True)

    assert [entry["what"] for entry in work.entries].count("id") == 3
    assert work.entries[-1]["what"] == "spent"
    assert not list(work.folder.glob("state/**/*"))


def test_by_default_the_manifest_is_beside_the_journal(work: BatchWork) -> None:
    summary = work.run(prompts(1), manifest_uri=None)

    assert summary["manifest_uri"] == str(work.journal).replace(".batch", ".manifest.jsonl")
    assert not list(work.folder.rglob("*.parts/*/*"))


def test_a_deferral_lasts_as_long_as_its_first_deadline(work: BatchWork) -> None:
    from airflow_provider_wiro.emulator import Fault

    work.wiro.inject(Fault("stuck_running", times=None))
    before = time.time()
    deferred = work.defer(prompts(3), timeout=1000, max_active=2)

    kwargs = deferred.trigger.serialize()[1]
    assert len(deferred.trigger.wiro_task_ids) == 2
    assert before + 1000 <= kwargs["wake_at"] <= time.time() + 1000
    assert deferred.timeout.total_seconds() > 1000
    assert deferred.kwargs["limit"] == 2


def test_a_deadline_that_passed_while_deferred_is_dealt_with_at_once_and_not_deferred_again(
    work: BatchWork,
) -> None:
    from airflow_provider_wiro.emulator import Fault

    work.wiro.inject(Fault("stuck_running", times=2))
    inputs = prompts(2)
    deferred = work.defer(inputs, timeout=0.5, poll_interval=20)
    time.sleep(0.6)

    with pytest.raises(Exception, match="2 of 2 items failed"):
        work.resume(deferred, inputs, timeout=0.5, poll_interval=20, max_item_retries=0)
    assert len(work.events) == 1
    assert work.wiro.counts.tasks_stopped == 2


def test_inputs_that_change_while_a_batch_is_deferred_are_an_error_and_not_paid_for(work: BatchWork) -> None:
    deferred = work.defer(prompts(3))

    with pytest.raises(AirflowFailException, match="Inputs changed during the deferral"):
        work.resume(deferred, prompts(4))
    assert len(work.wiro.tasks) == 3


def test_inputs_that_changed_before_airflow_failed_the_deferral_are_the_same_error_and_what_runs_is_stopped(
    work: BatchWork,
) -> None:
    from airflow_provider_wiro.emulator import Fault

    work.wiro.inject(Fault("stuck_running", times=None))
    work.defer(prompts(3))
    operator = work.operator(prompts(4))

    with pytest.raises(AirflowFailException, match="Inputs changed during the deferral"):
        operator.resume_execution("__fail__", {"error": "Trigger failure"}, work.context)
    assert (len(work.wiro.tasks), work.wiro.counts.tasks_stopped) == (3, 3)


def test_a_retry_with_other_inputs_goes_on_though_its_xcom_is_of_the_try_before(work: BatchWork) -> None:
    """Airflow 3.0 resumes a retry with the failure of the try before."""
    work.defer(prompts(3))
    work.ti.try_number += 1

    summary = work.operator(prompts(4)).resume_execution(
        "__fail__", {"error": "Trigger failure"}, work.context
    )

    assert summary["succeeded"] == 4
    assert work.started_once(prompts(4))


def test_the_event_of_an_earlier_try_begins_nothing_anew(work: BatchWork) -> None:
    inputs = prompts(3)
    deferred = work.defer(inputs)
    work.retry()

    summary = work.resume(deferred, inputs)

    assert summary["succeeded"] == 3
    assert work.started_once(inputs)


def test_an_event_that_is_none_is_an_error(work: BatchWork) -> None:
    deferred = work.defer(prompts(1))
    with pytest.raises(AirflowFailException, match="Expected the event of a WiroBatchTrigger"):
        work.resume(deferred, prompts(1), event={"status": "success"})


def test_a_triggerer_out_of_order_has_the_worker_look_itself(work: BatchWork) -> None:
    inputs = prompts(3)
    deferred = work.defer(inputs)
    event = {"status": "error", "ended": [], "try_number": 1, "message": "RuntimeError in the triggerer."}

    assert work.resume(deferred, inputs, event=event)["succeeded"] == 3
    assert "RuntimeError in the triggerer. The batch is followed here from now on." in work.log
    assert len(work.events) == 1


def test_a_deferral_that_airflow_gave_up_goes_on(work: BatchWork) -> None:
    inputs = prompts(3)
    work.defer(inputs)
    operator = work.operator(inputs)

    summary = operator.resume_execution("__fail__", {"error": "Trigger timeout"}, work.context)

    assert summary["succeeded"] == 3
    assert work.started_once(inputs)


def test_a_journal_that_cannot_be_written_submits_nothing(work: BatchWork) -> None:
    work.has_state_store = True
    work.store.fails.add("set")

    with pytest.raises(Exception, match="Can't write this batch's journal") as failure:
        work.run(prompts(3))

    assert not isinstance(failure.value, AirflowFailException)
    assert work.wiro.counts.requests["Run"] == 0


def test_a_journal_that_fails_in_the_middle_ends_the_batch_and_a_retry_pays_for_nothing_twice(
    work: BatchWork,
) -> None:
    work.has_state_store = True
    inputs = prompts(30)

    def fail_later() -> None:
        if len(work.store.writes) == 8:
            work.store.fails.add("set")

    work.store.after_set = fail_later
    with pytest.raises(Exception, match="Can't write"):
        work.run(inputs, max_active=4)
    work.store.fails.clear()
    work.store.after_set = None
    work.retry()

    assert work.run(inputs, max_active=4)["succeeded"] == 30
    assert work.started_once(inputs)


def test_no_summary_is_given_while_items_are_neither_done_nor_failed(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever bug of ours ends the work early: a retry finds the rest."""
    inputs = prompts(3)
    with monkeypatch.context() as bug:

        async def nothing(*_: Any, **__: Any) -> None:
            return

        bug.setattr(BatchRunner, "work", nothing)
        with pytest.raises(AirflowException, match="Only 0 of 3 items are over") as failure:
            work.run(inputs)
    assert not isinstance(failure.value, AirflowFailException)
    work.retry()

    assert work.run(inputs)["succeeded"] == 3


def test_a_journal_that_cannot_be_read_starts_nothing(work: BatchWork) -> None:
    work.has_state_store = True
    work.store.fails.add("get")

    with pytest.raises(Exception, match="Nothing was started"):
        work.run(prompts(3))
    assert work.wiro.counts.requests["Run"] == 0


# A part after a deferral, and no journal.


def end_of(*wiro_task_ids: str) -> dict[str, Any]:
    return {"status": "success", "ended": list(wiro_task_ids), "try_number": 1}


@pytest.mark.parametrize("event", ["the event of a trigger", "given up", "the event alone"])
def test_a_batch_that_resumes_without_its_journal_submits_nothing_and_stops_what_runs(
    work: BatchWork, event: str
) -> None:
    from airflow_provider_wiro.emulator import Fault

    work.wiro.inject(Fault("stuck_running", times=None))
    inputs = prompts(5)
    deferred = work.defer(inputs)
    ids = [task.id for task in work.wiro.tasks]
    work.remove_journal()
    operator = work.operator(inputs, deferrable=True)

    resumed = {
        "the event of a trigger": partial(
            operator.execute_complete, work.context, event=end_of(ids[0]), **(deferred.kwargs or {})
        ),
        # As `airflow dags test` hands it over.
        "the event alone": partial(operator.execute_complete, work.context, event=end_of(*ids)),
        "given up": partial(
            operator.resume_execution, "__fail__", {"error": "Trigger timeout"}, work.context
        ),
    }
    with pytest.raises(AirflowFailException, match="finds none in") as failure:
        resumed[event]()

    assert len(work.wiro.tasks) == 5
    assert str(work.folder / "state") in str(failure.value)
    assert all(wiro_task_id in str(failure.value) for wiro_task_id in ids)
    assert work.wiro.counts.tasks_stopped == 5
    assert not list(work.folder.glob("state/**/*.jsonl"))


def test_changed_inputs_and_a_missing_journal_are_both_reported_and_what_runs_is_stopped(
    work: BatchWork,
) -> None:
    from airflow_provider_wiro.emulator import Fault

    work.wiro.inject(Fault("stuck_running", times=None))
    deferred = work.defer(prompts(3))
    work.remove_journal()

    with pytest.raises(AirflowFailException, match=r"finds none in .* Inputs changed during the deferral"):
        work.resume(deferred, prompts(4), event=end_of())

    assert (len(work.wiro.tasks), work.wiro.counts.tasks_stopped) == (3, 3)


def test_the_journal_of_another_machine_is_named_with_both_machines(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.node", lambda: "scheduler-1")
    inputs = prompts(2)
    deferred = work.defer(inputs, state_path=str(work.folder / "disk 1"))
    monkeypatch.setattr("platform.node", lambda: "scheduler-2")

    with pytest.raises(AirflowFailException, match=r"by host 'scheduler-1'.*host 'scheduler-2' finds none"):
        work.resume(deferred, inputs, state_path=str(work.folder / "disk 2"))

    assert len(work.wiro.tasks) == 2


def test_what_could_not_be_stopped_without_a_journal_is_named(work: BatchWork) -> None:
    from airflow_provider_wiro.emulator import Fault

    work.wiro.inject(Fault("stuck_running", times=None))
    inputs = prompts(2)
    deferred = work.defer(inputs)
    work.remove_journal()
    for endpoint in ("Task/Cancel", "Task/Kill"):
        refusal = Fault("api_error", endpoint=endpoint, status=401, message="No permission.", times=None)
        work.wiro.inject(refusal)

    with pytest.raises(AirflowFailException, match=r"2 could not be stopped: 2221, 2222"):
        work.resume(deferred, inputs, event=end_of())


def test_a_batch_whose_place_for_the_journal_is_gone_submits_nothing(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = prompts(2)
    deferred = work.defer(inputs)
    monkeypatch.setattr("airflow_provider_wiro.version_compat.local_state_path", lambda: None)

    with pytest.raises(AirflowFailException, match="neither state_path nor"):
        work.resume(deferred, inputs, state_path=None)

    assert len(work.wiro.tasks) == 2


def test_a_relative_manifest_is_refused_before_anything_is_submitted(work: BatchWork) -> None:
    with pytest.raises(WiroUsageError, match="Expected manifest_uri as an absolute path"):
        work.run(prompts(2), manifest_uri="results/batch.jsonl")
    assert work.wiro.counts.requests["Run"] == 0


# A DAG run that was created again, and a Clear.


@pytest.mark.parametrize("has_state_store", [False, True])
def test_a_dag_run_that_was_deleted_and_created_again_runs_its_batch_again(
    work: BatchWork, has_state_store: bool
) -> None:
    work.has_state_store = has_state_store
    work.ti.dag_run = FakeDagRun()
    inputs = prompts(3)

    first = work.run(inputs)
    again = work.run(inputs)  # by the same try number of a new DAG run

    assert first["succeeded"] == again["succeeded"] == 3
    assert len(work.wiro.tasks) == 6
    assert "was deleted" in work.log


def test_a_deferred_batch_goes_on_where_its_try_was_though_the_try_has_its_number(work: BatchWork) -> None:
    work.ti.dag_run = FakeDagRun()
    inputs = prompts(5)

    assert work.run(inputs, deferrable=True, max_active=2)["succeeded"] == 5
    assert work.started_once(inputs)


def test_a_batch_that_is_cleared_after_retries_was_lowered_runs_again(work: BatchWork) -> None:
    work.ti.dag_run, work.ti.max_tries = FakeDagRun(), 1
    inputs = prompts(2)
    work.run(inputs, retries=1)
    work.ti.dag_run.clear_number += 1
    work.retry()  # a Clear has set max_tries to 1 + 0

    assert work.run(inputs, retries=0)["succeeded"] == 2
    assert len(work.wiro.tasks) == 4


def test_the_retry_of_a_batch_whose_success_airflow_missed_returns_its_result(work: BatchWork) -> None:
    work.ti.dag_run = FakeDagRun()
    inputs = prompts(2)
    first = work.run(inputs, retries=2)
    work.ti.dag_run.clear_number += 1  # another task of the DAG run
    work.retry()

    assert work.run(inputs, retries=2) == first
    assert work.started_once(inputs)


def test_a_retry_of_a_batch_on_another_machine_pays_for_nothing_twice(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    def move(name: str) -> None:
        monkeypatch.setattr(version_compat, "local_state_path", lambda: str(work.folder / name))

    settings: dict[str, Any] = {"state_path": None, "retries": 2}
    inputs = prompts(2)
    move("one")
    work.defer(inputs, **settings)
    work.retry()
    move("two")

    with pytest.raises(AirflowFailException, match="This is a retry, and no try of this batch before"):
        work.run(inputs, **settings)
    assert work.started_once(inputs)
    move("one")
    assert work.run(inputs, **settings)["succeeded"] == 2
    assert work.started_once(inputs)
