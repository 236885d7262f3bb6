"""Checks of a batch operator's arguments when its DAG is parsed, and whether its inputs are data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.parameters import described
from airflow_provider_wiro.dag_arguments.checks import check_written_run
from airflow_provider_wiro.dag_arguments.literals import check_inputs, is_known_later
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.lineage.asset_events import check_asset_events

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_wiro.batch.inputs.data_trust import DataTrust

#: Of the outputs' keys.
DEFAULT_KEY = "wiro/{wiro_task_id}/{index}-{name}"


def check_written_values(*, inputs: object, retry_failed_only: Any, manifest_uri: Any, **common: Any) -> None:
    """
    Check values as far as the DAG file itself has them.

    :param common: what :func:`~airflow_provider_wiro.dag_arguments.checks.check_written_run` takes.
    :raises WiroUsageError: one can't be right.
    """
    check_written_run(**common)
    check_inputs(inputs)
    if not is_known_later(retry_failed_only):
        earlier_manifest(retry_failed_only, manifest_uri)


def check_after_landing(*, lands: bool, delete_after: bool, asset_events: Any) -> None:
    """
    Refuse what follows the landing of outputs where none land.

    :raises WiroUsageError: it can't be right.
    """
    check_asset_events(asset_events, "the whole batch", "item that has landed")
    wanted = "delete_after=True" if delete_after else "asset_events='each'"
    if not lands and (delete_after or asset_events == "each"):
        then = "would delete the only copies" if delete_after else "reports what has landed"
        raise WiroUsageError(
            f"{wanted} {then}, and this batch lands nothing. Give s3_bucket, or leave it out."
        )


def earlier_manifest(given: Any, manifest_uri: Any) -> str | bool | None:
    """
    Return the manifest that ``retry_failed_only`` names, True for this batch's own, None for none.

    :param given: the argument: a URI or path, an earlier batch's summary, or True.
    :param manifest_uri: of this batch, None for the default.
    :raises WiroUsageError: it can't be right.
    """
    if given is None or given is False or (isinstance(given, str) and not given.strip()):
        return None
    if given is True:
        if not manifest_uri:
            raise WiroUsageError(
                "retry_failed_only=True looks for the manifest at manifest_uri, which is not given; the "
                "default has another name after a clear. Set manifest_uri, such as "
                "s3://aws_default@bucket/{{ run_id }}.jsonl, or name an earlier manifest."
            )
        return True
    named = given.get("manifest_uri") if isinstance(given, Mapping) else given
    if not isinstance(named, str | os.PathLike) or not str(named).strip():
        raise WiroUsageError(
            "Expected retry_failed_only as the path or URI of an earlier batch's manifest, its summary, or "
            f"True, found {described(given)}."
        )
    from airflow_provider_wiro.state_files.folder import absolute  # few give one

    return absolute(str(named).strip(), "retry_failed_only")


def are_listed(inputs: Any) -> bool:
    """
    Whether a DAG file lists the items itself.

    A template, a path and another task's output are known only when the task runs: they are data. So is a
    list with one of them in place of an item.

    :param inputs: as the DAG file has them, before they are rendered.
    """
    is_resolved_later = hasattr(inputs, "resolve") and hasattr(inputs, "iter_references")
    if isinstance(inputs, list | tuple) and not all(isinstance(item, Mapping) for item in inputs):
        return False
    return not isinstance(inputs, str | os.PathLike) and not is_resolved_later


def check_places(inputs: Any, manifest_uri: Any, s3_key: Any) -> None:
    """
    Check where a batch reads and writes, as far as no template hides it.

    :param s3_key: None where no outputs are landed.
    :raises WiroUsageError: a path is relative, or outputs of two items could get the same key.
    """
    for argument, place in (("inputs", inputs), ("manifest_uri", manifest_uri)):
        is_place = isinstance(place, str | os.PathLike) and not is_known_later(place)
        if is_place and (text := str(place).strip()) and not text.startswith("[") and "\n" not in text:
            from airflow_provider_wiro.state_files.folder import absolute  # most give templates, or none

            absolute(text, argument)
    if isinstance(s3_key, str) and not is_known_later(s3_key) and isinstance(inputs, list | tuple):
        from airflow_provider_wiro.batch.preflight.collisions import check_item_keys

        check_item_keys(s3_key, len(inputs))


def check_names(argument: str, given: Sequence[str]) -> tuple[str, ...]:
    """
    Return texts as given.

    :raises WiroUsageError: it is no list of texts.
    """
    if isinstance(given, str) or not all(isinstance(name, str) and name.strip() for name in given):
        raise WiroUsageError(f"Expected {argument} as a list of texts, found {given!r:.200}.")
    return tuple(given)


def check_folders(argument: str, given: Sequence[str | os.PathLike[str]]) -> tuple[str, ...]:
    """
    Return paths as given, as text.

    :raises WiroUsageError: it is no list of absolute local paths.
    """
    folders = (given,) if isinstance(given, str) else tuple(os.fspath(folder) for folder in given)
    if isinstance(given, str) or not all(folder.startswith("/") for folder in folders):
        raise WiroUsageError(
            f"Expected {argument} as a list of absolute local folders, found {given!r:.200}."
        )
    return folders


def data_trust(
    *,
    is_listed: bool,
    aws_conn_id: str | None,
    local_paths: Sequence[str],
    connections: Sequence[str],
    parameters: Sequence[str],
) -> DataTrust | None:
    """Return what the items may name; None, which is anything, if the DAG file lists them."""
    if is_listed:
        return None
    from airflow_provider_wiro.batch.inputs.data_trust import DataTrust

    return DataTrust(aws_conn_id, local_paths, connections, parameters)
