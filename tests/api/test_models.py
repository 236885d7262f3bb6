from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.api.catalog import Model, ModelParameter
from airflow_provider_wiro.api.models import Output, StartedRun, Task, TaskStatus, UploadedFile
from tests.api.decoding.test_fields import JSON_VALUES
from tests.api.fake_transport import TOKEN, quick

#: The sample of Task/Detail in Wiro's reference.
SAMPLE: dict[str, Any] = {
    "id": "2221",
    "uuid": "15bce51f-442f-4f44-a71d-13c6374a62bd",
    "socketaccesstoken": TOKEN,
    "parameters": {},
    "debugoutput": "",
    "debugerror": "",
    "status": "task_postprocess_end",
    "elapsedseconds": "6.0000",
    "createtime": "1734513807",
    "canceltime": "0",
    "assigntime": "1734513807",
    "accepttime": "1734513807",
    "starttime": "1734513809",
    "endtime": "1734513813",
    "outputs": [
        {
            "id": "6bc3",
            "name": "0.png",
            "contenttype": "image/png",
            "size": "202472",
            "accesskey": "dFKl",
            "url": "https://cdn1.wiro.ai/6bc3/0.png",
        }
    ],
    "size": "202472",
}


def _task(**fields: Any) -> Task:
    return Task.from_wire({**SAMPLE, **fields})


def test_the_sample_of_wiros_reference_is_read() -> None:
    task = _task()

    assert task.id == "2221"
    assert task.elapsed_seconds == 6.0
    assert task.created_at == datetime(2024, 12, 18, 9, 23, 27, tzinfo=UTC)
    assert task.queue_seconds == 2.0
    assert task.token == TOKEN
    assert (task.model, task.cost_usd, task.exit_code, task.answer) == (None, None, None, None)
    assert task.outputs == (Output(0, "0.png", "image/png", 202472, "https://cdn1.wiro.ai/6bc3/0.png"),)
    assert task.is_terminal
    assert task.has_succeeded


def test_fields_beyond_the_sample_are_read() -> None:
    task = _task(
        pexit=0, totalcost="0.003510000000", modelslugowner=" retroAIx ", modelslugproject="Retro-Cartoons"
    )

    assert task.model == "retroAIx/Retro-Cartoons"
    assert task.cost_usd == "0.00351"
    assert task.exit_code == "0"


def test_numbers_may_be_numbers_and_unknown_fields_change_nothing() -> None:
    numbers = _task(id=2221, elapsedseconds=6, createtime=1734513807, starttime=1734513809, novelty={"a": 1})
    assert (numbers.id, numbers.elapsed_seconds, numbers.queue_seconds) == ("2221", 6.0, 2.0)


@pytest.mark.parametrize("missing", [{}, dict.fromkeys(SAMPLE), dict.fromkeys(SAMPLE, "")])
def test_a_task_may_lack_every_field(missing: dict[str, Any]) -> None:
    task = Task.from_wire(missing)

    assert (task.id, task.status, task.outputs, task.token) == ("", "", (), None)
    assert not task.is_terminal
    assert not task.has_succeeded


def test_times_of_zero_mean_not_yet() -> None:
    task = _task(starttime="0", endtime="0")
    assert (task.started_at, task.ended_at, task.queue_seconds) == (None, None, None)


def test_queue_time_is_never_negative() -> None:
    assert _task(createtime="1734513809", starttime="1734513807").queue_seconds == 0.0


RUNNING = sorted(set(TaskStatus) - {TaskStatus.QUEUE, TaskStatus.POSTPROCESS_END, TaskStatus.CANCEL})


@pytest.mark.parametrize("status", [*RUNNING, "task_dreaming", ""])
def test_a_task_is_running_while_its_status_is_neither_queued_nor_terminal(status: str) -> None:
    task = _task(status=status, pexit="0")
    assert not task.is_terminal
    assert not task.is_queued
    assert not task.has_succeeded


def test_the_end_of_the_model_is_not_the_end_of_the_task() -> None:
    assert not _task(status="task_end", pexit="0").is_terminal


def test_an_error_before_the_model_ran_is_a_running_status_with_a_reason() -> None:
    task = _task(status="task_error", debugerror="Traceback\nno such checkpoint \n\n")
    assert not task.is_terminal
    assert task.has_error_status
    assert task.status_with_reason == "task_error: no such checkpoint"
    assert _task(status="task_error", debugerror=None).status_with_reason == "task_error"
    assert _task(status="task_start", debugerror="a warning").status_with_reason == "task_start"


