"""Charge: what Wiro's books say about one task."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.decoding.fields import number
from airflow_provider_wiro.api.models import TaskStatus

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task


class Billing(Enum):
    """How certain a charge is."""

    KNOWN = "known"
    #: It succeeded, and Wiro has not recorded its cost (yet).
    UNKNOWN = "unknown"
    #: It was killed after its start, which Wiro can charge, and shows no charge (yet).
    KILLED = "killed"
    #: It has not ended.
    RUNNING = "running"


@dataclass(frozen=True)
class Charge:
    """
    What one task costs.

    :ivar usd: as far as it is known.
    """

    billing: Billing
    usd: Decimal = Decimal(0)


def charge_of(task: Task, *, is_listed: bool) -> Charge:
    """
    Return the charge of a task.

    A success is billed; a task that failed, or was cancelled in the queue, is not. One that was killed after
    its start can be charged.

    :param is_listed: it is from Task/List, which may leave out what shows a success.
    """
    if not task.is_terminal:
        return Charge(Billing.RUNNING)
    exit_code = task.exit_code
    if task.status == TaskStatus.POSTPROCESS_END and exit_code is not None and number(exit_code) != 0:
        return Charge(Billing.KNOWN)
    if task.cost_usd is not None:
        return Charge(Billing.KNOWN, Decimal(task.cost_usd))
    if task.is_cancelled:
        return Charge(Billing.KNOWN if task.started_at is None else Billing.KILLED)
    if task.has_succeeded or is_listed:
        return Charge(Billing.UNKNOWN)
    return Charge(Billing.KNOWN)
