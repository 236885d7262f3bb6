"""A decorated run: what the function returns is run, and paid for, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro.decorators.run_operator import WiroDecoratedRunOperator
from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.exceptions import WiroTaskFailedError, WiroUsageError
from airflow_provider_wiro.hooks.wiro import WiroHook
from tests.decorators.fakes import Counted, other_each_time
from tests.operators.fakes import DONE, RETRO, SMALL, Work
from tests.transfers.s3_calls import land

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.decorators.fakes import DecoratedWork
    from tests.operators.fakes import FakeLog
    from tests.transfers.s3 import S3


def test_what_the_function_returns_is_run(work: DecoratedWork) -> None:
    work.function = Counted([{**SMALL, "prompt": "a paper boat"}])

    summary = work.run()

    [task] = work.wiro.tasks
    assert summary["wiro_task_id"] == task.id
    assert (task.status, task.parameters["prompt"]) == (DONE, "a paper boat")


def test_files_and_label_can_be_returned_beside_the_parameters(work: DecoratedWork, tmp_path: Path) -> None:
    picture = tmp_path / "cat.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")
    whole = {"parameters": {"prompt": "winter"}, "files": {"inputImage": picture}, "label": "SKU-1"}
    work.function = Counted([whole])

    summary = work.run(model="wiro/image-edit-general")

    [task] = work.wiro.tasks
    assert [file.name for file in task.files] == ["cat.png"]
    assert summary["label"] == "SKU-1"


def test_the_decorators_own_parameters_hold_for_each_run_and_the_functions_take_precedence(
    work: DecoratedWork,
) -> None:
    work.function = Counted([{"prompt": "a paper boat", "samples": 1}])

    work.run(parameters={"samples": 4, "width": 64, "height": 64})

    [task] = work.wiro.tasks
    assert (task.parameters["width"], task.parameters["samples"]) == (64, 1)


def test_what_the_function_returns_is_no_template(work: DecoratedWork) -> None:
    """A prompt can be another model's text: it must not read Airflow's variables and connections."""
    text = "{{ var.value.secret }} and {{ conn.wiro_default.password }}"
    work.function = Counted([{**SMALL, "prompt": text}])

    work.run()

    assert work.wiro.tasks[0].parameters["prompt"] == text


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "'draw' returned None: it may lack a `return`"),
        ("a teapot", "returned a value of type str"),
        ([SMALL, SMALL], r"a list of 2 items; for many runs use .expand\(\)"),
        ({"parameters": SMALL, "prompt": "x"}, "returned 'parameters' beside 'prompt'"),
        ({"files": {"inputImage": "https://x/a.png"}, "parameters": "a teapot"}, "'parameters' as str"),
        ({"parameters": SMALL, "label": ["a"]}, "Expected label as text"),
    ],
)
def test_anything_else_is_one_clear_error_before_anything_is_sent(
    work: DecoratedWork, returned: Any, message: str
) -> None:
    work.function = Counted([returned])

    with pytest.raises(AirflowFailException, match=message) as failure:
        work.run()

    assert len(str(failure.value)) < 300
    assert work.wiro.counts.requests["Run"] == 0


def test_a_parameter_that_is_called_label_is_a_parameter(work: DecoratedWork) -> None:
    work.function = Counted([{**SMALL, "label": "a label in the picture"}])

    work.run()

    assert work.wiro.tasks[0].parameters["label"] == "a label in the picture"


def test_an_async_function_is_refused_when_the_dag_is_parsed() -> None:
    async def draw() -> dict[str, Any]:
        return SMALL

    with pytest.raises(WiroUsageError, match="a plain function, found `async def draw`"):
        WiroDecoratedRunOperator(task_id="draw", model="a/b", python_callable=draw)


# Paid once, although the function returns something else each time.


def test_a_retry_after_a_crash_follows_the_run_whatever_the_function_would_return_now(
    work: DecoratedWork,
) -> None:
    work.defer()  # and then the worker, or its result, is lost
    work.retry()

    summary = work.run()

    assert work.seeds == ["1"]
    assert summary["wiro_task_id"] == work.wiro.tasks[0].id
    assert work.function.calls == 1


def test_a_retry_after_a_failed_run_runs_the_same_again(work: DecoratedWork) -> None:
    work.wiro.inject(Fault("exit_code"))
    with pytest.raises(WiroTaskFailedError):
        work.run()
    work.retry()

    work.run()

    assert work.seeds == ["1", "1"]


def test_the_retry_of_a_success_that_airflow_missed_returns_its_result(work: DecoratedWork) -> None:
    first = work.run()
    work.retry()

    assert work.run()["wiro_task_id"] == first["wiro_task_id"]
    assert work.seeds == ["1"]


def test_after_a_clear_the_function_is_called_again(work: DecoratedWork) -> None:
    work.run()
    work.clear()

    work.run()

    assert work.seeds == ["1", "2"]


def test_a_clear_while_a_run_is_active_says_that_it_is_billed(work: DecoratedWork) -> None:
    work.defer()
    work.clear()

    work.run()

    [first, _] = work.wiro.tasks
    assert f"its Wiro task {first.id} is left to end, and billed" in work.log


def test_the_part_after_a_deferral_calls_no_function(work: DecoratedWork) -> None:
    deferred = work.defer()

    work.resume(deferred)

    assert work.function.calls == 1
    assert work.seeds == ["1"]


def test_a_lost_response_is_searched_for_with_the_same_inputs_after_the_pause(
    work: DecoratedWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pause is a deferral: the process that searches on has never called the function."""
    work.wiro.inject(Fault("server_error", endpoint="Run", status=504))
    monkeypatch.setenv("AIRFLOW__WIRO__LOST_RUN_PATIENCE", "600")
    deferred = work.defer()
    assert deferred.method_name == "execute_when_free"
    WiroHook().run_model(RETRO, {**SMALL, "seed": "1"})  # the server gets to it

    work.resume(deferred, event={})

    assert work.function.calls == 1
    assert work.seeds == ["1"]


