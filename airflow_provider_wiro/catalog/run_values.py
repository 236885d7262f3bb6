"""
The values of a run by which Wiro chooses its price: given ones, the schema's defaults, and counts of files.

Nothing here raises, whatever the schema or the parameters are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.decoding.fields import text
from airflow_provider_wiro.api.parameters import FILE_KINDS
from airflow_provider_wiro.catalog.schema.kinds import is_for_files
from airflow_provider_wiro.catalog.schema.values import as_number, as_text, is_unset, is_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.api.catalog import Model, ModelParameter

_URL = "Url"


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
    """How many files and URLs a parameter has; two numbers where commas in a URL leave it open."""

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
        # A parameter for one file that is given in both of its fields may have one or two.
        return FileCount(min(least, 1) if kind == "fileinput" else least, most)

    def file_parameters(self) -> list[str]:
        """Return the parameters that take files by the schema, and those that are given any."""
        listed = [_without_url(name) for name, known in self._schema.items() if is_for_files(known)]
        return list(dict.fromkeys((*listed, *self._files)))

    def _listed(self, parameter: str) -> ModelParameter | None:
        return self._schema.get(parameter) or self._schema.get(f"{parameter}{_URL}")


def _without_url(name: str) -> str:
    """Return what a file parameter's name means: ``inputImageUrl`` means ``inputImage``."""
    return str(name).removesuffix(_URL) or str(name)


def _count(value: Any, kind: str) -> FileCount:
    if isinstance(value, str):
        parts = sum(bool(part.strip()) for part in value.split(","))
        if kind == "multifileinput" or parts <= 1:
            return FileCount(parts, parts)
        # One URL may have commas in it; of an unknown kind, it may also be several URLs.
        return FileCount(1, 1 if kind in FILE_KINDS else parts)
    if isinstance(value, list | tuple):
        # A list in a list is no list of files; it counts as one.
        counts = [_count(item, kind) if isinstance(item, str) else FileCount(1, 1) for item in value if item]
        return FileCount(sum(count.least for count in counts), sum(count.most for count in counts))
    given = int(value is not None)
    return FileCount(given, given)


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
