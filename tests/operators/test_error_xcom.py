"""A try that fails leaves why as the XCom `wiro_error`: for pages that show what a DAG run has made."""

from __future__ import annotations

import logging
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
    TaskDeferred,
)

from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.error_xcom import ERROR_KEY, error_value
from airflow_provider_wiro.exceptions import (
    WiroConnectionError,
    WiroMissingConnectionError,
    WiroTaskFailedError,
    WiroUsageError,
)
from airflow_provider_wiro.failures import TaskStoppedError, airflow_failures, in_brief
from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator
from airflow_provider_wiro.sensors.wiro import WiroTaskSensor
from airflow_provider_wiro.transfers.wiro_project_to_s3 import WiroProjectToS3Operator
from airflow_provider_wiro.transfers.wiro_to_object_storage import WiroToObjectStorageOperator
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator
from tests.operators.fakes import RETRO, SMALL, FakeTi

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from airflow_provider_wiro.emulator import WiroEmulator


def left_by(operator: Any) -> Any:
    """Run an operator that fails, and return what it leaves."""
    ti = FakeTi(task_id=operator.task_id)
    with pytest.raises(Exception) as caught:  # noqa: PT011  each has its own
        operator.execute({"ti": ti})
    assert ti.xcoms[ERROR_KEY]["error"][:40] == str(caught.value)[:40]
    return ti.xcoms[ERROR_KEY]


def test_a_run_that_the_model_fails_names_its_task(wiro: WiroEmulator) -> None:
    wiro.inject(Fault("exit_code"))
    operator = WiroRunOperator(
        task_id="t", model=RETRO, parameters=SMALL, poll_interval=0.02, deferrable=False, durable=False
    )

    left = left_by(operator)

    assert (left["wiro_task_id"], left["model"]) == (wiro.tasks[0].id, RETRO)


def test_a_run_that_wiro_refuses_has_no_task(wiro: WiroEmulator) -> None:
    wiro.inject(Fault("api_error", endpoint="Run", code=97, message="Insufficient balance", times=None))
    operator = WiroRunOperator(task_id="t", model=RETRO, parameters=SMALL, deferrable=False, durable=False)

    left = left_by(operator)

    assert "Insufficient balance" in left["error"]
    assert "Add balance at wiro.ai" in left["error"]
    assert left["wiro_task_id"] is None


@pytest.mark.parametrize(
    "make",
    [
        lambda given: WiroTaskSensor(task_id="t", wiro_task_id=given),
        lambda given: WiroToS3Operator(task_id="t", wiro_task_id=given, s3_bucket="bucket"),
    ],
    ids=["sensor", "transfer"],
)
def test_sensors_and_transfers_name_the_task_and_model_that_they_were_given(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch, make: Callable[[Any], Any]
) -> None:
    monkeypatch.setattr("airflow_provider_wiro.api.polling.NOT_YET_SECONDS", 0.0)

    left = left_by(make({"wiro_task_id": "999999", "model": RETRO}))

    assert left["error"].startswith("Wiro doesn't know task 999999")
    assert (left["wiro_task_id"], left["model"]) == ("999999", RETRO)


def test_a_batch_and_an_export_leave_theirs(wiro: WiroEmulator, tmp_path: Path) -> None:
    batch = WiroBatchRunOperator(
        task_id="t",
        model="retroAIx/Retro-Cartoonz",
        inputs=[{"prompt": "a robot"}],
        deferrable=False,
        state_path=str(tmp_path),
        manifest_uri=str(tmp_path / "manifest.jsonl"),
    )
    export = WiroProjectToS3Operator(
        task_id="t", s3_bucket="bucket", wiro_conn_id="wrio_default", state_path=str(tmp_path)
    )

    assert "did you mean 'retroAIx/Retro-Cartoons'?" in left_by(batch)["error"]
    assert "Airflow has no connection 'wrio_default'" in left_by(export)["error"]


class Operator:
    """An operator of which one method raises."""

    log = logging.getLogger("raises")
    _is_killed = False

    def __init__(self, error: BaseException, **fields: Any) -> None:
        self.error = error
        self.__dict__.update(fields)

    @in_brief
    def execute(self, context: Mapping[str, Any]) -> None:
        with airflow_failures():
            raise self.error


def xcoms_after(operator: Operator) -> dict[str, Any]:
    ti = FakeTi()
    with pytest.raises(BaseException):  # noqa: B017, PT011  each has its own
        operator.execute({"ti": ti})
    return ti.xcoms


