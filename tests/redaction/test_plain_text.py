"""Foreign text forges no log line, recolours no terminal and folds no log view."""

from __future__ import annotations

import copy
import logging
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator

from airflow_provider_wiro.api.models import Task
from airflow_provider_wiro.api.run_summary import check_success, run_summary
from airflow_provider_wiro.exceptions import WiroApiError, WiroError, WiroTaskFailedError
from airflow_provider_wiro.failures import airflow_failures
from airflow_provider_wiro.redaction.loggers import PlainLogs, make_plain, plain_logger
from airflow_provider_wiro.redaction.plain_text import plain, plain_values
from airflow_provider_wiro.watching.task_log import TaskLogger

#: One of each kind of character that must be escaped.
HOSTILE = "".join(
    map(chr, [*range(32), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
)
FORGED = "bad\n[2026-11-27T00:00:00] {taskinstance.py:1} INFO - Marking task as SUCCESS\r\x1b[2K\u202e"


@pytest.mark.parametrize("character", [*HOSTILE, "\ud800", "\ufeff", "\u061c", "\u200e", "\U000e0041"])
def test_invisible_characters_become_visible(character: str) -> None:
    shown = plain(f"a{character}b")

    assert shown.isprintable()
    assert shown.startswith("a\\")
    assert shown.endswith("b")
    assert plain(shown) == shown


def test_escapes_are_those_of_python() -> None:
    assert plain("a\n\r\t\0\x1b\x85\u2028\u202e\ud800\U000e0041") == (
        r"a\n\r\t\x00\x1b\x85\u2028\u202e\ud800\U000e0041"
    )


@pytest.mark.parametrize(
    "text",
    ["", "日本語", "naïve café", "C:\\new\\table", "👩‍🚀 می‌خواهم", "a\u00a0b\u3000c"],
)
def test_ordinary_text_of_any_language_stays_as_it_is(text: str) -> None:
    assert plain(text) == text


@pytest.mark.parametrize("word", ["::group::", "::endgroup::", "##[group]", "##[endgroup]", "::GROUP::"])
def test_a_command_of_the_log_view_is_disarmed(word: str) -> None:
    shown = plain(f"x {word} y")

    assert word not in shown
    assert "group" in shown.lower()
    assert plain(shown) == shown


def test_long_text_is_truncated_and_its_length_shown() -> None:
    assert plain("x" * 50, 10) == "xxxxxxxxxx… (50 characters)"
    assert plain("x" * 10, 10) == "x" * 10
    assert len(plain("\n" * 10, 10)) < 40


def test_values_are_made_plain_with_their_names() -> None:
    assert plain_values({"a\n": ["\r", 1, None, ("\t",)]}) == {r"a\n": [r"\r", 1, None, [r"\t"]]}


# Where people read it.


@pytest.mark.parametrize("kind", [WiroError, WiroApiError])
def test_every_error_of_this_package_is_one_line(kind: type[WiroError]) -> None:
    assert str(kind(FORGED)).isprintable()


def test_the_models_last_lines_are_joined_in_one_line() -> None:
    wire = {"id": "1", "status": "task_postprocess_end", "pexit": "1", "debugerror": FORGED + "\n::group::x"}

    with pytest.raises(WiroTaskFailedError) as failure:
        check_success(Task.from_wire(wire))

    assert str(failure.value).isprintable()
    assert "bad | [2026" in str(failure.value)
    assert "::group::" not in str(failure.value)


def test_names_in_a_summary_are_plain_and_an_answer_is_unchanged() -> None:
    answer = "line 1\nline 2\u2028\tend"
    task = Task.from_wire(
        {
            "id": "1",
            "status": FORGED,
            "modelslugowner": "o",
            "modelslugproject": "a\nb",
            "outputs": [
                {"name": FORGED, "contenttype": "image/png\n", "url": "https://x.test/a\u202eb"},
                {
                    "name": "n" * 10_000,
                    "contenttype": "raw",
                    "content": {"answer": [answer], "finishreason": "a\nb"},
                },
            ],
        }
    )

    summary = run_summary(task)

    assert summary.pop("text") == answer
    assert repr(summary).isprintable()
    assert "\\n[2026" in summary["outputs"][0]["name"]
    assert len(summary["outputs"][1]["name"]) < 1100


def test_the_log_of_a_tasks_life_has_plain_lines() -> None:
    lines: list[str] = []
    narrator = TaskLogger("1", lines.append, lines.append)
    hostile = "\x1b[1;31m\u202eno machine ::group::x\u2028"
    narrator.on_task(Task("1", "task_error", debug_error=f"Traceback\n{hostile}"))
    narrator.on_task(Task("1", f"task_{hostile}"))
    narrator.on_success(Task("1", "task_postprocess_end", exit_code="0", debug_output=FORGED))

    assert len(lines) >= 3
    assert all(line.isprintable() and "::group::" not in line for line in lines)


def _log_with(logger: Any, error: Exception) -> None:
    logger.info("%s is %r", FORGED, 1)
    logger.warning(FORGED + "%d")
    try:
        raise error  # noqa: TRY301
    except Exception:
        logger.exception("It failed: %s", error)


def _assert_all_plain(messages: list[str], traceback: str) -> None:
    assert len(messages) == 3
    assert all(message.isprintable() for message in messages)
    assert "Marking task as SUCCESS" in messages[0]
    assert not any(line.startswith("[2026") for line in traceback.splitlines())
    assert "\x1b" not in traceback


def _caused() -> Exception:
    error = OSError(5, FORGED, "file\nname")
    error.__cause__ = RuntimeError({"no": "text"}, FORGED)
    error.__context__ = ExceptionGroup("some\r", [KeyError(FORGED)])
    error.add_note(FORGED)
    return error


def test_the_lines_of_a_modules_logger_are_plain(caplog: pytest.LogCaptureFixture) -> None:
    logger = plain_logger("airflow_provider_wiro.tests.a")
    assert logger is plain_logger("airflow_provider_wiro.tests.a")

    with caplog.at_level(logging.INFO):
        _log_with(logger, _caused())

    _assert_all_plain(caplog.messages, caplog.text)
    assert caplog.records[0].filename == "test_plain_text.py"


class _Old(BaseOperator):
    """As on Airflow 2.11 and 3.0."""

    @property
    def log(self) -> Any:
        return logging.getLogger("airflow.task.operators.old")


class _OldPlain(PlainLogs, _Old):
    pass


class _Plain(PlainLogs, BaseOperator):
    pass


def test_the_lines_of_an_operator_with_a_standard_logger_are_plain(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        _log_with(_OldPlain(task_id="x").log, _caused())

    _assert_all_plain(caplog.messages, caplog.text)


def test_the_lines_of_an_operator_with_structlog_are_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    structlog = pytest.importorskip("structlog")
    if isinstance(BaseOperator(task_id="x").log, logging.Logger):
        pytest.skip("this Airflow logs with the standard library")
    seen: list[dict[str, Any]] = []

    def keep(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        seen.append(dict(event))
        raise structlog.DropEvent

    operator = _Plain(task_id="x")
    before = structlog.get_config()
    adder = structlog.processors.CallsiteParameterAdder(
        [structlog.processors.CallsiteParameter.FILENAME], additional_ignores=["airflow."]
    )
    # The configuration at the time of a line counts, not that at the logger's creation.
    logger = operator.log
    structlog.configure(
        processors=[structlog.processors.add_log_level, adder, structlog.processors.format_exc_info, keep]
    )
    try:
        _log_with(logger, _caused())
    finally:
        structlog.configure(**before)

    assert operator.log is logger
    _assert_all_plain([event["event"] for event in seen], seen[-1]["exception"])
    assert [event["level"] for event in seen] == ["info", "warning", "error"]
    assert {event["filename"] for event in seen} == {"test_plain_text.py"}


def test_an_operator_with_a_logger_can_be_copied() -> None:
    operator = _Plain(task_id="x")
    operator.log.info("begun")
    copy.deepcopy(operator).log.info("copied")


def test_a_librarys_error_that_leaves_an_operator_is_plain_with_its_causes() -> None:
    class AnswerError(Exception):
        def __init__(self, message: str) -> None:
            super().__init__(f"An error occurred: {message}")

    with pytest.raises(AnswerError) as failure, airflow_failures():
        raise AnswerError(FORGED) from ValueError(FORGED)

    assert str(failure.value).isprintable()
    assert str(failure.value.__cause__).isprintable()


def test_a_permanent_error_that_leaves_an_operator_is_plain() -> None:
    with pytest.raises(AirflowFailException) as failure, airflow_failures():
        raise WiroApiError(FORGED)

    assert str(failure.value).isprintable()


def test_errors_that_cause_each_other_end_no_loop() -> None:
    one, other = ValueError("a\n"), ValueError("b\n")
    one.__cause__, other.__context__ = other, one

    make_plain(one)

    assert (str(one), str(other)) == (r"a\n", r"b\n")
