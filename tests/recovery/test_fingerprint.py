"""Which runs are the same to Wiro, and which listed task is a run's."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_wiro.api.models import Task
from airflow_provider_wiro.api.parameters import FileContent, FileUrl
from airflow_provider_wiro.recovery.fingerprint import Match, conceal, fingerprint, match_task


def content(identity: str, name: str = "a.png") -> FileContent:
    return FileContent(name, "image/png", 3, lambda: None, identity=identity)  # type: ignore[arg-type, return-value]


def test_a_fingerprint_is_the_same_for_what_is_the_same_to_wiro() -> None:
    whole = fingerprint("a/b", {"x": 1, "y": None}, {"image": [content("sha256:1", "a.png")]})

    assert whole == fingerprint(" a / b ", {"x": 1}, {"image": [content("sha256:1", "renamed.png")]})
    assert len(whole) == 64


@pytest.mark.parametrize(
    "other",
    [
        ("a/c", {"x": 1}, {"image": [FileUrl("https://a")]}, None),
        ("a/b", {"x": 2}, {"image": [FileUrl("https://a")]}, None),
        ("a/b", {"x": 1}, {"image": [FileUrl("https://b")]}, None),
        ("a/b", {"x": 1}, {"other": [FileUrl("https://a")]}, None),
        ("a/b", {"x": 1}, {"image": [content("sha256:1")]}, None),
        ("a/b", {"x": 1}, {}, None),
        ("a/b", {"x": 1}, {"image": [FileUrl("https://a")]}, "7"),
    ],
)
def test_a_fingerprint_differs_for_runs_that_differ_to_wiro(other: Any) -> None:
    assert fingerprint("a/b", {"x": 1}, {"image": [FileUrl("https://a")]}) != fingerprint(*other)


def compared(task: Task, model: str, sent: dict[str, Any]) -> Match:
    """Compare a task with a run, also with what a trigger knows of the run: that tells the same."""
    verdict = match_task(task, model, sent)
    host = "api.wiro.ai"
    noted = {name: conceal(value) for name, value in sent.items()}
    assert match_task(task, model, noted) is verdict
    assert match_task(task, model, noted, host) is match_task(task, model, sent, host)
    return verdict


def shown(model: str | None = "a/b", **parameters: Any) -> Task:
    return Task(id="1", status="task_queue", model=model, parameters=parameters)


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ({"n": 4}, {"n": "4"}),
        ({"n": 4.0}, {"n": "4"}),
        ({"n": "0.80"}, {"n": 0.8}),
        ({"n": 1}, {"n": 1, "more": 2}),
        ({"b": True}, {"b": "true"}),
        ({"b": True}, {"b": "1"}),
        ({"b": True}, {"b": True}),
        ({"b": True}, {"b": 1}),
        ({"b": False}, {"b": "false"}),
        ({"b": False}, {"b": "0"}),
        ({"b": False}, {"b": ""}),
        ({"b": False}, {"b": None}),
        ({"t": "a\nb"}, {"t": "a\r\nb"}),
        ({"t": " a  b "}, {"t": "a b"}),
        ({"t": ""}, {"t": None}),
        ({"t": ""}, {}),
        ({"t": None}, {}),
        ({}, {}),
        ({"l": ["a", "b"]}, {"l": ["a", "b"]}),
        ({"l": ["a", "b"]}, {"l": "a,b"}),
        ({"l": ["a"]}, {"l": "a"}),
        ({"l": ["a", "b"]}, {"l": '["a", "b"]'}),
        ({"l": [1, 2]}, {"l": ["1", "2"]}),
        ({"l": ["a,b", "c"]}, {"l": '["a,b","c"]'}),
        ({"o": {"x": 1, "y": 2}}, {"o": {"y": 2, "x": 1}}),
        ({"o": {"x": 1}}, {"o": '{"x": 1}'}),
        ({"l": [{"x": 1}, {"y": "é"}]}, {"l": '[{"x":1},{"y":"\\u00e9"}]'}),
        ({"l": [{"x": 1}]}, {"l": ['{"x": 1}']}),
        ({"l": '[{"x": 1}]'}, {"l": [{"x": 1}]}),
        ({"o": '{"x": 1, "y": 2}'}, {"o": {"y": 2, "x": 1}}),
    ],
)
def test_a_task_is_recognised_by_its_parameters_in_any_form_that_wiro_shows(sent: Any, seen: Any) -> None:
    assert compared(shown(**seen), "a/b", sent) is Match.SAME


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ({"n": 4}, {"n": "5"}),
        ({"t": "a"}, {"t": "b"}),
        ({"t": "a"}, {"t": ""}),
        ({"t": ""}, {"t": "a"}),
        ({"b": True}, {"b": "false"}),
        ({"b": False}, {"b": "true"}),
        ({"l": ["a", "b"]}, {"l": ["b", "a"]}),
        ({"l": ["a"]}, {"l": ["a", "b"]}),
        ({"o": {"x": 1}}, {"o": {"x": 2}}),
        ({"o": {"x": 1}}, {"o": "x"}),
        ({"o": '{"x": 1}'}, {"o": {"x": 2}}),
        ({"l": "a"}, {"l": ["b"]}),
        ({"l": [{"x": 1}]}, {"l": '[{"x": 1}, {"x": 1}]'}),
        ({"n": 4, "t": "a"}, {"n": 4, "t": "b"}),
    ],
)
def test_a_task_with_another_value_is_another_one(sent: Any, seen: Any) -> None:
    assert compared(shown(**seen), "a/b", sent) is Match.OTHER


def test_a_slug_is_compared_in_its_clean_form_and_a_missing_field_is_no_proof() -> None:
    assert compared(shown("wiro/animated-logo"), "wiro/Animated Logo", {}) is Match.SAME
    assert compared(shown("wiro/another"), "wiro/Animated Logo", {}) is Match.OTHER
    assert compared(shown(None, n="1"), "a/b", {"n": 1}) is Match.UNCLEAR
    assert compared(shown(), "a/b", {"n": 1}) is Match.UNCLEAR
    assert compared(shown(None, n="2"), "a/b", {"n": 1}) is Match.OTHER


def test_a_slug_is_the_same_in_its_clean_form_whatever_that_drops() -> None:
    assert compared(shown("bytedance/seedance-pro-v1-5"), "ByteDance/seedance-pro-v1.5", {}) is Match.SAME


def test_an_input_that_wiro_shows_under_its_own_host_is_a_doubt_and_no_other_run() -> None:
    sent = {"inputImageUrl": "https://example.com/1.png"}
    assert compared(shown(inputImageUrl="https://cdn1.wiro.ai/x/1.png"), "a/b", sent) is Match.UNCLEAR
    assert compared(shown(inputImageUrl="https://example.com/2.png"), "a/b", sent) is Match.OTHER
    assert compared(shown(inputImageUrl="none"), "a/b", sent) is Match.OTHER
    assert compared(shown(inputImageUrl="http://["), "a/b", sent) is Match.OTHER
