"""What the items of a batch are: a list, or a file of JSON Lines, fetched once and read where needed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from array import array
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wiro.api.parameters import FileUrl, clean_parameters, described
from airflow_provider_wiro.batch.item_log import shown_input
from airflow_provider_wiro.exceptions import WiroConnectionError, WiroError, WiroUsageError
from airflow_provider_wiro.input_files.sources import flattened, is_local_path, reference_of
from airflow_provider_wiro.input_files.stored_file import local_file
from airflow_provider_wiro.recovery.fingerprint import fingerprint
from airflow_provider_wiro.state_files.folder import absolute
from airflow_provider_wiro.storage.location import parse_location
from airflow_provider_wiro.storage.open_folder import open_folder, split_uri

if TYPE_CHECKING:
    from airflow_provider_wiro.batch.inputs.data_trust import DataTrust
    from airflow_provider_wiro.storage.location import Location

#: A longer line is no run's parameters.
MAX_LINE_BYTES = 8 * 1024 * 1024
#: An item with files of its own has these keys, one of them or both, and no other.
_OWN_FILES = ("files", "parameters")
#: What they are mistaken for.
_LIKE_OWN_FILES = ("file", "parameter", "params")
#: Of a SHA-256, as much as tells items apart, in hex digits.
FINGERPRINT_DIGITS = 32


@dataclass(frozen=True)
class Item:
    """
    One run.

    :ivar parameters: as they are sent, those of all items included.
    :ivar files: file parameter → source or sources, those of all items included.
    """

    parameters: Mapping[str, Any] = field(repr=False)
    files: Mapping[str, Any]


class Inputs:
    """
    The items, checked. Use it in a ``with`` block.

    :param given: a list of dicts, or the path or URI of a file of JSON Lines.
    :param parameters: of all items; an item's own go before them.
    :param files: of all items; the same.
    :param trust: what the items may name; None: anything, for the DAG's author has listed them.
    :param keeps_bad: let an item in whose parameters can't be sent: it fails by itself when it is its turn.
    :param aws_conn_id: the connection by which an ``s3://`` URI that names none is read.
    :raises WiroUsageError: an item can't be right; says which.
    """

    def __init__(
        self,
        given: Any,
        *,
        model: str,
        parameters: Mapping[str, Any] | None,
        files: Mapping[str, Any] | None,
        project_id: str | None,
        trust: DataTrust | None = None,
        keeps_bad: bool = False,
        aws_conn_id: str | None = None,
    ) -> None:
        self._model = model
        self._trust = trust
        self._parameters = clean_parameters({} if parameters is None else parameters)
        #: Of all items.
        self.files = _mapping(files, "`files`")
        self._project_id = project_id
        self._keeps_bad = keeps_bad
        self._lines = _Lines.fetched(given, aws_conn_id) if isinstance(given, str | os.PathLike) else None
        self._list = [] if self._lines else _listed(given)
        try:
            self._check()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete the copy of the file."""
        if self._lines is not None:
            self._lines.close()

    def __len__(self) -> int:
        return len(self._list) if self._lines is None else len(self._lines)

    def __getitem__(self, number: int) -> Item:
        """Return an item, counted from 0."""
        raw = self._list[number] if self._lines is None else self._lines[number]
        return self._merged(raw)

    def fingerprint_of(self, item: Item) -> str:
        """
        Return what tells an item from others. Files count by their names: there may be thousands of them.
        """
        files = {
            name: [FileUrl(reference_of(source)) for source in flattened(sources)]
            for name, sources in item.files.items()
        }
        try:
            return fingerprint(self._model, item.parameters, files, self._project_id)[:FINGERPRINT_DIGITS]
        except WiroUsageError:  # never sent, but told from others all the same
            shown = re.sub(r" at 0x[0-9a-f]+", "", repr((self._model, item.parameters, files)))
            return hashlib.sha256(shown.encode("utf-8", "backslashreplace")).hexdigest()[:FINGERPRINT_DIGITS]

    def fingerprints(self) -> Iterator[str]:
        """Yield the fingerprint of each item."""
        for number in range(len(self)):
            yield self.fingerprint_of(self[number])

    def _check(self) -> None:
        whole = hashlib.sha256()
        for number, raw in enumerate(self._raw()):
            try:
                item = self._merged(raw)
                if not self._keeps_bad:
                    clean_parameters(item.parameters)
            except WiroError as error:
                raise WiroUsageError(f"{self.name(number)} of inputs: {error}") from error
            whole.update(self.fingerprint_of(item).encode())
        self.fingerprint = whole.hexdigest()

    def check_files(self) -> None:
        """
        Make sure that the items' local files are there, and that items name no more than they may, before
        anything is paid for.

        :raises WiroUsageError: one isn't, or does; says which, and of which item.
        """
        seen: set[str] = set()
        for number in range(len(self)):
            try:
                self.check_trust(number)
                _check_files(self[number].files, seen)
            except WiroError as error:
                raise WiroUsageError(f"{self.name(number)} of inputs: {error}") from error

    def check_trust(self, number: int) -> None:
        """
        Refuse an item that names more than it may; again when it is sent, for links on a disk can change.

        :raises WiroUsageError: it does.
        """
        if self._trust is not None:
            self._trust.check(*_own(self._list[number] if self._lines is None else self._lines[number]))

    def _raw(self) -> Iterator[Any]:
        for number in range(len(self)):
            yield self._list[number] if self._lines is None else self._lines[number]

    def name(self, number: int) -> str:
        """Return how a reader finds an item: by its number from 0, in a file also by its line."""
        line = "" if self._lines is None else f" (line {self._lines.line_number(number)})"
        return f"Item {number}{line}"

    def shown(self, number: int) -> str:
        """Return an item's own input in a line for people, short and without secrets."""
        return shown_input(self._list[number] if self._lines is None else self._lines[number])

    def _merged(self, raw: Any) -> Item:
        if not isinstance(raw, Mapping):
            raise WiroUsageError(
                'expected a dict of the model\'s parameters, such as {"prompt": "a teapot"}, found '
                f"{described(raw)}."
            )
        own, files = _own(raw)
        return Item({**self._parameters, **own}, {**self.files, **files})


