"""
What became of each item: kept in parts while the batch goes on, and in one manifest when it is over.

Nothing of it stays in memory. A part is a file of JSON Lines with the results of some items, in the order in
which they ended; the manifest is one with all of them, in the order of the inputs.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import tempfile
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.batch.preflight.store_refusals import refusals
from airflow_provider_wiro.batch.state.items import ItemState
from airflow_provider_wiro.exceptions import WiroError, WiroRecordError, WiroUsageError
from airflow_provider_wiro.storage.open_folder import open_folder, split_uri
from airflow_provider_wiro.storage.s3.responses import code_and_status, is_missing_bucket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.batch.settings import Log
    from airflow_provider_wiro.batch.state.batch_state import BatchState
    from airflow_provider_wiro.storage.s3.put_object import OwnObjects

#: A result as it stands in the manifest, but for its item.
Result = dict[str, Any]

#: The manifest is put together in windows of so many items; each part is read once for each window.
WINDOW = 250
#: A window whose results take more than this is made smaller: an LLM's answer can be of some MiB.
WINDOW_BYTES = 32 * 1024 * 1024
#: Failures that are told in the message of a failed batch.
FAILURES_TOLD = 5
#: What is put and read before the first Run.
_PROBE_BODY = b'{"what":"probe"}\n'
_PART = re.compile(r"(\d{6,})\.jsonl")
#: The number of a part: who has written it, a random number, then which of its parts it is.
_WRITER_BITS = 42
_COUNT_BITS = 20


def item_result(
    status: str,
    attempts: int,
    task: Task | None,
    *,
    wiro_task_id: str | None = None,
    error: str | None = None,
    files: list[dict[str, Any]] | None = None,
    include_links: bool = False,
) -> Result:
    """
    Return what the manifest tells of an item.

    :param wiro_task_id: where Wiro has shown nothing of the task.
    :param files: what landed; None if nothing was to.
    :param include_links: with the URLs of the outputs.
    """
    from airflow_provider_wiro.api.run_summary import run_summary

    shown = {} if task is None else run_summary(task)
    result = {
        "status": status,
        "wiro_task_id": wiro_task_id if task is None else task.id,
        "attempts": attempts,
        "cost_usd": shown.get("cost_usd"),
        "elapsed_seconds": shown.get("elapsed_seconds"),
        "outputs": shown.get("outputs", []),
        "text": shown.get("text"),
        "finish_reason": shown.get("finish_reason"),
        "usage": shown.get("usage"),
    }
    if error is not None:
        result["error"] = error
    if files is not None:
        result["files"] = files
    return result if include_links else without_links(result)


class ResultShards:
    """
    The results of items that are over.

    A part has a number that no other process takes: two tries of a task can be alive at once, and the journal
    tells of each result where it is.

    :param uri: of their folder.
    :param own: how they are put into S3.
    :ivar numbers: of the parts that are there; None if the store doesn't list them for us.
    """

    def __init__(self, uri: str, own: OwnObjects | None = None) -> None:
        self._place = open_folder(uri, own)
        self._written: set[int] = set()
        with _records(f"the results below {uri}"):
            self.numbers = self._listed()
        self._next = secrets.randbits(_WRITER_BITS) << _COUNT_BITS

    def _listed(self) -> set[int] | None:
        try:
            names = self._place.names()
        except Exception as error:
            if is_missing_bucket(error):
                return set()  # which is reported where the batch's places are tried
            if "403" not in code_and_status(error):
                raise
            # A role that may not list a bucket (s3:ListBucket) can still put and get what it knows by name.
            # Other reasons of a 403 are reported where the batch's places are tried.
            return None
        return {int(found[1]) for found in map(_PART.fullmatch, names) if found}

    def take_number(self) -> int:
        """Return the number of a part that is not there, and that nobody else writes."""
        self._next += 1
        return self._next - 1

    def write(self, number: int, results: list[Result]) -> None:
        """
        Keep a part.

        :raises WiroRecordError: it may not be kept.
        """
        body = "".join(json.dumps(result, separators=(",", ":")) + "\n" for result in results)
        with _records(f"part {number} of the results below {self._place.uri}"):
            self._place.write(_name(number), body.encode())
        self._written.add(number)
        if self.numbers is not None:
            self.numbers.add(number)  # the record looks here whether a result is kept

    def try_place(self, log: Log) -> None:
        """
        Put a small file beside the parts, read it, and delete it: what the batch will do with its results.

        :raises WiroUsageError: the store refuses that.
        :raises WiroRecordError: it can't be reached.
        """
        # Two deployments with one bucket can begin at once: neither may delete what the other is to read.
        probe = f"probe-{secrets.token_hex(8)}.jsonl"
        where = f"{self._place.uri}/{probe}"
        with refusals(f"keep the results of this batch, in {where}"), _records(where):
            self._place.write(probe, _PROBE_BODY)
            found = self._place.read(probe)
        if found != _PROBE_BODY:
            raise WiroUsageError(
                f"Put {len(_PROBE_BODY)} bytes as {where}, where the results of this batch are kept, and "
                f"read {'nothing' if found is None else f'{len(found)} others'}. Nothing was submitted. "
                "Give manifest_uri another place."
            )
        try:
            self._place.delete(probe)
        except Exception as error:
            log.info(
                "Could not delete %s (%s). It stays, as will the files beside it: the batch doesn't need "
                "them any more once it is over.",
                where,
                type(error).__name__,
            )

    def pick(self, number: int, rows: dict[int, int]) -> dict[int, bytes]:
        """
        Return results of a part, as JSON.

        :param rows: item → the row of its result.
        :raises WiroRecordError: they can't be read, or are not there.
        """
        what = f"part {number} of the results below {self._place.uri}"
        with _records(what):
            body = self._place.read(_name(number))
            results = (body or b"").splitlines()
        missing = [item for item, row in rows.items() if row >= len(results)]
        if missing:
            raise WiroRecordError(
                f"Expected {max(rows.values()) + 1} results in {what}, as the journal tells, found "
                f"{len(results)}. Delete that part: a retry then asks Wiro for these results again, and "
                "starts nothing."
            )
        return {item: results[row] for item, row in rows.items()}

    def delete(self, named: set[int]) -> None:
        """
        Delete what the manifest has. What can't be deleted is in nobody's way.

        :param named: the parts that the journal names. Others in the folder can be another deployment's.
        """
        known = named if self.numbers is None else self.numbers & named
        for number in sorted(self._written | known):
            try:
                self._place.delete(_name(number))
            except Exception:
                return
        self._written.clear()
        if self.numbers is not None:
            self.numbers.clear()


def without_links(result: Result) -> Result:
    """Return a result without the URLs of its outputs: whoever reads one can fetch the file."""
    return {**result, "outputs": [{**output, "url": None} for output in result["outputs"]]}


def write_manifest(
    uri: str,
    record: BatchState,
    parts: ResultShards,
    check: Callable[[], None],
    *,
    own: OwnObjects | None = None,
    include_links: bool = False,
) -> list[tuple[int, str]]:
    """
    Write the manifest: JSON Lines, a line an item, in the order of the inputs.

    :param check: called now and then, and right before it is there; raises what is to end this.
    :param own: how it is put into S3.
    :param include_links: keep the outputs' URLs, where the parts have them.
    :return: the first items that failed, with why.
    :raises WiroRecordError: it can't be written.
    """
    failures: list[tuple[int, str]] = []
    handle, copy = tempfile.mkstemp(prefix="wiro-manifest-", suffix=".jsonl")
    try:
        with os.fdopen(handle, "w") as file:
            for lines in _windows(record, parts, check):
                for found in lines:
                    # The parts of an earlier version have links.
                    line = found if include_links else without_links(found)
                    file.write(json.dumps(line, separators=(",", ":")) + "\n")
                    if line["status"] == "failed" and len(failures) < FAILURES_TOLD:
                        failures.append((line["item"], line["error"]))
        folder, name = split_uri(uri)
        place = open_folder(folder, own)
        check()
        with _records(f"the manifest {uri}"):
            place.upload(name, Path(copy))
    finally:
        Path(copy).unlink()
    return failures


def _windows(
    record: BatchState, parts: ResultShards, check: Callable[[], None]
) -> Iterator[Iterator[dict[str, Any]]]:
    """Yield the lines of some items at a time, of as many as are held in memory together."""
    start, size = 0, WINDOW
    while start < record.total:
        check()
        items = range(start, min(start + size, record.total))
        results = _results(items, record, parts)
        if results is None:
            size = len(items) // 2
            continue
        yield _lines(items, record, results)
        start, size = items.stop, min(WINDOW, 2 * size)


def _results(items: range, record: BatchState, parts: ResultShards) -> dict[int, bytes] | None:
    """Return the results of items that are over; None if they are too large to be held together."""
    is_over = {ItemState.DONE, ItemState.FAILED}
    places = sorted((record.result_location(item), item) for item in items if record.state(item) in is_over)
    results: dict[int, bytes] = {}
    for part, of_part in groupby(places, key=lambda found: found[0][0]):
        results |= parts.pick(part, {item: row for (_, row), item in of_part})
        if len(items) > 1 and sum(map(len, results.values())) > WINDOW_BYTES:
            return None
    return results


def _lines(items: range, record: BatchState, results: dict[int, bytes]) -> Iterator[dict[str, Any]]:
    for item in items:
        attempt = record.attempts.get(item)
        result = (
            _parsed(item, results[item])
            if item in results
            else item_result(
                "not_run",
                record.runs_sent(item),
                None,
                wiro_task_id=attempt.wiro_task_id if attempt else None,
            )
        )
        if result["cost_usd"] is None:
            result["cost_usd"] = record.costs.learned.get(result["wiro_task_id"])
        yield {"item": item, **result}


def _parsed(item: int, line: bytes) -> Result:
    with _records(f"the result of item {item}"):
        found: Result = json.loads(line)
        return found


def _name(number: int) -> str:
    return f"{number:06d}.jsonl"


@contextmanager
def _records(what: str) -> Iterator[None]:
    try:
        yield
    except WiroError:
        raise
    except Exception as error:
        raise WiroRecordError(f"Can't read or write {what}: {type(error).__name__}: {error}") from error
