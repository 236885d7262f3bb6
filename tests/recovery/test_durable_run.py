"""Paid for once: what a try leaves behind, and what the next one makes of it. Counted at Wiro."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro import version_compat
from airflow_provider_wiro.api import endpoints, flow, polling, stop_task
from airflow_provider_wiro.emulator import Fault, WiroEmulator
from airflow_provider_wiro.exceptions import (
    WiroConcurrencyLimitError,
    WiroConnectionError,
    WiroRecordError,
    WiroServerError,
    WiroTaskFailedError,
    WiroTaskTimeoutError,
)
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.recovery import baseline
from airflow_provider_wiro.storage.timestamps import from_stored, to_stored
from tests.operators.fakes import CANCELLED, DONE, RETRO, SMALL, FakeDagRun, FakeTi, Work

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BOTH = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
OTHER = {**SMALL, "prompt": "a robot in a garden"}


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each call but a Run fail at its first failure, so that a test needn't wait a minute for it."""
    monkeypatch.setitem(flow.call.__kwdefaults__, "patience_seconds", 0.0)
    monkeypatch.setenv("AIRFLOW__WIRO__POLL_PATIENCE", "0")


def die_after_submission(work: Work, **settings: Any) -> None:
    """Lose the worker once the run is recorded."""

    def die(**_: Any) -> None:
        raise SystemExit("SIGKILL")

    work.ti.xcom_push = die  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        work.run(**settings)
    del work.ti.xcom_push
    work.log.lines.clear()
    work.retry()


# The intent, then the id.


def test_the_intent_is_recorded_before_the_run_is_sent_and_the_id_after_it(work: Work) -> None:
    work.run()

    intent, known, spent = work.store.writes
    [task] = work.wiro.tasks
    assert (intent["wiro_task_id"], intent["is_spent"], intent["try_number"]) == (None, False, 1)
    assert from_stored(intent["intended_at"]) <= task.created_at + 0.001
    assert known == {**intent, "wiro_task_id": task.id, "accepted_at": known["accepted_at"]}
    assert from_stored(intent["intended_at"]) <= from_stored(known["accepted_at"]) <= time.time()
    assert spent == {**known, "is_spent": True}
    assert len(json.dumps(spent)) < 500


def test_without_its_intent_recorded_no_run_is_sent(wiro: WiroEmulator, work: Work) -> None:
    work.store.fails = {"set"}

    with pytest.raises(WiroRecordError, match="Can't write this run's record"):
        work.run()

    assert wiro.counts.requests["Run"] == 0


def test_without_having_read_the_record_nothing_is_started(wiro: WiroEmulator, work: Work) -> None:
    work.store.fails = {"get"}

    with pytest.raises(WiroRecordError, match="Nothing was started"):
        work.run()

    assert wiro.received == []


def test_an_id_that_cannot_be_recorded_is_found_by_the_retry(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("stuck_running"))
    work.store.after_set = lambda: work.store.fails.add("set")
    with pytest.raises(WiroTaskTimeoutError):
        work.run(timeout=0.1, cancel_on_timeout=False)
    assert "A retry will look for Wiro task 2221 by its parameters" in work.log
    assert work.store.record is not None
    assert work.store.record["wiro_task_id"] is None
    work.store.after_set = None
    work.store.fails.clear()
    work.retry()

    with pytest.raises(WiroTaskTimeoutError):
        work.run(timeout=0.1, cancel_on_timeout=False)
    assert work.started == 1


@pytest.mark.parametrize("damage", ["", "gibberish", [], {}, {"version": 99}, {"version": 1}, 7])
def test_a_damaged_record_is_for_a_person_and_never_taken_for_none(
    wiro: WiroEmulator, work: Work, damage: Any
) -> None:
    work.store.set("wiro_run", damage)

    with pytest.raises(AirflowFailException, match="delete the record"):
        work.run()

    assert wiro.received == []


@pytest.mark.parametrize(
    "damage",
    [
        {"intended_at": 1e300},
        {"accepted_at": 1e300},
        {"intended_at": None},
        {"lifetime": "2"},
        {"wiro_task_id": 2221},
    ],
)
def test_a_record_with_one_damaged_field_is_damaged(wiro: WiroEmulator, work: Work, damage: Any) -> None:
    die_after_submission(work)
    work.store.set("wiro_run", {**(work.store.record or {}), **damage})

    with pytest.raises(AirflowFailException, match="delete the record"):
        work.run()

    assert work.started == 1


