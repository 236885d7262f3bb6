"""A batch from its inputs to its manifest, against the emulator: each item once, in order, and what fails."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_wiro.emulator import Fault, WiroEmulator
from tests.batch.batch_work import TINY, prompts
from tests.operators.fakes import CANCELLED, DONE, RETRO

if TYPE_CHECKING:
    from pathlib import Path

    from tests.batch.batch_work import BatchWork

BOTH = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])


def code(number: int, **settings: Any) -> Fault:
    return Fault("api_error", endpoint="Run", code=number, message=f"no {number}", **settings)


# What a batch is.


@BOTH
def test_each_item_is_run_once_and_the_manifest_has_them_in_order(work: BatchWork, deferrable: bool) -> None:
    inputs = prompts(25)

    summary = work.run(inputs, max_active=6, deferrable=deferrable)

    assert work.started_once(inputs)
    lines = work.manifest
    by_id = {task.id: task for task in work.wiro.tasks}
    assert [line["item"] for line in lines] == list(range(25))
    assert [by_id[line["wiro_task_id"]].parameters["prompt"] for line in lines] == [
        item["prompt"] for item in inputs
    ]
    assert all(line["attempts"] == 1 and line["outputs"][0]["name"] == "0.png" for line in lines)
    assert summary == {
        "model": RETRO,
        "total": 25,
        "succeeded": 25,
        "failed": 0,
        "cost_usd": (cost := f"{sum(Decimal(line['cost_usd']) for line in lines):f}"),
        "known_cost_usd": cost,
        "unknown_costs": 0,
        "manifest_uri": str(work.folder / "manifest.jsonl"),
    }
    json.dumps(summary)


def test_hundreds_of_items_are_each_submitted_once(work: BatchWork) -> None:
    inputs = prompts(400)

    summary = work.run(inputs, max_active=200)

    assert (summary["total"], summary["succeeded"]) == (400, 400)
    assert work.started_once(inputs)
    assert [line["item"] for line in work.manifest] == list(range(400))
    assert work.wiro.counts.requests["Run"] == 400


def test_a_slug_that_wiro_knows_in_its_other_form_is_tried_in_it_once_for_the_whole_batch(
    work: BatchWork,
) -> None:
    work.wiro.inject(
        Fault("api_error", endpoint="Run", code=1, message="slug-owner-project-not-exist", times=1)
    )

    assert work.run(prompts(10), max_active=1)["succeeded"] == 10

    runs = [request.path for request in work.wiro.received if "/Run/" in request.path]
    assert [path.rpartition("Run/")[2] for path in runs] == [RETRO, *["retroaix/retro-cartoons"] * 10]


def test_never_more_than_max_active_run_at_once(work: BatchWork) -> None:
    work.run(prompts(20), max_active=3)

    moments = sorted(
        (at, change)
        for task in work.wiro.tasks
        for at, change in ((task.history[0][1], 1), (task.history[-1][1], -1))
    )
    running = most = 0
    for _, change in moments:
        running += change
        most = max(most, running)
    assert most == 3


def test_an_item_goes_before_what_is_common_to_all(work: BatchWork) -> None:
    work.run([{"prompt": "a"}, {"prompt": "b", "seed": "7"}], parameters={**TINY, "seed": "5"}, max_active=1)

    assert [task.parameters["seed"] for task in work.wiro.tasks] == ["5", "7"]


def test_an_item_can_have_files_of_its_own(work: BatchWork, tmp_path: Path) -> None:
    shared, own = tmp_path / "shared.png", tmp_path / "own.png"
    shared.write_bytes(b"\x89PNG shared")
    own.write_bytes(b"\x89PNG own")
    inputs = [
        {"prompt": "with what all have"},
        {"parameters": {"prompt": "with its own"}, "files": {"inputImage": str(own)}},
    ]

    model = _model_with_a_file()
    asked = work.wiro.counts.requests["Tool/Detail"]

    work.run(inputs, model=model, files={"inputImage": str(shared)}, parameters={})

    sizes = {task.parameters["prompt"]: [file.size for file in task.files] for task in work.wiro.tasks}
    assert sizes == {"with what all have": [len(b"\x89PNG shared")], "with its own": [len(b"\x89PNG own")]}
    assert work.wiro.counts.requests["Tool/Detail"] == asked + 1


def _model_with_a_file() -> str:
    from airflow_provider_wiro.hooks.wiro import WiroHook

    for model in WiroHook().list_models(limit=100):
        parameters = WiroHook().get_model(model.slug).parameters
        names = {parameter.id for parameter in parameters if parameter.required}
        if "inputImage" in {parameter.id for parameter in parameters} and names <= {"inputImage", "prompt"}:
            return model.slug
    raise LookupError("the emulator has no such model")


def test_no_items_are_no_work(work: BatchWork) -> None:
    summary = work.run([])

    assert (summary["total"], summary["succeeded"], summary["cost_usd"]) == (0, 0, "0")
    assert work.manifest == []


def test_the_log_has_lines_now_and_then_and_not_for_each_item(work: BatchWork) -> None:
    work.run(prompts(200), max_active=100)

    assert len(work.log.lines) < 20
    assert "200 of 200 done, 0 failed, 0 running, 0.702 USD so far." in work.log


@BOTH
def test_no_secret_is_kept_anywhere(work: BatchWork, deferrable: bool) -> None:
    work.wiro.inject(Fault("exit_code", times=2))

    work.run(prompts(5), deferrable=deferrable, on_item_failure="continue", max_item_retries=0)

    kept = work.everything()
    connection = json.loads(work.wiro.connection)
    secrets = {connection["login"], connection["password"], *(task.token for task in work.wiro.tasks)}
    assert not [secret for secret in secrets if secret in kept]
    assert not [request.signature for request in work.wiro.received if str(request.signature) in kept]


# Items that fail.


@BOTH
def test_a_failed_item_is_tried_again(work: BatchWork, deferrable: bool) -> None:
    work.wiro.inject(Fault("exit_code", times=3))

    summary = work.run(prompts(6), deferrable=deferrable)

    assert (summary["succeeded"], summary["failed"]) == (6, 0)
    assert sum(work.started.values()) == 9
    assert sorted(line["attempts"] for line in work.manifest) == [1, 1, 1, 2, 2, 2]


@BOTH
def test_after_a_failure_for_good_nothing_more_is_submitted_and_what_runs_is_seen_to_its_end(
    work: BatchWork, deferrable: bool
) -> None:
    work.wiro.inject(Fault("exit_code", skip=1, times=1))

    with pytest.raises(AirflowException, match="1 of 30 items failed") as failure:
        work.run(prompts(30), max_active=3, max_item_retries=0, deferrable=deferrable)

    assert not isinstance(failure.value, AirflowFailException)
    assert "item 1: Wiro task 2222 failed (exit code 1)" in str(failure.value)
    assert str(work.folder / "manifest.jsonl") in str(failure.value)
    assert work.statuses[1] == "failed"
    assert work.statuses.count("not_run") >= 20
    assert len(work.wiro.tasks) == 30 - work.statuses.count("not_run")
    assert all(task.status == DONE for task in work.wiro.tasks)
    assert "CUDA out of memory" in work.manifest[1]["error"]


def test_the_error_names_each_of_the_first_failures_and_has_no_escaped_line_breaks(work: BatchWork) -> None:
    work.wiro.inject(Fault("exit_code", times=2, debug_error="RuntimeError: boom"))

    with pytest.raises(AirflowException, match="2 of 2 items failed") as failure:
        work.run(prompts(2), max_item_retries=0)

    assert "The first failures: item 0: Wiro task 2221 failed" in str(failure.value)
    assert "; item 1: Wiro task 2222 failed" in str(failure.value)
    assert "\\n" not in str(failure.value)


@BOTH
def test_continue_runs_all_and_counts_what_failed(work: BatchWork, deferrable: bool) -> None:
    work.wiro.inject(Fault("exit_code", times=2))

    summary = work.run(
        prompts(10), on_item_failure="continue", max_item_retries=0, max_active=4, deferrable=deferrable
    )

    assert (summary["succeeded"], summary["failed"]) == (8, 2)
    assert (work.statuses.count("succeeded"), work.statuses.count("failed")) == (8, 2)
    assert len(work.wiro.tasks) == 10


def test_a_retry_of_airflows_runs_what_failed_and_what_is_missing_only(work: BatchWork) -> None:
    work.wiro.inject(Fault("exit_code", skip=2, times=1))
    with pytest.raises(AirflowException):
        work.run(prompts(20), max_active=4, max_item_retries=0)
    done = [line["wiro_task_id"] for line in work.manifest if line["status"] == "succeeded"]
    work.retry()

    summary = work.run(prompts(20), max_active=4, max_item_retries=0)

    assert (summary["succeeded"], len(work.wiro.tasks)) == (20, 21)
    assert set(done) <= {line["wiro_task_id"] for line in work.manifest}
    assert work.manifest[2]["attempts"] == 2


def test_a_parameter_that_wiro_refuses_is_no_matter_for_a_retry(work: BatchWork) -> None:
    work.wiro.inject(code(0))

    with pytest.raises(AirflowFailException, match=r"item 0: .*no 0"):
        work.run(prompts(2), max_active=1)

    assert (work.statuses, len(work.wiro.tasks)) == (["failed", "not_run"], 0)


def test_an_item_that_somebody_stopped_is_not_started_again(work: BatchWork) -> None:
    work.wiro.inject(Fault("cancelled_by_hand", times=1))

    summary = work.run(prompts(3), on_item_failure="continue")

    assert (summary["failed"], len(work.wiro.tasks)) == (1, 3)


@BOTH
def test_an_item_that_takes_too_long_is_stopped_and_tried_again(work: BatchWork, deferrable: bool) -> None:
    work.wiro.inject(Fault("stuck_running", times=1))

    summary = work.run(prompts(3), timeout=1.5, deferrable=deferrable)

    assert summary["succeeded"] == 3
    assert sorted(task.status for task in work.wiro.tasks) == [CANCELLED, DONE, DONE, DONE]


def test_an_item_left_running_after_its_time_is_followed_again_and_not_started_twice(work: BatchWork) -> None:
    work.wiro.inject(Fault("stuck_running", times=1))

    with pytest.raises(AirflowException, match="did not end before its deadline"):
        work.run(prompts(2), timeout=0.6, cancel_on_timeout=False)
    assert (len(work.wiro.tasks), work.wiro.counts.tasks_stopped) == (2, 0)
    work.retry()
    with pytest.raises(AirflowException):
        work.run(prompts(2), timeout=0.6, cancel_on_timeout=False)

    assert (len(work.wiro.tasks), work.wiro.counts.tasks_stopped) == (2, 0)


# What would hit every item.


@BOTH
@pytest.mark.parametrize("mode", ["fail", "continue"])
def test_an_empty_balance_stops_the_batch_at_once(work: BatchWork, deferrable: bool, mode: str) -> None:
    empty = Fault("api_error", endpoint="Run", code=97, message="Insufficient balance", skip=2, times=None)
    work.wiro.inject(empty)

    with pytest.raises(AirflowFailException, match=r"Insufficient balance.*Add balance"):
        work.run(prompts(50), on_item_failure=mode, max_active=3, deferrable=deferrable)

    assert len(work.wiro.tasks) == 2
    assert sorted(work.statuses)[-2:] == ["succeeded", "succeeded"]
    assert work.statuses.count("not_run") == 48
    assert work.wiro.counts.requests["Run"] < 15


def test_wrong_credentials_submit_nothing(work: BatchWork, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {**json.loads(work.wiro.connection), "password": "wrong"}
    monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", json.dumps(connection))

    with pytest.raises(AirflowFailException, match="Check the Wiro connection"):
        work.run(prompts(50))

    assert len(work.wiro.tasks) == 0
    assert work.wiro.counts.requests["Run"] <= 8


def test_an_outage_is_nobodys_failure(work: BatchWork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_wiro.batch.run_sender._PATIENCE_SECONDS", 0.02)
    work.wiro.inject(Fault("server_error", endpoint="Run", status=503, times=30))

    summary = work.run(prompts(5), max_item_retries=0)

    assert (summary["succeeded"], len(work.wiro.tasks)) == (5, 5)


def test_an_outage_without_end_ends_the_batch_for_a_retry(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__POLL_PATIENCE", "0.2")
    monkeypatch.setattr("airflow_provider_wiro.batch.run_sender._PATIENCE_SECONDS", 0.02)
    work.wiro.inject(Fault("server_error", endpoint="Run", status=503, times=None))

    with pytest.raises(Exception, match="503") as failure:
        work.run(prompts(5))
    assert not isinstance(failure.value, AirflowFailException)
    work.wiro.clear_faults()
    work.retry()

    assert work.run(prompts(5))["succeeded"] == 5
    assert work.started_once(prompts(5))


# The account's concurrency limit.


@BOTH
def test_a_full_account_costs_no_retry_and_the_batch_goes_on_with_what_it_has(
    work: BatchWork, deferrable: bool
) -> None:
    work.wiro.inject(code(96, skip=3, times=6))

    summary = work.run(prompts(15), max_active=10, max_item_retries=0, deferrable=deferrable)

    assert (summary["succeeded"], summary["failed"]) == (15, 0)
    assert work.started_once(prompts(15))


def test_the_limit_of_the_account_is_found_and_kept_to(
    monkeypatch: pytest.MonkeyPatch, work: BatchWork
) -> None:
    with WiroEmulator(speed=100, max_active=3) as small:
        monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", small.connection)
        summary = work.run(prompts(20), max_active=20)

        assert summary["succeeded"] == 20
        assert small.counts.tasks_started == 20
        assert small.counts.requests["Run"] < 60
        assert "Continuing with 3 at once." in work.log


# Lost answers.


@BOTH
def test_a_run_whose_answer_is_lost_is_found_and_not_paid_for_twice(
    work: BatchWork, deferrable: bool
) -> None:
    inputs = prompts(12)
    work.wiro.inject(Fault("drop_after", endpoint="Run", skip=2, times=4))

    summary = work.run(inputs, max_active=5, deferrable=deferrable)

    assert summary["succeeded"] == 12
    assert work.started_once(inputs)
    assert "it had started Wiro task" in work.log


@BOTH
def test_a_run_that_was_lost_before_it_arrived_is_sent_again(work: BatchWork, deferrable: bool) -> None:
    inputs = prompts(12)
    work.wiro.inject(Fault("drop_before", endpoint="Run", skip=2, times=2))

    summary = work.run(inputs, max_active=5, deferrable=deferrable)

    assert summary["succeeded"] == 12
    assert work.started_once(inputs)
    assert "Wiro has started no task for it" in work.log


def test_equal_items_whose_answers_are_lost_are_each_paid_for_once(work: BatchWork) -> None:
    inputs = [{"prompt": "the same"}] * 10
    work.wiro.inject(
        Fault("drop_after", endpoint="Run", skip=1, times=2),
        Fault("drop_before", endpoint="Run", times=1),
        Fault("drop_after", endpoint="Run", skip=1, times=1),
    )

    summary = work.run(inputs, max_active=5)

    assert summary["succeeded"] == 10
    assert work.started == {"the same": 10}
    assert len({line["wiro_task_id"] for line in work.manifest}) == 10


def test_an_item_that_wants_less_does_not_take_the_task_of_one_that_wants_more(work: BatchWork) -> None:
    """To Wiro's list the first item's parameters fit the task of the second as well."""
    inputs = [{"prompt": "x"}, {"prompt": "x", "seed": "7"}]
    work.wiro.inject(Fault("drop_after", endpoint="Run", times=2))

    work.run(inputs, max_active=2)

    by_id = {task.id: task.parameters.get("seed") for task in work.wiro.tasks}
    assert len(by_id) == 2
    assert [by_id[line["wiro_task_id"]] == "7" for line in work.manifest] == [False, True]


def test_a_strangers_task_that_fits_as_well_is_for_a_person_to_look_at(work: BatchWork) -> None:
    from airflow_provider_wiro.hooks.wiro import WiroHook

    work.wiro.inject(Fault("drop_after", endpoint="Run", skip=1, times=1))
    WiroHook().list_tasks()
    original = WiroHook.run_model
    inputs = [{"prompt": "a"}]
    operator = work.operator(inputs)
    from airflow_provider_wiro.batch import run_sender

    newest = run_sender.ask_baseline

    def newest_and_then_a_stranger(flow_context: Any) -> Any:
        found = yield from newest(flow_context)
        original(WiroHook(), RETRO, {**TINY, "prompt": "a"})
        return found

    run_sender.ask_baseline = newest_and_then_a_stranger
    try:
        with pytest.raises(AirflowFailException, match="doesn't show which: 222"):
            operator.execute(work.context)
    finally:
        run_sender.ask_baseline = newest
    assert len(work.wiro.tasks) == 2
    work.retry()
    assert work.run(inputs, on_orphaned_intent="resubmit")["succeeded"] == 1


@pytest.mark.parametrize("on_orphaned_intent", ["fail", "resubmit"])
def test_where_wiro_has_no_list_a_lost_answer_is_a_doubt_about_its_item_alone(
    work: BatchWork, on_orphaned_intent: str
) -> None:
    work.wiro.inject(
        Fault("api_error", endpoint="Task/List", status=404, code=1, message="not found", times=None),
        Fault("drop_after", endpoint="Run", skip=2),
    )

    summary = work.run(
        prompts(8), max_active=2, on_item_failure="continue", on_orphaned_intent=on_orphaned_intent
    )

    resubmitted = on_orphaned_intent == "resubmit"
    assert (summary["succeeded"], summary["failed"]) == ((8, 0) if resubmitted else (7, 1))
    assert work.wiro.counts.tasks_started == (9 if resubmitted else 8)
    [reason] = [line["error"] for line in work.manifest if line["status"] == "failed"] or [None]
    if not resubmitted:
        assert "Wiro's task list, where its task would be, can't be read" in reason
        assert "Look in the dashboard" in reason


def test_wiros_list_is_asked_for_its_newest_task_once_and_not_for_each_run(work: BatchWork) -> None:
    work.run(prompts(40), max_active=40, poll_interval=0.3)

    asked = [request for request in work.wiro.received if request.fields.get("limit") == "20"]
    assert len(asked) == 1


def test_runs_that_certainly_started_nothing_again_and_again_fail_their_item_until_a_retry(
    work: BatchWork,
) -> None:
    work.wiro.inject(Fault("drop_before", endpoint="Run", times=None))

    with pytest.raises(AirflowException, match="Wiro has started no task for any of them") as failure:
        work.run(prompts(1))

    assert not isinstance(failure.value, AirflowFailException)
    assert "may have started" not in str(failure.value)
    assert work.wiro.counts.requests["Run"] == 3
    work.wiro.clear_faults()
    work.retry()
    assert work.run(prompts(1))["succeeded"] == 1
    assert work.started_once(prompts(1))


@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
def test_a_task_error_is_reported_once_for_its_item(work: BatchWork, deferrable: bool) -> None:
    work.wiro.inject(Fault("fatal_error", debug_error="Traceback\nno such checkpoint", seconds=2.0))

    assert work.run(prompts(1), deferrable=deferrable)["succeeded"] == 1

    warnings = [line for line in work.log.lines if "failed before the model ran" in line]
    assert "task_error: no such checkpoint" in warnings[0]
    assert "Item 0: " in warnings[0] or deferrable
    assert len(warnings) <= 2 if deferrable else len(warnings) == 1


@pytest.mark.parametrize("retries", [0, 1])
def test_an_item_killed_while_it_ran_has_a_cost_that_is_not_known(work: BatchWork, retries: int) -> None:
    """Wiro can charge it, some time later."""
    work.wiro.inject(Fault("stuck_running", times=retries + 1))

    with pytest.raises(AirflowException, match="1 of 1 items failed"):
        work.run(prompts(1), timeout=1.5, max_item_retries=retries, on_item_failure="fail")

    [line] = work.manifest
    billed = [entry for entry in work.entries if entry.get("is_billed")]
    assert (len(billed), {entry["cost"] for entry in billed}) == (retries + 1, {None})
    assert line["cost_usd"] is None


def test_an_item_that_was_stopped_in_the_queue_costs_nothing(work: BatchWork) -> None:
    work.wiro.inject(Fault("stuck_in_queue"))

    with pytest.raises(AirflowException, match="1 of 1 items failed"):
        work.run(prompts(1), timeout=1.0, max_item_retries=0)

    assert not [entry for entry in work.entries if entry.get("is_billed")]
