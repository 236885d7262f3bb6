"""A success that brought nothing, or half an answer: told, and where it is asked for, a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.exceptions import WiroTooFewOutputsError, WiroUsageError
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator
from airflow_provider_wiro.sensors.wiro import WiroTaskSensor
from tests.operators.fakes import GPT, RETRO

if TYPE_CHECKING:
    from tests.operators.fakes import Work

BOTH = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
FILTERED = "Potential NSFW content was detected"


@BOTH
def test_a_success_without_outputs_is_one_and_a_warning_quotes_the_model(
    work: Work, deferrable: bool
) -> None:
    work.wiro.inject(Fault("no_outputs", debug_output=FILTERED))

    summary = work.run(deferrable=deferrable)

    assert (summary["status"], summary["outputs"]) == ("task_postprocess_end", [])
    assert "succeeded without outputs" in work.log
    assert FILTERED in work.log


def test_the_sensor_warns_of_a_success_without_outputs_as_well(work: Work) -> None:
    work.wiro.inject(Fault("no_outputs", debug_output=FILTERED))
    wiro_task_id = work.run()["wiro_task_id"]
    work.log.lines.clear()

    WiroTaskSensor(task_id="wait", wiro_task_id=wiro_task_id, deferrable=False).execute(work.context)
    assert FILTERED in work.log


@BOTH
def test_with_min_outputs_it_is_a_failure_after_which_a_retry_runs_the_model_again(
    work: Work, deferrable: bool
) -> None:
    work.wiro.inject(Fault("no_outputs", debug_output=FILTERED))

    with pytest.raises(WiroTooFewOutputsError, match=FILTERED) as caught:
        work.run(deferrable=deferrable, min_outputs=1)
    assert caught.value.may_retry
    assert "is billed, with no outputs; min_outputs asks for 1 or more" in str(caught.value)

    work.retry()
    summary = work.run(deferrable=deferrable, min_outputs=1)
    first, second = work.wiro.tasks
    assert (caught.value.wiro_task_id, summary["wiro_task_id"]) == (first.id, second.id)
    assert len(summary["outputs"]) == 1


def test_a_retry_after_a_crash_takes_a_task_with_too_few_outputs_for_no_result(work: Work) -> None:
    """The worker died before it saw the end; the next try finds a success that is none for it."""
    work.wiro.inject(Fault("no_outputs", debug_output=FILTERED))
    wiro_task_id = work.run(wait_for_completion=False)["wiro_task_id"]
    WiroHook().wait_for_task(wiro_task_id)
    work.store.values["wiro_run"] = work.store.values["wiro_run"].replace(
        '"is_spent": true', '"is_spent": false'
    )
    work.retry()

    summary = work.run(min_outputs=1)
    assert len(work.wiro.tasks) == 2
    assert summary["wiro_task_id"] == work.wiro.tasks[1].id


def test_as_many_outputs_as_asked_for_are_enough(work: Work) -> None:
    assert len(work.run(min_outputs=1)["outputs"]) == 1
    work.clear()
    with pytest.raises(WiroTooFewOutputsError, match="with 1 output; min_outputs asks for 2 or more"):
        work.run(min_outputs=2)


@pytest.mark.parametrize("wrong", [0, -1, True, 1.0, "1"])
def test_min_outputs_is_checked_where_the_dag_gives_it(wrong: Any) -> None:
    for operator in (
        lambda: WiroRunOperator(task_id="t", model=RETRO, min_outputs=wrong),
        lambda: WiroBatchRunOperator(task_id="t", model=RETRO, inputs=[], min_outputs=wrong),
    ):
        with pytest.raises(WiroUsageError, match="min_outputs as a whole number from 1"):
            operator()


@BOTH
@pytest.mark.parametrize("reason", ["length", "content_filter", "error"])
def test_an_incomplete_answer_is_marked_in_the_summary_and_logged(
    work: Work, deferrable: bool, reason: str
) -> None:
    work.wiro.inject(Fault("answer_shape", shape="segments", finish_reason=reason))

    summary = work.run(model=GPT, parameters={"prompt": "Say hello."}, deferrable=deferrable)

    assert (summary["finish_reason"], set(summary["usage"])) == (
        reason,
        {"input_tokens", "output_tokens", "total_tokens"},
    )
    assert all(isinstance(count, int) for count in summary["usage"].values())
    assert f"is incomplete (finish_reason {reason!r}" in work.log


@pytest.mark.parametrize("shape", ["segments", "answer", "raw", "message", "json"])
def test_an_answer_has_the_same_text_in_whichever_shape_it_comes(work: Work, shape: str) -> None:
    asked: dict[str, Any] = {"model": GPT, "parameters": {"prompt": "Say hello to the moon."}}
    text = work.run(**asked)["text"]
    work.clear()
    work.wiro.inject(Fault("answer_shape", shape=shape))

    assert text
    assert work.run(**asked)["text"] == text


@pytest.mark.parametrize("shape", ["text", "null"])
def test_an_answer_without_a_structure_is_what_the_model_printed(work: Work, shape: str) -> None:
    work.wiro.inject(Fault("answer_shape", shape=shape))

    summary = work.run(model=GPT, parameters={"prompt": "Say hello."})

    assert "hello" in summary["text"]
    assert (summary["finish_reason"], summary["usage"]) == (None, None)
    assert summary["outputs"][0]["content_type"] == "raw"


def test_sizes_of_zero_and_costs_that_come_late_are_not_known(work: Work) -> None:
    work.wiro.inject(Fault("output_size"), Fault("late_cost", seconds=1000))

    summary = work.run()

    assert (summary["outputs"][0]["size"], summary["cost_usd"]) == (None, None)
    assert "cost not known yet" in work.log
