"""The items of a batch, from a list or a file of JSON Lines: checked, completed, identified."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wiro.api.parameters import FileUrl, clean_parameters, described
from airflow_provider_wiro.batch.inputs.json_lines import JsonLines
from airflow_provider_wiro.batch.inputs.shown_input import shown_input
from airflow_provider_wiro.exceptions import WiroError, WiroUsageError
from airflow_provider_wiro.input_files.sources import flattened, is_local_path, reference_of
from airflow_provider_wiro.input_files.stored_file import local_file
from airflow_provider_wiro.recovery.fingerprint import fingerprint

if TYPE_CHECKING:
    from airflow_provider_wiro.batch.inputs.data_trust import DataTrust

#: An item with files of its own has these keys, one of them or both, and no other.
_OWN_FILES = ("files", "parameters")
#: Keys that users confuse with these.
_LIKE_OWN_FILES = ("file", "parameter", "params")
#: How many hex digits of a SHA-256 identify an item.
FINGERPRINT_DIGITS = 32


@dataclass(frozen=True)
class Item:
    """
    The input of one run.

    :ivar parameters: as they are sent, including those of all items.
    :ivar files: file parameter → source or sources, including those of all items.
    """

    parameters: Mapping[str, Any] = field(repr=False)
    files: Mapping[str, Any]


class Inputs:
    """
    The items, checked. Use it in a ``with`` block.

    :param given: a list of dicts, or the path or URI of a file of JSON Lines.
    :param parameters: of all items; an item's own take precedence.
    :param files: of all items; the same.
    :param trust: what the items may name; None: anything, since the DAG's author listed them.
    :param keeps_bad: keep an item whose parameters can't be sent: it fails when it is submitted.
    :param aws_conn_id: the connection by which an ``s3://`` URI that names none is read.
    :raises WiroUsageError: an item is wrong; says which.
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
        self._lines = JsonLines.fetched(given, aws_conn_id) if isinstance(given, str | os.PathLike) else None
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
        Return what identifies an item by its input. Files count by their names: there may be thousands.
        """
        files = {
            name: [FileUrl(reference_of(source)) for source in flattened(sources)]
            for name, sources in item.files.items()
        }
        try:
            return fingerprint(self._model, item.parameters, files, self._project_id)[:FINGERPRINT_DIGITS]
        except WiroUsageError:  # can't be sent, but needs an identity too
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
        Make sure that the items' local files exist, and that items name no more than they may, before
        anything is paid for.

        :raises WiroUsageError: one doesn't exist, or may not be named; says of which item.
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
        Refuse an item that names more than it may. Called again when it is sent: links on a disk can change.

        :raises WiroUsageError: it does.
        """
        if self._trust is not None:
            self._trust.check(*_own(self._list[number] if self._lines is None else self._lines[number]))

    def _raw(self) -> Iterator[Any]:
        for number in range(len(self)):
            yield self._list[number] if self._lines is None else self._lines[number]

    def name(self, number: int) -> str:
        """Return an item's name for messages: its number from 0, in a file also its line."""
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
    """Make sure that local files exist; each once, since many items may share one."""
    for sources in files.values():
        for source in flattened(sources):
            if is_local_path(source) and str(source) not in seen:
                local_file(Path(source))
                if len(seen) < 1000:
                    seen.add(str(source))
