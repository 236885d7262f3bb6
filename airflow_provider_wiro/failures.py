"""
What Airflow is told of a Wiro error: fail for good, or let a retry have a go. The only such mapping.

A retry can't mend a wrong key, an empty balance or a bad parameter; it would only wake somebody up later, and
each Run costs money. Whether one may help is each error's own answer (``may_retry``); here stands what to do
about it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro.exceptions import (
    WiroAuthenticationError,
    WiroBalanceError,
    WiroError,
    WiroNotFoundError,
    WiroTaskCancelledError,
    WiroValidationError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WHAT_TO_DO: Mapping[type[WiroError], str] = {
    WiroAuthenticationError: (
        "Check the Wiro connection: the API key in `login` and the secret in `password` for a project in "
        "signature mode, the key alone in `password` for one in API-key-only mode; and that the project "
        "allows this machine's IP address."
    ),
    WiroBalanceError: "Add balance at wiro.ai, then clear this task.",
    WiroNotFoundError: (
        "Check the model's `owner/model` or the task's id, and that it belongs to the connection's project."
    ),
    WiroValidationError: (
        "Correct the parameters; the model's page at wiro.ai, or WiroHook.get_model(), lists those it takes."
    ),
    WiroTaskCancelledError: (
        "Somebody stopped it, so it is not started again by itself; clear this task to do so."
    ),
}


def explain(error: WiroError) -> str:
    """Return an error's message, followed by what to do about it where that is known."""
    advice = next((text for kind, text in _WHAT_TO_DO.items() if isinstance(error, kind)), "")
    return f"{error} {advice}".rstrip()


@contextmanager
def airflow_failures() -> Iterator[None]:
    """
    Let Wiro errors leave in the form Airflow understands.

    :raises AirflowFailException: the error is permanent; Airflow doesn't retry.
    :raises WiroError: it may pass; Airflow retries if the task has retries left.
    """
    try:
        yield
    except WiroError as error:
        if error.may_retry:
            raise
        raise AirflowFailException(explain(error)) from error
