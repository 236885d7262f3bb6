"""What a person on call reads of an error: its reason first, once, with the connection, and what to do."""

from __future__ import annotations

import json
import logging
import socket
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_wiro.api import retry
from airflow_provider_wiro.exceptions import (
    WiroConnectionError,
    WiroMissingConnectionError,
    WiroUsageError,
)
from airflow_provider_wiro.failures import in_brief
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.sensors.wiro import WiroTaskSensor
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator
from tests.operators.fakes import RETRO, SMALL, FakeLog, FakeTi

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator import WiroEmulator


def printed(error: BaseException) -> str:
    """Return what Airflow writes into a task's log."""
    return "".join(traceback.format_exception(error))


def fails(operator: Any) -> BaseException:
    with pytest.raises((AirflowException, Exception)) as caught:
        operator.execute({"ti": FakeTi(task_id=operator.task_id)})
    return caught.value


def reconnect(monkeypatch: pytest.MonkeyPatch, wiro: WiroEmulator, **fields: Any) -> None:
    """Change fields of the connection ``wiro_default``."""
    found = WiroHook().connection
    stored = {
        "conn_type": "wiro",
        "host": found.base_url,
        "login": found.credentials.key,
        "password": found.credentials.secret,
        **fields,
    }
    monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", json.dumps(stored))


@pytest.fixture
def hook_log(monkeypatch: pytest.MonkeyPatch) -> FakeLog:
    """Return what the hook writes into the task's log."""
    log = FakeLog()
    monkeypatch.setattr(WiroHook, "log", property(lambda _: log))
    return log


def run(**settings: Any) -> WiroRunOperator:
    return WiroRunOperator(task_id="generate", **{"model": RETRO, "parameters": SMALL, **settings})


def test_an_unknown_model_is_named_with_the_nearest_one(wiro: WiroEmulator) -> None:
    error = fails(run(model="retroAIx/Retro-Cartoonz"))

    assert isinstance(error, AirflowFailException)
    assert str(error) == (
        "Wiro has no model 'retroAIx/Retro-Cartoonz' (connection 'wiro_default'); "
        "did you mean 'retroAIx/Retro-Cartoons'?"
    )
    assert wiro.tasks == []


