"""
The values of a run by which Wiro chooses its price: given ones, the schema's defaults, and counts of files.

Nothing here raises, whatever the schema or the parameters are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.decoding.fields import text
from airflow_provider_wiro.api.parameters import FILE_KINDS
from airflow_provider_wiro.catalog.schema.kinds import is_for_files
from airflow_provider_wiro.catalog.schema.values import as_number, as_text, is_unset, is_whole

if TYPE_CHECKING:
    from airflow_provider_wiro.api.catalog import Model, ModelParameter

_URL = "Url"
#: URLs in these are no input of the model.
_NO_INPUTS = frozenset({"callbackUrl", "projectid"})
_URL_START = re.compile(r"\s*(?:https?://|data:)", re.IGNORECASE)


@dataclass(frozen=True)
class Value:
    """
    A parameter's value in a run.

    :ivar content: as given, or the schema's default; None if there is neither.
    :ivar is_default: it was not given.
    :ivar was_blank: empty text was given, which means "not set" to most models.
    """

    content: Any = None
    is_default: bool = False
    was_blank: bool = False


@dataclass(frozen=True)
class FileCount:
    """How many files and URLs a parameter has; two numbers where commas or a default leave it open."""

    least: int = 0
    most: int = 0


class RunValues:
    """
    A run's values, looked up by the parameter's name.

    :param model: with its parameters.
    :param parameters: as given to the run.
    :param files: file parameter → how many files and URLs it is given. They count in place of what
        ``parameters`` has for the same parameter, as they do in the Run that is sent.
    """

    def __init__(self, model: Model, parameters: Mapping[str, Any], files: Mapping[str, int]) -> None:
        self._schema: dict[str, ModelParameter] = {}
        for listed in model.parameters:
            self._schema.setdefault(listed.id, listed)
        self._given = parameters
        self._files: dict[str, int] = {}
        for name, count in files.items():
            parameter = _without_url(name)
            self._files[parameter] = self._files.get(parameter, 0) + max(0, count)

    def of(self, name: str) -> Value:
        """Return a parameter's value."""
        given, known = self._given.get(name), self._schema.get(name)
        is_an_option = known is not None and isinstance(given, str) and given in known.options
        if is_an_option or not is_unset(given):
            return Value(given)
        return Value(known.default if known else None, is_default=True, was_blank=given is not None)

    def given_text(self, name: str) -> str:
        """Return a text exactly as it was given, also a blank one; of anything else its text."""
        given = self._given.get(name)
        return given if isinstance(given, str) else scalar_text(self.of(name).content) or ""

    def names(self) -> list[str]:
        """Return the parameters that the model takes; of a model without a schema, those that are given."""
        return list(self._schema) or [str(name) for name in self._given]

    def is_file(self, name: str) -> bool:
        """Whether a parameter has been given files, or takes them by its schema."""
        parameter = _without_url(name)
        known = self._listed(parameter)
        return parameter in self._files or (known is not None and is_for_files(known))

    def files_of(self, name: str) -> FileCount:
        """Return how many files and URLs a parameter is given."""
        parameter = _without_url(name)
        sent = self._files.get(parameter)
        if sent:
            return FileCount(sent, sent)
        known = self._listed(parameter)
        kind = known.kind.strip().lower() if known else ""
        fields = (parameter,) if kind == "combinefileinput" else (parameter, f"{parameter}{_URL}")
        counts = [_count(self._given.get(field), kind) for field in fields]
        least, most = sum(count.least for count in counts), sum(count.most for count in counts)
        if not most and known:
            # Whether a model takes its default, such as a sample picture, for a file that wasn't given?
            return FileCount(0, _count(known.default, kind).most)
        # A parameter for one file that is given in both of its fields may have one or two.
        return FileCount(min(least, 1) if kind == "fileinput" else least, most)

    def file_parameters(self) -> list[str]:
        """Return the parameters that take files by the schema, and those that are given any."""
        listed = [_without_url(name) for name, known in self._schema.items() if is_for_files(known)]
        return list(dict.fromkeys((*listed, *self._files)))

    def stray_urls(self) -> dict[str, int]:
        """Return how many URLs are in parameters that take no files, as far as the schema says."""
        names = dict.fromkeys((*self._schema, *self._given))
        found = {
            name: _urls_in(self.of(name).content)
            for name in names
            if name not in _NO_INPUTS and not self.is_file(name)
        }
        return {name: count for name, count in found.items() if count}

    def _listed(self, parameter: str) -> ModelParameter | None:
        return self._schema.get(parameter) or self._schema.get(f"{parameter}{_URL}")


def _without_url(name: str) -> str:
    """Return what a file parameter's name means: ``inputImageUrl`` means ``inputImage``."""
    return str(name).removesuffix(_URL) or str(name)


def _count(value: Any, kind: str) -> FileCount:
    if isinstance(value, str):
        parts = [part for part in value.split(",") if part.strip()]
        if len(parts) <= 1:
            return FileCount(len(parts), len(parts))
        if kind == "multifileinput":
            # What is no URL by itself, such as the end of a data: URI, may belong to the one before.
            return FileCount(max(1, sum(map(_is_url, parts))), len(parts))
        # One URL may have commas in it; of an unknown kind, it may also be several URLs.
        return FileCount(1, 1 if kind in FILE_KINDS else len(parts))
    if isinstance(value, list | tuple):
        # A list in a list is no list of files; it counts as one. A URL may have commas in it.
        counts = [
            FileCount(1, max(1, _count(item, kind).most) if isinstance(item, str) else 1)
            for item in value
            if item
        ]
        return FileCount(sum(count.least for count in counts), sum(count.most for count in counts))
    given = int(value is not None)
    return FileCount(given, given)


def _is_url(text: str) -> bool:
    return _URL_START.match(text) is not None


def _urls_in(value: Any, depth: int = 3) -> int:
    if isinstance(value, str):
        return sum(map(_is_url, value.split(","))) if _is_url(value) else 0
    if depth and isinstance(value, list | tuple):
        return sum(_urls_in(item, depth - 1) for item in value)
    if depth and isinstance(value, Mapping):
        return sum(_urls_in(item, depth - 1) for item in value.values())
    return 0


def scalar_text(value: Any) -> str | None:
    """Return a value as Wiro compares it: ``5`` is "5", ``true`` is "true"; None if it has no such text."""
    if isinstance(value, str):
        return text(value)
    return as_text(value) if isinstance(value, bool) or as_number(value) is not None else None


def whole_number(value: Any) -> int | None:
    """Return a count of one or more; None if the value is none."""
    number = as_number(value)
    if number is None or not 1 <= number <= 1_000_000 or not is_whole(number):
        return None
    return int(number)


def plain_name(name: str) -> str:
    """Return a parameter's name without case and punctuation: ``num_outputs`` is ``numOutputs``."""
    return name.replace("_", "").replace("-", "").casefold()
