"""JSON is laid out for people where that adds little, and never grows with what it is nested in."""

from __future__ import annotations

import json
import sys
import tracemalloc
from typing import Any

import pytest

from airflow_provider_wiro.api.models import Task
from airflow_provider_wiro.landing import manifest as manifests
from airflow_provider_wiro.landing.json_text import MAX_INDENTATION_BYTES, _pieces, json_text
from airflow_provider_wiro.landing.plan import plan
from airflow_provider_wiro.redaction.masking import masked

TOKEN = "eDcCm5yyUfIvMFspTwww49OUfgXkQt"


def nested(depth: int, content: Any) -> Any:
    for _ in range(depth):
        content = [content]
    return content


SMALL: list[Any] = [
    {},
    [],
    "text",
    {"prompt": "p", "answer": ["Merhaba 🌍"], "usage": {"total_tokens": 5}, "empty": [{}, []], "none": None},
    nested(100, "x"),
    [[1, [2, {"a": [3.5, True]}]], "z"],
]


@pytest.mark.parametrize("value", SMALL)
def test_small_json_is_indented(value: Any) -> None:
    """Byte for byte: an object that is there already is known again by its bytes."""
    assert json_text(value) == json.dumps(value, ensure_ascii=False, indent=2)


@pytest.mark.parametrize(
    "value",
    [
        nested(900, ["x" * 1000] * 1000),
        {"answer": [nested(30, list(range(20_000)))]},
        [{"a": 1}] * 50_000,
        nested(900, {f"{number}": number for number in range(50_000)}),
    ],
    ids=["deep", "inside", "wide", "names"],
)
def test_nothing_grows_with_what_it_is_nested_in(value: Any) -> None:
    plain = json.dumps(value, ensure_ascii=False)
    tracemalloc.start()
    written = json_text(value)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert json.loads(written) == value
    assert len(written) <= len(plain) + MAX_INDENTATION_BYTES
    assert peak < 10 * len(plain) + 10 * MAX_INDENTATION_BYTES


@pytest.mark.parametrize("count", [10, 1000, 100_000])
def test_what_indentation_adds_is_counted_rightly(count: int) -> None:
    value = {"a": list(range(count)), "b": [[{"c": [count]}]]}
    added = len(json.dumps(value, indent=2)) - len(json.dumps(value))
    assert ("\n" in json_text(value)) == (added <= MAX_INDENTATION_BYTES)


@pytest.mark.parametrize("value", SMALL)
@pytest.mark.parametrize("sort_keys", [False, True])
def test_what_is_written_without_recursion_is_the_same(value: Any, sort_keys: bool) -> None:
    assert "".join(_pieces(value, sort_keys=sort_keys)) == json.dumps(
        value, ensure_ascii=False, sort_keys=sort_keys
    )


def test_json_that_is_nested_beyond_the_interpreters_limit_is_written() -> None:
    depth = 50 * sys.getrecursionlimit()
    assert json_text(nested(depth, {"a": 1})) == "[" * depth + '{"a": 1}' + "]" * depth


def bodies(content: Any, **more: Any) -> list[bytes]:
    item = {"id": "1", "outputs": [{"contenttype": "raw", "content": content}], **more}
    return [landing.body or b"" for landing in plan(Task.from_wire(item), "{index}-{name}")]


def test_an_answer_of_900_nested_lists_lands_in_its_own_size() -> None:
    text = "x" * 1000
    body, _ = bodies({"answer": ["a"], "data": nested(900, [text] * 1000)})
    assert len(body) < 1_100_000
    assert json.loads(body)["answer"] == ["a"]


def test_a_token_that_an_answer_repeats_does_not_land() -> None:
    content = {"prompt": f"go on {TOKEN}", "answer": [f"I was given {TOKEN}."]}
    structured, plain = bodies(content, parameters={"previousTaskToken": TOKEN})
    assert json.loads(structured) == {"prompt": "go on ***", "answer": ["I was given ***."]}
    assert plain == b"I was given ***.\n"
    structured, plain = bodies({**content, "parameters": {"previousTaskToken": TOKEN}})
    assert TOKEN.encode() not in structured + plain


def test_a_manifest_does_not_grow_with_what_its_parameters_are_nested_in() -> None:
    parameters = {"seed": [1] * 100_000, "deep": nested(15, [1] * 100_000)}
    body = manifests.to_bytes({"parameters": masked(parameters)})
    assert len(body) < 700_000
    assert json.loads(body) == {"parameters": parameters}


def test_a_huge_name_is_bounded_and_keeps_its_suffix() -> None:
    item = {"name": "n" * 1_000_000 + ".png", "contenttype": "image/png" * 1000, "url": "https://a.example/x"}
    (output,) = Task.from_wire({"id": "1", "outputs": [item]}).outputs
    assert len(output.name) == 1000
    assert output.name.endswith("n.png")
    assert len(output.label) < 200
    assert len(output.content_type) == 200
