"""EarlierManifest: what an earlier batch has made, so that its items are not run, and paid for, again."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.batch.inputs.fetched_file import fetched
from airflow_provider_wiro.batch.inputs.item_form import input_digest
from airflow_provider_wiro.batch.inputs.item_names import text_digest
from airflow_provider_wiro.batch.inputs.json_lines import JsonLines
from airflow_provider_wiro.batch.results.item_result import REUSED
from airflow_provider_wiro.exceptions import WiroUsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_provider_wiro.batch.inputs.items import Inputs
    from airflow_provider_wiro.batch.results.item_result import Result

#: An LLM's answer can take some MiB, and the line has it twice.
MOST_LINE_BYTES = 64 * 1024 * 1024
_SUCCEEDED = frozenset({"succeeded", REUSED})
#: What a line says of its item: it succeeded; or it failed, though its run has outputs, which are paid for.
_IS_MADE, _IS_UNLANDED = 1, 2
#: How many items of a kind a message names.
_MOST_NAMED = 5


@dataclass(frozen=True)
class Made:
    """
    The items that an earlier batch has made: 16 bytes for each.

    :ivar items: their numbers in this batch.
    :ivar rows: of their lines in the manifest, in the same order.
    :ivar changed: those that have another input now.
    :ivar unlanded: items whose run has succeeded at Wiro, and whose outputs didn't land.
    :ivar unlanded_rows: of their lines, in the same order.
    """

    items: array[int] = field(default_factory=lambda: array("L"))
    rows: array[int] = field(default_factory=lambda: array("L"))
    changed: array[int] = field(default_factory=lambda: array("L"))
    unlanded: array[int] = field(default_factory=lambda: array("L"))
    unlanded_rows: array[int] = field(default_factory=lambda: array("L"))


class EarlierManifest:
    """
    A copy of a batch's manifest. It takes some 30 bytes of memory for each of its lines.

    :param uri: of the manifest.
    :param aws_conn_id: the connection by which an ``s3://`` URI that names none is read.
    :raises WiroUsageError: there is none, or it is none.
    :raises WiroConnectionError: it can't be read at the moment.
    """

    def __init__(self, uri: str, aws_conn_id: str | None) -> None:
        self.uri = uri
        kind = "batch's manifest"
        file = fetched(uri, aws_conn_id, kind=kind, argument="retry_failed_only")
        self._lines = JsonLines(file, most_bytes=MOST_LINE_BYTES)
        try:
            self._index()
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        """Return how many lines it has."""
        return len(self._lines)

    def close(self) -> None:
        """Delete the copy."""
        self._lines.close()

    def _index(self) -> None:
        #: What became of the item of each line; a line's row is its item's number.
        self._kinds = bytearray(len(self._lines))
        digests, rows = array("Q"), array("L")
        for row in range(len(self._lines)):
            line = self._checked(row)
            if not (kind := _kind(line)):
                continue
            self._kinds[row] = kind
            if isinstance(line.get("id"), str):
                digests.append(text_digest(line["id"]))
                rows.append(row)
        order = sorted(range(len(digests)), key=digests.__getitem__)
        self._digests = array("Q", (digests[one] for one in order))
        self._rows_by_digest = array("L", (rows[one] for one in order))

    def _checked(self, row: int) -> dict[str, Any]:
        line: dict[str, Any] = self._lines[row]
        status = line.get("status")
        is_line = line.get("item") == row and isinstance(status, str)
        if is_line and status in _SUCCEEDED:
            is_line = _are_outputs(line.get("outputs")) and _are_files(line.get("files", []))
        if not is_line:
            raise WiroUsageError(
                f"Expected the manifest of a batch at {self.uri}, which retry_failed_only names; line "
                f"{self._lines.line_number(row)} is none of one. Nothing was submitted."
            )
        return line

    def match(self, inputs: Inputs, items: Iterable[int], *, lands: bool) -> Made:
        """
        Return the items that the earlier batch has made.

        An item with an id is the one with that id. Any other is the one with its number, and has to have the
        same input: if lines were moved, it would get another item's outputs.

        :param items: their numbers.
        :param lands: the outputs of this batch land.
        :raises WiroUsageError: it isn't certain which item is which, or outputs have not landed.
        """
        made = Made()
        others: list[int] = []
        not_landed: list[int] = []
        says_inputs = True
        for item in items:
            item_id = inputs.id_of(item)
            row = None if item_id is None else self._row_of_id(item_id)
            is_named = row is not None
            if row is None:
                row = self._row_of_number(item, item_id)
            if row is None:
                continue
            line = self._lines[row]
            digest = line.get("input_digest")
            is_changed = digest != input_digest(inputs.own(item))
            if self._kinds[row] == _IS_UNLANDED:
                if lands and not is_changed:
                    made.unlanded.append(item)
                    made.unlanded_rows.append(row)
                continue
            if is_changed and not (is_named and digest is None):
                (made.changed if is_named else others).append(item)
                says_inputs = says_inputs and digest is not None
            if lands and "files" not in line:
                not_landed.append(item)
            made.items.append(item)
            made.rows.append(row)
        self._refuse(inputs, others, not_landed, says_inputs=says_inputs)
        return made

    def _refuse(self, inputs: Inputs, others: list[int], not_landed: list[int], *, says_inputs: bool) -> None:
        if others and not says_inputs:
            raise WiroUsageError(
                f"An earlier version of this package wrote {self.uri}, which doesn't say what the inputs of "
                "its items were, so it isn't certain which item is which. Nothing was submitted. Take the "
                "items that failed in it from its inputs, and run them as inputs of their own."
            )
        if others:
            raise WiroUsageError(
                f"{_named(inputs, others)} of inputs have other inputs than in {self.uri}, where the items "
                "with these numbers succeeded, so it isn't certain which item is which. Nothing was "
                "submitted. Give the inputs in their earlier order, or run the file of failed items beside "
                "that manifest. Items that have ids from the first batch on may move."
            )
        if not_landed:
            raise WiroUsageError(
                f"{_named(inputs, not_landed)} of inputs succeeded in {self.uri}, which has no landed files "
                "of them, and this batch lands outputs. Nothing was submitted. Land those tasks with "
                "WiroToS3Operator, and run the others from the file of failed items beside that manifest."
            )

    def _row_of_number(self, item: int, item_id: str | None) -> int | None:
        if item >= len(self._kinds) or not self._kinds[item]:
            return None
        if item_id is not None and self._lines[item].get("id") is not None:
            return None  # of several with ids, it is none
        return item

    def _row_of_id(self, item_id: str) -> int | None:
        digest = text_digest(item_id)
        place = bisect_left(self._digests, digest)
        while place < len(self._digests) and self._digests[place] == digest:
            row = self._rows_by_digest[place]
            if self._lines[row]["id"] == item_id:
                return row
            place += 1
        return None

    def results(self, made: Made) -> Iterator[tuple[int, Result]]:
        """Yield each item, and its result in this batch: with its files, at no cost."""
        for item, row in zip(made.items, made.rows, strict=True):
            yield item, _carried_over(self._lines[row], self.uri)

    def unlanded(self, made: Made) -> Iterator[tuple[int, str, Result]]:
        """Yield each item whose outputs didn't land, its Wiro task, and its result once they have."""
        for item, row in zip(made.unlanded, made.unlanded_rows, strict=True):
            line = self._lines[row]
            yield item, line["wiro_task_id"], _carried_over(line, self.uri)


