"""What is tried before the first Run of a batch, so that nothing is paid for whose result can't be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.batch.preflight.collisions import check_item_keys
from airflow_provider_wiro.batch.state.items import ItemState
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.state_files.folder import local_path

if TYPE_CHECKING:
    from airflow_provider_wiro.batch.landing import ItemTransfer
    from airflow_provider_wiro.batch.results.shards import ResultShards
    from airflow_provider_wiro.batch.settings import Log
    from airflow_provider_wiro.batch.state.batch_state import BatchState


def has_started_nothing(record: BatchState) -> bool:
    """Whether no Run was sent yet. What runs already is followed, whatever has become of its places."""
    return record.count(ItemState.PENDING) == record.total and not record.known_ids.largest


def try_places(items: int, parts: ResultShards, manifest: str, lander: ItemTransfer | None, log: Log) -> None:
    """
    Try the places of outputs, parts and manifest. The journal's is tried by beginning the journal.

    :param items: how many there are.
    :param manifest: its URI or path.
    :raises WiroUsageError: one refuses what the batch will do.
    :raises WiroRecordError: one can't be reached at this moment.
    """
    if lander is not None:
        check_item_keys(lander.key_template, items)
        lander.check_bucket()
        lander.try_put()
    file = local_path(manifest)
    if file is not None and file.is_dir():
        raise WiroUsageError(
            f"Expected manifest_uri to name a file, found a folder: {manifest}. Nothing was submitted."
        )
    parts.try_place(log)