def _own(raw: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """
    Return an item's own parameters and files.

    :raises WiroUsageError: it has a dict of either, beside something else: its values would be sent as one.
    """
    if raw and set(raw).issubset(_OWN_FILES):
        parameters, files = (raw.get(name) for name in ("parameters", "files"))
        return _mapping(parameters, "its `parameters`"), _mapping(files, "its `files`")
    nested = [name for name in (*_OWN_FILES, *_LIKE_OWN_FILES) if isinstance(raw.get(name), Mapping)]
    if nested:
        beside = next((f" beside {str(name)[:50]!r}" for name in raw if name not in nested), "")
        raise WiroUsageError(
            f"found {nested[0]!r}{beside}. Expected the model's parameters, or exactly "
            '{"parameters": {…}, "files": {…}}.'
        )
    return raw, {}


def _listed(given: Any) -> list[Any]:
    if isinstance(given, Mapping | bytes) or not hasattr(given, "__iter__"):
        raise WiroUsageError(
            f"Expected `inputs` as a list of dicts, or the path or URI of a file of JSON Lines, found "
            f"{type(given).__name__}."
        )
    return given if isinstance(given, list) else list(given)


def _mapping(given: Any, what: str) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise WiroUsageError(f"Expected {what} as a dict, found {type(given).__name__}.")
    return given


def _check_files(files: Mapping[str, Any], seen: set[str]) -> None:
    """Look whether local files are there; each once, for many items may share one."""
    for sources in files.values():
        for source in flattened(sources):
            if is_local_path(source) and str(source) not in seen:
                local_file(Path(source))
                if len(seen) < 1000:
                    seen.add(str(source))


class _Lines:
    """A copy of a file of JSON Lines on this machine, and where in it each item begins."""

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
        Fetch a file: so that it stays what was checked, whatever happens to it.

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
        # Not seek() and read(): a signal's handler may read an item between the two.
        return json.loads(os.pread(self._file.fileno(), end - start, start))

    def line_number(self, number: int) -> int:
        return self._numbers[number]

    def close(self) -> None:
        self._file.close()
        with suppress(OSError):
            self._path.unlink()


def _refusal(error: Exception, location: Location) -> WiroError | None:
    """Return what S3, or boto3, has against reading a file, None where it is no error of theirs."""
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
