"""WiroRunOperator as its users meet it: blocking, deferred, or not waiting at all."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro.emulator import Fault, WiroEmulator
from airflow_provider_wiro.exceptions import (
    WiroConnectionError,
    WiroResponseError,
    WiroServerError,
    WiroTaskFailedError,
    WiroTaskTimeoutError,
    WiroUsageError,
)
from airflow_provider_wiro.hooks import flow_context
from airflow_provider_wiro.hooks import wiro as hooks
from airflow_provider_wiro.operators.wiro import WiroRunOperator
from tests.operators.fakes import CANCELLED, DONE, GPT, RETRO, SMALL, FakeTi, Work, fire, rebuild

if TYPE_CHECKING:
    from pathlib import Path

BOTH = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])


@BOTH
def test_the_run_summary_is_what_is_promised(work: Work, deferrable: bool) -> None:
    summary = work.run(deferrable=deferrable)

    [task] = work.wiro.tasks
    assert json.loads(json.dumps(summary)) == summary
    assert set(summary) == {
        "wiro_task_id", "model", "status", "state", "outputs", "text", "finish_reason", "usage",
        "elapsed_seconds", "cost_usd", "label", "reused",
    }  # fmt: skip
    [output] = summary["outputs"]
    assert set(output) == {"index", "name", "content_type", "size", "url"}
    assert (output["index"], output["name"], output["content_type"]) == (0, "0.png", "image/png")
    assert output["url"].startswith("http://127.0.0.1")
    assert (summary["wiro_task_id"], summary["model"], summary["status"]) == (task.id, RETRO, DONE)
    assert summary["state"] == "succeeded"
    assert summary["text"] is None
    assert (summary["label"], summary["reused"]) == (None, False)
    assert summary["elapsed_seconds"] > 0
    assert float(summary["cost_usd"]) == pytest.approx(task.cost_usd)
    assert task.parameters == SMALL


@BOTH
def test_a_language_models_answer_is_the_summarys_text(work: Work, deferrable: bool) -> None:
    summary = work.run(model=GPT, parameters={"prompt": "Say hello."}, deferrable=deferrable)

    assert summary["text"]
    assert summary["outputs"][0]["content_type"] == "raw"
    assert summary["outputs"][0]["url"] is None


@BOTH
def test_no_token_and_no_secret_is_left_anywhere(work: Work, deferrable: bool) -> None:
    summary = work.run(deferrable=deferrable)

    left = json.dumps(summary) + work.kept_text()
    [task] = work.wiro.tasks
    for secret in (task.token, "emulator-key", "emulator-secret"):
        assert secret not in left


def test_a_deferred_run_hands_over_nothing_but_plain_json(work: Work) -> None:
    deferred = work.defer(timeout=600)

    path, kwargs = deferred.trigger.serialize()
    [task] = work.wiro.tasks
    assert path == "airflow_provider_wiro.triggers.wiro.WiroTaskTrigger"
    assert kwargs["wiro_task_id"] == task.id
    assert kwargs["try_number"] == 1
    assert 0 < kwargs["deadline"] - time.time() <= 600
    everything = json.dumps([kwargs, deferred.kwargs])
    for secret in (task.token, "emulator-key", "emulator-secret"):
        assert secret not in everything
    assert deferred.timeout is not None
    assert 600 < deferred.timeout.total_seconds() <= 900  # a net below the trigger's own deadline
    assert rebuild(deferred).serialize() == (path, kwargs)
    assert work.resume(deferred)["status"] == DONE


def test_a_run_that_has_ended_by_the_first_poll_does_not_defer(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("slow", endpoint="Run", delay_seconds=0.2))  # its answer comes when it has ended

    assert work.operator(deferrable=True).execute(work.context)["status"] == DONE


def test_deferring_survives_that_wiro_cannot_show_the_status_just_now(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("api_error", endpoint="Task/Detail", code=1, message="There is no task yet."))

    deferred = work.defer(polls=True)

    assert "Deferring without having polled" in work.log
    assert work.resume(deferred)["status"] == DONE


@BOTH
def test_not_waiting_returns_as_soon_as_wiro_has_accepted(
    wiro: WiroEmulator, work: Work, deferrable: bool
) -> None:
    wiro.inject(Fault("stuck_in_queue"))

    summary = work.operator(wait_for_completion=False, deferrable=deferrable).execute(work.context)

    assert (summary["status"], summary["outputs"], summary["cost_usd"]) == ("task_queue", [], None)
    assert summary["wiro_task_id"] == wiro.tasks[0].id
    assert wiro.counts.requests["Task/Detail"] == 0


def test_the_id_and_the_link_are_there_from_the_submission_on(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("stuck_running"))

    work.defer()

    [task] = wiro.tasks
    assert work.ti.xcoms["wiro_task_id"] == task.id
    assert work.ti.xcoms["wiro_task_url"].endswith(f"/#task-{task.id}")


def test_the_fields_that_users_fill_from_elsewhere_are_templated(work: Work) -> None:
    templated = {
        "model": "{{ params.model }}",
        "parameters": {"prompt": "{{ params.prompt }}", "samples": 1},
        "files": {"inputImage": "{{ params.file }}"},
        "callback_url": "https://example.com/{{ params.prompt }}",
        "project_id": "{{ params.project }}",
        "wiro_conn_id": "{{ params.conn }}",
        "aws_conn_id": "{{ params.conn }}",
        "max_cost_usd": "{{ params.limit }}",
        "reuse_results": "s3://bucket/{{ params.model }}",
        "label": "{{ params.prompt }}",
    }
    operator = WiroRunOperator(task_id="generate", **templated)
    given = {"model": RETRO, "prompt": "robots", "file": "a.png", "project": "7", "conn": "wiro_other"}
    given |= {"limit": "0.5"}
    operator.render_template_fields({"params": given})  # type: ignore[arg-type]

    fields = {name if name != "run_label" else "label" for name in WiroRunOperator.template_fields}
    assert fields == set(templated)
    assert (operator.run_label, operator.max_cost_usd) == ("robots", "0.5")
    assert operator.model == RETRO
    assert operator.parameters == {"prompt": "robots", "samples": 1}
    assert operator.files == {"inputImage": "a.png"}
    assert operator.callback_url == "https://example.com/robots"
    assert operator.project_id == "7"
    assert operator.hook.wiro_conn_id == "wiro_other"


def test_files_callback_and_project_arrive_at_wiro(wiro: WiroEmulator, work: Work, tmp_path: Path) -> None:
    picture = tmp_path / "robot.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n and so on")

    work.run(
        model=GPT,
        parameters={"prompt": "What is this?"},
        files={"inputImage": str(picture)},
        callback_url=f"{wiro.url}/nowhere",
        project_id="77",
    )

    [task] = wiro.tasks
    assert [(file.field, file.name, file.size) for file in task.files] == [("inputImage", "robot.png", 18)]
    assert (task.callback_url, task.project_id) == (f"{wiro.url}/nowhere", "77")


# How a task ends.


@BOTH
def test_a_model_that_fails_raises_an_error_that_a_retry_may_mend(
    wiro: WiroEmulator, work: Work, deferrable: bool
) -> None:
    wiro.inject(Fault("exit_code", exit_code="1", debug_error="line 1\nRuntimeError: CUDA out of memory."))

    with pytest.raises(WiroTaskFailedError) as failure:
        work.run(deferrable=deferrable)

    assert "exit code 1" in str(failure.value)
    assert str(failure.value).endswith("line 1 | RuntimeError: CUDA out of memory.")
    assert failure.value.wiro_task_id == wiro.tasks[0].id


@BOTH
def test_an_error_before_the_model_ran_is_followed_through_its_requeue_and_reported_once(
    wiro: WiroEmulator, work: Work, deferrable: bool
) -> None:
    wiro.inject(Fault("fatal_error", debug_error="Traceback\nno such checkpoint", seconds=1.5))

    assert work.run(deferrable=deferrable)["status"] == "task_postprocess_end"
    assert work.started == 1
    warnings = [line for line in work.log.lines if "failed before the model ran" in line]
    assert len(warnings) == 1
    assert "task_error: no such checkpoint" in warnings[0]


@BOTH
def test_one_that_ends_with_an_exit_code_is_a_failure(
    wiro: WiroEmulator, work: Work, deferrable: bool
) -> None:
    wiro.inject(Fault("fatal_error", debug_error="no such checkpoint", then="exit", seconds=0.5))

    with pytest.raises(WiroTaskFailedError, match=r"(?s)exit code 1.*no such checkpoint"):
        work.run(deferrable=deferrable)


@BOTH
def test_one_that_never_recovers_is_stopped_at_its_deadline_which_quotes_it(
    wiro: WiroEmulator, work: Work, deferrable: bool
) -> None:
    wiro.inject(Fault("fatal_error", debug_error="no such checkpoint", then="stay"))

    with pytest.raises(WiroTaskTimeoutError, match=r"last status: task_error: no such checkpoint.*stopped"):
        work.run(deferrable=deferrable, timeout=3)
    assert [task.status for task in wiro.tasks] == ["task_cancel"]


@BOTH
def test_a_missing_exit_code_is_a_success_if_outputs_are_there(
    wiro: WiroEmulator, work: Work, deferrable: bool
) -> None:
    wiro.inject(Fault("no_exit_code"))

    assert len(work.run(deferrable=deferrable)["outputs"]) == 1


@BOTH
def test_a_missing_exit_code_is_a_failure_without_outputs(
    wiro: WiroEmulator, work: Work, deferrable: bool
) -> None:
    wiro.inject(Fault("no_exit_code"), Fault("no_outputs"))

    with pytest.raises(WiroTaskFailedError, match="without outputs and without an exit code"):
        work.run(deferrable=deferrable)


@BOTH
def test_a_task_cancelled_by_hand_is_not_started_again(
    wiro: WiroEmulator, work: Work, deferrable: bool
) -> None:
    wiro.inject(Fault("cancelled_by_hand"))

    with pytest.raises(AirflowFailException, match=r"was cancelled.*clear this task"):
        work.run(deferrable=deferrable)


@BOTH
def test_an_unknown_status_means_still_running_and_is_logged_once(
    wiro: WiroEmulator, work: Work, deferrable: bool
) -> None:
    wiro.inject(Fault("unknown_status", task_status="task_warp", forever=True))

    with pytest.raises(WiroTaskTimeoutError, match="last status: task_warp"):
        work.run(deferrable=deferrable, timeout=0.3)
    assert sum("counts as still running" in line for line in work.log.lines) == 1


@BOTH
def test_missing_fields_become_nulls(wiro: WiroEmulator, work: Work, deferrable: bool) -> None:
    wiro.inject(Fault("missing_fields"))

    summary = work.run(deferrable=deferrable)

    assert (summary["elapsed_seconds"], summary["cost_usd"]) == (None, None)
    assert "cost not known yet" in work.log


# Timeouts.


@BOTH
@pytest.mark.parametrize("where", ["stuck_in_queue", "stuck_running"])
def test_a_task_that_is_late_is_stopped(wiro: WiroEmulator, work: Work, deferrable: bool, where: str) -> None:
    wiro.inject(Fault(where))

    with pytest.raises(WiroTaskTimeoutError, match=r"did not end before its deadline.*It was stopped\."):
        work.run(deferrable=deferrable, timeout=0.3)

    assert work.statuses == [CANCELLED]
    assert wiro.counts.tasks_stopped == 1


@BOTH
def test_a_late_task_may_be_left_running(wiro: WiroEmulator, work: Work, deferrable: bool) -> None:
    wiro.inject(Fault("stuck_running"))

    with pytest.raises(WiroTaskTimeoutError, match=r"left running \(cancel_on_timeout=False\)"):
        work.run(deferrable=deferrable, timeout=0.2, cancel_on_timeout=False)

    assert work.statuses == ["task_output"]


def test_a_late_task_that_cannot_be_stopped_is_a_timeout_all_the_same(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(hook: hooks.WiroHook, wiro_task_id: str, *, patience_seconds: float) -> None:
        raise WiroServerError("Wiro refused the call (HTTP 502): a web page.", http_status=502)

    wiro.inject(Fault("stuck_running"))
    monkeypatch.setattr(hooks.WiroHook, "stop_task", stop)

    with pytest.raises(WiroTaskTimeoutError, match=r"could not be stopped and may still run: .*502"):
        work.run(timeout=0.1)


@BOTH
def test_a_late_task_that_nothing_stops_before_it_is_assigned_is_stopped_once_it_is(
    wiro: WiroEmulator, work: Work, deferrable: bool
) -> None:
    wiro.inject(Fault("slow_assign", seconds=2.5), Fault("stuck_running"))

    with pytest.raises(WiroTaskTimeoutError, match=r"did not end before its deadline .* It was stopped"):
        work.run(deferrable=deferrable, timeout=1)
    assert [task.status for task in wiro.tasks] == ["task_cancel"]


def test_a_task_that_ends_between_the_timeout_and_the_stop_is_returned_for_it_is_paid(
    wiro: WiroEmulator, work: Work
) -> None:
    deferred = work.defer()
    fire(deferred)  # it has ended; but the trigger's deadline came first
    late = {"status": "timeout", "wiro_task_id": wiro.tasks[0].id, "try_number": 1, "message": "late"}

    assert work.resume(deferred, late)["status"] == DONE
    assert wiro.counts.tasks_stopped == 0


def test_a_deferral_that_airflow_gave_up_stops_the_task(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("stuck_running"))
    work.ti.map_index = 3
    work.defer()

    with pytest.raises(WiroTaskTimeoutError, match=r"No triggerer followed.*It was stopped\."):
        work.operator(deferrable=True).resume_execution(
            "__fail__", {"error": "Trigger timeout"}, work.context
        )

    assert work.statuses == [CANCELLED]


# What a user may ask for.


@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf"), "5", True, 25 * 3600])
def test_a_poll_interval_that_cannot_be_is_refused_when_the_dag_is_read(bad: Any) -> None:
    with pytest.raises(WiroUsageError, match="poll_interval"):
        WiroRunOperator(task_id="generate", model=RETRO, poll_interval=bad)


@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf"), "5", None, True])
def test_a_timeout_that_cannot_be_is_refused_when_the_dag_is_read(bad: Any) -> None:
    with pytest.raises(WiroUsageError, match="timeout"):
        WiroRunOperator(task_id="generate", model=RETRO, timeout=bad)


@pytest.mark.parametrize("name", ["on_stale_state", "on_orphaned_intent"])
def test_a_choice_that_does_not_exist_is_refused_when_the_dag_is_read(name: str) -> None:
    with pytest.raises(WiroUsageError, match=name):
        WiroRunOperator(task_id="generate", model=RETRO, **{name: "pray"})


@pytest.mark.parametrize("model", ["", "Retro-Cartoons", "a/b/c", "../b", "https://wiro.ai/models/a/b"])
def test_a_bad_slug_is_a_clear_error_before_anything_is_sent(work: Work, model: str) -> None:
    with pytest.raises(WiroUsageError, match="owner/model"):
        work.run(model=model)  # written in a DAG file
    with pytest.raises(AirflowFailException, match="owner/model"):
        work.run(model=model, _airflow_from_mapped=True)

    assert work.wiro.received == []
    assert work.store.record is None


# Errors that a retry can't mend, with what to do about them.


@BOTH
@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        (Fault("api_error", endpoint="Run", code=97, message="Insufficient balance"), "Add balance"),
        (
            Fault("api_error", endpoint="Run", code=0, message="Request parameter [prompt] required"),
            r"\[prompt\]",
        ),
        (Fault("api_error", endpoint="Run", code=1, message="tool-not-accessible"), "owner/model"),
        (Fault("api_error", endpoint="Run", code=98, message="Sign-in required"), "connection"),
        (
            Fault("api_error", endpoint="Run", status=401, message="Project authorization is not valid."),
            "API key in `login`",
        ),
    ],
    ids=["97", "0", "1", "98", "401"],
)
def test_what_a_retry_cannot_mend_fails_for_good_and_says_what_to_do(
    wiro: WiroEmulator, work: Work, deferrable: bool, fault: Fault, advice: str
) -> None:
    wiro.inject(fault)

    with pytest.raises(AirflowFailException, match=advice):
        work.run(deferrable=deferrable)

    assert wiro.counts.requests["Run"] == 1
    assert work.started == 0
    assert work.store.record is None  # so that nothing has to be settled when the task is cleared


def test_a_model_that_wiro_has_in_neither_form_of_its_slug_fails_for_good(
    wiro: WiroEmulator, work: Work
) -> None:
    wiro.inject(Fault("api_error", endpoint="Run", code=1, message="slug-owner-project-not-exist", times=2))

    with pytest.raises(AirflowFailException, match="owner/model"):
        work.run()

    assert wiro.counts.requests["Run"] == 2
    assert work.started == 0
    assert work.store.record is None


def test_a_wrong_key_fails_for_good(wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = json.loads(wiro.connection) | {"password": "not-the-secret"}
    monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", json.dumps(wrong))

    with pytest.raises(AirflowFailException, match="Check the Wiro connection") as failure:
        work.run()

    assert "not-the-secret" not in str(failure.value) + work.kept_text()


# A Wiro that has a bad day.


@BOTH
def test_a_rate_limited_run_waits_as_long_as_wiro_says(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    wiro.inject(Fault("rate_limit", endpoint="Run", retry_after=40))
    waits: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + sum(waits))
    monkeypatch.setattr(flow_context, "time", clock)
    operator = work.operator(deferrable=deferrable, wait_for_completion=False)
    operator.hook.pause = waits.append  # type: ignore[method-assign]

    operator.execute(work.context)

    assert waits == [pytest.approx(40, abs=0.5)]
    assert work.started == 1
    assert wiro.counts.requests["Run"] == 2


@BOTH
@pytest.mark.parametrize(
    "bad_day",
    [
        Fault("server_error", endpoint="Task/Detail", status=502, body="html", times=3),
        Fault("server_error", endpoint="Task/Detail", status=500, times=3),
        Fault("html", endpoint="Task/Detail", times=3),
        Fault("empty", endpoint="Task/Detail", times=3),
        Fault("drop_before", endpoint="Task/Detail", times=3),
        Fault("drop_after", endpoint="Task/Detail", times=3),
        Fault("truncated", endpoint="Task/Detail", times=3),
        Fault("rate_limit", endpoint="Task/Detail", times=3),
    ],
    ids=["502", "500", "html", "empty", "dropped before", "dropped after", "truncated", "429"],
)
def test_a_bad_day_while_polling_is_ridden_out(
    wiro: WiroEmulator, work: Work, deferrable: bool, bad_day: Fault
) -> None:
    wiro.inject(bad_day)

    assert work.run(deferrable=deferrable)["status"] == DONE
    assert wiro.counts.faults_fired[bad_day.kind] == 3
    assert work.started == 1


def test_a_run_refused_by_the_gateway_is_sent_again(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("server_error", endpoint="Run", status=503, times=2))

    assert work.run()["status"] == DONE
    assert (work.started, wiro.counts.requests["Run"]) == (1, 3)


def test_an_outage_without_end_fails_retryably_and_keeps_the_task(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__POLL_PATIENCE", "0.1")
    wiro.inject(Fault("stuck_running"), Fault("server_error", endpoint="Task/Detail", times=None))

    with pytest.raises((WiroServerError, WiroConnectionError, WiroResponseError)):
        work.run()

    assert work.statuses == ["task_output"]
    assert work.store.record is not None
    assert work.store.record["wiro_task_id"] == wiro.tasks[0].id


# What the log says.


def test_the_log_shows_the_life_of_the_task_and_each_status_once(work: Work) -> None:
    work.run(poll_interval=0.005)

    [task] = work.wiro.tasks
    estimate, *lines = work.log.lines
    assert estimate.startswith("Estimated cost of this run: ")
    assert lines[0] == f"Submitted {RETRO} to Wiro: task {task.id}."
    logged = [line.removeprefix(f"Wiro task {task.id}: ").partition(" (")[0] for line in lines[1:-1]]
    assert logged == sorted(set(logged), key=task.statuses.index)
    assert logged[-1] == DONE
    assert lines[-1].startswith(f"Wiro task {task.id} succeeded: 1 output (")
    assert "queued " in lines[-1]
    assert "ran " in lines[-1]
    assert f"cost {task.cost_usd}"[:10] in lines[-1]


def test_the_log_of_a_deferred_run_reads_the_same_across_processes(work: Work) -> None:
    work.run(deferrable=True, poll_interval=0.005)

    [task] = work.wiro.tasks
    estimate, *lines = work.log.lines
    assert estimate.startswith("Estimated cost of this run: ")
    assert lines[0].startswith("Submitted")
    assert lines[1].startswith(f"Deferring until Wiro task {task.id} has ended, at most until 2")
    assert lines.count(f"Wiro task {task.id}: {DONE} (ended)") == 1
    assert lines[-1].startswith(f"Wiro task {task.id} succeeded")


# Events.


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        {"status": "splendid", "wiro_task_id": "2221", "try_number": 1},
        {"status": "success", "try_number": 1},
        {"status": "success", "wiro_task_id": 2221, "try_number": 1},
    ],
)
def test_an_event_of_another_trigger_is_never_taken_for_a_success(work: Work, event: Any) -> None:
    deferred = work.defer()
    operator = work.operator(deferrable=True)
    if event == {}:
        event = {"try_number": 1}

    with pytest.raises(AirflowFailException, match="Expected the event of a WiroTaskTrigger"):
        operator.execute_complete(work.context, event, **(deferred.kwargs or {}))


def test_an_event_is_only_a_hint_and_the_task_itself_is_read(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("exit_code"))
    deferred = work.defer()
    fire(deferred)
    lie = {"status": "success", "wiro_task_id": wiro.tasks[0].id, "try_number": 1}

    with pytest.raises(WiroTaskFailedError):
        work.resume(deferred, lie)


def test_the_event_of_an_earlier_try_is_not_believed(wiro: WiroEmulator, work: Work) -> None:
    """Airflow 3.0 resumes a retry where the try before it was resumed, with the same event."""
    wiro.inject(Fault("exit_code"))
    deferred = work.defer()
    event = fire(deferred)
    with pytest.raises(WiroTaskFailedError):
        work.resume(deferred, event)
    work.retry()

    assert work.resume(deferred, event)["status"] == DONE
    assert [task.exit_code for task in wiro.tasks] == ["1", "0"]


def test_a_mapped_task_pushes_its_own_id(wiro: WiroEmulator, work: Work) -> None:
    work.ti = FakeTi(map_index=1)
    work.run()

    assert work.ti.xcoms["wiro_task_id"] == wiro.tasks[0].id
