"""Values as the database has them: read as plain JSON, whatever is in them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_wiro.gallery.left.json_text import read_json
from airflow_provider_wiro.gallery.left.wiro_task_ids import wiro_task_id_in


@pytest.mark.parametrize("value", [None, 7, 0.5, True, "a text", "", [1, "x"], {"a": {"b": [None]}}])
def test_a_value_is_read_as_it_was_written_once_or_twice_encoded(value: Any) -> None:
    assert read_json(json.dumps(value)) == value
    if not isinstance(value, str | int | float | None):
        assert read_json(json.dumps(json.dumps(value))) == value


def test_numbers_that_json_lacks_are_nothing() -> None:
    assert read_json('{"a": NaN, "b": [Infinity, -Infinity]}') == {"a": None, "b": [None, None]}


def test_what_names_a_class_stays_a_dict() -> None:
    wrapped = {"__classname__": "subprocess.Popen", "__version__": 1, "__data__": ["x"]}

    assert read_json(json.dumps(json.dumps(wrapped))) == wrapped


@pytest.mark.parametrize(
    "text", ["{", "[" * 200_000, '{"a":' * 200_000, "1" * 10_000, '"' + "[" * 200_000 + '"', ""]
)
def test_what_can_t_be_read_raises_nothing(text: str) -> None:
    assert not isinstance(read_json(text), dict | list)


@pytest.mark.parametrize(
    ("key", "value", "wiro_task_id"),
    [
        ("wiro_task_id", "2221", "2221"),
        ("wiro_task_url", "https://wiro.ai/models/a/b#task-2221", "2221"),
        ("wiro_task_url", "http://127.0.0.1:8080/#task-a%2Fb", "a/b"),
        ("wiro_task_url", "https://wiro.ai/models/a/b", None),
        ("wiro_task_url", "https://[", None),
        ("wiro_task_url", "", None),
        ("wiro_task_id", "", None),
        ("wiro_task_id", "a\nb", None),
        ("wiro_task_id", "1" * 101, None),
        ("wiro_task_id", 2221, None),
        ("wiro_task_id", None, None),
    ],
)
def test_a_task_s_links_name_its_wiro_task(key: str, value: Any, wiro_task_id: str | None) -> None:
    assert wiro_task_id_in(key, value) == wiro_task_id
