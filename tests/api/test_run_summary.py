from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.api.models import Output, Task
from airflow_provider_wiro.api.run_summary import accepted_summary, check_success, run_summary, task_id_of
from airflow_provider_wiro.exceptions import WiroTaskCancelledError, WiroTaskFailedError, WiroUsageError
from tests.api.decoding.test_fields import JSON_VALUES
from tests.api.fake_transport import TOKEN, quick
from tests.api.test_models import SAMPLE, TASK_FIELDS


def test_the_run_summary_has_the_documented_form() -> None:
    task = Task.from_wire({**SAMPLE, "totalcost": "0.00351"})

    assert run_summary(task, model="retroAIx/Retro-Cartoons") == {
        "wiro_task_id": "2221",
        "model": "retroAIx/Retro-Cartoons",
        "status": "task_postprocess_end",
        "state": "succeeded",
        "outputs": [
            {
                "index": 0,
                "name": "0.png",
                "content_type": "image/png",
                "size": 202472,
                "url": "https://cdn1.wiro.ai/6bc3/0.png",
            }
        ],
        "text": None,
        "finish_reason": None,
        "usage": None,
        "elapsed_seconds": 6.0,
        "cost_usd": "0.00351",
        "label": None,
        "reused": False,
    }


def test_unknown_values_of_a_task_are_null() -> None:
    task = Task("2221", "task_postprocess_end", outputs=(Output(0, "", "", None, None),))

    assert run_summary(task) == {
        "wiro_task_id": "2221",
        "model": None,
        "status": "task_postprocess_end",
        "state": "succeeded",
        "outputs": [{"index": 0, "name": "", "content_type": None, "size": None, "url": None}],
        "text": None,
        "finish_reason": None,
        "usage": None,
        "elapsed_seconds": None,
        "cost_usd": None,
        "label": None,
        "reused": False,
    }


def test_the_model_has_the_users_name_or_else_wiros() -> None:
    task = Task("2221", "task_end", model="retroaix/retro-cartoons")
    assert run_summary(task, model="retroAIx/Retro-Cartoons")["model"] == "retroAIx/Retro-Cartoons"
    assert run_summary(task)["model"] == "retroaix/retro-cartoons"


def test_the_summary_of_a_just_accepted_run_has_the_same_form() -> None:
    summary = accepted_summary("2221", "a/b")

    assert list(summary) == list(run_summary(Task("2221", "task_queue")))
    assert (summary["wiro_task_id"], summary["status"], summary["outputs"]) == ("2221", "task_queue", [])
    assert json.dumps(summary) == json.dumps(run_summary(Task("2221", "task_queue"), model="a/b"))


@quick
@given(st.dictionaries(st.sampled_from(TASK_FIELDS), JSON_VALUES))
def test_a_run_summary_is_always_json_and_never_has_the_token(fields: dict[str, Any]) -> None:
    summary = run_summary(Task.from_wire({**fields, "socketaccesstoken": TOKEN}))

    sent = json.dumps(summary, allow_nan=False, ensure_ascii=False).encode()
    assert json.loads(sent) == summary
    assert TOKEN.encode() not in sent
    assert "\0" not in json.loads(sent)["status"]


def test_a_task_that_has_succeeded_passes() -> None:
    task = Task.from_wire(SAMPLE)
    assert check_success(task) is task


def test_a_cancelled_task_is_no_failure_of_the_model() -> None:
    with pytest.raises(WiroTaskCancelledError, match=r"^Wiro task 2221 was cancelled\.$") as raised:
        check_success(Task.from_wire({**SAMPLE, "status": "task_cancel"}))
    assert raised.value.wiro_task_id == "2221"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"pexit": "1", "debugerror": "Traceback\nCUDA out of memory"},
            "Wiro task 2221 failed (exit code 1). Failed tasks are not billed. The model's last lines: "
            "Traceback | CUDA out of memory",
        ),
        (
            {"pexit": None, "outputs": []},
            "Wiro task 2221 failed (it ended without outputs and without an exit code). Failed tasks are not "
            "billed. The model left no error message.",
        ),
        (
            {"pexit": "x" * 999},
            f"Wiro task 2221 failed (exit code {'x' * 20}). Failed tasks are not billed. The model left no "
            "error message.",
        ),
    ],
)
def test_a_failure_reports_how_the_task_ended_and_the_models_last_lines(
    fields: dict[str, Any], expected: str
) -> None:
    with pytest.raises(WiroTaskFailedError) as raised:
        check_success(Task.from_wire({**SAMPLE, **fields}))
    assert str(raised.value) == expected
    assert raised.value.wiro_task_id == "2221"


@pytest.mark.parametrize("handed_on", ["2221", " 2221 ", 2221, {"wiro_task_id": "2221", "outputs": []}])
def test_an_id_or_a_run_summary_names_the_task(handed_on: object) -> None:
    assert task_id_of(handed_on) == "2221"


@pytest.mark.parametrize(
    ("odd", "expected"),
    [
        ({"x": 1, "y": 2}, "found a dict of 'x', 'y'."),
        ({}, "found an empty dict."),
        (dict.fromkeys(range(1000), ""), "found a dict of 0, 1, 2, 3, 4 and 995 more."),
        ({"x" * 5000: 1}, "found a dict of 'xxx"),
    ],
)
def test_a_dict_that_is_no_run_summary_is_described(odd: object, expected: str) -> None:
    with pytest.raises(
        WiroUsageError, match="Expected the id of a Wiro task, such as '2221', or a run"
    ) as raised:
        task_id_of(odd)
    assert expected in str(raised.value)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("odd", [None, "", "None", {"wiro_task_id": None}, [], ["2221"], True, "a b"])
def test_anything_else_is_refused_and_the_message_says_what_is_expected(odd: object) -> None:
    with pytest.raises(WiroUsageError, match="Expected the id of a Wiro task, such as '2221', found"):
        task_id_of(odd)
