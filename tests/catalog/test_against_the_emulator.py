"""
The checks and the emulator, which share no code, agree about any run of each of the emulator's models.

What a strict check passes, the emulator accepts; what the check refuses although only warnings are asked for,
the emulator refuses, too.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_wiro.api.catalog import Model
from airflow_provider_wiro.catalog.checks import check_run
from airflow_provider_wiro.catalog.to_send import to_send
from airflow_provider_wiro.emulator.catalog import MODELS
from airflow_provider_wiro.emulator.catalog.model import FILE_TYPES
from airflow_provider_wiro.emulator.catalog.model import Model as EmulatedModel
from airflow_provider_wiro.emulator.catalog.model import Parameter as EmulatedParameter
from airflow_provider_wiro.emulator.envelope import ApiError
from airflow_provider_wiro.emulator.generation.inputs import RequestBody
from airflow_provider_wiro.emulator.generation.validation import check_parameters

URL = "https://a.example/1.png"
ANYTHING = st.sampled_from(
    [
        *(None, True, False, 0, 1, 5, 5.0, 2.5, -1, 10**12),
        *("", " ", "x", "many", "true", "5", "1e3", "x" * 501, "auto", "Auto", "1:1", "red"),
        *("[]", "1_0", "NaN", "٣"),
        *([], ["x"], {"a": 1}, ["red"], [5]),
    ]
)


def listed(model: EmulatedModel) -> Model:
    groups = [{"items": [item.to_json() for item in items]} for items in model.groups.values()]
    fields = {"slugowner": model.owner, "slugproject": model.project, "parameters": groups or None}
    return Model.from_wire(json.loads(json.dumps(fields)))


def is_accepted(model: EmulatedModel, parameters: dict[str, Any]) -> bool:
    sent = {name: value for name, value in parameters.items() if value is not None}
    try:
        check_parameters(model, RequestBody(sent))
    except ApiError:
        return False
    return True


def values(parameter: EmulatedParameter) -> st.SearchStrategy[Any]:
    if parameter.type in FILE_TYPES:
        return st.sampled_from([URL, [URL], "", None, []])
    fitting = [*parameter.values, parameter.default, *parameter.bounds]
    near = st.sampled_from([value for value in fitting if value not in {float("inf"), -float("inf")}])
    return near.map(lambda value: list(value) if isinstance(value, tuple) else value) | ANYTHING


@st.composite
def runs(draw: st.DrawFn) -> tuple[EmulatedModel, dict[str, Any]]:
    model = draw(st.sampled_from(MODELS))
    return model, {
        parameter.id: draw(values(parameter)) for parameter in model.parameters() if draw(st.integers(0, 3))
    }


@settings(max_examples=600, deadline=None)
@given(runs(), st.booleans())
def test_they_agree(run: tuple[EmulatedModel, dict[str, Any]], fill_defaults: bool) -> None:
    emulated, parameters = run
    model = listed(emulated)
    sent = dict(to_send(model, parameters, {}, fill_defaults=fill_defaults).parameters)
    if not check_run(model, sent, {}, mode="strict").refusals and (
        fill_defaults or not emulated.wants_every_parameter
    ):
        assert is_accepted(emulated, sent)
    if refusals := check_run(model, sent, {}, mode="warn").refusals:
        assert not is_accepted(emulated, sent), refusals
