"""A file of JSON Lines with a batch's items, copied to this machine and read where needed."""

from __future__ import annotations

import json
import os
import tempfile
from array import array
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wiro.exceptions import WiroConnectionError, WiroError, WiroUsageError
from airflow_provider_wiro.state_files.folder import absolute
from airflow_provider_wiro.storage.location import parse_location
from airflow_provider_wiro.storage.open_folder import open_folder, split_uri

if TYPE_CHECKING:
    from airflow_provider_wiro.storage.location import Location

#: A longer line is no run's parameters.
MAX_LINE_BYTES = 8 * 1024 * 1024


class JsonLines:
    """A copy of a file of JSON Lines on this machine, and where in it each item starts."""

    def __init__(self, path: Path, source: str) -> None:
        self._path = path
        self._file = path.open("rb")
        self._starts = array("Q")
        self._end = 0
        self._numbers = array("L")
        try:
            self._index(source)
        except BaseException:
            self.close()
            raise

    @classmethod
    def fetched(cls, source: str | os.PathLike[str], aws_conn_id: str | None = None) -> Self:
        """
        Fetch a file, so that a later change doesn't affect what was checked.

        :raises WiroUsageError: there is none, or it is not JSON Lines.
        :raises WiroConnectionError: it can't be fetched.
        """
        uri = str(source).strip()
        if not uri or "\n" in uri or uri.startswith("["):
            raise WiroUsageError(
                "Expected `inputs` as a list of dicts, or the path or URI of a file of JSON Lines, found the "
                f"text {uri[:100]!r}. If it comes from a template, set render_template_as_native_obj=True on "
                "the DAG, or hand over the task's output itself."
            )
        location = parse_location(absolute(uri, "inputs"), "inputs")
        if location.scheme == "s3" and location.conn_id is None and aws_conn_id:
            location = replace(location, conn_id=aws_conn_id)
        folder, name = split_uri(location.uri)
        place = open_folder(folder)
        handle, copy = tempfile.mkstemp(prefix="wiro-inputs-", suffix=".jsonl")
        os.close(handle)
        try:
            place.download(name, Path(copy))
        except BaseException as error:
            Path(copy).unlink()
            if isinstance(error, FileNotFoundError | IsADirectoryError):
                found = "a folder" if isinstance(error, IsADirectoryError) else "none"
                raise WiroUsageError(f"Expected a file of JSON Lines at {uri}, found {found}.") from error
            if isinstance(error, Exception):
                if (refusal := _refusal(error, location)) is not None:
                    kind = WiroConnectionError if refusal.may_retry else type(refusal)
                    raise kind(f"Can't read the inputs: {refusal}") from error
                raise WiroConnectionError(f"Can't read {uri}: {type(error).__name__}: {error}") from error
            raise
        return cls(Path(copy), uri)

    def _index(self, source: str) -> None:
        start = 3 if self._file.read(3) == b"\xef\xbb\xbf" else 0
        self._file.seek(start)
        number = 0
        while line := self._file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise WiroUsageError(f"Line {number} of {source} has more than {MAX_LINE_BYTES} bytes.")
            if line.strip():
                _parsed(line, f"Line {number} of {source}")
                self._starts.append(start)
                self._numbers.append(number)
            start += len(line)
        self._end = start

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, number: int) -> Any:
        if number >= len(self._starts):
            raise IndexError(number)
        start, follower = self._starts[number], number + 1
        end = self._starts[follower] if follower < len(self._starts) else self._end
        # Not seek() and read(): a signal handler may read an item between the two.
        return json.loads(os.pread(self._file.fileno(), end - start, start))

    def line_number(self, number: int) -> int:
        return self._numbers[number]

    def close(self) -> None:
        self._file.close()
        with suppress(OSError):
            self._path.unlink()


def _refusal(error: Exception, location: Location) -> WiroError | None:
    """Return why S3, or boto3, refuses to read a file; None if the error isn't theirs."""
    if location.scheme != "s3":
        return None
    from airflow_provider_wiro.storage.s3.refusals import S3Access

    return S3Access(location.bucket, location.conn_id).explained(error, location.path)


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
