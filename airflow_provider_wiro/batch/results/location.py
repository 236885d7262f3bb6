"""Where the manifest of a batch goes: where the user says, or beside its outputs or its journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.state_files.dag_run import start_of
from airflow_provider_wiro.state_files.folder import absolute, find_state_folder
from airflow_provider_wiro.state_files.results_place import results_uri

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


def manifest_uri(
    context: Context,
    given: str | None,
    *,
    bucket: str | None,
    aws_conn_id: str | None,
    state_path: str | None,
) -> str:
    """
    Return where the manifest goes: where the user says, else in the bucket of the outputs, else beside the
    journal.

    :param bucket: of the outputs, None if none are landed.
    :param state_path: the operator's argument.
    :raises WiroUsageError: there is no such place, or it is relative.
    """
    if given:
        return absolute(given, "manifest_uri")
    if bucket is not None:
        return results_uri(context, "wiro/batches", bucket=bucket, aws_conn_id=aws_conn_id)
    folder = find_state_folder(state_path)
    if folder is None:
        raise WiroUsageError(
            "Nothing says where the results of this batch are to be written. Give manifest_uri, such as "
            "s3://aws_default@my-bucket/batch.jsonl, or s3_bucket, or set [wiro] state_path."
        )
    return f"{folder.location(context)}{start_of(context).label}.manifest.jsonl"
