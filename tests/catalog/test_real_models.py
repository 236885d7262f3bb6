"""
The checks fit the 200 real models of tests/api/data/model-catalog.json, which was read off Wiro's n8n nodes.

Each is checked as n8n shows it, and as Wiro's schema does: its kinds by Wiro's names, files without ``Url``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.catalog.checks import check_run
from airflow_provider_wiro.catalog.schema.findings import Findings
from airflow_provider_wiro.catalog.to_send import to_send
from tests.catalog.schemas import model_of

if TYPE_CHECKING:
    from airflow_provider_wiro.api.catalog import Model

CATALOG: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "api/data/model-catalog.json").read_text()
)
#: n8n's kinds → Wiro's.
KINDS = {
    "string": "textarea",
    "number": "number",
    "options": "select",
    "boolean": "checkbox",
    "multiOptions": "multiselect",
    "color": "text",
}
#: What a required parameter without a default is given.
GIVEN = {"string": "a text", "color": "#ffffff", "multiOptions": ["x"]}


def as_n8n_shows_it(entry: dict[str, Any]) -> Model:
    return model_of(*entry["parameters"])


def as_wiro_lists_it(entry: dict[str, Any]) -> Model:
    return model_of(*map(_wire, entry["parameters"]))


def _wire(shown: dict[str, Any]) -> dict[str, Any]:
    name, is_file = shown["id"], shown["id"].startswith("input") and shown["id"].endswith("Url")
    if is_file:
        return {"id": name.removesuffix("Url"), "type": "fileinput", "required": shown.get("required", False)}
    options = [{"value": value, "label": value} for value in shown.get("options", [])]
    default = shown["default"]
    return shown | {
        "type": KINDS[shown["type"]],
        "default": str(default) if isinstance(default, int | float) else default,
        "options": options,
    }


def _run(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the model's defaults, and a value for what is required and has none."""
    given = {}
    for parameter in entry["parameters"]:
        name, value = parameter["id"], parameter["default"]
        if parameter.get("required") and value == "" and "" not in parameter.get("options", []):
            value = "https://a.example/1" if name.endswith("Url") else GIVEN[parameter["type"]]
        given[name] = value
    return given


BOTH = pytest.mark.parametrize("read", [as_n8n_shows_it, as_wiro_lists_it])


@BOTH
def test_a_model_runs_with_its_own_defaults(read: Any) -> None:
    for entry in CATALOG:
        assert check_run(read(entry), _run(entry), {}, mode="strict") == Findings(), entry["model"]


@BOTH
def test_a_model_runs_with_what_fill_defaults_sends(read: Any) -> None:
    for entry in CATALOG:
        model, run = read(entry), _run(entry)
        required = {item["id"]: run[item["id"]] for item in entry["parameters"] if item.get("required")}
        result = to_send(model, required, {}, fill_defaults=True)
        assert check_run(model, result.parameters, {}, mode="strict") == Findings(), entry["model"]
        assert len(result.changes) == len(result.parameters) - len(required)


@BOTH
def test_each_required_parameter_is_missed(read: Any) -> None:
    count = 0
    for entry in CATALOG:
        for parameter in entry["parameters"]:
            if parameter.get("required"):
                given = {name: value for name, value in _run(entry).items() if name != parameter["id"]}
                (refusal,) = check_run(read(entry), given, {}, mode="warn").refusals
                assert "is missing" in refusal
                assert parameter["id"].removesuffix("Url") in refusal
                count += 1
    assert count > 300


@BOTH
def test_a_mistyped_name_is_found_and_the_right_one_proposed(read: Any) -> None:
    proposed = total = 0
    for entry in CATALOG:
        model = read(entry)
        names = {parameter.id for parameter in model.parameters}
        for name in names:
            typed = name[:-3] + name[-2:] + name[-3] if len(name) > 4 else name + name[-1]
            if typed in names or typed == name:
                continue
            (warning,) = check_run(model, _run(entry) | {typed: "1"}, {}, mode="warn").warnings
            total += 1
            proposed += f"Did you mean '{name}'?" in warning
    assert total > 1000
    assert proposed > 0.98 * total


@BOTH
def test_a_value_that_is_no_number_and_one_that_is_no_option_are_found(read: Any) -> None:
    count = 0
    for entry in CATALOG:
        for parameter in entry["parameters"]:
            given = _run(entry) | {parameter["id"]: "surely not this"}
            result = check_run(read(entry), given, {}, mode="warn")
            has_options = any(parameter.get("options", []))
            assert (len(result.refusals), len(result.warnings)) == (
                int(parameter["type"] in {"number", "boolean"}),
                int(parameter["type"] in {"options", "multiOptions"} and has_options),
            ), (entry["model"], parameter, result)
            count += len(result.refusals) + len(result.warnings)
    assert count > 900