@pytest.mark.parametrize("status", ["task_postprocess_end", "task_cancel"])
def test_two_statuses_are_terminal_and_one_of_them_can_be_a_success(status: str) -> None:
    task = _task(status=status, pexit="0")
    assert task.is_terminal
    assert task.has_succeeded is (status == "task_postprocess_end")
    assert task.is_cancelled is (status == "task_cancel")


@pytest.mark.parametrize("outputs", [[], SAMPLE["outputs"], None])
@pytest.mark.parametrize("zero", ["0", 0, "0.0", 0.0, " 0 "])
def test_with_exit_code_zero_a_run_has_succeeded_with_or_without_outputs(
    zero: object, outputs: object
) -> None:
    assert _task(pexit=zero, outputs=outputs).has_succeeded


@pytest.mark.parametrize("other", ["1", 1, "-1", "137", "0.5", "error", "NaN", "0 (killed)"])
def test_with_any_other_exit_code_it_has_failed_even_with_outputs(other: object) -> None:
    assert not _task(pexit=other).has_succeeded


@pytest.mark.parametrize("missing", [None, "", " "])
def test_without_an_exit_code_outputs_have_to_be_there(missing: object) -> None:
    assert _task(pexit=missing).has_succeeded
    assert not _task(pexit=missing, outputs=[]).has_succeeded
    assert not _task(pexit=missing, outputs=None).has_succeeded


LLM = {"prompt": "Why?", "raw": "hm… because", "thinking": ["hm…"], "answer": ["because", "and so"]}


def test_an_llms_answer_is_its_parts_as_one_text() -> None:
    task = _task(outputs=[{"contenttype": "raw", "content": LLM}], debugoutput="merged")

    assert task.answer == "because\n\nand so"
    assert task.outputs[0].url is None
    assert task.outputs[0].content == LLM


def test_an_empty_answer_falls_back_to_what_the_model_printed() -> None:
    assert _task(outputs=[{"contenttype": "raw", "content": {}}], debugoutput="merged").answer == "merged"


def test_there_are_at_most_ten_last_error_lines_of_bounded_length() -> None:
    stderr = "\n".join(f"line {number}" for number in range(30)) + "\n" + "x" * 9000 + "\n\n"
    lines = _task(debugerror=stderr, debugoutput="ignored").last_error_lines.splitlines()

    assert lines[:9] == [f"line {number}" for number in range(21, 30)]
    assert lines[9] == "x" * 500


def test_the_last_error_lines_come_from_the_output_if_there_was_no_error_output() -> None:
    assert _task(debugerror=" \n", debugoutput="a\nb").last_error_lines == "a\nb"
    assert _task().last_error_lines == ""


def test_an_output_keeps_its_index_when_others_are_unreadable() -> None:
    outputs = [None, "x", {"name": "b.png", "url": " https://cdn1.wiro.ai/b.png "}]
    assert _task(outputs=outputs).outputs == (Output(2, "b.png", "", None, "https://cdn1.wiro.ai/b.png"),)


def test_no_repr_shows_a_token_or_what_the_user_sent() -> None:
    shown = repr(_task(parameters={"prompt": "hush"}, debugoutput="hush")) + repr(StartedRun("2221", TOKEN))
    assert TOKEN not in shown
    assert "hush" not in shown


def test_a_model_is_read_with_its_parameters_and_prices() -> None:
    model = Model.from_wire(
        {
            "slugowner": "retroAIx",
            "slugproject": " Retro-Cartoons",
            "cleanslugowner": "retroaix",
            "cleanslugproject": "retro-cartoons",
            "title": "Retro",
            "description": None,
            "categories": '["model", "lora-sdxl"]',
            "dynamicprice": '[{"inputs": {}, "price": 0.13, "priceMethod": "cpr"}, "odd"]',
            "parameters": [
                {
                    "title": "Inputs",
                    "items": [
                        {
                            "id": "refiner",
                            "type": "select",
                            "label": "Refiner",
                            "required": "1",
                            "default": "",
                            "options": [{"value": "--only_base_model", "label": "no"}, {"value": ""}, "odd"],
                        },
                        {"type": "nameless"},
                        None,
                    ],
                },
                {"title": "Nothing", "items": None},
                "odd",
            ],
        }
    )

    assert model == Model(
        slug="retroAIx/Retro-Cartoons",
        clean_slug="retroaix/retro-cartoons",
        title="Retro",
        categories=("model", "lora-sdxl"),
        prices=({"inputs": {}, "price": 0.13, "priceMethod": "cpr"},),
        parameters=(
            ModelParameter(
                "refiner", "select", "Refiner", required=True, default="", options=("--only_base_model", "")
            ),
        ),
    )


