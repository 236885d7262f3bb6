"""The manifest of a batch: all results in one file of JSON Lines, in the order of the inputs."""

from __future__ import annotations

import json
import os
import tempfile
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.batch.results.failed_items import NOT_DONE
from airflow_provider_wiro.batch.results.item_result import item_result, without_links
from airflow_provider_wiro.batch.state.deletions import Deletion
from airflow_provider_wiro.batch.state.items import ItemState
from airflow_provider_wiro.state_files.record_errors import record_errors
from airflow_provider_wiro.storage.open_folder import open_folder, split_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow_provider_wiro.batch.results.failed_items import FailedItems
    from airflow_provider_wiro.batch.results.item_result import Result
    from airflow_provider_wiro.batch.results.shards import ResultShards
    from airflow_provider_wiro.batch.state.batch_state import BatchState
    from airflow_provider_wiro.storage.s3.put_object import OwnObjects

#: How many items are written at a time. Each shard is read once for each such window.
WINDOW = 250
#: A window whose results take more bytes than this is halved: an LLM's answer can take some MiB.
WINDOW_BYTES = 32 * 1024 * 1024
#: How many failures the message of a failed batch names.
MOST_FAILURES = 5


def write_manifest(
    uri: str,
    state: BatchState,
    shards: ResultShards,
    check: Callable[[], None],
    *,
    own: OwnObjects | None = None,
    include_links: bool = False,
    why_not_run: Callable[[int], str] | None = None,
    fields_of: Callable[[int], Mapping[str, Any]] = lambda _: {},
    failed: FailedItems | None = None,
    see: Callable[[Mapping[str, Any]], None] = lambda _: None,
) -> list[tuple[int, str]]:
    """
    Write the manifest, a line for each item.

    :param check: called between windows and right before the manifest is put; raises to end this.
    :param own: how it is put into S3.
    :param include_links: keep the outputs' URLs, where the shards have them.
    :param why_not_run: returns why an item is not run; None if that isn't known.
    :param fields_of: returns what a line says of an item's input: its ``id`` and ``data``, as far as it has
        them.
    :param failed: is given the items that failed or were not run; None: they are in the manifest only.
    :param see: given each line that is written.
    :return: the first items that failed, each with its error.
    :raises WiroRecordError: it can't be written.
    """
    failures: list[tuple[int, str]] = []
    handle, copy = tempfile.mkstemp(prefix="wiro-manifest-", suffix=".jsonl")
    try:
        with os.fdopen(handle, "w") as file:
            for lines in _windows(state, shards, check):
                for found in lines:
                    # The shards of an earlier version have links.
                    shown = found if include_links else without_links(found)
                    line = {"item": found["item"], **fields_of(found["item"]), **shown}
                    if line["status"] == "not_run" and why_not_run is not None:
                        line["error"] = why_not_run(line["item"])
                    file.write(json.dumps(line, separators=(",", ":")) + "\n")
                    see(line)
                    if failed is not None and line["status"] in NOT_DONE:
                        failed.add(line)
                    if line["status"] == "failed" and len(failures) < MOST_FAILURES:
                        failures.append((line["item"], line["error"]))
        folder, name = split_uri(uri)
        target = open_folder(folder, own)
        check()
        with record_errors(f"the manifest {uri}"):
            target.upload(name, Path(copy))
    finally:
        Path(copy).unlink()
    return failures


def _windows(
    state: BatchState, shards: ResultShards, check: Callable[[], None]
) -> Iterator[Iterator[dict[str, Any]]]:
    """Yield the lines of as many items at a time as are held in memory together."""
    start, size = 0, WINDOW
    while start < state.total:
        check()
        items = range(start, min(start + size, state.total))
        results = _results(items, state, shards)
        if results is None:
            size = len(items) // 2
            continue
        yield _lines(items, state, results)
        start, size = items.stop, min(WINDOW, 2 * size)


def _results(items: range, state: BatchState, shards: ResultShards) -> dict[int, bytes] | None:
    """Return the results of items that are over; None if they are too large to be held together."""
    is_over = {ItemState.DONE, ItemState.FAILED}
    locations = sorted(
        (state.result_location(item), item) for item in items if state.item_state(item) in is_over
    )
    results: dict[int, bytes] = {}
    for shard, of_shard in groupby(locations, key=lambda found: found[0][0]):
        results |= shards.pick(shard, {item: row for (_, row), item in of_shard})
        if len(items) > 1 and sum(map(len, results.values())) > WINDOW_BYTES:
            return None
    return results


def _lines(items: range, state: BatchState, results: dict[int, bytes]) -> Iterator[dict[str, Any]]:
    for item in items:
        attempt = state.attempts.get(item)
        result = (
            _parsed(item, results[item])
            if item in results
            else item_result(
                "not_run", state.runs_sent(item), None, wiro_task_id=attempt.wiro_task_id if attempt else None
            )
        )
        if result["cost_usd"] is None:
            result["cost_usd"] = state.costs.learned.get(result["wiro_task_id"])
        deletion = state.deletions.of(item)
        if deletion is not Deletion.UNWANTED:
            result["deleted"] = deletion is Deletion.DELETED
        yield {"item": item, **result}


def _parsed(item: int, line: bytes) -> Result:
    with record_errors(f"the result of item {item}"):
        found: Result = json.loads(line)
        return found
