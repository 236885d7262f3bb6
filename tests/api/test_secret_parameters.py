"""The token of an earlier task is found wherever it stands, and guessed where nothing is known."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_wiro.api.models import Task
from airflow_provider_wiro.api.secret_parameters import secret_values, without_likely_tokens

TOKEN = "PREVTOK4f7b2c9d8e"


@pytest.mark.parametrize(
    "parameters",
    [
        {"previousTaskToken": TOKEN},
        {"prompt": "x", " previousTasktoken": f" {TOKEN} "},
        {"previous_task_token": TOKEN},
        {"previousTaskToken": [TOKEN]},
        {"previousTaskToken": {"token": TOKEN}},
        {"options": {"previousTaskToken": TOKEN}},
        {"options": json.dumps({"previousTaskToken": TOKEN})},
        {"options": [{"previousTaskToken": [None, {"a": TOKEN}]}]},
    ],
)
def test_it_is_found_wherever_it_stands(parameters: dict[str, Any]) -> None:
    assert secret_values(parameters) == (TOKEN,)


@pytest.mark.parametrize(
    "parameters",
    [
        None,
        "x",
        {},
        {"previousTaskToken": None},
        {"previousTaskToken": "short"},
        {"prompt": TOKEN},
        {"p": "{["},
    ],
)
def test_nothing_else_is_a_secret(parameters: object) -> None:
    assert secret_values(parameters) == ()


def test_parameters_nested_without_end_are_no_trap() -> None:
    value: Any = {"previousTaskToken": TOKEN}
    for _ in range(5000):
        value = [value]
    assert secret_values({"a": value, "b": "[" * 100_000}) == ()


@pytest.mark.parametrize("parameters", [None, "", "no JSON"])
def test_where_wiro_shows_no_parameters_its_error_lines_show_nothing_like_a_token(parameters: object) -> None:
    wire = {
        "id": "1",
        "status": "task_error",
        "debugerror": f"session of {TOKEN} gone",
        "parameters": parameters,
    }
    assert Task.from_wire(wire).status_with_reason == "task_error: session of *** gone"
    known = {**wire, "parameters": {"prompt": "x"}}
    assert TOKEN in Task.from_wire(known).status_with_reason


@pytest.mark.parametrize(
    "words",
    [
        "CUDA out of memory. Tried to allocate 20.00 MiB",
        "FileNotFoundError: prompt.txt",
        "exit 137",
        "a" * 40,
    ],
)
def test_ordinary_words_stay(words: str) -> None:
    assert without_likely_tokens(words) == words
