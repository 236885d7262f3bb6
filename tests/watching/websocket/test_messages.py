"""Messages over the WebSocket are read tolerantly."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_wiro.watching.websocket.messages import (
    MAX_MESSAGE_CHARACTERS,
    Progress,
    PushMessage,
    read_message,
    registration,
)
from tests.api.decoding.test_fields import JSON_VALUES
from tests.api.fake_transport import TOKEN, quick

TOKENS = {TOKEN: "2221"}
IMAGE = {
    "type": "progressGenerate",
    "task": "Generate",
    "percentage": "60",
    "stepCurrent": "36",
    "stepTotal": "60",
    "speed": "12.5",
    "speedType": "it/s",
    "elapsedTime": "3s",
    "remainingTime": "2s",
}


def read(frame: Any, tokens: dict[str, str] = TOKENS) -> PushMessage | None:
    text = frame if isinstance(frame, str) else json.dumps(frame)
    return read_message(text, tokens, set(tokens.values()))


def said(kind: str, message: Any = None, **more: Any) -> dict[str, Any]:
    return {"type": kind, "id": "2221", "tasktoken": TOKEN, "message": message, "result": True, **more}


class TestMessages:
    def test_a_task_is_registered_by_its_token(self) -> None:
        assert json.loads(registration(TOKEN)) == {"type": "task_info", "tasktoken": TOKEN}

    @pytest.mark.parametrize("end", ["task_postprocess_end", "task_cancel"])
    def test_the_two_ends_are_ends(self, end: str) -> None:
        message = read(said(end, [{"url": "https://cdn1.wiro.ai/0.png"}]))
        assert message == PushMessage("2221", end)
        assert message.progress is None
        assert message.is_end

    @pytest.mark.parametrize("status", ["task_error", "task_end", "task_error_full", "task_warp"])
    def test_an_error_line_and_the_unknown_are_no_end(self, status: str) -> None:
        message = read(said(status, "warning: slow"))
        assert message == PushMessage("2221", status)
        assert not message.is_end

    def test_numbers_come_as_text(self) -> None:
        message = read(said("task_output", IMAGE))
        assert message is not None
        assert message.progress == Progress(60.0, 36, 60, 12.5, "it/s", 2.0)

    def test_numbers_come_as_numbers(self) -> None:
        wire = {"percentage": 60, "stepCurrent": 36, "stepTotal": 60.0, "speed": 12.5, "remainingTime": 2}
        assert Progress.from_wire(wire) == Progress(60.0, 36, 60, 12.5, None, 2.0)

    @pytest.mark.parametrize(
        ("wire", "seconds"),
        [("90", 90.0), ("1.5s", 1.5), ("01:30", 90.0), ("1:00:01", 3601.0), ("00:00", 0.0)]
        + [(odd, None) for odd in ("", "?", "-3s", "1:x", ":" * 1_000_000, "9" * 40, "inf", None, [])],
    )
    def test_a_remaining_time_is_read_in_the_ways_progress_bars_write_it(
        self, wire: object, seconds: float | None
    ) -> None:
        progress = Progress.from_wire({"percentage": 1, "remainingTime": wire})
        assert progress == Progress(percentage=1.0, remaining_seconds=seconds)

    def test_of_a_language_model_the_speed_is_read_and_the_text_left(self) -> None:
        wire = {"thinking": ["hm"], "answer": ["Once"], "raw": "<think>", "isThinking": False}
        assert Progress.from_wire(wire) is None
        assert Progress.from_wire({**wire, "speed": "31.4", "speedType": "words/s"}) == Progress(
            speed=31.4, speed_unit="words/s"
        )

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *(("percentage", value) for value in ("101", "-1", "NaN", 1e400, True, [], {}, "all")),
            *(("stepCurrent", value) for value in ("-1", 1e300, "nine", None)),
            ("speed", 1e300),
        ],
    )
    def test_nonsense_in_one_number_costs_that_number_only(self, field: str, value: object) -> None:
        progress = Progress.from_wire({**IMAGE, field: value})
        missing = {"percentage": "percentage", "stepCurrent": "step", "speed": "speed"}[field]
        assert progress is not None
        assert getattr(progress, missing) is None
        assert progress.steps == 60

    def test_a_unit_from_a_server_cannot_forge_a_log_line(self) -> None:
        progress = Progress.from_wire({"speed": "1", "speedType": "it/s\nFORGED " + "x" * 1000})
        assert progress is not None
        assert progress.speed_unit == "it/sFORGED xxxxxxxx"

    @pytest.mark.parametrize("progress", ["Generating …", 7, None, [], [IMAGE], {}])
    def test_an_output_without_progress_is_an_ordinary_message(self, progress: object) -> None:
        message = read(said("task_output", progress))
        assert message == PushMessage("2221", "task_output")
        assert message.progress is None

    def test_the_token_names_the_task_whatever_the_id_says(self) -> None:
        message = read({"type": "task_start", "id": "9999", "tasktoken": TOKEN})
        assert message == PushMessage("2221", "task_start")
        assert read({"type": "task_start", "tasktoken": TOKEN}) == message

    @pytest.mark.parametrize("token", [None, "", "another's", 7, []])
    def test_without_its_token_the_id_names_the_task(self, token: object) -> None:
        assert read({"type": "task_start", "id": 2221, "tasktoken": token}) == PushMessage(
            "2221", "task_start"
        )

    @pytest.mark.parametrize(
        "frame",
        [
            "",
            "no json",
            "[" * 100_000,
            "9" * 10_000,
            "null",
            [],
            "NaN",
            {},
            {"type": "task_start"},
            {"type": "task_start", "id": "1"},
            {"type": None, "id": "2221"},
            {"type": {}, "id": "2221"},
            {"type": "error", "result": False, "message": "task-not-exist"},
        ],
    )
    def test_what_is_not_understood_is_nothing(self, frame: Any) -> None:
        assert read(frame) is None

    @quick
    @example({"type": "task_output", "id": "2221", "message": {"speedType": "\0"}})
    @given(
        st.fixed_dictionaries(
            {},
            optional={
                "type": JSON_VALUES | st.sampled_from(["task_output", "task_cancel"]),
                "id": JSON_VALUES | st.just("2221"),
                "tasktoken": JSON_VALUES | st.just(TOKEN),
                "message": JSON_VALUES | st.dictionaries(st.sampled_from(sorted(IMAGE)), JSON_VALUES),
            },
        )
        | JSON_VALUES
    )
    def test_no_message_raises_or_repeats_the_token(self, frame: object) -> None:
        message = read(frame)
        assert message is None or message.wiro_task_id == "2221"
        assert TOKEN not in repr(message)
        assert message is None or TOKEN not in repr(message.progress)


def said_today(kind: str, message: Any = None, **more: Any) -> dict[str, Any]:
    """Return a message in today's dialect, which names no token."""
    return {
        "type": kind,
        "id": "2221",
        "message": message,
        "result": True,
        "success": None,
        "terminal": False,
        "exitCode": None,
        **more,
    }