@pytest.mark.parametrize("parameters", [None, [], "odd", [None], [{"items": None}]])
def test_a_model_may_have_no_parameters(parameters: object) -> None:
    assert Model.from_wire({"parameters": parameters}).parameters == ()


TASK_FIELDS = [*SAMPLE, "pexit", "totalcost", "modelslugowner", "modelslugproject", "content", "url", "name"]


@quick
@given(
    st.dictionaries(
        st.sampled_from(TASK_FIELDS),
        JSON_VALUES
        | st.lists(
            st.dictionaries(st.sampled_from(["name", "size", "url", "content", "contenttype"]), JSON_VALUES)
        ),
    )
)
def test_no_json_in_any_field_breaks_a_task(item: dict[str, Any]) -> None:
    task = Task.from_wire(item)

    assert task.is_terminal or not task.has_succeeded
    assert task.queue_seconds is None or task.queue_seconds >= 0
    assert len(task.last_error_lines.splitlines()) <= 10
    assert task.answer is None or isinstance(task.answer, str)
    assert TOKEN not in repr(task)


@quick
@given(
    st.dictionaries(st.sampled_from(["slugowner", "parameters", "categories", "dynamicprice"]), JSON_VALUES)
)
def test_no_json_in_any_field_breaks_a_model_or_a_file(item: dict[str, Any]) -> None:
    Model.from_wire(item)
    UploadedFile.from_wire(item)


def test_names_that_some_client_libraries_use_are_read_as_well() -> None:
    named = {name: value for name, value in SAMPLE.items() if name not in {"id", "outputs"}}
    task = Task.from_wire({**named, "taskid": 2221, "output": SAMPLE["outputs"]})

    assert (task.id, task.outputs) == ("2221", _task().outputs)


@pytest.mark.parametrize("given", [{"seed": "7"}, '{"seed": "7"}'])
def test_parameters_may_come_as_json_text(given: object) -> None:
    assert _task(parameters=given).parameters == {"seed": "7"}
    assert _task(parameters="no json").parameters == {}


@pytest.mark.parametrize("unknown", ["0", 0, "0.00", "", None, "-1", "large"])
def test_a_size_of_zero_is_unknown(unknown: object) -> None:
    output = {"name": "0.png", "contenttype": "image/png", "url": "https://x/0.png", "size": unknown}
    assert _task(outputs=[output]).outputs[0].size is None


@pytest.mark.parametrize("unknown", ["0", 0, "0.000", "", None])
def test_a_zero_cost_of_a_success_is_not_known_yet(unknown: object) -> None:
    assert _task(totalcost=unknown).cost_usd is None
    assert _task(status="task_output", totalcost=unknown).cost_usd is None


def test_an_unbilled_task_costs_zero_and_a_killed_one_may_still_be_charged() -> None:
    assert _task(pexit="1", totalcost="0").cost_usd == "0"
    assert _task(status="task_cancel", starttime="0", totalcost="0").cost_usd == "0"
    assert _task(status="task_cancel", totalcost="0").cost_usd is None
    assert _task(status="task_cancel", totalcost="0.02").cost_usd == "0.02"


def test_numbers_in_parameters_of_json_text_stay_text() -> None:
    assert Task.from_wire({"id": "1", "parameters": '{"steps": "4"}'}).parameters == {"steps": "4"}


@pytest.mark.parametrize("parameters", ["", "no JSON", "[1]", "[" * 100_000, None, 5])
def test_parameters_that_are_no_object_are_none(parameters: object) -> None:
    assert Task.from_wire({"id": "1", "parameters": parameters}).parameters == {}


def test_the_models_printed_output_shows_no_token() -> None:
    task = Task.from_wire(
        {
            "id": "1",
            "socketaccesstoken": "tok-own-12345",
            "parameters": {"previousTaskToken": "tok-previous-12345"},
            "debugerror": "tok-own-12345 follows tok-previous-12345",
        }
    )
    assert task.debug_error == "*** follows ***"


@pytest.mark.parametrize(
    ("status", "exit_code", "state"),
    [
        ("task_queue", None, "queued"),
        ("task_error", None, "queued"),
        ("task_accept", None, "running"),
        ("task_end", "0", "running"),
        ("a_new_status", None, "running"),
        ("task_postprocess_end", "0", "succeeded"),
        ("task_postprocess_end", "1", "failed"),
        ("task_cancel", None, "cancelled"),
    ],
)
def test_the_state_is_a_plain_word_for_the_status(status: str, exit_code: str | None, state: str) -> None:
    assert Task(id="1", status=status, exit_code=exit_code).state == state