# A retry.


@BOTH
def test_a_retry_follows_the_task_that_is_still_running(work: Work, deferrable: bool) -> None:
    die_after_submission(work, deferrable=deferrable)

    assert work.run(deferrable=deferrable)["wiro_task_id"] == "2221"
    assert work.started == 1
    assert "Wiro task 2221 was started by an earlier try" in work.log
    assert work.ti.xcoms["wiro_task_id"] == "2221"
    assert not any(line.startswith("Submitted") for line in work.log.lines)


@BOTH
def test_a_retry_returns_the_result_of_a_task_that_has_succeeded_meanwhile(
    wiro: WiroEmulator, work: Work, deferrable: bool
) -> None:
    die_after_submission(work, deferrable=deferrable)
    WiroHook().wait_for_task("2221", poll_interval=0.02)
    before = wiro.counts.requests["Task/Detail"]

    assert work.operator(deferrable=deferrable).execute(work.context)["status"] == DONE
    assert (work.started, wiro.counts.requests["Task/Detail"] - before) == (1, 1)


@BOTH
@pytest.mark.parametrize("end", ["exit_code", "cancelled_by_hand"])
def test_a_retry_resubmits_a_run_that_failed_or_was_cancelled(
    wiro: WiroEmulator, work: Work, deferrable: bool, end: str
) -> None:
    wiro.inject(Fault(end))
    with pytest.raises((WiroTaskFailedError, AirflowFailException)):
        work.run(deferrable=deferrable)
    work.retry()

    assert work.run(deferrable=deferrable)["wiro_task_id"] == "2222"
    assert work.started == 2
    assert work.store.record is not None
    assert work.store.record["earlier_task_ids"] == ["2221"]


@BOTH
def test_a_retry_that_polls_during_an_error_before_the_model_ran_follows_the_same_task(
    wiro: WiroEmulator, work: Work, deferrable: bool
) -> None:
    wiro.inject(Fault("fatal_error", seconds=3.0))
    die_after_submission(work)
    while wiro.tasks[0].status != "task_error":
        time.sleep(0.05)

    assert work.run(deferrable=deferrable)["wiro_task_id"] == "2221"
    assert work.started == 1


@pytest.mark.parametrize("code", [0, 1])
def test_a_retry_that_polls_before_wiro_shows_the_task_follows_it(
    wiro: WiroEmulator, work: Work, code: int
) -> None:
    die_after_submission(work)
    not_yet = {"code": code, "message": "There is no task yet."}
    wiro.inject(Fault("api_error", endpoint="Task/Detail", times=2, **not_yet))

    assert work.run()["wiro_task_id"] == "2221"
    assert work.started == 1


def test_a_retry_rides_out_an_outage_for_no_longer_than_the_operators_timeout(
    wiro: WiroEmulator, work: Work
) -> None:
    wiro.inject(Fault("stuck_running"))
    die_after_submission(work)
    wiro.inject(Fault("server_error", endpoint="Task/Detail", times=None))

    began_at = time.monotonic()
    with pytest.raises(WiroTaskTimeoutError, match="2221 did not end before its deadline"):
        work.run(timeout=3)
    assert time.monotonic() - began_at < 20
    assert [task.status for task in wiro.tasks] == ["task_cancel"]


def test_a_retry_that_cannot_ask_about_the_earlier_task_starts_none(
    wiro: WiroEmulator, work: Work, no_patience: None
) -> None:
    die_after_submission(work)
    wiro.inject(Fault("server_error", endpoint="Task/Detail"))

    with pytest.raises(WiroConnectionError, match="Lost sight of Wiro task 2221, which may still run"):
        work.run()
    work.retry()

    assert work.run()["wiro_task_id"] == "2221"
    assert work.started == 1


