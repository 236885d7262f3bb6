"""The end of an Airflow task by an error: whether a further try follows, and what is done before it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, TaskDeferred

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.redaction.loggers import Log


@contextmanager
def at_an_error(leave: Callable[[BaseException], None], log: Log) -> Iterator[None]:
    """
    Call ``leave`` with the error that ends this block, then raise that error. A deferral is no error.

    :param leave: what it raises itself is only logged: the error of the Airflow task is the one to be seen.
    """
    try:
        yield
    except TaskDeferred:
        raise
    except BaseException as error:
        try:
            leave(error)
        except Exception:
            log.exception("Could not find out which Wiro tasks to stop; they may still run.")
        raise


def is_retried(error: BaseException, context: Context) -> bool:
    """Whether Airflow runs a further try once this one has ended with ``error``."""
    if isinstance(error, AirflowFailException | AirflowSkipException):
        return False
    ti = context["ti"]
    policy = getattr(getattr(ti, "task", None), "retry_policy", None)  # Airflow 3.3+
    if policy is not None and not _policy_retries(policy, error, context):
        return False
    is_left: bool = ti.max_tries > 0 and ti.try_number <= ti.max_tries
    return is_left


def _policy_retries(policy: Any, error: BaseException, context: Context) -> bool:
    ti = context["ti"]
    try:
        decision = policy.evaluate(
            exception=error, try_number=ti.try_number, max_tries=ti.max_tries, context=context
        )
        return str(getattr(decision.action, "value", decision.action)).lower() != "fail"
    except Exception:  # as Airflow does: a policy that is broken decides nothing
        return True
