"""A file of JSON Lines with a batch's items, checked line by line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from airflow_provider_wiro.batch.inputs.indexed_lines import IndexedLines
from airflow_provider_wiro.exceptions import WiroUsageError

if TYPE_CHECKING:
    from airflow_provider_wiro.batch.inputs.fetched_file import FetchedFile

#: A longer line is no run's parameters.
MAX_LINE_BYTES = 8 * 1024 * 1024


class JsonLines(IndexedLines):
    """
    The objects in a copy of such a file.

    :param most_bytes: of a line; None: as many as an item may have.
    :raises WiroUsageError: it is not JSON Lines; says in which line.
    """

    def __init__(self, file: FetchedFile, *, most_bytes: int | None = None) -> None:
        super().__init__(file.path)
        try:
            self._index(file.uri, MAX_LINE_BYTES if most_bytes is None else most_bytes)
        except BaseException:
            self.close()
            raise

    def _index(self, source: str, most_bytes: int) -> None:
        start = 3 if self._file.read(3) == b"\xef\xbb\xbf" else 0
        self._file.seek(start)
        number = 0
        while line := self._file.readline(most_bytes + 1):
            number += 1
            if len(line) > most_bytes:
                raise WiroUsageError(f"Line {number} of {source} has more than {most_bytes} bytes.")
            if line.strip():
                _parsed(line, f"Line {number} of {source}")
                self._starts.append(start)
                self._numbers.append(number)
            start += len(line)
        self._end = start


def _parsed(line: bytes, what: str) -> None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        begin = line.lstrip()[:60].rstrip().decode("utf-8", "replace")
        hint = " A JSON array is a list: write each of its objects into a line." if begin[:1] == "[" else ""
        raise WiroUsageError(
            f"{what} is not JSON ({error}). Expected JSON Lines, one object a line, such as "
            f'{{"prompt": "a teapot"}}, found {begin!r}.{hint}'
        ) from error
    if not isinstance(found, dict):
        raise WiroUsageError(
            f"{what}: expected an object with the model's parameters, such as "
            f'{{"prompt": "a teapot"}}, found {type(found).__name__}.'
        )
