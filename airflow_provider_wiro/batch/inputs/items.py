"""The items of a batch, from a list or a file: checked, completed, identified."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wiro.api.parameters import FileUrl, clean_parameters
from airflow_provider_wiro.batch.inputs.indexed_lines import IndexedLines
from airflow_provider_wiro.batch.inputs.item_form import (
    OwnInput,
    id_of,
    input_digest,
    mapping,
    own_input,
)
from airflow_provider_wiro.batch.inputs.item_names import SeenTexts, first_with, shown_data
from airflow_provider_wiro.batch.inputs.shown_input import manifest_input, shown_input
from airflow_provider_wiro.batch.inputs.sources import InputSource
from airflow_provider_wiro.exceptions import WiroError, WiroUsageError
from airflow_provider_wiro.input_files.resolve import resolve_file
from airflow_provider_wiro.input_files.sources import (
    flattened,
    is_landed,
    is_local_path,
    is_web_url,
    reference_of,
)
from airflow_provider_wiro.input_files.stored_file import local_file
from airflow_provider_wiro.recovery.fingerprint import fingerprint
from airflow_provider_wiro.redaction.secret_values import secret_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from airflow_provider_wiro.batch.inputs.data_trust import DataTrust

#: How many hex digits of a SHA-256 identify an item.
FINGERPRINT_DIGITS = 32


@dataclass(frozen=True)
class Item:
    """
    The input of one run.

    :ivar parameters: as they are sent, including those of all items.
    :ivar files: file parameter → source or sources, including those of all items.
    :ivar id: the user's name for it, None if it has none.
    :ivar data: of the user, never sent.
    :ivar row: of an item that is a row: what identifies its run, whatever the model's schema is.
    """

    parameters: Mapping[str, Any] = field(repr=False)
    files: Mapping[str, Any]
    id: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    row: Mapping[str, Any] | None = field(default=None, repr=False)


class Inputs:
    """
    The items, checked. Use it in a ``with`` block.

    :param given: a list of dicts, the path or URI of a file, or an
        :class:`~airflow_provider_wiro.batch.inputs.sources.InputSource` that says more.
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
        self.files = mapping(files, "`files`")
        self._secrets = secret_values([self._parameters, self.files])
        self._project_id = project_id
        self._keeps_bad = keeps_bad
        source = given if isinstance(given, InputSource) else InputSource(given)
        self._items = source.open(aws_conn_id)
        try:
            self._columns = source.columns()
            if self._columns is not None and self._names is not None:
                self._columns.check(self._names)
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
        if isinstance(self._items, IndexedLines):
            self._items.close()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def file_columns(self) -> frozenset[str] | None:
        """The names of columns that are files; None if the items are no rows, or the schema isn't known."""
        return None if self._columns is None else self._columns.file_columns

    def take_file_columns(self, names: Iterable[str]) -> None:
        """
        Have the columns be files that were files when the batch began.

        Runs whose response was lost are searched for as they were sent, whatever the schema says now.
        """
        if self._columns is not None:
            self._columns = replace(self._columns, file_columns=frozenset(names))

    @property
    def has_unknown_columns(self) -> bool:
        """Whether the items are rows, and the model's schema, which explains their columns, isn't known."""
        return self._columns is not None and self._columns.file_columns is None

    @property
    def _names(self) -> tuple[str, ...] | None:
        return self._items.columns if isinstance(self._items, IndexedLines) else None

    def __getitem__(self, number: int) -> Item:
        """Return an item, counted from 0."""
        return self._merged(self.own(number))

    def id_of(self, number: int) -> str | None:
        """Return an item's id, None if it has none."""
        raw = self._raw(number)
        return id_of(raw) if self._columns is None else self._columns.id_of(raw)

    def names_of(self, number: int) -> dict[str, Any]:
        """Return an item's ``id`` and ``data`` for the manifest, as far as it has them."""
        return _names_of(self.own(number))

    def fields_of(self, number: int, mask: Callable[[str], str] = str) -> dict[str, Any]:
        """
        Return what the manifest says of an item's input: its names, what identifies it, and what it is.

        :param mask: masks, in its texts, secrets that no name or form gives away.
        """
        own = self.own(number)
        shown = manifest_input(own, self._secrets, mask)
        return {**_names_of(own), "input_digest": input_digest(own), "input": shown}

    def own(self, number: int) -> OwnInput:
        """Return what an item says itself, without what is of all items."""
        raw = self._raw(number)
        return own_input(raw) if self._columns is None else self._columns.read(raw, columns=self._names)

    def _raw(self, number: int) -> Any:
        return self._items[number]

    def fingerprint_of(self, item: Item) -> str:
        """
        Return what identifies an item by its input. Files count by their names: there may be thousands.
        """
        parameters, sent = item.parameters, item.files
        if item.row is not None:
            parameters, sent = {**self._parameters, **item.row}, self.files
        files = {
            name: [FileUrl(reference_of(source)) for source in flattened(sources)]
            for name, sources in sent.items()
        }
        try:
            return fingerprint(self._model, parameters, files, self._project_id)[:FINGERPRINT_DIGITS]
        except WiroUsageError:  # can't be sent, but needs an identity too
            shown = re.sub(r" at 0x[0-9a-f]+", "", repr((self._model, parameters, files)))
            return hashlib.sha256(shown.encode("utf-8", "backslashreplace")).hexdigest()[:FINGERPRINT_DIGITS]

    def fingerprints(self) -> Iterator[str]:
        """Yield the fingerprint of each item."""
        for number in range(len(self)):
            yield self.fingerprint_of(self[number])

    def ids(self) -> Iterator[str | None]:
        """Yield the id of each item, None for one that has none."""
        return map(self.id_of, range(len(self)))

    def _check(self) -> None:
        whole, seen = hashlib.sha256(), SeenTexts()
        for number in range(len(self)):
            try:
                own = self.own(number)
                item = self._merged(own)
                if not self._keeps_bad:
                    clean_parameters(item.parameters)
            except WiroError as error:
                raise WiroUsageError(f"{self._place(number)} of inputs: {error}") from error
            whole.update(self.fingerprint_of(item).encode())
            if own.id is not None:
                whole.update(f"\0{own.id}\0".encode())
                if not seen.add(own.id):
                    self._refuse_twice(number, own.id)
        self.fingerprint = whole.hexdigest()

    def _refuse_twice(self, number: int, item_id: str) -> None:
        first = first_with(islice(self.ids(), number), item_id)
        if first is not None:
            raise WiroUsageError(
                f"{self._place(first)} and {self._place(number).replace('Item', 'item')} of inputs have the "
                f"same id {item_id!r}. Give each item an id of its own. Nothing was submitted."
            )

    def check_files(self, is_made: Callable[[int], bool] = lambda _: False) -> None:
        """
        Make sure that the items' local files exist, that links are some, and that items name no more than
        they may, before anything is paid for.

        :param is_made: whether an item is not sent, since its result is known.
        :raises WiroUsageError: one doesn't exist, or may not be named; says of which item.
        """
        seen: set[str] = set()
        for number in range(len(self)):
            if is_made(number):
                continue
            try:
                self.check_trust(number)
                _check_files(self[number].files, seen)
                if not self._keeps_bad:
                    _check_links(self.own(number).files)
            except WiroError as error:
                raise WiroUsageError(f"{self.name(number)} of inputs: {error}") from error

    def check_trust(self, number: int) -> None:
        """
        Refuse an item that names more than it may. Called again when it is sent: links on a disk can change.

        :raises WiroUsageError: it does.
        """
        if self._trust is not None:
            own = self.own(number)
            self._trust.check(own.parameters, own.files)

    def name(self, number: int) -> str:
        """Return an item's name for messages: its number from 0, its id, in a file also its line."""
        return self._place(number, self.id_of(number))

    def _place(self, number: int, item_id: str | None = None) -> str:
        items = self._items
        line = f"{items.unit} {items.line_number(number)}" if isinstance(items, IndexedLines) else None
        known = ", ".join(filter(None, (item_id, line)))
        return f"Item {number} ({known})" if known else f"Item {number}"

    def shown(self, number: int) -> str:
        """Return an item's own input in a line for people, short and without secrets."""
        return shown_input(self._raw(number))

    def _merged(self, own: OwnInput) -> Item:
        parameters = {**self._parameters, **own.parameters}
        return Item(parameters, {**self.files, **own.files}, own.id, own.data, own.row)


def _names_of(own: OwnInput) -> dict[str, Any]:
    names: dict[str, Any] = {} if own.id is None else {"id": own.id}
    return {**names, "data": shown_data(own.data)} if own.data else names


def _check_files(files: Mapping[str, Any], seen: set[str]) -> None:
    """Make sure that local files exist; each once, since many items may share one."""
    for sources in files.values():
        for source in flattened(sources):
            if is_local_path(source) and str(source) not in seen:
                local_file(Path(source))
                if len(seen) < 1000:
                    seen.add(str(source))


def _check_links(files: Mapping[str, Any]) -> None:
    """Make sure that what needs no reading, URLs and other tasks' results, can be sent."""
    for name, sources in files.items():
        for source in flattened(sources):
            if is_web_url(source) or (isinstance(source, Mapping) and not is_landed(source)):
                resolve_file(source, where=f"File parameter {name!r:.100}")
