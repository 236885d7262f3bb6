"""Reads the files that all items share, before the first Run; a batch that continues may have lost some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroError
from airflow_provider_wiro.input_files.resolve import resolve_files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_wiro.api.parameters import FileValue
    from airflow_provider_wiro.batch.inputs.items import Inputs
    from airflow_provider_wiro.batch.state.batch_state import BatchState


def shared_files(
    files: Mapping[str, Any] | None,
    inputs: Inputs,
    state: BatchState,
    aws_conn_id: str | None,
    *,
    is_made: Callable[[int], bool] = lambda _: False,
) -> Mapping[str, Sequence[FileValue]]:
    """
    Return the files of all items, read once.

    When a batch starts, all local files have to exist. When it continues, its tasks are followed without
    them: an item whose file is missing fails when it is sent.

    :param files: file parameter → source or sources of all items.
    :param aws_conn_id: the connection by which ``s3://bucket/key`` is read.
    :param is_made: whether an item is not run, since an earlier batch has made it.
    :raises WiroUsageError: a file is missing, empty or too large, and nothing was started yet.
    :raises WiroConnectionError: an object store can't be reached, and nothing was started yet.
    """
    if state.has_sent_nothing:
        inputs.check_files(is_made)
        return resolve_files(files, aws_conn_id)
    try:
        return resolve_files(files, aws_conn_id)
    except WiroError:
        return {}  # read again for each item that is still to be sent
