"""No schema and no run makes the checks fail, however broken they are; what is sent can be sent."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_wiro.api.catalog import Model
from airflow_provider_wiro.api.parameters import run_body
from airflow_provider_wiro.catalog.checks import check_category, check_run
from airflow_provider_wiro.catalog.to_send import to_send
from airflow_provider_wiro.redaction.plain_text import plain

NUMBERS = st.integers() | st.floats() | st.decimals(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["a", "aUrl", "b", "prompt", "Prompt", "promptUrl", "messages", "Url", "token"])
KINDS = st.sampled_from(
    [
        *("text", "textarea", "number", "integer", "float", "range", "select", "selectwithcover"),
        *("multiselect", "checkbox", "fileinput", "multifileinput", "combinefileinput", "jsonschema"),
        *("string", "hologram"),
    ]
)
WORDS = st.sampled_from(["", "0", "1", "true", "9999999999", "1e400", "-1", "[]", '{"a": 1}', "/x", "0.1"])
ITEMS = st.fixed_dictionaries(
    {"id": NAMES | JSON, "type": KINDS | JSON},
    optional={
        "required": st.sampled_from([True, "true", 0]) | JSON,
        "default": WORDS | JSON,
        "options": st.lists(st.fixed_dictionaries({"value": WORDS | JSON}) | JSON, max_size=4) | JSON,
        "min": WORDS | NUMBERS | JSON,
        "max": WORDS | NUMBERS | JSON,
        "step": WORDS | NUMBERS | JSON,
        "jsonschema": JSON,
    },
)
GROUPS = st.lists(
    st.fixed_dictionaries({"items": st.lists(ITEMS | JSON, max_size=6) | JSON}) | JSON, max_size=3
)
TOOLS = st.fixed_dictionaries(
    {"parameters": GROUPS | JSON}, optional={"categories": JSON, "slugowner": JSON, "slugproject": JSON}
)
VALUES = JSON | NUMBERS | WORDS | st.tuples(WORDS, NUMBERS)
RUNS = st.dictionaries(NAMES | st.text(max_size=6), VALUES, max_size=6)
FILES = st.dictionaries(NAMES, st.integers(-1, 3), max_size=3)


@settings(max_examples=400, deadline=None)
@given(TOOLS, RUNS, FILES)
def test_any_run_of_any_model_is_checked_and_prepared(
    tool: dict[str, Any], run: dict[str, Any], files: dict[str, int]
) -> None:
    model = Model.from_wire(tool)
    warned, strict = (check_run(model, run, files, mode=mode) for mode in ("warn", "strict"))
    assert strict.refusals == (*warned.refusals, *warned.warnings)
    assert all(plain(sentence) == sentence and len(sentence) < 1200 for sentence in strict.refusals)
    check_category(model, [])

    as_given = to_send(model, run, files, fill_defaults=False)
    assert as_given.parameters.keys() == run.keys()
    assert (as_given.parameters is run) == (not as_given.changes)
    filled = to_send(model, run, files, fill_defaults=True)
    assert filled.parameters.keys() >= run.keys()


@settings(max_examples=200, deadline=None)
@given(TOOLS)
def test_what_is_filled_in_can_be_sent_and_is_never_refused_but_for_what_is_missing(
    tool: dict[str, Any],
) -> None:
    model = Model.from_wire(tool)
    filled = to_send(model, {}, {}, fill_defaults=True).parameters
    body = run_body(filled, {}, model.parameters)
    assert body.json is not None
    assert json.loads(body.json) == filled
    findings = check_run(model, filled, {}, mode="strict")
    assert all("is missing" in refusal for refusal in findings.refusals), findings
