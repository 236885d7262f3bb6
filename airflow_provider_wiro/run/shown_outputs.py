"""Shows a run's outputs on its task's page, and in its log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.links.consoles import Console
from airflow_provider_wiro.links.landed import Places, show_links
from airflow_provider_wiro.links.output_urls import log_outputs

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context

    from airflow_provider_wiro.api.run_summary import RunSummary


def show_outputs(
    operator: BaseOperator, context: Context, summary: RunSummary, *, logs_links: bool
) -> RunSummary:
    """
    Show the outputs that a run summary names, and return the summary.

    :param summary: or the estimate that the operator returns instead.
    :param logs_links: whether to log their URLs.
    """
    outputs: list[dict[str, Any]] = summary.get("outputs") or []
    if outputs:
        show_links(operator, context, Console(), Places(first_output=outputs[0].get("url")))
        if logs_links:
            log_outputs(operator.log, outputs, len(outputs))
    return summary
