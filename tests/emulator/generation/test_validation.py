"""The emulator refuses what Wiro refuses, and takes what Wiro's own clients send."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_wiro.emulator.catalog import MODELS, find_model
from airflow_provider_wiro.emulator.catalog.model import FILE_TYPES
from airflow_provider_wiro.emulator.envelope import ApiError
from airflow_provider_wiro.emulator.generation.inputs import RequestBody
from airflow_provider_wiro.emulator.generation.validation import check_parameters

POSTER = find_model("wiro", "poster-studio")


def accepted(**fields: Any) -> bool:
    assert POSTER is not None
    try:
        check_parameters(POSTER, RequestBody({"prompt": "x"} | fields))
    except ApiError:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("ratio", ["16:9", "Auto", ""], ["auto ", "4:3", ["1:1"]]),
        ("inks", [["red", "blue"], '["red"]', "red", []], [["green"], '["green"]', "green", {"a": 1}]),
        ("samples", [2, "2", 2.0], [2.5, "two", 5, 0]),
        ("steps", [-1, 10**12, "7"], ["many", True]),
        ("strength", ["0.3", 0], [1.1, -0.1]),
        ("layout", [[{"x": 1}], "[]", {"x": 1}], []),
        ("tiled", [True, "false", "1", "on"], ["maybe", 5, [True]]),
        ("prompt", ["x" * 500], ["x" * 501, ["x"]]),
        ("seed", [-5, "9999999999999"], ["x"]),
        ("anything", [1, [1], {}], []),
    ],
)
def test_a_value_is_taken_by_its_type(name: str, right: list[Any], wrong: list[Any]) -> None:
    assert [value for value in right if not accepted(**{name: value})] == []
    assert [value for value in wrong if accepted(**{name: value})] == []


def test_required_may_be_text() -> None:
    assert not accepted(prompt="")


def test_every_model_takes_its_own_defaults() -> None:
    for model in MODELS:
        fields = {
            item.id: list(item.default) if isinstance(item.default, tuple) else item.default or ""
            for item in model.parameters()
            if item.type not in FILE_TYPES
        }
        fields |= {item.id: "x" for item in model.parameters() if item.required and not item.default}
        check_parameters(model, RequestBody(fields))
