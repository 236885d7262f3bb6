"""JSON of any depth is read; where Python's own parser can read it, the result is the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.api.decoding import deep_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def parsed(text: str) -> Any:
    return deep_json._Parser(text).value()


@given(VALUES, st.sampled_from([None, 1]))
def test_it_reads_what_python_reads(value: Any, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    assert parsed(text) == json.loads(text)


@given(st.text(alphabet='[]{}",: 1atrue\\\n', max_size=20))
def test_it_refuses_what_python_refuses(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(json.JSONDecodeError):
            parsed(text)
    else:
        assert parsed(text) == expected


@pytest.mark.parametrize("depth", [900, 5_000, 300_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a": ', "}")])
def test_no_depth_is_too_deep(depth: int, opening: str, closing: str) -> None:
    found = deep_json.loads((opening * depth + '"x"' + closing * depth).encode())
    levels = 0
    while found != "x":
        found = found[0] if isinstance(found, list) else found["a"]
        levels += 1
    assert levels == depth


@pytest.mark.parametrize("end", ["", "]]", "x", "}" * 5_000])
def test_a_deep_text_that_is_no_json_is_none(end: str) -> None:
    with pytest.raises(ValueError, match="Expected other JSON"):
        deep_json.loads(("[" * 5_000 + "1" + "]" * 4_999 + end).encode())