class TestTodaysDialect:
    @pytest.mark.parametrize(
        ("kind", "success", "exit_code"),
        [
            ("task_postprocess_end", True, 0),
            ("task_postprocess_end", False, 1),
            ("task_cancel", False, None),
            ("task_expired", False, None),
        ],
    )
    def test_terminal_means_the_end_also_with_an_unknown_status(
        self, kind: str, success: bool, exit_code: int | None
    ) -> None:
        message = read(said_today(kind, [], success=success, terminal=True, exitCode=exit_code))
        assert message == PushMessage("2221", kind, terminal=True)
        assert message.is_end

    @pytest.mark.parametrize("terminal", [True, False, None])
    def test_a_task_error_is_no_end_whatever_it_says(self, terminal: bool | None) -> None:
        message = read(said_today("task_error", "no such checkpoint", terminal=terminal))
        assert message is not None
        assert not message.is_end

    @pytest.mark.parametrize("terminal", ["true", 1, None, [], {}])
    def test_only_true_is_terminal(self, terminal: object) -> None:
        message = read(said_today("task_output", IMAGE, terminal=terminal))
        assert message is not None
        assert not message.is_end
        assert message.progress is not None

    def test_what_a_turn_of_a_realtime_session_costs_is_of_no_interest(self) -> None:
        cost = {"turnCost": "0.01", "cumulativeCost": "0.02", "usage": {}}
        assert read(said_today("task_cost", cost)) is None


LONG = {"raw": "x" * MAX_MESSAGE_CHARACTERS}


class TestLongMessages:
    @pytest.mark.parametrize("dialect", [said, said_today])
    @pytest.mark.parametrize("kind", ["task_output", "task_postprocess_end"])
    def test_of_a_long_message_its_type_and_its_task_are_read(self, dialect: Any, kind: str) -> None:
        assert read(dialect(kind, LONG)) == PushMessage("2221", kind)
        assert read(dialect(kind, LONG, id=2221)) == PushMessage("2221", kind)

    @pytest.mark.parametrize(
        "frame",
        [
            {"message": LONG, "type": "task_cancel", "id": "2221"},
            {"message": '{"type": "task_cancel", "id": "2221", ' + "x" * MAX_MESSAGE_CHARACTERS},
            {"type": "task_cancel", "id": "1", "message": LONG},
            {"type": "x" * MAX_MESSAGE_CHARACTERS, "id": "2221", "message": ""},
            " " * (MAX_MESSAGE_CHARACTERS + 1),
        ],
        ids=["named at the end", "a text that looks like a message", "another task", "a long type", "blanks"],
    )
    def test_one_that_does_not_begin_with_them_is_nothing(self, frame: Any) -> None:
        assert read(frame) is None
