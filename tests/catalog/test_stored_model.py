"""A model comes back from JSON as it was; whatever is damaged is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.api.catalog import Model
from airflow_provider_wiro.catalog.stored_model import from_stored, to_stored

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
NUMBERS = VALUES | st.decimals(allow_nan=True).map(str)
PARAMETERS = st.fixed_dictionaries(
    {"id": st.text(min_size=1)},
    optional={
        "type": VALUES,
        "required": VALUES,
        "default": VALUES,
        "options": st.lists(st.fixed_dictionaries({"value": VALUES})),
        "min": NUMBERS,
        "max": NUMBERS,
        "step": NUMBERS,
        "description": VALUES,
    },
)
MODELS = st.fixed_dictionaries(
    {"slugowner": st.text()},
    optional={
        "slugproject": VALUES,
        "title": VALUES,
        "categories": VALUES,
        "parameters": st.lists(
            st.fixed_dictionaries({"items": st.lists(PARAMETERS, max_size=3)}), max_size=2
        ),
        "dynamicprice": VALUES | st.lists(st.dictionaries(st.text(), VALUES)),
        "cps": NUMBERS,
        "approximatelycost": NUMBERS,
    },
)


@given(MODELS)
def test_whatever_wiro_sends_comes_back_as_it_was_read(sent: dict[str, Any]) -> None:
    model = Model.from_wire(sent)
    assert from_stored(json.loads(json.dumps(to_stored(model)))) == model


STORED = to_stored(Model.from_wire({"slugowner": "a", "slugproject": "b", "cps": "0.1"}))
PARAMETER = to_stored(
    Model.from_wire({"parameters": [{"items": [{"id": "prompt", "options": [{"value": "x"}]}]}]})
)["parameters"][0]


@pytest.mark.parametrize("name", [*STORED, "more"])
def test_a_field_more_or_less_is_another_version(name: str) -> None:
    damaged = {key: value for key, value in STORED.items() if key != name}
    with pytest.raises(ValueError, match=r"other fields|expected list"):
        from_stored(damaged if name in STORED else {**STORED, "more": 1})


@pytest.mark.parametrize(
    "damaged",
    [
        None,
        [],
        "x",
        {**STORED, "slug": 7},
        {**STORED, "cps": 0.1},
        {**STORED, "cps": "many"},
        {**STORED, "cps": "Infinity"},
        {**STORED, "categories": "text"},
        {**STORED, "categories": [1]},
        {**STORED, "prices": [[]]},
        {**STORED, "parameters": {}},
        {**STORED, "parameters": [7]},
        {**STORED, "parameters": [{**PARAMETER, "required": "true"}]},
        {**STORED, "parameters": [{**PARAMETER, "options": [None]}]},
        {**STORED, "parameters": [{**PARAMETER, "id": None}]},
    ],
)
def test_what_is_damaged_is_refused(damaged: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  which words doesn't matter
        from_stored(damaged)
