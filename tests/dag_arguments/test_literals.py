"""What a DAG file says in so many words is checked when it is parsed; what comes later passes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_wiro.dag_arguments import literals
from airflow_provider_wiro.exceptions import WiroUsageError

OPERATOR = SimpleNamespace(task_id="generate", output=object())
XCOM = SimpleNamespace(resolve=lambda context: None)
LATER = ["{{ params.x }}", "{% if x %}a{% endif %}", XCOM, lambda **_: None]


@pytest.mark.parametrize("later", LATER)
def test_what_is_known_only_when_the_task_runs_passes(later: Any) -> None:
    literals.check_model(later)
    literals.check_parameter_values(later)
    literals.check_files(later)
    literals.check_wiro_task_id(later)
    literals.check_conn_id(later)


@pytest.mark.parametrize("later", LATER[:3])
def test_so_does_what_is_inside_a_dict_or_a_list(later: Any) -> None:
    literals.check_parameter_values({"prompt": later, "list": [later], "deep": {"er": (later,)}})
    literals.check_files({"inputImage": later, "inputVideo": [later]})


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (None, "found None"),
        (["a/b"], r"\.expand\(model="),
        ("https://wiro.ai/models/google/nano-banana", "Write 'google/nano-banana'"),
        ("wiro.ai/google/nano-banana?x=1", "Write 'google/nano-banana'"),
        ("retro-cartoons", "owner/model"),
        (OPERATOR, r"generate\.output"),
        ("{{ params.model }", "end with `}}`"),
    ],
)
def test_a_model_that_cannot_be_right_is_refused(model: object, words: str) -> None:
    with pytest.raises(WiroUsageError, match=words):
        literals.check_model(model)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (OPERATOR, r"generate\.output"),
        ({"prompt": OPERATOR}, r"'prompt'.*generate\.output"),
        ({"prompt": "{{ params.x }"}, "parameter 'prompt' to end with `}}`"),
        ({"image": Path("/data/cat.png")}, "Files belong into `files`"),
        ("a robot", "Expected `parameters`"),
        ([1], "Expected `parameters`"),
    ],
)
def test_parameters_that_cannot_be_sent_are_refused(parameters: object, words: str) -> None:
    with pytest.raises(WiroUsageError, match=words):
        literals.check_parameter_values(parameters)


@pytest.mark.parametrize(
    "parameters", [None, {}, {"prompt": None}, '{"prompt": "x"}', {"json": '{"a": {"b": "{{ x }}"}}'}]
)
def test_parameters_that_can_be_sent_pass(parameters: object) -> None:
    literals.check_parameter_values(parameters)


@pytest.mark.parametrize(
    "files", [["/a.png"], "/a.png", {"inputImage": OPERATOR}, {"inputImage": [OPERATOR]}]
)
def test_files_that_are_no_mapping_of_values_are_refused(files: object) -> None:
    with pytest.raises(WiroUsageError, match=r"Expected `files` as a dict|generate\.output"):
        literals.check_files(files)


@pytest.mark.parametrize("inputs", [None, {"a": 1}, 7, b"x", OPERATOR])
def test_inputs_of_the_wrong_kind_are_refused(inputs: object) -> None:
    with pytest.raises(WiroUsageError, match="inputs"):
        literals.check_inputs(inputs)


@pytest.mark.parametrize("wiro_task_id", [None, "", -1, "-1", 0, [1], {}, "{'wiro_task_id': '5'}", OPERATOR])
def test_what_is_no_task_id_is_refused(wiro_task_id: object) -> None:
    with pytest.raises(WiroUsageError, match="wiro_task_id"):
        literals.check_wiro_task_id(wiro_task_id)


@pytest.mark.parametrize("wiro_task_id", ["2221", 2221, "abc", {"wiro_task_id": "2221"}])
def test_ids_and_run_summaries_pass(wiro_task_id: object) -> None:
    literals.check_wiro_task_id(wiro_task_id)


def test_a_template_in_single_braces_is_pointed_out_and_json_is_not() -> None:
    found = literals.likely_templates(
        {"a": f"of {{ params.x }}", "b": '{"ds": 1} {x} {{ ds }}', "c": 7, "d": "{ds}"}  # noqa: F541
    )
    assert [line.partition(",")[0] for line in found] == [
        "Parameter 'a' has '{ params.x }'",
        "Parameter 'd' has '{ds}'",
    ]
