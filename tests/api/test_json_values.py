"""Python values among a model's parameters: sent as JSON, or refused with advice what to write."""

from __future__ import annotations

from collections import UserList
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_wiro.api.json_values import json_value
from airflow_provider_wiro.api.parameters import clean_parameters, run_body
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.recovery.fingerprint import fingerprint


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (Decimal("4.0"), 4.0),
        (Decimal("12345678901234567890"), 12345678901234567890),
        (Decimal("1E+2"), 100),
        (UserList(["a", Decimal("1.5")]), ["a", 1.5]),
        ({"seeds": (Decimal(1), None)}, {"seeds": [1, None]}),
    ],
)
def test_numbers_of_a_database_and_outputs_of_mapped_tasks_are_sent(given: Any, sent: Any) -> None:
    found = json_value("x", given)

    assert found == sent
    assert type(found) is type(sent)
    assert run_body({"x": given}, {}).json == run_body({"x": sent}, {}).json


def test_a_run_has_the_same_digest_in_either_form() -> None:
    assert fingerprint("a/b", {"x": Decimal("4.0")}, {}) == fingerprint("a/b", {"x": 4.0}, {})
    assert fingerprint("a/b", {"x": UserList([1])}, {}) == fingerprint("a/b", {"x": [1]}, {})
    # Unchanged since the previous version: a retry recognises its record by this.
    assert fingerprint("a/b", {"x": (1, 2), "y": {"z": 1.5}}, {"f": []}, "7") == (
        "5bb922879fc199ba7a31b21a310006c479115006705d25b70e808ed1a765efcb"
    )


def test_values_that_json_has_are_returned_unchanged() -> None:
    value = {"a": [1, 2.5, True, None, "ü"]}
    assert json_value("x", value) is value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), "isoformat"),
        (date(2026, 1, 1), "isoformat"),
        (timedelta(hours=1), "total_seconds"),
        ({1, 2}, "write a list"),
        (b"abc", r"found 3 bytes; for text, write `\.decode\(\)`"),
        (Path("/data/cat.png"), "Files belong into `files`"),
        (float("nan"), "NaN"),
        (Decimal("NaN"), "no number"),
        (SimpleNamespace(task_id="make_prompt", output=None), r"write `make_prompt\.output`"),
        ([{"deep": SimpleNamespace(task_id="t", output=None)}], r"write `t\.output`"),
        (len, "found the function 'len'; write what it returns"),
        (object(), "found object"),
    ],
)
def test_a_value_that_json_lacks_is_refused_with_advice_what_to_write(value: Any, words: str) -> None:
    with pytest.raises(WiroUsageError, match=words) as caught:
        json_value("mask", value)
    assert str(caught.value).startswith("Parameter 'mask' can't be sent: ")
    assert len(str(caught.value)) < 400


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[Any] = [Decimal(1)]
    value.append(value)
    with pytest.raises(WiroUsageError, match="contains itself"):
        json_value("x", value)


def test_json_text_of_parameters_is_read() -> None:
    assert clean_parameters(' {"prompt": "a robot", "steps": 4}') == {"prompt": "a robot", "steps": 4}


@pytest.mark.parametrize("given", ['{"prompt": ', "a robot", "[1]", [1], 7])
def test_other_text_is_refused_and_quoted(given: object) -> None:
    with pytest.raises(WiroUsageError, match=r"or its JSON text, found .*tojson"):
        clean_parameters(given)
