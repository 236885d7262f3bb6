"""The search for a lost run recognises it in whatever form the model's schema had it sent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.api.catalog import Model, ModelParameter
from airflow_provider_wiro.api.models import Task
from airflow_provider_wiro.catalog.to_send import to_send
from airflow_provider_wiro.recovery.fingerprint import Match, conceal, match_task

SLUG = "a/b"
KINDS = (
    "text", "textarea", "number", "integer", "float", "range", "select", "selectwithcover", "multiselect",
    "checkbox", "jsonschema", "new kind",
)  # fmt: skip
WORDS = st.sampled_from(
    ["", "true", "TRUE", " False ", "5", "5.0", " 5 ", "auto", "Auto", "1e3", "[5]", "x y"]
)
VALUES = (
    WORDS
    | st.integers(-3, 10)
    | st.floats(-3, 10)
    | st.booleans()
    | st.lists(WORDS | st.integers(0, 9) | st.booleans(), max_size=3)
)
PARAMETERS = st.builds(
    ModelParameter,
    id=st.sampled_from("abcde"),
    kind=st.sampled_from(KINDS),
    default=st.none() | WORDS | st.integers(0, 9) | st.booleans(),
    options=st.lists(WORDS, max_size=4).map(tuple),
)


def shown(parameters: Any) -> Task:
    return Task(id="1", status="task_queue", model=SLUG, parameters=dict(parameters))


@given(
    st.lists(PARAMETERS, max_size=5),
    st.dictionaries(st.sampled_from("abcdef"), VALUES, max_size=4),
    st.booleans(),
)
def test_a_run_is_recognised_whatever_its_schema_made_of_it(
    listed: list[ModelParameter], given_: dict[str, Any], fill_defaults: bool
) -> None:
    model = Model(SLUG, SLUG, parameters=tuple(listed))
    sent = to_send(model, given_, {}, fill_defaults=fill_defaults).parameters

    assert match_task(shown(sent), SLUG, given_) is Match.SAME
    concealed = {name: conceal(value) for name, value in given_.items()}
    assert match_task(shown(sent), SLUG, concealed) is Match.SAME


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("TRUE", "true"),
        (True, "true"),
        (5, ["5"]),
        ("x", ["x"]),
        ("x", '["x"]'),
        ("True", ["true"]),
        (5, '["5"]'),
    ],
)
def test_one_value_has_several_forms(sent: Any, seen: Any) -> None:
    assert match_task(shown({"a": seen}), SLUG, {"a": sent}) is Match.SAME
    assert match_task(shown({"a": seen}), SLUG, {"a": conceal(sent)}) is Match.SAME


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("TRUE", "false"),
        (True, "false"),
        (5, ["5", "5"]),
        ("x", []),
        ("x", ["y"]),
        ("x", [["x"]]),
        (5, '["6"]'),
    ],
)
def test_another_value_is_another_run(sent: Any, seen: Any) -> None:
    assert match_task(shown({"a": seen}), SLUG, {"a": sent}) is Match.OTHER
    assert match_task(shown({"a": seen}), SLUG, {"a": conceal(sent)}) is Match.OTHER