@pytest.mark.parametrize(
    "error",
    [
        WiroConnectionError("no response"),
        WiroUsageError("no"),
        AirflowException("no"),
        AirflowFailException("no"),
        KeyError("no"),
        AirflowTaskTimeout("no"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_fails_a_try_is_left(error: BaseException) -> None:
    assert "no" in xcoms_after(Operator(error))[ERROR_KEY]["error"]


def test_a_try_that_takes_too_long_says_which_limit_it_has_broken() -> None:
    operator = Operator(AirflowTaskTimeout("Timeout, PID: 6225"), execution_timeout=timedelta(minutes=5))
    assert xcoms_after(operator)[ERROR_KEY]["error"] == (
        "The try took longer than its execution_timeout of 0:05:00 (Timeout, PID: 6225)."
    )


@pytest.mark.parametrize(
    "error",
    [
        AirflowSkipException("no"),
        TaskDeferred(trigger=SimpleNamespace(), method_name="execute_complete"),
        TaskStoppedError(),
        KeyboardInterrupt(),
        SystemExit(1),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_skip_a_deferral_and_a_stop_leave_nothing(error: BaseException) -> None:
    assert xcoms_after(Operator(error)) == {}


def test_a_killed_task_leaves_nothing_whatever_its_requests_end_with() -> None:
    assert xcoms_after(Operator(WiroConnectionError("reset"), _is_killed=True)) == {}


def test_an_error_is_left_at_each_failure_of_the_same_operator() -> None:
    operator = Operator(WiroUsageError("first"))
    assert xcoms_after(operator)[ERROR_KEY]["error"] == "first"
    operator.error = WiroUsageError("second")
    assert xcoms_after(operator)[ERROR_KEY]["error"] == "second"


class Resumes(Operator):
    """Its outer method makes something else of the inner one's error."""

    @in_brief
    def resume_execution(self, next_method: str, next_kwargs: Any, context: Mapping[str, Any]) -> None:
        try:
            self.execute(context)
        except AirflowFailException as error:
            raise AirflowSkipException("soft_fail") from error


def test_what_is_skipped_in_the_end_leaves_nothing() -> None:
    ti = FakeTi()
    with pytest.raises(AirflowSkipException):
        Resumes(WiroUsageError("no")).resume_execution("execute", None, context={"ti": ti})
    assert ti.xcoms == {}


def test_an_xcom_that_cannot_be_written_changes_nothing_about_the_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(FakeTi):
        def xcom_push(self, key: str, value: Any) -> None:
            raise RuntimeError("API_SERVER_ERROR")

    with pytest.raises(AirflowFailException, match=r"^no$") as caught:
        Operator(WiroUsageError("no")).execute({"ti": Broken()})

    assert caught.value.__suppress_context__
    [line] = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert line == ("The error of this try can't be written as an XCom: RuntimeError('API_SERVER_ERROR')")


def text_of(error: BaseException, **fields: Any) -> str:
    text: str = error_value(Operator(error, **fields), error)["error"]
    return text


def test_secrets_are_masked_in_it() -> None:
    url = "https://user:swordfish@example.com/a?sig=0123456789"
    message = f"refused hunter2-hunter2 of {url} by sk-abcdefghijklmnop12"

    text = text_of(ValueError(message), parameters={"apiKey": "hunter2-hunter2"})

    assert text == "ValueError: refused *** of https://example.com/a?… by ***"


def test_a_callbacks_token_is_masked_in_it() -> None:
    url = "https://example.com/hook/0a1b2c3d4e5f6a7b8c9d"

    assert "0a1b2c3d" not in text_of(ValueError("no path hook/0a1b2c3d4e5f6a7b8c9d"), callback_url=url)


def test_it_has_ten_thousand_characters_at_most() -> None:
    text = text_of(WiroUsageError("word " * 10_000))

    assert len(text) == 10_000
    assert text.endswith("…")


def test_an_error_without_words_says_its_kind() -> None:
    assert text_of(ValueError()) == "ValueError"


def test_the_lines_of_a_message_stay_and_what_is_invisible_is_shown() -> None:
    assert text_of(AirflowException("first\nsec\x1bond\u202e")) == "first\nsec\\x1bond\\u202e"


def test_a_cause_names_the_task_also_in_a_ring_of_causes() -> None:
    inner = WiroTaskFailedError("failed", wiro_task_id="7")
    outer = AirflowFailException("failed")
    outer.__cause__ = inner
    assert error_value(Operator(outer), outer)["wiro_task_id"] == "7"
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__cause__ = second, first
    assert error_value(Operator(first), first)["wiro_task_id"] is None


def test_the_connection_that_is_missing_is_named() -> None:
    operator = WiroToObjectStorageOperator(
        task_id="t", wiro_task_id="1", path="gs://google_prod@bucket/{name}"
    )
    error = WiroMissingConnectionError(
        "Can't open gs://google_prod@bucket/0.png: Airflow has no connection 'google_prod'."
    )

    assert error_value(operator, error)["error"].endswith("Airflow has no connection 'google_prod'.")
