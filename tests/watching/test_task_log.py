from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow_provider_wiro.api.models import Output, Task
from airflow_provider_wiro.watching.task_log import TaskLogger
from airflow_provider_wiro.watching.websocket.messages import Progress, PushMessage
from tests.api.test_models import SAMPLE


class Log:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []
        self.logger = TaskLogger("2221", self.said.append, self.warned.append)

    def on_progress(self, second: float, progress: Progress) -> None:
        self.logger.on_progress(progress, datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second))

    def on_task(self, *statuses: str) -> None:
        for status in statuses:
            self.logger.on_task(Task("2221", status))


def test_a_status_is_logged_once_for_as_long_as_it_lasts() -> None:
    log = Log()
    log.on_task("task_queue", "task_queue", "task_start", "task_start", "task_postprocess_end")

    assert log.said == [
        "Wiro task 2221: task_queue (queued)",
        "Wiro task 2221: task_start (running)",
        "Wiro task 2221: task_postprocess_end (ended)",
    ]
    assert log.warned == []


def test_an_unknown_status_is_a_warning_and_logged_once_even_when_it_comes_back() -> None:
    log = Log()
    log.on_task("task_dreaming", "task_dreaming", "task_start", "task_dreaming")

    assert log.warned == [
        "Wiro task 2221 has status 'task_dreaming', which this version doesn't know; "
        "it counts as still running."
    ]
    assert log.said == ["Wiro task 2221: task_start (running)"]


def test_an_error_before_the_model_ran_is_a_warning_with_its_reason_and_only_once() -> None:
    log = Log()
    failed = Task("2221", "task_error", debug_error="Traceback\nno such checkpoint")
    for task in (failed, failed, Task("2221", "task_queue"), failed, Task("2221", "task_start")):
        log.logger.on_task(task)

    [warning] = log.warned
    assert "task_error: no such checkpoint" in warning
    assert "has not ended" in warning
    assert log.said == [
        "Wiro task 2221: task_queue (queued)",
        "Wiro task 2221: task_error (queued)",
        "Wiro task 2221: task_start (running)",
    ]


def test_a_reason_that_comes_later_is_logged_once() -> None:
    log = Log()
    for reason in ("", "", "no such checkpoint", "no such checkpoint", "another"):
        log.logger.on_task(Task("2221", "task_error", debug_error=reason))

    first, second = log.warned
    assert "(task_error)" in first
    assert second.endswith("for this reason: task_error: no such checkpoint.")


def test_a_line_on_stderr_is_no_status() -> None:
    log = Log()
    log.on_task("task_start")
    for status in ("task_error", "task_start", "task_output"):
        log.logger.on_message(PushMessage("2221", status), datetime(2026, 1, 1, tzinfo=UTC))

    assert log.said == ["Wiro task 2221: task_start (running)", "Wiro task 2221: task_output (running)"]
    assert log.warned == []


def test_a_status_from_a_server_cannot_fill_the_log() -> None:
    log = Log()
    log.on_task("x" * 100_000 + "\nforged line")
    assert len(log.warned[0]) < 250
    assert "\n" not in log.warned[0]


def test_the_end_says_what_the_run_took_and_produced() -> None:
    log = Log()
    log.logger.on_success(Task.from_wire({**SAMPLE, "totalcost": "0.0035"}))
    assert log.said == [
        "Wiro task 2221 succeeded: 1 output (202,472 bytes), queued 2 s, ran 6 s, cost 0.0035 USD."
    ]


def test_the_end_leaves_out_what_is_not_known() -> None:
    log = Log()
    outputs = (Output(0, "a", "", None, None), Output(1, "b", "", None, None))
    log.logger.on_success(Task("2221", "task_postprocess_end", outputs=outputs))
    assert log.said == ["Wiro task 2221 succeeded: 2 outputs, cost not known yet."]


def test_progress_is_logged_every_quarter() -> None:
    log = Log()
    for done in range(0, 101, 5):
        log.on_progress(
            done / 10, Progress(float(done), step=done * 60 // 100, steps=60, speed=12.5, speed_unit="it/s")
        )
    assert log.said == [
        "Wiro task 2221: 25 %, step 15 of 60, 12.5 it/s",
        "Wiro task 2221: 50 %, step 30 of 60, 12.5 it/s",
        "Wiro task 2221: 75 %, step 45 of 60, 12.5 it/s",
        "Wiro task 2221: 100 %, step 60 of 60, 12.5 it/s",
    ]


def test_slow_progress_is_logged_once_a_minute() -> None:
    log = Log()
    for second in range(0, 181, 5):
        log.on_progress(second, Progress(second / 100, remaining_seconds=7200.0 - second))
    assert log.said == [
        "Wiro task 2221: 1 %, 7140 s left",
        "Wiro task 2221: 1 %, 7080 s left",
        "Wiro task 2221: 2 %, 7020 s left",
    ]


def test_of_a_language_model_only_the_speed_is_logged() -> None:
    log = Log()
    for second in range(0, 100, 2):
        log.on_progress(second, Progress(speed=31.4, speed_unit="words/s"))
    assert log.said == ["Wiro task 2221: 31.4 words/s"]


def test_progress_that_goes_up_and_down_cannot_fill_the_log() -> None:
    log = Log()
    for message in range(10_000):
        log.on_progress(message / 1000, Progress(100.0 * (message % 2)))
    assert log.said == ["Wiro task 2221: 100 %"]


def test_progress_that_says_nothing_is_not_logged() -> None:
    log = Log()
    log.on_progress(0, Progress())
    log.on_progress(100, Progress(speed_unit="it/s"))
    assert log.said == []
