"""Open tasks are asked for one by one; a failing Wiro ends that, and nothing is concluded from silence."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_wiro.exceptions import WiroAuthenticationError, WiroServerError
from airflow_provider_wiro.task_history.open_tasks import OpenTasks, ask_for
from tests.api.fake_transport import FakeTransport, http_response, refused
from tests.task_history.lists import WiroList


def ask(answers: Any, *ids: int, **settings: Any) -> OpenTasks:
    transport = FakeTransport(answers)
    found: OpenTasks = transport.drive(ask_for(transport.context, ids, **settings))
    return found


def test_each_is_ended_running_or_unknown() -> None:
    wiro = WiroList(
        {"id": "3", "status": "task_cancel"},
        {"id": "2", "status": "task_start"},
        {"id": "1", "status": "task_error"},
    )
    found = ask(wiro, 1, 2, 3, 4)
    assert (found.ended, found.running, found.unknown) == ((3,), {1, 2}, {4})
    assert (found.last, found.failure) == (4, None)


def test_nothing_to_ask_for_is_no_request() -> None:
    assert ask(http_response(500)) == OpenTasks()


def test_a_failing_wiro_ends_the_asking_after_some() -> None:
    wiro = WiroList({"id": "1", "status": "task_cancel"})
    asked: list[str] = []

    def answer(sent: Any) -> Any:
        asked.append(sent.path)
        return wiro(sent) if len(asked) == 1 else http_response(503)

    found = ask(answer, *range(1, 100))
    assert (found.ended, found.last) == ((1,), 1)
    assert isinstance(found.failure, WiroServerError)
    assert found.unknown == set(), "an outage says nothing about tasks"


def test_a_single_failure_is_passed_over() -> None:
    wiro = WiroList(*({"id": number, "status": "task_cancel"} for number in ("3", "1")))

    def answer(sent: Any) -> Any:
        if '"2"' in str(sent.body.json):
            return refused(0, "You don't have any permission for this action.")
        return wiro(sent)

    assert ask(answer, 1, 2, 3).ended == (1, 3)


def test_a_refused_key_is_an_error() -> None:
    with pytest.raises(WiroAuthenticationError):
        ask(http_response(401), 1)


def test_a_check_is_made_before_each_request() -> None:
    asked: list[int] = []
    ask(WiroList(), 1, 2, check=lambda: asked.append(1))
    assert len(asked) == 2
