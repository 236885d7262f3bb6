"""Whether a further try of an Airflow task follows the one that fails now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


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
