"""Tries the storage of a batch before its first Run, so that nothing is paid for that can't be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.batch.preflight.collisions import check_item_keys
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.landing.s3.bucket_trial import check_bucket, try_put
from airflow_provider_wiro.state_files.folder import local_path

if TYPE_CHECKING:
    from airflow_provider_wiro.batch.results.shards import ResultShards
    from airflow_provider_wiro.landing.s3.destination import S3Destination
    from airflow_provider_wiro.redaction.loggers import Log


def try_outputs(items: int, s3_key: str, model: str, destination: S3Destination) -> None:
    """
    Try the bucket of the outputs.

    :param items: how many there are.
    :param s3_key: the key of each object as the user gave it.
    :raises WiroUsageError: two items would get the same key, or S3 refuses what the batch will do.
    """
    check_item_keys(s3_key, items)
    check_bucket(destination)
    try_put(destination, model)


def try_storage(shards: ResultShards, manifest: str, log: Log) -> None:
    """
    Try the folders of the results and the manifest. The journal's is tried by starting the journal.

    :param manifest: its URI or path.
    :raises WiroUsageError: one refuses what the batch will do.
    :raises WiroRecordError: one can't be reached at this moment.
    """
    file = local_path(manifest)
    if file is not None and file.is_dir():
        raise WiroUsageError(
            f"Expected manifest_uri to name a file, found a folder: {manifest}. Nothing was submitted."
        )
    shards.try_storage(log)
