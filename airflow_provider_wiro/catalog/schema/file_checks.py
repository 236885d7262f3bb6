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
from airflow_provider_wiro.catalog.schema.quoting import quoted_name
from airflow_provider_wiro.catalog.schema.value_checks import Problem
from airflow_provider_wiro.catalog.schema.values import is_same, is_structure, is_unset, listed

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
            self._count(parameter) > 0 or any(self._urls(name) for name in names_of(parameter))
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
        urls = 0
        for name in names_of(parameter):
            if is_same(self._given.get(name), parameter.default):
                continue
            for value in listed(self._given.get(name)):
                if is_unset(value):
                    continue
                urls += 1
                if isinstance(value, str):
                    problem = why_no_url(name, value)
                else:
                    kind = "an object or a list" if is_structure(value) else f"a {type(value).__name__}"
                    problem = (
                        f"Parameter {quoted_name(name)} takes the URL of a file, found {kind}. Other files "
                        "belong into `files`."
                    )
                if problem is not None:
                    yield Problem(problem)
        count, name = self._count(parameter), quoted_name(parameter.id)
        if count and urls:
            yield Problem(
                f"File parameter {name} is given in `files` and in `parameters`: only what is in `files` is "
                "sent.",
                is_certain=False,
            )
        elif parameter.kind.strip().lower() == "fileinput" and max(count, urls) > 1:
            is_twice = not count and not isinstance(self._given.get(parameter.id), list | tuple)
            yield Problem(
                f"File parameter {name} takes one file, found {max(count, urls)}.", is_certain=not is_twice
            )

    def _count(self, parameter: ModelParameter) -> int:
        return sum(self._files.get(name, 0) for name in names_of(parameter))

    def _urls(self, name: str) -> list[Any]:
        return [value for value in listed(self._given.get(name)) if not is_unset(value)]
