"""Findings are one short message without secrets, whatever the values are."""

from __future__ import annotations

from airflow_provider_wiro.catalog.checks import check_run
from airflow_provider_wiro.catalog.schema.findings import Findings
from airflow_provider_wiro.catalog.to_send import to_send
from tests.catalog.schemas import item, model_of, select

SECRET = "sk-abcdefghijklmnopqrstuvwxyz012345"


def test_one_problem_is_one_sentence() -> None:
    assert Findings(("Parameter 'steps' takes a number, found 'many'.",)).refusal("o/m") == (
        "o/m was not run, and nothing is paid for: Parameter 'steps' takes a number, found 'many'. "
        '`check_parameters="off"` skips this check.'
    )


def test_several_problems_are_numbered_and_many_are_counted() -> None:
    findings = Findings(warnings=tuple(f"Problem {number}." for number in range(1, 1235)))
    assert findings.warning("o/m") == (
        "o/m: (1) Problem 1. (2) Problem 2. (3) Problem 3. (4) Problem 4. (5) Problem 5. And 1,229 more."
    )
    assert findings.refusal("o/m") is None


def test_nothing_found_is_nothing_said() -> None:
    assert (Findings().refusal("o/m"), Findings().warning("o/m")) == (None, None)


def test_no_prompt_is_quoted_whole() -> None:
    story = "Once upon a time " * 1000
    model = model_of(item("steps", "number"), select("size", "1", "2"), item("title", max=10))
    for name in ("steps", "size", "title"):
        result = check_run(model, {name: story}, {}, mode="strict")
        assert story[:41] not in (result.refusal("o/m") or story)


def test_no_message_shows_a_secret() -> None:
    model = model_of(
        item("apiKey", "number"), item("steps", "number"), item("dbPassword", "checkbox"), select("size", "1")
    )
    given = {"apiKey": SECRET, "steps": f"see {SECRET}", "dbPassword": "tru-blue-9", "size": "tru-blue-9"}
    result = check_run(model, given, {}, mode="strict")
    assert len(result.refusals) == 4
    assert SECRET not in str(result)
    assert "tru-blue-9" not in str(result)


def test_no_path_shows_a_secret() -> None:
    model = model_of(item("a", "fileinput"), item("b", "fileinput"))
    given = {"a": f"file://me:{SECRET}@host/x?sig={SECRET}", "b": f"s3://{SECRET}@bucket/x"}
    result = check_run(model, given, {}, mode="strict")
    assert len(result.refusals) == 2
    assert SECRET not in str(result)


def test_no_change_shows_a_secret() -> None:
    model = model_of(select("pin", "123456"), select("size", "123456"))
    result = to_send(model, {"pin": 123456, "size": 123456}, {}, fill_defaults=False)
    assert result.parameters == {"pin": "123456", "size": "123456"}
    assert "123456" not in str(result.changes)


def test_a_message_is_one_line() -> None:
    result = check_run(model_of(item("steps", "number")), {"steps": "5\nERROR\u202e"}, {}, mode="warn")
    assert result.refusals == (r"Parameter 'steps' takes a number, found '5\nERROR\u202e'.",)
