"""Each Wiro error becomes an Airflow failure: permanent, or retried."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro import exceptions
from airflow_provider_wiro.exceptions import (
    WiroAnswerTooLargeError,
    WiroApiError,
    WiroAuthenticationError,
    WiroBalanceError,
    WiroConcurrencyLimitError,
    WiroConnectionError,
    WiroError,
    WiroLostRunError,
    WiroMissingConnectionError,
    WiroModelNotFoundError,
    WiroNotFoundError,
    WiroNotStoppableError,
    WiroOrphanedRunError,
    WiroOutputError,
    WiroOutputRefusedError,
    WiroOutputUnavailableError,
    WiroOvertakenError,
    WiroPermissionError,
    WiroRateLimitError,
    WiroRecordError,
    WiroResponseError,
    WiroServerError,
    WiroStorageRefusedError,
    WiroTaskCancelledError,
    WiroTaskError,
    WiroTaskFailedError,
    WiroTaskNotFoundError,
    WiroTaskTimeoutError,
    WiroTooFewOutputsError,
    WiroUnsettledRunError,
    WiroUsageError,
    WiroValidationError,
)
from airflow_provider_wiro.failures import airflow_failures

FINAL = {
    WiroError: "",
    WiroUsageError: "",
    WiroApiError: "",
    WiroAuthenticationError: "Check the Wiro connection",
    WiroPermissionError: "an administrator of the Wiro account",
    WiroValidationError: "Correct the parameters",
    WiroNotFoundError: "Check the model's",
    WiroModelNotFoundError: "Copy `owner/model`",
    WiroTaskNotFoundError: "Check the id",
    WiroNotStoppableError: "",
    WiroBalanceError: "Add balance",
    WiroLostRunError: "",
    WiroOrphanedRunError: "",
    WiroTaskError: "",
    WiroTaskCancelledError: "clear this task",
    WiroAnswerTooLargeError: "",
    WiroOutputError: "",
    WiroOutputRefusedError: "",
    WiroStorageRefusedError: "",
}
PASSING = [
    WiroConcurrencyLimitError,
    WiroRateLimitError,
    WiroServerError,
    WiroResponseError,
    WiroConnectionError,
    WiroMissingConnectionError,
    WiroRecordError,
    WiroOvertakenError,
    WiroUnsettledRunError,
    WiroTaskFailedError,
    WiroTooFewOutputsError,
    WiroTaskTimeoutError,
    WiroOutputUnavailableError,
]


def made(kind: type[WiroError]) -> WiroError:
    return kind("the words", **({"wiro_task_id": "7"} if issubclass(kind, WiroTaskError) else {}))


def test_no_error_class_is_forgotten_here() -> None:
    known = {
        kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, WiroError)
    }
    assert known == {*FINAL, *PASSING}


@pytest.mark.parametrize("kind", FINAL)
def test_a_permanent_error_fails_at_once_with_advice(kind: type[WiroError]) -> None:
    with pytest.raises(AirflowFailException) as caught, airflow_failures():
        raise made(kind)
    assert str(caught.value).startswith("the words")
    assert FINAL[kind] in str(caught.value)
    assert isinstance(caught.value.__cause__, kind)


@pytest.mark.parametrize("kind", PASSING)
def test_a_temporary_error_is_left_to_airflows_retries(kind: type[WiroError]) -> None:
    error = made(kind)
    with pytest.raises(kind) as caught, airflow_failures():
        raise error
    assert caught.value is error
    assert not isinstance(caught.value, AirflowFailException)


def test_other_errors_and_success_pass_through() -> None:
    with pytest.raises(ZeroDivisionError), airflow_failures():
        _ = 1 / 0
    with airflow_failures():
        pass


def test_a_request_that_is_too_large_gets_advice_about_size() -> None:
    error = WiroValidationError("Wiro refused the call (HTTP 413): a web page ('<html>')", http_status=413)
    with pytest.raises(AirflowFailException) as caught, airflow_failures():
        raise error
    assert "too large for the server" in str(caught.value)
    assert "parameters" not in str(caught.value)


def test_a_missing_parameter_may_be_an_optional_one() -> None:
    words = "Wiro refused the call (HTTP 200, code 0): Request parameter [multiPrompt] required"
    with pytest.raises(AirflowFailException) as caught, airflow_failures():
        raise WiroValidationError(words)
    assert str(caught.value).endswith('without a value for it, give "multiPrompt" as "".')
    two = "request parameters [a] is required; Request parameter [b] required"
    with pytest.raises(AirflowFailException) as caught, airflow_failures():
        raise WiroValidationError(two)
    assert str(caught.value).endswith('without a value for it, give "a" and "b" as "".')
    for other in ("Request files [inputImage] required", "Request parameters are invalid."):
        with pytest.raises(AirflowFailException) as caught, airflow_failures():
            raise WiroValidationError(other)
        assert "optional" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "shown"), [("an empty body", "an empty body. "), ("no.", "no. "), ("really?", "really? ")]
)
def test_advice_is_a_sentence_of_its_own(said: str, shown: str) -> None:
    with pytest.raises(AirflowFailException) as caught, airflow_failures():
        raise WiroAuthenticationError(said)
    assert str(caught.value).startswith(f"{shown}Check the Wiro connection")