def test_a_retry_whose_connection_does_not_know_the_earlier_task_is_for_a_person(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "NOT_YET_SECONDS", 0.2)
    monkeypatch.setattr(stop_task, "NOT_YET_SECONDS", 0.2)
    die_after_submission(work)
    with WiroEmulator(speed=100) as another:
        monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", another.connection)

        with pytest.raises(AirflowFailException, match="Check that the connection"):
            work.run()
        assert another.counts.tasks_started == 0
        work.retry()
        assert work.run(on_orphaned_intent="resubmit")["status"] == DONE
        assert another.counts.tasks_started == 1


def test_a_retry_of_other_parameters_leaves_the_earlier_task_to_end(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("stuck_running"))
    die_after_submission(work)

    assert work.run(parameters=OTHER)["wiro_task_id"] == "2222"
    assert wiro.counts.tasks_stopped == 0
    assert "is left to end" in work.log


@pytest.mark.parametrize("where", ["stuck_in_queue", "stuck_running"])
def test_a_retry_of_other_parameters_stops_the_earlier_task_if_so_configured(
    wiro: WiroEmulator, work: Work, where: str
) -> None:
    wiro.inject(Fault(where))
    die_after_submission(work)

    assert work.run(parameters=OTHER, on_stale_state="stop")["wiro_task_id"] == "2222"
    assert work.statuses == [CANCELLED, DONE]


def test_the_deadline_is_the_submissions_and_no_retry_renews_it(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("stuck_running"))
    die_after_submission(work)
    record = work.store.record or {}
    intended_at = from_stored(record["intended_at"])
    work.store.set("wiro_run", {**record, "intended_at": to_stored(intended_at - 3000)})

    deferred = work.defer(timeout=3600)

    assert deferred.trigger.deadline == pytest.approx(intended_at + 600)


def test_a_task_left_running_at_its_timeout_gets_a_new_one_from_the_retry(
    wiro: WiroEmulator, work: Work
) -> None:
    wiro.inject(Fault("stuck_running"))
    with pytest.raises(WiroTaskTimeoutError):
        work.run(timeout=0.1, cancel_on_timeout=False)
    work.retry()

    deferred = work.defer(timeout=0.1, cancel_on_timeout=False)

    assert deferred.trigger.wiro_task_id == "2221"
    assert work.started == 1


def test_a_resumed_task_that_another_tries_kill_cancels_is_replaced_by_a_new_run(
    wiro: WiroEmulator, work: Work
) -> None:
    """A Clear while deferred: the new try picks the task up, then the old trigger's on_kill stops it."""
    wiro.inject(Fault("stuck_running"))
    die_after_submission(work)
    deferred = work.defer()
    WiroHook().stop_task("2221", is_running=True)

    assert work.resume(deferred)["wiro_task_id"] == "2222"
    assert work.statuses == [CANCELLED, DONE]
    assert "Wiro task 2222 succeeded" in "\n".join(work.log.lines)
    assert not any(line.startswith("Wiro task 2221: task_post") for line in work.log.lines)


def test_each_task_of_a_try_is_logged_under_its_own_id(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("cancelled_by_hand"))
    die_after_submission(work)

    work.run(poll_interval=0.005)

    assert "Wiro task 2221: task_cancel (cancelled)" in work.log
    assert f"Wiro task 2222: {DONE}" in work.log
    assert f"Wiro task 2221: {DONE}" not in work.log


# After a success.


@BOTH
def test_a_cleared_task_starts_a_new_run(work: Work, deferrable: bool) -> None:
    first = work.run(deferrable=deferrable)
    work.clear()

    second = work.run(deferrable=deferrable)

    assert first["wiro_task_id"] != second["wiro_task_id"]
    assert work.started == 2


@BOTH
def test_a_retry_after_a_success_that_airflow_missed_returns_the_same_result(
    work: Work, deferrable: bool
) -> None:
    first = work.run(deferrable=deferrable)
    work.retry()

    assert work.run(deferrable=deferrable) == first
    assert work.started == 1


def test_the_same_holds_after_a_clear_that_picked_up_a_running_task(work: Work) -> None:
    die_after_submission(work)
    work.ti.max_tries += 3  # cleared, not retried, while it was running
    first = work.run()
    work.retry()

    assert work.run() == first
    assert work.started == 1


