from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.api.decoding.llm_answers import answer_parts, answer_text, content_of
from airflow_provider_wiro.api.models import Task
from airflow_provider_wiro.api.run_summary import run_summary, success_warnings
from tests.api.decoding.test_fields import JSON_VALUES
from tests.api.test_models import LLM, SAMPLE

SEGMENTS = [{"type": "thinking", "text": "hm"}, {"type": "answer", "text": "Hello"}]


def _task(content: object, **fields: Any) -> Task:
    output = {"contenttype": "raw", "name": "answer", "content": content}
    return Task.from_wire({**SAMPLE, "pexit": "0", "outputs": [output], **fields})


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (LLM, ["because", "and so"]),
        ({**LLM, "segments": SEGMENTS}, ["Hello"]),
        ({"segments": [*SEGMENTS, {"type": "function_call", "name": "f"}]}, ["Hello"]),
        ({**LLM, "segments": [{"type": "thinking", "text": "hm"}]}, ["because", "and so"]),
        ({**LLM, "segments": [{"type": "answer", "text": None}, "odd", None]}, ["because", "and so"]),
        ({**LLM, "segments": "odd"}, ["because", "and so"]),
        ({"answer": "one text"}, ["one text"]),
        ({"answer": [{"text": "of an object"}, "plain"]}, ["of an object", "plain"]),
        ({"answer": [], "raw": "all of it"}, ["all of it"]),
        ({"answer": [None, ""], "raw": "all of it"}, ["all of it"]),
        ({"raw": "all of it"}, ["all of it"]),
        ({"raw": "<think>hm\n</think>\n\nHello"}, ["Hello"]),
        ({"raw": "<think>a</think>one <think>b</think>two"}, ["one two"]),
        ({"raw": "hm</think>Hello"}, ["Hello"]),
        ({"raw": "Hello<think>hm, and then the tokens were"}, ["Hello"]),
        ({"raw": "<think>never done", "message": "Hello"}, ["Hello"]),
        ({"message": "Hello"}, ["Hello"]),
        ({"message": {"role": "assistant", "content": "Hello"}}, ["Hello"]),
        ({"content": "Hello"}, ["Hello"]),
        ("Hello", ["Hello"]),
        ({"answer": {"odd": 1}, "raw": None}, []),
        ({}, []),
    ],
)
def test_the_parts_of_an_answer_are_found_in_every_form(content: Any, parts: list[str]) -> None:
    assert answer_parts(content) == parts


def test_many_thoughts_without_an_end_take_no_time() -> None:
    assert answer_parts({"raw": "<think>" * 200_000}) == []
    assert answer_parts({"raw": "x" + "<think></think>" * 200_000 + "y"}) == ["xy"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"segments": SEGMENTS}, "Hello"),
        (json.dumps({"segments": SEGMENTS}), "Hello"),
        ("Hello", "Hello"),
        ('["no", "object"]', '["no", "object"]'),
        ('{"title": "Hi", "score": 3}', '{"title": "Hi", "score": 3}'),
        ('[{"title": "Hi"}]', '[{"title": "Hi"}]'),
        (["Hi", "there"], "Hi\n\nthere"),
        (SEGMENTS, "Hello"),
        ([{"title": "Hi"}], '[{"title": "Hi"}]'),
        (None, "printed"),
        ("  ", "printed"),
        ({}, "printed"),
        (7, "printed"),
    ],
)
def test_the_content_of_an_answer_may_be_an_object_json_text_plain_text_or_null(
    content: object, text: str
) -> None:
    task = _task(content, debugoutput="printed")

    assert task.answer == text
    assert (task.outputs[0].awaits_link, task.outputs[0].url) == (False, None)
    assert run_summary(task)["text"] == text


def test_an_object_that_is_the_answer_itself_is_its_json_if_nothing_was_printed() -> None:
    assert _task({"title": "Hi", "score": 3}).answer == '{"title": "Hi", "score": 3}'
    assert _task({"title": "Hi"}, debugoutput="Title: Hi").answer == "Title: Hi"


