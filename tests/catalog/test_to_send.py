"""What is sent is what was given, but for changes that are each said; defaults only if they are asked for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_wiro.catalog.checks import check_run
from airflow_provider_wiro.catalog.schema.findings import Findings
from airflow_provider_wiro.catalog.to_send import to_send
from tests.catalog.schemas import item, model_of, select

MODEL = model_of(
    item("inputImage", "fileinput"),
    item("prompt", "textarea", required=True),
    item("negativePrompt", "textarea"),
    item("steps", "number", default="60"),
    select("duration", "5", "10", "0.50", default="5"),
    select("sound", "false", "true", default="false"),
    select("genre", "pop", "5", kind="multiselect"),
    item("tile", "checkbox"),
    item("messages", "textarea"),
)


def sent(name: str, value: Any) -> tuple[Any, tuple[str, ...]]:
    result = to_send(MODEL, {name: value}, {}, fill_defaults=False)
    assert list(result.parameters) == [name]
    return result.parameters[name], result.changes


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"prompt": "x", "steps": 4, "duration": "5", "tile": True, "genre": ["pop"], "unknown": [1]},
        {"steps": "4", "duration": 7, "sound": "True", "tile": "true", "genre": "Pop", "prompt": None},
        {"steps": "many", "duration": [5], "genre": {"a": 1}, "inputImage": "https://a.example/1.png"},
    ],
)
def test_what_needs_no_change_is_the_mapping_that_was_given(given: dict[str, Any]) -> None:
    result = to_send(MODEL, given, {"inputImage": 1}, fill_defaults=False)
    assert result.parameters is given
    assert result.changes == ()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("duration", 5, "5"),
        ("duration", 10.0, "10"),
        ("duration", Decimal("5.0"), "5"),
        ("duration", 0.5, "0.50"),
        ("sound", True, "true"),
        ("sound", False, "false"),
        ("genre", [5, "pop"], ["5", "pop"]),
        ("genre", "pop", ["pop"]),
        ("genre", 5, ["5"]),
        ("tile", "True", "true"),
        ("tile", " FALSE", "false"),
    ],
)
def test_a_value_is_sent_as_wiros_page_sends_it_and_the_change_is_said(
    name: str, value: Any, expected: Any
) -> None:
    value_sent, changes = sent(name, value)
    assert value_sent == expected
    assert type(value_sent) is type(expected)
    assert len(changes) == 1
    assert changes[0].startswith(f"Parameter '{name}' is sent as ")


def test_a_change_says_what_was_given() -> None:
    assert sent("duration", 5)[1] == ("Parameter 'duration' is sent as '5', given as 5.",)


def test_the_given_parameters_are_left_as_they_are() -> None:
    given = {"duration": 5, "genre": [5]}
    to_send(MODEL, given, {}, fill_defaults=True)
    assert given == {"duration": 5, "genre": [5]}


def test_defaults_are_sent_for_what_is_not_given_and_files_are_left_out() -> None:
    result = to_send(MODEL, {"prompt": "x", "steps": 4, "tile": None}, {}, fill_defaults=True)
    assert result.parameters == {
        "prompt": "x",
        "negativePrompt": "",
        "steps": 4,
        "duration": "5",
        "sound": "false",
        "genre": "",
        "tile": "",
        "messages": "",
    }
    assert result.changes == (
        "Parameter 'negativePrompt' is not given, and is sent empty: it has no default.",
        "Parameter 'duration' is not given, and is sent with its default '5'.",
        "Parameter 'sound' is not given, and is sent with its default 'false'.",
        "Parameter 'genre' is not given, and is sent empty: it has no default.",
        "Parameter 'tile' is not given, and is sent empty: it has no default.",
        "Parameter 'messages' is not given, and is sent empty: it has no default.",
    )


def test_empty_text_is_given() -> None:
    assert to_send(MODEL, {"steps": ""}, {}, fill_defaults=True).parameters["steps"] == ""


def test_a_parameter_whose_file_or_url_is_given_is_not_filled() -> None:
    model = model_of(
        item("a", "hologram"), item("b", "hologram"), item("cUrl", "string"), item("d", "fileinput2")
    )
    result = to_send(model, {"aUrl": "https://a.example/1"}, {"bUrl": 1}, fill_defaults=True)
    assert result.parameters == {"aUrl": "https://a.example/1"}


def test_a_default_is_sent_however_odd_it_is_and_passes_the_check() -> None:
    model = model_of(
        select("size", "auto", default="Auto", required=True),
        item("steps", "integer", default="a few", min=1, max=4),
        item("scale", "number", default=99, max=4),
    )
    result = to_send(model, {}, {}, fill_defaults=True)
    assert result.parameters == {"size": "Auto", "steps": "a few", "scale": 99}
    assert check_run(model, result.parameters, {}, mode="strict") == Findings()


def test_a_required_parameter_without_a_default_stays_missing() -> None:
    result = to_send(MODEL, {}, {}, fill_defaults=True)
    assert check_run(MODEL, result.parameters, {}, mode="warn").refusals == (
        "The required parameter 'prompt' is missing.",
    )


@pytest.mark.parametrize(
    "odd", [item("x", default=float("nan")), item("x\ny"), item("x", default={"a": [float("inf")]})]
)
def test_what_no_request_can_hold_is_left_out(odd: dict[str, Any]) -> None:
    assert to_send(model_of(odd), {}, {}, fill_defaults=True).parameters == {}


def test_a_model_without_a_schema_is_sent_what_is_given() -> None:
    given = {"x": 1}
    assert to_send(model_of(parameters=None), given, {}, fill_defaults=True).parameters is given