@pytest.mark.parametrize("durable", [True, False])
def test_the_function_is_called_once_while_a_slot_is_waited_for(
    work: DecoratedWork, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    monkeypatch.setattr("airflow_provider_wiro.run.pauses.slot_pause_seconds", lambda *_: 0.03)
    work.wiro.inject(Fault("api_error", endpoint="Run", code=96, message="Your limit.", times=3))

    work.run(deferrable=True, durable=durable)

    assert work.function.calls == 1
    assert work.seeds == ["1"]


def test_a_cancelled_run_of_an_earlier_try_is_replaced_by_the_same(work: DecoratedWork) -> None:
    work.wiro.inject(Fault("cancelled_by_hand"))
    work.defer()
    work.retry()

    work.run()

    assert work.seeds == ["1", "1"]


# Inputs that the record doesn't keep.


def test_inputs_with_a_secret_are_in_no_record(work: DecoratedWork) -> None:
    secret = "sk-9f8e7d6c5b4a39281706"
    work.function = Counted([{"parameters": {**SMALL, "apiKey": secret}, "label": "SKU-1"}])

    deferred = work.defer()

    assert secret not in work.kept_text() + str(deferred.trigger.serialize()) + str(deferred.kwargs)
    assert work.store.record is not None
    assert work.store.record["inputs"] == {"label": "SKU-1"}


def test_with_a_secret_the_function_is_called_by_the_retry_and_the_same_values_follow_the_run(
    work: DecoratedWork,
) -> None:
    work.function = Counted([{**SMALL, "apiKey": "sk-9f8e7d6c5b4a39281706"}])
    work.defer()
    work.retry()

    work.run()

    assert len(work.wiro.tasks) == 1
    assert work.function.calls == 2


def test_within_a_try_other_inputs_are_an_error_and_not_another_run(
    work: DecoratedWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only where the record doesn't keep them, here as they hold a secret."""
    work.wiro.inject(Fault("server_error", endpoint="Run", status=504))
    monkeypatch.setenv("AIRFLOW__WIRO__LOST_RUN_PATIENCE", "600")
    work.function = other_each_time(apiKey="sk-9f8e7d6c5b4a39281706")
    deferred = work.defer()

    with pytest.raises(AirflowFailException, match="changed during a pause of this try"):
        work.resume(deferred, event={})

    assert work.wiro.tasks == []


def test_large_inputs_are_not_kept_and_the_run_is_followed_by_a_function_that_returns_the_same(
    work: DecoratedWork,
) -> None:
    work.function = Counted([{**SMALL, "prompt": "x" * 40_000}])
    work.defer()
    assert "What the function has returned is not kept for a retry" in work.log
    work.retry()

    work.run()

    assert len(work.wiro.tasks) == 1
    assert "inputs" not in (work.store.record or {})


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("prompt", ["a robot", "x" * 40_000], ids=["short", "too long to keep"])
def test_a_label_outlives_the_deferral(work: DecoratedWork, durable: bool, prompt: str) -> None:
    work.function = Counted([{"parameters": {**SMALL, "prompt": prompt}, "label": "SKU-1"}])
    deferred = work.defer(durable=durable)

    summary = work.resume(deferred, durable=durable)

    assert summary["label"] == "SKU-1"
    assert work.function.calls == 1


def test_an_estimate_is_of_what_the_function_returns_and_runs_nothing(work: DecoratedWork) -> None:
    found = work.run(estimate_only=True)

    assert (found["model"], work.function.calls) == (RETRO, 1)
    assert work.wiro.counts.requests["Run"] == 0


def test_a_function_that_fails_is_airflows_to_retry(work: DecoratedWork) -> None:
    work.function = Counted([ValueError("the table is locked"), SMALL])
    with pytest.raises(ValueError, match="the table is locked"):
        work.run()
    work.retry()

    work.run()

    assert len(work.wiro.tasks) == 1


def test_secrets_that_the_function_returns_are_masked(
    wiro: WiroEmulator, task_log: FakeLog, monkeypatch: pytest.MonkeyPatch, work: DecoratedWork
) -> None:
    masked: list[str] = []
    monkeypatch.setattr("airflow_provider_wiro.version_compat.mask_secret", masked.append)
    work.function = Counted([{**SMALL, "apiKey": "sk-9f8e7d6c5b4a39281706"}])

    work.run()

    assert "sk-9f8e7d6c5b4a39281706" in masked


def test_the_record_of_a_plain_operator_has_no_inputs(wiro: WiroEmulator, task_log: FakeLog) -> None:
    plain = Work(wiro, task_log)
    plain.run()

    assert "inputs" not in (plain.store.record or {})


@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
def test_a_functions_run_reuses_results_under_its_own_label(
    work: DecoratedWork, s3: S3, deferrable: bool
) -> None:
    cards = "s3://aws_default@outputs/cards"
    for label in ("first", "second"):
        work.function = Counted([{"parameters": SMALL, "label": label}])
        summary = work.run(reuse_results=cards, deferrable=deferrable)
        assert summary["label"] == label
        land(summary)
        work.clear()
    assert summary["reused"] is True
    assert work.started == 1


def test_no_card_is_kept_of_inputs_that_are_no_longer_known(work: DecoratedWork, s3: S3) -> None:
    cards = "s3://aws_default@outputs/cards"
    work.function = Counted([{**SMALL, "apiKey": "sk-9f2b7c4d5e6f7a8b9c0d"}])
    deferred = work.defer(reuse_results=cards)
    deferred.kwargs = {}  # as `airflow dags test` resumes
    land(work.resume(deferred, reuse_results=cards))
    assert [key for key in s3.keys if key.startswith("cards/")] == []