def _kind(line: dict[str, Any]) -> int:
    if line["status"] in _SUCCEEDED:
        return _IS_MADE
    has_outputs = bool(line.get("outputs")) and _are_outputs(line["outputs"])
    return _IS_UNLANDED if has_outputs and isinstance(line.get("wiro_task_id"), str) else 0


def _carried_over(line: dict[str, Any], uri: str) -> Result:
    earlier = line["reuse"] if isinstance(line.get("reuse"), dict) else {}
    cost = earlier.get("cost_usd") if earlier else line.get("cost_usd")
    result = {
        "status": REUSED,
        "wiro_task_id": line.get("wiro_task_id"),
        "attempts": 0,
        "cost_usd": "0",
        **{name: line.get(name) for name in ("elapsed_seconds", "outputs", "text", "finish_reason", "usage")},
        "reused": True,
        "reuse": {"made_at": earlier.get("made_at"), "cost_usd": cost, "manifest_uri": uri},
    }
    return {**result, "files": line["files"]} if "files" in line else result


def _are_outputs(outputs: object) -> bool:
    return isinstance(outputs, list) and all(isinstance(one, dict) for one in outputs)


def _are_files(files: object) -> bool:
    return isinstance(files, list) and all(
        isinstance(one, dict) and isinstance(one.get("uri"), str) and isinstance(one.get("size"), int)
        for one in files
    )


def _named(inputs: Inputs, items: list[int]) -> str:
    more = f" and {len(items) - _MOST_NAMED:,} more" if len(items) > _MOST_NAMED else ""
    return ", ".join(inputs.name(item) for item in items[:_MOST_NAMED]) + more
