"""The arguments of WiroProjectToS3Operator: what is refused when the DAG is parsed, and what they mean."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.dag_arguments.literals import check_closed, check_project_id, is_known_later
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.export.dated_keys import check_separation, dates_in, with_example_date
from airflow_provider_wiro.landing.plan import PLACEHOLDERS
from airflow_provider_wiro.landing.s3.argument_checks import check_written_arguments

if TYPE_CHECKING:
    from airflow_provider_wiro.export.opening import ExportArguments
    from airflow_provider_wiro.hooks.wiro import WiroHook

_LONGEST_WAIT_MINUTES = 7 * 24 * 60
#: A template that differs from DAG run to DAG run.
_OF_RUN = re.compile(
    r"\{\{[^{}]*\b(ds|ds_nodash|ts|ts_nodash\w*|data_interval_\w+|logical_date|execution_date|run_id|dag_run"
    r"|prev_\w+|next_\w+|macros|ti|task_instance)\b[^{}]*\}\}"
)
_PLACEHOLDER = re.compile(r"(?<!\{)\{(?:created|wiro_task_id|model|index|name|stem|suffix)\b")


def check_wait(minutes: object) -> float:
    """
    Return minutes as given.

    :raises WiroUsageError: they are no number from 0 to a week.
    """
    is_number = isinstance(minutes, int | float) and not isinstance(minutes, bool)
    if not is_number or not 0 <= minutes <= _LONGEST_WAIT_MINUTES:  # type: ignore[operator]
        raise WiroUsageError(
            f"Expected wait_for_open as minutes, from 0 to {_LONGEST_WAIT_MINUTES:,} (a week), found "
            f"{minutes!r:.100}."
        )
    return float(minutes)  # type: ignore[arg-type]


def check_written(operator: Any) -> None:
    """
    Refuse what can't be right of an operator's arguments, as far as the DAG file writes them out.

    :raises WiroUsageError: says what to write instead.
    """
    for name in ("s3_key", "manifest_uri", "state_path"):
        check_closed(name, getattr(operator, name))
    key, manifest = operator.s3_key, operator.manifest
    placeholders = PLACEHOLDERS
    if isinstance(key, str) and not is_known_later(key):
        placeholders |= dates_in(key)
        check_separation(key)
    elif isinstance(key, str):
        _check_folder(key)
    check_written_arguments(
        s3_bucket=operator.s3_bucket,
        s3_key=key,
        encrypt=operator.encrypt,
        acl_policy=operator.acl_policy,
        extra_args=operator.extra_args,
        tags=operator.tags,
        manifest=_checked_manifest(manifest) if not is_known_later(manifest) else manifest,
        max_concurrency=operator.max_concurrency,
        part_size=operator.part_size,
        placeholders=placeholders,
    )
    given = operator.manifest_uri
    if given and isinstance(given, str) and not is_known_later(given):
        from airflow_provider_wiro.state_files.folder import absolute  # few give one
        from airflow_provider_wiro.storage.location import parse_target

        parse_target(absolute(given, "manifest_uri"), "manifest_uri")


def arguments_of(operator: Any, hook: WiroHook, manifest_template: object) -> ExportArguments:
    """
    Return what an operator was given, rendered; where Airflow may be asked for the connection.

    :param manifest_template: ``manifest_uri`` as the DAG file has it.
    :raises WiroUsageError: one of the arguments can't be right.
    """
    from airflow_provider_wiro.api.parameters import split_slug
    from airflow_provider_wiro.export.opening import ExportArguments
    from airflow_provider_wiro.export.wanted import Filters
    from airflow_provider_wiro.landing.s3.destination import S3Settings
    from airflow_provider_wiro.spend.period import moment_of

    now = datetime.now(UTC)
    since = None if operator.since in {None, ""} else moment_of("since", operator.since, now)
    if since is not None and since > now:
        raise WiroUsageError(f"Expected since before now, found {since.isoformat()}.")
    model = operator.model or None
    if model is not None:
        split_slug(model)
    check_project_id(operator.project_id)  # a template can give anything
    dates_in(operator.s3_key)
    check_separation(operator.s3_key)
    if isinstance(operator.manifest, str):
        _checked_manifest(operator.manifest)
    project_id = operator.project_id or hook.connection.project_id
    return ExportArguments(
        S3Settings.of(operator),
        Filters(
            None if project_id is None else str(project_id).strip() or None, model, operator.succeeded_only
        ),
        since=since,
        max_tasks=operator.max_tasks,
        manifest=operator.manifest,
        manifest_uri=_manifest_uri(operator.manifest_uri, manifest_template),
        state_path=operator.state_path or None,
        deletes=operator.delete_shared_inputs if operator.delete_after else None,
    )


def _manifest_uri(given: Any, template: object) -> str | None:
    """
    Return where the manifest of the run goes; None for beside the export.

    :raises WiroUsageError: it is no place of a file, or outside of the folder that the template's fixed part
        names.
    """
    if not given:
        return None
    from pathlib import Path

    from airflow_provider_wiro.state_files.folder import absolute
    from airflow_provider_wiro.storage.location import check_below, fixed_folder, local_folder, parse_target

    place = absolute(str(given), "manifest_uri")
    location = parse_target(place, "manifest_uri")
    folder = fixed_folder(template if isinstance(template, str) else None, place)
    if location.is_local and folder is not None:
        check_below(Path(location.path), local_folder(folder), "manifest_uri")
    return place


def _checked_manifest(manifest: Any) -> Any:
    """Return the manifest's key with an example of a date."""
    if not isinstance(manifest, str):
        return manifest
    if "{label}" in manifest:
        raise WiroUsageError(
            "Expected manifest without {label}: Wiro doesn't know the labels of runs, found "
            f"{manifest[:200]!r}."
        )
    return with_example_date(manifest, argument="manifest")


def _check_folder(key: str) -> None:
    """Refuse a folder that is another one for each DAG run: each would be an export of its own."""
    found = _PLACEHOLDER.search(key)
    folder = key[: found.start()] if found else key
    if dated := _OF_RUN.search(folder):
        raise WiroUsageError(
            f"s3_key begins with {folder[:200]!r}, and {dated[0][:100]!r} in it is another one for each DAG "
            "run: each would be an export of its own, and begin again. For folders by date write "
            "{created:%Y/%m/%d}, the time at which Wiro created the task."
        )
