"""Leaves why a try failed as an XCom, for pages that show what a DAG run has made: the log is not theirs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.redaction.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: The XCom. Airflow deletes a task instance's XComs when its next try begins.
ERROR_KEY = "wiro_error"
#: The length of the error's text in it.
MOST_CHARACTERS = 10_000
#: Airflow's exceptions that end a process without a failure, whose module depends on the version.
_NO_FAILURES = frozenset({"AirflowSkipException", "AirflowRescheduleException"})
#: The one that Airflow raises in a task which takes too long. On some versions it is no `Exception`.
_TIMEOUT = "AirflowTaskTimeout"
#: An attribute of an operator while one of its methods runs that Airflow calls.
_IS_RUNNING = "_leaves_error"


@contextmanager
def leaving_error(
    operator: Any, arguments: Iterable[object], *, unless: type[BaseException]
) -> Iterator[None]:
    """
    Push an error that leaves this block, if it fails the try. It leaves the block as it is.

    Of blocks within each other only the outermost does so: it knows what becomes of an inner one's error.

    :param arguments: those of the method that Airflow has called; the context is one of them.
    :param unless: what is raised when the task is stopped.
    """
    if operator.__dict__.get(_IS_RUNNING):
        yield
        return
    operator.__dict__[_IS_RUNNING] = True
    try:
        yield
    except BaseException as error:
        is_killed = isinstance(error, unless) or getattr(operator, "_is_killed", False)
        if not is_killed and _is_failure(error):
            _push(operator, arguments, error)
        raise
    finally:
        del operator.__dict__[_IS_RUNNING]


def _is_failure(error: BaseException) -> bool:
    names = _names(error)
    if not isinstance(error, Exception):  # a deferral, or the end of the process
        return _TIMEOUT in names
    return not names & _NO_FAILURES


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _push(operator: Any, arguments: Iterable[object], error: BaseException) -> None:
    """Push an error. What can't be pushed is logged: the try fails by its own error."""
    contexts = (given for given in arguments if isinstance(given, Mapping) and "ti" in given)
    context = next(contexts, None)
    if context is None:
        return
    try:
        context["ti"].xcom_push(key=ERROR_KEY, value=error_value(operator, error))
    except Exception as problem:
        operator.log.warning("The error of this try can't be written as an XCom: %r", problem)


def error_value(operator: Any, error: BaseException) -> dict[str, Any]:
    """
    Return what is left of an error.

    :param operator: as Airflow runs it.
    """
    given = getattr(operator, "wiro_task_id", None)
    summary = given if isinstance(given, Mapping) else {"wiro_task_id": given}
    model = getattr(operator, "model", None) or summary.get("model")
    task_id = _task_id_of(error) or summary.get("wiro_task_id")
    return {
        "error": _shown(operator, error),
        "wiro_task_id": str(task_id)[:100] if isinstance(task_id, str | int) else None,
        "model": model[:300] if isinstance(model, str) else None,
    }


def _task_id_of(error: BaseException) -> str | None:
    """Return the Wiro task that an error, or what has caused it, is about."""
    cause: BaseException | None = error
    for _ in range(10):  # a chain of errors can be a ring
        found = getattr(cause, "wiro_task_id", None)
        if isinstance(found, str):
            return found
        cause = getattr(cause, "__cause__", None)
    return None


def _shown(operator: Any, error: BaseException) -> str:
    from airflow.providers.common.compat.sdk import AirflowException, redact

    from airflow_provider_wiro.exceptions import WiroError
    from airflow_provider_wiro.redaction.masking import text_without_secrets, without
    from airflow_provider_wiro.redaction.secret_values import secret_values

    text = "\n".join(map(plain, str(error).strip().split("\n")))
    if _TIMEOUT in _names(error):  # its own text is "Timeout, PID: 6225"
        allowed = getattr(operator, "execution_timeout", None)
        text = (
            f"The try took longer than its execution_timeout{f' of {allowed}' if allowed else ''} ({text})."
        )
    elif not text or not isinstance(error, WiroError | AirflowException):
        text = f"{type(error).__name__}: {text}".removesuffix(": ")
    given = [{name: getattr(operator, name, None)} for name in ("parameters", "files", "callback_url")]
    # Airflow knows the connections' secrets.
    known = text_without_secrets(str(redact(text)), without(secret_values(given)))
    return known if len(known) <= MOST_CHARACTERS else f"{known[: MOST_CHARACTERS - 1]}…"
