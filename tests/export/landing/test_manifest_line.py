"""A task's line says what became of it, without links, prompts or secrets, and of bounded length."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_wiro.api.models import Output, Task
from airflow_provider_wiro.export.landing.manifest_line import LONGEST_ERROR, LONGEST_TEXT, manifest_line
from airflow_provider_wiro.redaction.masking import without

TASK: dict[str, Any] = {"id": "7", "status": "task_postprocess_end", "exit_code": "0"}


def line(error: str | None = None, *, secrets: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    return manifest_line(Task(**{**TASK, **fields}), "wiro/painter", [], without(secrets), error)


def answer(text: str) -> tuple[Output, ...]:
    content = {"prompt": "nobody's business", "answer": [text], "finishreason": "stop"}
    return (Output(0, "", "raw", None, None, content),)


def test_what_is_not_known_is_null() -> None:
    assert line() == {
        "wiro_task_id": "7",
        "model": "wiro/painter",
        "status": "task_postprocess_end",
        "state": "succeeded",
        "created": None,
        "ended": None,
        "elapsed_seconds": None,
        "cost_usd": None,
        "files": [],
    }


def test_times_are_in_utc() -> None:
    assert line(created_at=datetime(2026, 3, 1, tzinfo=UTC))["created"] == "2026-03-01T00:00:00+00:00"


def test_an_answer_is_there_without_its_prompt() -> None:
    found = line(outputs=answer("Merhaba"))
    assert (found["text"], found["finish_reason"]) == ("Merhaba", "stop")
    assert "nobody's business" not in str(found)


@pytest.mark.parametrize(("length", "is_there"), [(LONGEST_TEXT, True), (LONGEST_TEXT + 1, False)])
def test_an_answer_that_is_too_long_is_only_in_its_object(length: int, is_there: bool) -> None:
    assert (line(outputs=answer("x" * length))["text"] is not None) == is_there


def test_known_secrets_are_masked_in_answers_and_errors() -> None:
    found = line("no secret-1 here", secrets=("secret-1",), outputs=answer("the token is secret-1"))
    assert (found["text"], found["error"]) == ("the token is ***", "no *** here")


def test_an_error_is_one_line_of_bounded_length() -> None:
    error = line("first\nsecond" + "x" * 5000)["error"]
    assert "\n" not in error
    assert len(error) <= LONGEST_ERROR + 30
