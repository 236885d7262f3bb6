"""A card as DAG code: complete, and nothing of what it shows is code."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment

from airflow_provider_wiro.gallery.cards.code import code_of
from airflow_provider_wiro.gallery.cards.inputs import Inputs

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


def arguments_of(code: str) -> dict[str, Any]:
    """Return what the code gives its operator, as Airflow renders it."""
    (call,) = [
        node
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "WiroRunOperator"
    ]
    return {one.arg or "": rendered(ast.literal_eval(one.value)) for one in call.keywords}


def rendered(value: Any) -> Any:
    if isinstance(value, str):
        return Environment(keep_trailing_newline=True).from_string(value).render()  # noqa: S701  no HTML
    if isinstance(value, dict):
        return {name: rendered(item) for name, item in value.items()}
    return [rendered(item) for item in value] if isinstance(value, list) else value


def test_it_runs_the_same_model_with_the_same_inputs() -> None:
    parameters = {"prompt": 'it\'s "{{ ds }}" {% raw %}', "seed": 7, "on": True, "box": {"x": [1.5, None]}}
    code = code_of(Inputs("owner/model", "teapot", parameters, {"inputImage": "s3://bucket/a.png"}))

    assert code is not None
    assert arguments_of(code) == {
        "task_id": "run",
        "model": "owner/model",
        "parameters": parameters,
        "files": {"inputImage": "s3://bucket/a.png"},
        "label": "teapot",
        "deferrable": True,
    }


@given(name=TEXTS, value=TEXTS, model=TEXTS, label=TEXTS)
def test_whatever_the_texts_are_they_stay_texts(name: str, value: str, model: str, label: str) -> None:
    code = code_of(Inputs(f"owner/{model}", label or None, {name: value}))

    if code is not None:
        given_ = arguments_of(code)
        assert (
            given_["parameters"] == {name: value.replace("\r\n", "\n").replace("\r", "\n")} or "\r" in value
        )


def test_a_secret_stays_masked_and_a_comment_says_so() -> None:
    code = code_of(Inputs("owner/model", None, {"apiKey": "***", "image": "https://host/a.png?…"}))

    assert code is not None
    assert code.count("# A secret was here, which is masked") == 2
    assert arguments_of(code)["parameters"]["apiKey"] == "***"


@pytest.mark.parametrize(
    ("address", "is_asked_for"),
    [
        ("s3://bucket/a.png", True),
        (["https://host/a.png", "gs://bucket/b.png"], True),
        ("https://host/a.png", False),
        ("/shared/a.png", False),
    ],
)
def test_an_address_in_a_store_may_have_had_a_connection_which_airflow_masks(
    address: Any, is_asked_for: bool
) -> None:
    code = code_of(Inputs("owner/model", None, {}, {"inputImage": address}))

    assert code is not None
    assert ("scheme://connection@bucket/key" in code) is is_asked_for
    assert arguments_of(code)["files"] == {"inputImage": address}


def test_a_file_that_was_another_task_s_result_is_left_to_be_filled_in() -> None:
    code = code_of(Inputs("owner/model", None, {}, {"a": {"outputs": []}, "b": "data:image/png;base64,…"}))

    assert code is not None
    assert "files" in arguments_of(code)
    assert '# "a": other_task.output,' in code
    assert '# "b": other_task.output,' in code


@pytest.mark.parametrize(
    "inputs",
    [
        None,
        Inputs("owner/model", None, {"prompt": "a"}, is_whole=False),
        Inputs("owner/model", None, {"prompt": "x" * 999 + "…"}),
        Inputs("owner/model", None, {"prompt": ["a… (70,000 characters)"]}),
        Inputs("owner/model", None, {"prompt": "x" * 60_000}),
        Inputs(None, None, {"prompt": "a"}),
        Inputs("no slash", None, {"prompt": "a"}),
    ],
)
def test_there_is_none_where_it_would_run_something_else(inputs: Inputs | None) -> None:
    assert code_of(inputs) is None
