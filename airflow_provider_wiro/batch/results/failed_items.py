"""
The items of a batch that failed, or were not run, as a file of JSON Lines that can be the ``inputs`` of
another batch.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wiro.batch.inputs.item_form import LEFT_OUT
from airflow_provider_wiro.batch.inputs.item_names import shown_data
from airflow_provider_wiro.batch.inputs.json_lines import MAX_LINE_BYTES
from airflow_provider_wiro.input_files.stored_file import with_connection
from airflow_provider_wiro.redaction.secret_values import secret_values
from airflow_provider_wiro.state_files.record_errors import record_errors
from airflow_provider_wiro.storage.open_folder import open_folder, split_uri
from airflow_provider_wiro.storage.s3.responses import code_and_status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_wiro.batch.inputs.item_form import OwnInput
    from airflow_provider_wiro.redaction.loggers import Log
    from airflow_provider_wiro.storage.s3.put_object import OwnObjects

#: The statuses of items that are still to be run.
NOT_DONE = frozenset({"failed", "not_run"})
_HAS_A_KEY = "its input has a secret, which is written into no file"
_NO_JSON = "its input has values that JSON lacks, or too many of them"
#: The id of a connection in an object-storage URI, which is no secret; in a web address it would be one.
_CONNECTION = re.compile(r"^(?!https?:)([a-z][a-z0-9+.-]*://)[^/@:]*@", re.IGNORECASE)


def failed_uri(manifest: str) -> str:
    """Return where the items that failed are, of the batch with this manifest."""
    return f"{manifest}.failed.jsonl"


class FailedItems:
    """
    Writes the lines one by one, into a file of this machine first. Use it in a ``with``.

    :param manifest: of the batch: its path or URI.
    :param own_input: returns what an item says itself.
    :param own: how the file is put into S3.
    """

    def __init__(
        self, manifest: str, own_input: Callable[[int], OwnInput], own: OwnObjects | None = None
    ) -> None:
        self.uri = failed_uri(manifest)
        self._own_input = own_input
        self._own = own
        self._count = 0
        handle, copy = tempfile.mkstemp(prefix="wiro-failed-", suffix=".jsonl")
        self._file = os.fdopen(handle, "w")
        self._copy = Path(copy)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()
        self._copy.unlink()

    def add(self, line: Mapping[str, Any]) -> None:
        """
        Add an item.

        :param line: of the manifest.
        """
        self._count += 1
        self._file.write(_line_of(self._own_input(line["item"]), line) + "\n")

    def put(self, log: Log | None) -> str | None:
        """
        Put the file beside the manifest, and return its URI; without items, delete what an earlier try put.

        :raises WiroRecordError: it can't be written.
        """
        self._file.flush()
        folder, name = split_uri(self.uri)
        target = open_folder(folder, self._own)
        if self._count:
            with record_errors(f"the failed items {self.uri}"):
                target.upload(name, self._copy)
            return self.uri
        try:
            if target.read(name, 1) is not None:
                target.delete(name)
        except Exception as error:
            if log is not None and "403" not in code_and_status(error):
                log.info("Could not look for %s of an earlier try: %s", self.uri, type(error).__name__)
        return None


def _line_of(own: OwnInput, line: Mapping[str, Any]) -> str:
    names: dict[str, Any] = {} if own.id is None else {"id": own.id}
    data = {"data": shown_data(own.data)} if own.data else {}
    ended = {name: line[name] for name in ("item", "status", "error") if line.get(name) is not None}
    why = _HAS_A_KEY
    if not secret_values([own.parameters, _without_connections(own.files)]):
        given = {"parameters": dict(own.parameters), **({"files": dict(own.files)} if own.files else {})}
        try:
            text = json.dumps({**names, **given, **data, **ended}, separators=(",", ":"), default=_path)
            if len(text) < MAX_LINE_BYTES:
                return text
        except (TypeError, ValueError, RecursionError):
            pass
        why = _NO_JSON
    return json.dumps({**names, **data, **ended, LEFT_OUT: why}, separators=(",", ":"), default=str)


def _path(value: object) -> str:
    if isinstance(value, os.PathLike):
        return with_connection(value)
    raise TypeError(value)


def _without_connections(files: Any) -> Any:
    """Return files without the ids of connections in their URIs."""
    if isinstance(files, str):
        return _CONNECTION.sub(r"\1", files)
    if isinstance(files, dict):
        return {name: _without_connections(part) for name, part in files.items()}
    if isinstance(files, list | tuple):
        return [_without_connections(part) for part in files]
    return files