def test_without_waiting_a_retry_returns_the_same_task_and_a_clear_starts_another(work: Work) -> None:
    first = work.run(wait_for_completion=False)
    work.retry()
    again = work.run(wait_for_completion=False)
    work.clear()
    cleared = work.run(wait_for_completion=False)

    assert first["wiro_task_id"] == again["wiro_task_id"] == "2221"
    assert cleared["wiro_task_id"] == "2222"


def test_a_result_that_cannot_be_marked_as_used_is_returned_all_the_same(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    deferred = work.defer()
    work.store.fails = {"set"}

    assert work.resume(deferred)["status"] == DONE
    assert "After a Clear, this task would return the same result again" in work.log


# A DAG run that was created again, and a Clear after `retries` was changed.


@BOTH
@pytest.mark.parametrize("has_state_store", [False, True])
def test_a_dag_run_that_was_deleted_and_created_again_starts_a_new_run(
    work: Work, tmp_path: Path, deferrable: bool, has_state_store: bool
) -> None:
    work.has_state_store = has_state_store
    work.settings["state_path"] = None if has_state_store else str(tmp_path)
    work.ti.dag_run = FakeDagRun()

    first = work.run(deferrable=deferrable)
    again = work.run(deferrable=deferrable)  # by the same try number of a new DAG run

    assert (first["wiro_task_id"], again["wiro_task_id"]) == ("2221", "2222")


@pytest.mark.parametrize(
    ("on_stale_state", "statuses"), [("leave", ["task_output", DONE]), ("stop", [CANCELLED, DONE])]
)
def test_what_a_deleted_dag_run_left_running_is_stopped_if_asked(
    wiro: WiroEmulator, work: Work, on_stale_state: str, statuses: list[str]
) -> None:
    work.ti.dag_run = FakeDagRun()
    wiro.inject(Fault("stuck_running"))
    work.defer()

    assert work.run(on_stale_state=on_stale_state)["wiro_task_id"] == "2222"
    assert work.statuses[1:] == statuses[1:]
    assert (work.statuses[0] == CANCELLED) is (on_stale_state == "stop")
    assert work.store.record is not None
    assert work.store.record["earlier_task_ids"] == []


def test_a_wait_for_a_slot_does_not_bring_back_the_record_of_a_deleted_dag_run(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_wiro.run.pauses.slot_pause_seconds", lambda *_: 0.05)
    work.ti.dag_run = FakeDagRun()
    work.run()
    wiro.inject(Fault("api_error", endpoint="Run", code=96, message="limit"))

    assert work.run(deferrable=True)["wiro_task_id"] == "2222"


def test_a_task_that_is_cleared_after_retries_was_lowered_starts_a_new_run(work: Work) -> None:
    work.ti.dag_run, work.ti.max_tries = FakeDagRun(), 1
    work.run(retries=1)
    work.ti.dag_run.clear_number += 1
    work.retry()  # a Clear has set max_tries to 1 + 0

    assert work.run(retries=0)["wiro_task_id"] == "2222"


def test_a_retry_after_a_clear_returns_the_result_though_an_earlier_try_sent_the_run(
    work: Work,
) -> None:
    work.ti.dag_run, work.ti.max_tries = FakeDagRun(), 1
    work.defer(retries=1)
    work.ti.dag_run.clear_number += 1
    work.ti.max_tries = 2
    work.retry()
    first = work.run(retries=1)
    work.ti.dag_run.clear_number += 1  # another task of the DAG run
    work.retry()

    assert work.run(retries=1) == first
    assert work.started == 1


# A lost answer.


@BOTH
@pytest.mark.parametrize("how", ["drop_after", "truncated"])
def test_a_run_whose_response_was_lost_is_found_and_followed(
    wiro: WiroEmulator, work: Work, deferrable: bool, how: str
) -> None:
    wiro.inject(Fault(how, endpoint="Run"))

    assert work.run(deferrable=deferrable)["wiro_task_id"] == "2221"
    assert (work.started, wiro.counts.requests["Run"]) == (1, 1)
    assert "it had started Wiro task 2221" in work.log


@BOTH
@pytest.mark.parametrize("how", ["drop_before", "html", "empty", "server_error"])
def test_a_run_that_never_arrived_is_sent_again_once_that_is_certain(
    wiro: WiroEmulator, work: Work, deferrable: bool, how: str
) -> None:
    wiro.inject(Fault(how, endpoint="Run"))

    assert work.run(deferrable=deferrable)["wiro_task_id"] == "2221"
    assert (work.started, wiro.counts.requests["Run"]) == (1, 2)
    assert "Wiro has started no task for it" in work.log


def start_others(work: Work, *prompts: str) -> None:
    """Have others start tasks between this one's intent and its Run."""

    def start() -> None:
        work.store.after_set = None
        for prompt in prompts:
            WiroHook().run_model(RETRO, {**SMALL, "prompt": prompt})

    work.store.after_set = start


def test_a_lost_run_is_found_among_other_peoples_tasks_on_many_pages(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "MAX_PAGE", 4)  # each repeats one of the page before
    WiroHook().run_model(RETRO, SMALL)  # an equal one of before is none of ours
    start_others(work, "robot 1", "robot 2", "robot 3", "robot 4")
    wiro.inject(Fault("drop_after", endpoint="Run", skip=4))

    assert work.run()["wiro_task_id"] == "2226"
    assert (work.started, wiro.counts.requests["Run"]) == (6, 6)
    assert wiro.counts.requests["Task/List"] == 1 + 2


def test_two_equal_tasks_are_a_doubt_that_names_both(wiro: WiroEmulator, work: Work) -> None:
    start_others(work, SMALL["prompt"])
    wiro.inject(Fault("drop_after", endpoint="Run", skip=1))

    with pytest.raises(AirflowFailException, match=r"2221, 2222.*on_orphaned_intent='resubmit'"):
        work.run()
    work.retry()
    with pytest.raises(AirflowFailException, match="2221, 2222"):  # no try forgets it
        work.run()

    assert (work.started, wiro.counts.requests["Run"]) == (2, 2)


def test_in_doubt_a_user_may_choose_to_pay_twice(wiro: WiroEmulator, work: Work) -> None:
    start_others(work, SMALL["prompt"])
    wiro.inject(Fault("drop_after", endpoint="Run", skip=1))

    assert work.run(on_orphaned_intent="resubmit")["wiro_task_id"] == "2223"


def test_without_a_baseline_an_equal_task_is_a_doubt(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baseline, "BASELINE_PATIENCE_SECONDS", 0.0)
    wiro.inject(Fault("server_error", endpoint="Task/List"), Fault("drop_after", endpoint="Run"))

    with pytest.raises(AirflowFailException, match="2221"):
        work.run()

    assert work.started == 1


def test_too_many_tasks_to_search_are_a_doubt_too(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "MAX_PAGE", 2)
    monkeypatch.setattr(baseline, "MAX_LISTED", 4)
    start_others(work, *(f"robot {number}" for number in range(5)))
    wiro.inject(Fault("drop_before", endpoint="Run", skip=5))

    with pytest.raises(AirflowFailException, match="too many"):
        work.run()
    work.retry()
    assert work.run(on_orphaned_intent="resubmit")["wiro_task_id"] == "2226"


def test_a_list_that_cannot_be_had_is_asked_for_again_by_the_retry(
    wiro: WiroEmulator, work: Work, no_patience: None
) -> None:
    wiro.inject(
        Fault("drop_after", endpoint="Run"), Fault("server_error", endpoint="Task/List", skip=1, times=2)
    )

    for _ in range(2):
        with pytest.raises(WiroServerError):
            work.run()
        work.retry()

    assert work.run()["wiro_task_id"] == "2221"
    assert (work.started, wiro.counts.requests["Run"]) == (1, 1)


def test_an_empty_project_says_so_in_the_words_of_an_error(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(
        Fault("drop_before", endpoint="Run"),
        Fault("api_error", endpoint="Task/List", code=1, message="There is no task yet.", times=3),
    )

    assert work.run()["status"] == DONE
    assert work.started == 1


def test_a_server_without_a_task_list_is_not_taken_for_an_empty_project(
    wiro: WiroEmulator, work: Work
) -> None:
    wiro.inject(
        Fault("drop_after", endpoint="Run"),
        Fault("api_error", endpoint="Task/List", code=1, status=404, times=None),
    )

    with pytest.raises(AirflowFailException):
        work.run()

    assert (work.started, wiro.counts.requests["Run"]) == (1, 1)


@pytest.mark.parametrize("how", ["drop_before", "html"])
def test_runs_that_certainly_started_nothing_again_and_again_use_up_a_try_and_say_so(
    wiro: WiroEmulator, work: Work, how: str
) -> None:
    """And not: that Wiro may have started one, which a person would look for in vain."""
    wiro.inject(Fault(how, endpoint="Run", times=3))

    with pytest.raises(WiroConnectionError, match="Wiro has started no task for any of them") as failure:
        work.run()

    assert failure.value.may_retry
    assert "may have started" not in str(failure.value)
    assert (work.started, wiro.counts.requests["Run"]) == (0, 3)
    work.retry()
    assert work.run()["status"] == DONE
    assert (work.started, wiro.counts.requests["Run"]) == (1, 4)


def test_refusals_for_want_of_a_slot_do_not_count_as_losses(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_wiro.run.pauses.slot_pause_seconds", lambda *_: 0.01)
    wiro.inject(
        Fault("api_error", endpoint="Run", code=96, times=3, message="limit"),
        Fault("drop_before", endpoint="Run"),
    )

    assert work.run()["status"] == DONE
    assert work.started == 1


def test_a_refused_run_leaves_the_record_of_the_run_before_it(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiro.inject(Fault("exit_code"))
    with pytest.raises(WiroTaskFailedError):
        work.run()
    before = work.store.record
    work.retry()
    wiro.inject(Fault("api_error", endpoint="Run", code=96, message="limit"))

    with pytest.raises(WiroConcurrencyLimitError):
        work.run(timeout=1)

    assert work.store.record == before


def test_a_run_refused_after_a_failed_take_back_is_settled_later(wiro: WiroEmulator, work: Work) -> None:
    work.store.fails = {"delete"}
    wiro.inject(Fault("api_error", endpoint="Run", code=96, message="limit"))
    with pytest.raises(WiroConcurrencyLimitError):
        work.run(timeout=1)
    assert "will look for a run that was not started" in work.log
    work.retry()

    assert work.run()["status"] == DONE
    assert work.started == 1


# Files in place of Airflow's state store.


@pytest.fixture
def files(work: Work, tmp_path: Path) -> Work:
    work.has_state_store = False
    work.settings["state_path"] = str(tmp_path / "records")
    return work


@BOTH
def test_a_file_does_for_airflow_before_3_3(files: Work, deferrable: bool) -> None:
    die_after_submission(files, deferrable=deferrable)

    first = files.run(deferrable=deferrable)
    files.retry()
    again = files.run(deferrable=deferrable)
    files.clear()
    cleared = files.run(deferrable=deferrable)

    assert [summary["wiro_task_id"] for summary in (first, again, cleared)] == ["2221", "2221", "2222"]
    assert files.started == 2


@pytest.mark.parametrize("scheme", ["file://{path}", "memory://records-{name}"])
def test_any_object_storage_will_do(files: Work, tmp_path: Path, scheme: str) -> None:
    files.settings["state_path"] = scheme.format(path=tmp_path, name=tmp_path.name)
    die_after_submission(files)

    first = files.run()
    files.clear()

    assert (first["wiro_task_id"], files.run()["wiro_task_id"]) == ("2221", "2222")


def test_mapped_tasks_each_have_a_record_of_their_own(files: Work) -> None:
    for index in range(3):
        files.ti = FakeTi(map_index=index)
        die_after_submission(files)
    for index in range(3):
        files.ti = FakeTi(map_index=index, try_number=2)
        assert files.run()["wiro_task_id"] == str(2221 + index)

    assert files.started == 3


def test_a_state_path_that_cannot_be_read_starts_nothing(files: Work, tmp_path: Path) -> None:
    (tmp_path / "records").write_text("not a folder")

    with pytest.raises(WiroRecordError):
        files.run()

    assert files.started == 0


def test_a_state_path_of_the_operator_is_used_even_where_airflow_has_a_store(files: Work) -> None:
    files.has_state_store = True
    files.run()

    assert files.store.values == {}


def test_without_any_place_the_log_says_once_what_that_means(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    work.has_state_store = False
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")

    assert work.run()["status"] == DONE
    assert sum("nothing remembers this run" in line for line in work.log.lines) == 1


def test_without_a_record_a_lost_response_is_resolved_at_once(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    work.has_state_store = False
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    wiro.inject(Fault("drop_after", endpoint="Run"))

    assert work.run()["status"] == DONE
    assert work.started == 1


def test_without_a_record_a_lost_response_that_cannot_be_resolved_is_for_a_person(
    wiro: WiroEmulator, work: Work, no_patience: None
) -> None:
    """A retry would know nothing of this Run, and send another."""
    wiro.inject(Fault("drop_after", endpoint="Run"), Fault("server_error", endpoint="Task/List", skip=1))

    with pytest.raises(AirflowFailException, match="its response is lost"):
        work.run(durable=False)


def test_durable_off_touches_no_store_and_each_try_pays(work: Work) -> None:
    work.store.fails = {"get", "set", "delete"}
    work.run(durable=False)
    work.retry()
    work.run(durable=False)

    assert work.started == 2
    assert not any("remembers" in line for line in work.log.lines)


def test_an_unreachable_wiro_leaves_no_record(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = json.loads(work.wiro.connection) | {"host": "http://127.0.0.1:9/v1"}
    monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", json.dumps(gone))
    monkeypatch.setitem(flow.call.__kwdefaults__, "patience_seconds", 0.0)
    monkeypatch.setattr(baseline, "BASELINE_PATIENCE_SECONDS", 0.0)

    with pytest.raises(WiroConnectionError):
        work.run()

    assert work.store.record is None


def test_a_lost_run_of_other_parameters_cannot_be_stopped_so_a_person_is_asked(
    wiro: WiroEmulator, work: Work, no_patience: None
) -> None:
    wiro.inject(Fault("drop_after", endpoint="Run"), Fault("server_error", endpoint="Task/List", skip=1))
    with pytest.raises(WiroServerError):
        work.run()
    work.retry()

    with pytest.raises(AirflowFailException, match="can't be found and stopped"):
        work.run(parameters={"prompt": "another"}, on_stale_state="stop")

    assert work.started == 1


def test_a_lost_run_that_bills_another_project_is_not_taken_for_unsent(
    wiro: WiroEmulator, work: Work
) -> None:
    wiro.inject(Fault("drop_before", endpoint="Run"))

    with pytest.raises(AirflowFailException, match="bills another project"):
        work.run(project_id="42")

    assert work.started == 0


# A folder that was only assumed to be every try's.


@pytest.fixture
def machines(work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return how to move to another machine, with a disk of its own."""
    work.has_state_store = False
    work.settings["retries"] = 2
    work.ti.dag_run = FakeDagRun(start_date=datetime.now(UTC) - timedelta(minutes=1))

    def move(name: str) -> None:
        monkeypatch.setattr(version_compat, "local_state_path", lambda: str(tmp_path / name))

    return move


def test_a_retry_on_another_machine_starts_no_second_run(work: Work, machines: Callable[[str], None]) -> None:
    machines("one")
    die_after_submission(work)
    machines("two")

    with pytest.raises(AirflowFailException, match=r"doesn't show which: 2221"):
        work.run()
    assert work.started == 1


def test_a_retry_on_another_machine_runs_what_no_try_has_started(
    wiro: WiroEmulator, work: Work, machines: Callable[[str], None]
) -> None:
    machines("one")
    wiro.inject(Fault("api_error", endpoint="Run", code=97, message="Insufficient balance"))
    with pytest.raises(AirflowFailException):
        work.run()
    work.retry()
    machines("two")

    assert work.run()["status"] == DONE
    assert "ran on this machine" in work.log


def test_a_retry_on_the_same_machine_needs_no_list(
    wiro: WiroEmulator, work: Work, machines: Callable[[str], None], tmp_path: Path
) -> None:
    machines("one")
    wiro.inject(Fault("api_error", endpoint="Run", code=97, message="Insufficient balance"))
    with pytest.raises(AirflowFailException):
        work.run()
    work.retry()

    assert work.run()["status"] == DONE
    assert "ran on this machine" not in work.log
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["~spent"]  # no trace is left


def test_a_clear_on_another_machine_starts_a_new_run(work: Work, machines: Callable[[str], None]) -> None:
    machines("one")
    work.run()
    work.clear()
    machines("two")

    assert work.run()["wiro_task_id"] == "2222"
