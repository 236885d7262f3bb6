"""RunSettings: the arguments of a WiroRunOperator, as a run reads them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wiro.dag_arguments.checks import check_label
from airflow_provider_wiro.exceptions import WiroUsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_wiro.api.polling import Watch
    from airflow_provider_wiro.catalog import CheckMode


@dataclass(frozen=True)
class RunSettings:
    """Templates are rendered. See :class:`~airflow_provider_wiro.operators.wiro.WiroRunOperator` for each."""

    model: str
    parameters: Mapping[str, Any] | None
    files: Mapping[str, Any] | None
    callback_url: str | None
    project_id: str | None
    wiro_conn_id: str
    aws_conn_id: str | None
    wait_for_completion: bool
    deferrable: bool
    defer_after: float
    poll_interval: float | None
    watch: Watch
    timeout: float
    cancel_on_kill: bool
    cancel_on_timeout: bool
    min_outputs: int | None
    durable: bool
    state_path: str | None
    on_stale_state: str
    on_orphaned_intent: str
    check_parameters: CheckMode
    fill_defaults: bool
    allow_categories: Sequence[str]
    max_cost_usd: float | str | None
    on_unknown_price: str
    estimate_only: bool
    reuse_results: str | None
    reuse_max_age: float | None
    run_label: str | None

    @property
    def label(self) -> str | None:
        """The label of the run; None as well if it can't be right, which is checked before a new run."""
        try:
            return check_label(self.run_label)
        except WiroUsageError:
            return None

    @classmethod
    def of(cls, operator: Any) -> Self:
        """Read the operator's attributes, which have the names of its arguments."""
        return cls(**{field.name: getattr(operator, field.name) for field in fields(cls)})