@pytest.mark.parametrize("kind", [WiroTaskSensor, WiroToS3Operator])
def test_an_unknown_task_is_named_with_the_connection(
    wiro: WiroEmulator, kind: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_wiro.api.polling.NOT_YET_SECONDS", 0.0)
    settings = {"s3_bucket": "b"} if kind is WiroToS3Operator else {}
    error = fails(kind(task_id="t", wiro_task_id="999999", **settings))

    assert str(error).startswith("Wiro doesn't know task 999999 (connection 'wiro_default'). Check the id")


def test_a_permanent_error_is_printed_once_and_short(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconnect(monkeypatch, wiro, password="wrong-secret")

    error = fails(run())

    lines = printed(error)
    assert lines.count("Project authorization is not valid") == 1
    assert "direct cause" not in lines
    assert "During handling" not in lines
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "airflow_provider_wiro" in frame.filename]
    assert [frame.name for frame in ours] == ["brief"]
    assert str(error).startswith(
        "Wiro refused the call: Project authorization is not valid (HTTP 401, code 0, connection "
        "'wiro_default'). Check the Wiro connection"
    )


class Failing:
    """An operator whose work fails."""

    log = logging.getLogger("failing")

    def __init__(self, error: BaseException) -> None:
        self.error = error

    @in_brief
    def execute(self) -> None:
        try:
            _ = 1 / 0
        except ZeroDivisionError as inner:
            raise self.error from inner


def test_where_an_error_comes_from_is_logged_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(WiroUsageError) as caught:
        Failing(WiroUsageError("no")).execute()
    assert "ZeroDivisionError" not in printed(caught.value)
    assert "ZeroDivisionError" in caplog.text


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(KeyError) as caught:
        Failing(KeyError("x")).execute()
    assert "ZeroDivisionError" in printed(caught.value)


def test_a_connection_that_is_not_there_says_how_to_make_it(wiro: WiroEmulator) -> None:
    error = fails(run(wiro_conn_id="wrio_default"))

    assert isinstance(error, WiroMissingConnectionError)
    assert "Airflow has no connection 'wrio_default'" in str(error)
    assert "AIRFLOW_CONN_WRIO_DEFAULT" in str(error)
    assert len(printed(error).splitlines()) < 12


def test_a_connection_to_something_else_is_refused_before_its_password_is_sent(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://AKIA1234:secret5678@")
    error = fails(run(wiro_conn_id="aws_default"))

    assert isinstance(error, AirflowFailException)
    assert "Connection 'aws_default': expected a connection of type 'wiro', found type 'aws'" in str(error)
    assert not wiro.counts.requests


def test_an_unknown_extra_is_a_warning_here_and_in_the_connection_test(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch, hook_log: FakeLog
) -> None:
    reconnect(monkeypatch, wiro, extra={"project-id": "7"})
    warning = (
        "Connection 'wiro_default': its extra has 'project-id', which is ignored; did you mean 'project_id'?"
    )

    accepted, message = WiroHook().test_connection()

    assert accepted
    assert message.endswith(warning)
    assert warning in hook_log


def test_the_connection_test_says_what_to_do(wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    reconnect(monkeypatch, wiro, password="wrong-secret")

    accepted, message = WiroHook().test_connection()

    assert not accepted
    assert "Project authorization is not valid" in message
    assert "Check the Wiro connection: the API key in `login`" in message


def test_a_server_that_refuses_connections_is_named_with_each_new_try(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch, hook_log: FakeLog
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    reconnect(monkeypatch, wiro, host=f"http://127.0.0.1:{port}/v1")
    monkeypatch.setattr(retry, "LONGEST_PAUSE_SECONDS", 0.02)
    hook = WiroHook()
    pauses: list[float] = []
    monkeypatch.setattr(hook, "pause", pauses.append)
    clock = iter(range(0, 10_000, 5))
    monkeypatch.setattr("airflow_provider_wiro.hooks.flow_context.time.monotonic", lambda: next(clock))

    with pytest.raises(WiroConnectionError) as caught:
        hook.run_model(RETRO, SMALL)

    assert str(caught.value) == (
        f"No response from Wiro's API at 127.0.0.1:{port} (Run/{RETRO}, connection 'wiro_default'): "
        "Connection refused. Nothing was sent."
    )
    tries = [record for record in hook_log.lines if "Trying again in" in record]
    assert len(tries) == len(pauses) > 0
    assert all(record.startswith(str(caught.value)) for record in tries)


def test_text_that_a_native_template_made_a_tuple_is_refused_before_it_is_paid_for(
    wiro: WiroEmulator,
) -> None:
    from airflow.providers.common.compat.sdk import DAG

    with DAG("native", render_template_as_native_obj=True):
        generate = run(parameters={**SMALL, "prompt": "{{ text }}", "negativePrompt": "{{ text | tojson }}"})
    generate.render_template_fields({"text": "1, 2, 3"})  # type: ignore[typeddict-item]

    error = fails(generate)

    assert generate.parameters is not None
    assert generate.parameters["negativePrompt"] == "1, 2, 3"
    assert isinstance(error, AirflowFailException)
    assert "The template '{{ text }}' gave a tuple, (1, 2, 3)" in str(error)
    assert "`| tojson`" in str(error)
    assert wiro.tasks == []


def test_a_tuple_that_the_author_wrote_is_sent_as_a_list(wiro: WiroEmulator) -> None:
    generate = run(parameters={"size": (1, 2)})
    generate.render_template_fields({})  # type: ignore[typeddict-item]
    generate.check_native_tuples()


def test_values_of_a_mapped_task_are_data_and_no_templates() -> None:
    text = "an answer of a model with {{ in it, and { params.x }"
    operator = WiroRunOperator(
        task_id="t", model=RETRO, parameters={"prompt": text}, _airflow_from_mapped=True
    )
    assert operator.parameters == {"prompt": text}
    with pytest.raises(WiroUsageError, match="end with"):
        run(parameters={"prompt": text})
