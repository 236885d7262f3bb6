"""What landed, told to Airflow, and kept for OpenLineage to ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.transfers.assets import report
from airflow_provider_wiro.transfers.lineage import Landed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.api.models import Task


def tell(
    context: Context,
    outlets: Iterable[Any],
    task: Task,
    model: str | None,
    files: Sequence[Mapping[str, Any]],
) -> Landed:
    """
    Give the outlets their events, and return what OpenLineage may ask for later.

    :param model: ``owner/model``, None if not known.
    :param files: as the operator returns them.
    """
    facts = {"wiro_task_id": task.id, "model": model, "cost_usd": task.cost_usd}
    report(context, outlets, files, facts)
    return Landed(task, model, files)
