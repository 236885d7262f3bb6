from __future__ import annotations

from airflow_provider_wiro.api.models import Output, Task
from airflow_provider_wiro.api.narration import Narrator
from tests.api.test_models import SAMPLE


class Log:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []
        self.narrator = Narrator("2221", self.said.append, self.warned.append)

    def observe(self, *statuses: str) -> None:
        for status in statuses:
            self.narrator.observe(Task("2221", status))


def test_a_status_is_told_once_for_as_long_as_it_lasts() -> None:
    log = Log()
    log.observe("task_queue", "task_queue", "task_start", "task_start", "task_postprocess_end")

    assert log.said == [
        "Wiro task 2221: task_queue",
        "Wiro task 2221: task_start",
        "Wiro task 2221: task_postprocess_end",
    ]
    assert log.warned == []


def test_an_unknown_status_is_a_warning_and_said_once_even_when_it_comes_back() -> None:
    log = Log()
    log.observe("task_dreaming", "task_dreaming", "task_start", "task_dreaming")

    assert log.warned == [
        "Wiro task 2221 has status 'task_dreaming', which this version doesn't know; "
        "it is taken for still running."
    ]
    assert log.said == ["Wiro task 2221: task_start"]


def test_a_status_from_a_server_cannot_fill_the_log() -> None:
    log = Log()
    log.observe("x" * 100_000 + "\nforged line")
    assert len(log.warned[0]) < 250
    assert "\n" not in log.warned[0]


def test_the_end_tells_what_it_took_and_brought() -> None:
    log = Log()
    log.narrator.ended(Task.from_wire({**SAMPLE, "totalcost": "0.0035"}))
    assert log.said == [
        "Wiro task 2221 succeeded: 1 output (202,472 bytes), queued 2 s, ran 6 s, cost 0.0035 USD."
    ]


def test_the_end_leaves_out_what_is_not_known() -> None:
    log = Log()
    outputs = (Output(0, "a", "", None, None), Output(1, "b", "", None, None))
    log.narrator.ended(Task("2221", "task_postprocess_end", outputs=outputs))
    assert log.said == ["Wiro task 2221 succeeded: 2 outputs, cost not told."]
