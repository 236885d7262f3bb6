"""Checks of a run's files: which parameters take files, how many, and what can't be fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.catalog.schema.kinds import (
    Takes,
    is_for_files,
    may_take_files,
    names_of,
    what_it_takes,
)
from airflow_provider_wiro.catalog.schema.local_paths import why_no_url
from airflow_provider_wiro.catalog.schema.names import did_you_mean
from airflow_provider_wiro.catalog.schema.quoting import quoted_name, shown
from airflow_provider_wiro.catalog.schema.value_checks import Problem
from airflow_provider_wiro.catalog.schema.values import is_same, is_unset, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_wiro.api.catalog import ModelParameter


class FileChecks:
    """
    The files of one run, given in ``files`` or as URLs in ``parameters``.

    :param by_id: the model's parameters.
    """

    def __init__(
        self, by_id: Mapping[str, ModelParameter], given: Mapping[str, Any], files: Mapping[str, int]
    ) -> None:
        self._by_id = by_id
        self._given = given
        self._files = files

    def has_some(self, parameter: ModelParameter) -> bool:
        """Whether a parameter that may take files has one."""
        return may_take_files(parameter) and (
            self._count(parameter) > 0 or any(self._urls(name, parameter) for name in names_of(parameter))
        )

    def problems(self) -> list[Problem]:
        """Return what is wrong with the files."""
        return [
            *(problem for name in self._files for problem in self._unwanted(name)),
            *(
                problem
                for parameter in self._by_id.values()
                if what_it_takes(parameter) is Takes.FILES
                for problem in self._wrong(parameter)
            ),
        ]

    def _unwanted(self, name: str) -> Iterator[Problem]:
        """Yield a problem if no parameter takes files under a name."""
        takers = [parameter for parameter in self._by_id.values() if may_take_files(parameter)]
        if any(name in names_of(parameter) for parameter in takers):
            return
        if name in self._by_id:
            yield Problem(
                f"Parameter {quoted_name(name)} takes no file. Give its value in `parameters`, not in "
                "`files`."
            )
            return
        known = tuple(parameter.id for parameter in takers if is_for_files(parameter))
        yield Problem(
            f"The model has no file parameter {quoted_name(name)}. {did_you_mean(name, known)}"
            if known or not takers
            else f"The model has no file parameter {quoted_name(name)}."
        )

    def _wrong(self, parameter: ModelParameter) -> Iterator[Problem]:
        urls = [
            (name, value)
            for name in names_of(parameter)
            if not is_same(self._given.get(name), parameter.default)
            for value in self._urls(name, parameter)
        ]
        for name, value in urls:
            if (problem := self._no_url(name, value)) is not None:
                yield Problem(problem)
        in_files, is_one = self._count(parameter), parameter.kind.strip().lower() == "fileinput"
        found, name = in_files or len(urls), quoted_name(parameter.id)
        if in_files and urls:
            yield Problem(
                f"File parameter {name} is given in `files` and in `parameters`: only what is in `files` is "
                "sent.",
                is_certain=False,
            )
        if is_one and found > 1:
            is_under_two_names = not in_files and len({name for name, _ in urls}) == found
            yield Problem(
                f"File parameter {name} takes one file, found {found}.", is_certain=not is_under_two_names
            )

    def _no_url(self, name: str, value: Any) -> str | None:
        if isinstance(value, str):
            return why_no_url(name, value)
        found = shown(name, value, self._given)
        return (
            f"Parameter {quoted_name(name)} takes the URL of a file, found {found}. Other files belong into "
            "`files`."
        )

    def _count(self, parameter: ModelParameter) -> int:
        return sum(self._files.get(name, 0) for name in names_of(parameter))

    def _urls(self, name: str, parameter: ModelParameter) -> list[Any]:
        """Return the URLs that ``parameters`` has under a name."""
        values = listed(self._given.get(name))
        if parameter.kind.strip().lower() == "multifileinput":
            values = [
                part for value in values for part in (value.split(",") if isinstance(value, str) else [value])
            ]
        return [value for value in values if not is_unset(value)]