@pytest.mark.parametrize(
    "content", [None, "", "a caption", '{"answer": "x"}', {}, {"prompt": "x"}, {"answer": ["x"]}, ["x"]]
)
def test_a_file_is_no_answer_whatever_other_content_it_has(content: object) -> None:
    item = {"content": content}
    for content_type in ("image/png", "", "raw", "text/plain"):
        assert content_of(item, content_type=content_type, has_url=True) is None
    for content_type in ("image/png", "VIDEO/mp4", "audio/mpeg"):
        assert content_of(item, content_type=content_type, has_url=False) is None


def test_an_empty_answer_is_a_success_with_a_warning() -> None:
    for content in (None, "", {}, []):
        task = _task(content, debugoutput=" ")
        assert task.has_empty_answer
        assert success_warnings(task) == ["The answer of Wiro task 2221 is empty. The run is billed anyway."]
        assert not _task(content, debugoutput="printed").has_empty_answer
    assert not _task({"segments": [{"type": "function_call", "name": "f"}]}).has_empty_answer


def test_a_file_without_a_link_awaits_one_and_an_answer_does_not() -> None:
    item = {"name": "0.png", "contenttype": "image/png", "url": ""}
    task = Task.from_wire({**SAMPLE, "outputs": [item]})

    assert task.outputs[0].awaits_link
    assert task.answer is None
    assert not _task(None).outputs[0].awaits_link


@pytest.mark.parametrize("name", ["finishreason", "finish_reason"])
def test_the_finish_reason_and_the_usage_are_reported(name: str) -> None:
    usage = {"input_tokens": 84, "output_tokens": "21", "total_tokens": 105, "input_details": {"cached": 3}}
    task = _task({"segments": SEGMENTS, name: "stop", "usage": usage})

    summary = run_summary(task)
    assert summary["finish_reason"] == "stop"
    assert summary["usage"] == {"input_tokens": 84, "output_tokens": 21, "total_tokens": 105}
    assert success_warnings(task) == []


@pytest.mark.parametrize("usage", [None, {}, "odd", {"input_tokens": None}, {"output_tokens": "many"}])
def test_unknown_parts_of_the_usage_are_null(usage: object) -> None:
    assert run_summary(_task({"usage": usage}))["usage"] is None
    partly = run_summary(_task({"usage": {"input_tokens": 5, "output_tokens": -1}}))["usage"]
    assert partly == {"input_tokens": 5, "output_tokens": None, "total_tokens": None}


@pytest.mark.parametrize(
    ("reason", "why"),
    [("length", "limit of output tokens"), ("content_filter", "content filter"), ("error", "with an error")],
)
def test_an_incomplete_answer_is_a_success_with_a_warning(reason: str, why: str) -> None:
    task = _task({"segments": SEGMENTS, "finishreason": reason})

    assert task.has_succeeded
    [warning] = success_warnings(task)
    assert warning.startswith("The answer of Wiro task 2221 is incomplete")
    assert repr(reason) in warning
    assert why in warning


@pytest.mark.parametrize("reason", ["stop", "tool_calls", "", None, "something_new"])
def test_other_finish_reasons_are_no_reason_to_warn(reason: object) -> None:
    assert success_warnings(_task({"answer": "x", "finishreason": reason})) == []


def test_of_two_answers_the_incomplete_one_counts() -> None:
    outputs = [
        {
            "contenttype": "raw",
            "content": {"answer": "a", "finishreason": "stop", "usage": {"total_tokens": 2}},
        },
        {
            "contenttype": "raw",
            "content": {"answer": "b", "finishreason": "length", "usage": {"total_tokens": 3}},
        },
    ]
    task = Task.from_wire({**SAMPLE, "outputs": outputs})

    assert (task.answer, task.finish_reason) == ("a\n\nb", "length")
    assert task.usage == {"input_tokens": None, "output_tokens": None, "total_tokens": 5}


@given(
    st.dictionaries(
        st.sampled_from(["segments", "answer", "raw", "message", "content", "usage"]), JSON_VALUES
    )
)
def test_no_content_raises_an_error(content: dict[str, Any]) -> None:
    task = _task(content, debugoutput="printed")
    summary = json.loads(json.dumps(run_summary(task)))
    assert isinstance(summary["text"], str)
    assert answer_text([content], "printed") == task.answer
