"""The command ``spend``: what the project's runs cost, by Wiro's own books."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.parameters import split_slug
from airflow_provider_wiro.cli.report import Report, Table
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.spend.period import Period, moment_of
from airflow_provider_wiro.spend.reading import read_spend

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_provider_wiro.hooks.wiro import WiroHook

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def show_spend(hook: WiroHook, options: Namespace) -> Report:
    """Add up what the runs of a period cost."""
    now = datetime.now(UTC)
    until = None if options.until is None else _moment("--until", options.until, now)
    period = Period.of(_moment("--since", options.since, now), until, now)
    if options.model is not None:
        split_slug(options.model)
    project_id = hook.connection.project_id
    spend = hook.run_flow(
        lambda context: read_spend(context, period, model=options.model, project_id=project_id)
    )
    found = spend.to_json()
    whose = f"project {project_id}" if project_id else "all projects that the key sees"
    lines = [f"{found['spent_usd']} USD for {found['tasks']:,} tasks of {whose}, {period}"]
    if spend.open_ends:
        lines.append(f"More may have been spent: among these tasks are {spend.open_ends}.")
    rows = [
        (one["model"], f"{one['tasks']:,}", one["spent_usd"], one["unknown_cost_tasks"] or None)
        for one in found["by_model"]
    ]
    tables = [Table("", ("model", "tasks", "USD", "cost not known"), rows)] if rows else []
    return Report(found, lines, tables)


def _moment(name: str, text: str, now: datetime) -> datetime:
    """
    Read an age such as ``24h`` as how long ago, and anything else as ISO text.

    :raises WiroUsageError: it is neither.
    """
    age = re.fullmatch(r"(\d{1,6}) ?([mhdw])", text.strip().lower())
    try:
        return moment_of(name, timedelta(**{_UNITS[age[2]]: int(age[1])}) if age else text, now)
    except WiroUsageError:
        raise WiroUsageError(
            f"Expected {name} as an age such as 24h, 7d or 2w, or as an ISO time such as 2026-11-01 or "
            f"2026-11-01T06:00 (UTC), found {text!r:.100}."
        ) from None
