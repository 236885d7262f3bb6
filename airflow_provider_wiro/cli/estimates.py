"""The command ``estimate``: a run against the model's schema and price list, before it is paid for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.decoding.fields import plain_usd
from airflow_provider_wiro.catalog.checks import check_run
from airflow_provider_wiro.catalog.price import estimate
from airflow_provider_wiro.catalog.schema.findings import numbered
from airflow_provider_wiro.catalog.to_send import to_send
from airflow_provider_wiro.cli.given_parameters import read_given
from airflow_provider_wiro.cli.report import Report
from airflow_provider_wiro.exceptions import WiroUsageError

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_provider_wiro.catalog.estimate import Estimate
    from airflow_provider_wiro.hooks.wiro import WiroHook


def estimate_run(hook: WiroHook, options: Namespace) -> Report:
    """
    Check a run against the model's schema, and estimate its price.

    :raises WiroUsageError: a run with these parameters would be refused.
    """
    model = hook.get_model(options.model)
    given = read_given(options.parameters, model)
    counts = {name: len(files) for name, files in given.files.items()}
    # What is left out costs what its default costs, so that a few parameters are enough for an estimate.
    complete = to_send(model, given.parameters, counts, fill_defaults=True).parameters
    findings = check_run(model, complete, counts, mode="warn")
    if findings.refusals:
        raise WiroUsageError(f"A run of {model.slug} would be refused: {numbered(findings.refusals)}")
    found = estimate(model, given.parameters, counts)
    lines = [f"{model.slug}: {shown_estimate(found)}"]
    if found.note:
        lines.append(found.note)
    if found.row is not None:
        lines.append(f"By this row of Wiro's price list: {json.dumps(dict(found.row), ensure_ascii=False)}")
    if found.assumed:
        assumed = ", ".join(f"{name}={value}" for name, value in found.assumed.items())
        lines.append(f"Not given, so that the default counts: {assumed}")
    data = {"model": model.slug, **found.to_json(), "warnings": list(findings.warnings)}
    return Report(data, lines, warnings=findings.warnings)


def shown_estimate(found: Estimate) -> str:
    """Return an estimate in words."""
    if found.amount is not None:
        return found.amount
    words = "not known before the run"
    if found.minimum_usd is not None:
        words += f", at least {plain_usd(found.minimum_usd)} USD"
    if found.approximate_usd is not None:
        words += f", on average {plain_usd(found.approximate_usd)} USD"
    return words
