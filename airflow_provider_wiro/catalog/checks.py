"""
Checks of a run against its model's schema, before it is sent.

Refused is only what can't be right: Wiro would refuse it, too, or run something else than what is meant. What
is merely suspicious is a warning, which ``"strict"`` makes a refusal. A value that is the model's own default
is always right, however odd the schema is. Nothing here raises, whatever Wiro's schema looks like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.catalog.schema.file_checks import FileChecks
from airflow_provider_wiro.catalog.schema.findings import Findings
from airflow_provider_wiro.catalog.schema.kinds import Takes, names_of, what_it_takes
from airflow_provider_wiro.catalog.schema.names import did_you_mean, nearest_name, unlisted_names
from airflow_provider_wiro.catalog.schema.quoting import quoted_name
from airflow_provider_wiro.catalog.schema.value_checks import Problem, check_value
from airflow_provider_wiro.catalog.schema.values import as_text, is_same, is_unset, listed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from airflow_provider_wiro.api.catalog import Model, ModelParameter
    from airflow_provider_wiro.catalog import CheckMode

#: Models of these categories run only if they are allowed → what is special about them.
_CATEGORIES = {
    "realtime": "its runs don't end by themselves",
    "training": "a run can cost $10 and more",
}
#: For more unknown names, no nearest one is looked for.
_MOST_NEAREST = 20


def check_category(model: Model, allowed: Collection[str]) -> str | None:
    """
    Say why a model may not run without being allowed to.

    :param allowed: the operators' ``allow_categories``.
    :return: None if it may.
    """
    allowed_names = {name.strip().lower() for name in allowed}
    found = {category.strip().lower() for category in model.categories}
    for category, reason in _CATEGORIES.items():
        if category in found and category not in allowed_names:
            return (
                f"{model.slug} is a model of category '{category}', and was not run: {reason}. "
                f'To run it, set allow_categories=["{category}"].'
            )
    return None


def check_run(
    model: Model, parameters: Mapping[str, Any], files: Mapping[str, int], *, mode: CheckMode
) -> Findings:
    """
    Compare a run's inputs with the schema of its model.

    Give what is sent, see :func:`~airflow_provider_wiro.catalog.to_send.to_send`: then what ``fill_defaults``
    adds is there.

    :param files: file parameter → how many files and URLs.
    :return: nothing if the model has no schema.
    """
    if mode == "off" or not model.parameters:
        return Findings()
    given = {name: value for name, value in parameters.items() if value is not None}
    check = _RunCheck(model, given, {name: count for name, count in files.items() if count > 0})
    problems = [*check.missing(), *check.wrong_values(), *check.files.problems(), *check.unknown_names()]
    refusals = tuple(problem.text for problem in problems if problem.is_certain)
    warnings = tuple(problem.text for problem in problems if not problem.is_certain)
    return Findings((*refusals, *warnings)) if mode == "strict" else Findings(refusals, warnings)


class _RunCheck:
    """The comparison of one run."""

    def __init__(self, model: Model, given: Mapping[str, Any], files: Mapping[str, int]) -> None:
        self._given = given
        self._by_id: dict[str, ModelParameter] = {}
        for parameter in model.parameters:
            self._by_id.setdefault(parameter.id, parameter)
        self._known = {name for parameter in self._by_id.values() for name in names_of(parameter)}
        self._known |= unlisted_names(model)
        self.files = FileChecks(self._by_id, given, files)

    def missing(self) -> list[Problem]:
        """Return the required parameters that the run doesn't set."""
        return [
            Problem(self._missing(parameter))
            for parameter in self._by_id.values()
            if parameter.required and not self._is_met(parameter)
        ]

    def _is_met(self, parameter: ModelParameter) -> bool:
        takes = what_it_takes(parameter)
        if self.files.has_some(parameter) or takes is Takes.FILES:
            return self.files.has_some(parameter)
        value = self._given.get(parameter.id)
        if is_unset(value):  # for a select, empty text can be an option
            return parameter.id in self._given and as_text(value) in parameter.options
        return takes is not Takes.OPTIONS or bool(listed(value)) or is_same(value, parameter.default)

    def _missing(self, parameter: ModelParameter) -> str:
        name = quoted_name(parameter.id)
        mistyped = next((other for other in self._unknown() if self._means(other, parameter.id)), None)
        if mistyped is not None:
            return f"The required parameter {name} is missing; there is {quoted_name(mistyped)}."
        if what_it_takes(parameter) is Takes.FILES:
            is_combined = parameter.kind.strip().lower() == "combinefileinput"
            url_name = parameter.id if is_combined else f"{parameter.id}Url"
            return (
                f"The required file parameter {name} is missing. Give the file in `files`, or its URL as "
                f"{quoted_name(url_name)} in `parameters`."
            )
        default = parameter.default
        if is_unset(default) or not isinstance(default, str | int | float) or len(str(default)) > 40:
            return f"The required parameter {name} is missing."
        return (
            f"The required parameter {name} is missing. Give it, or set fill_defaults=True, which sends "
            f"{quoted_name(as_text(default))}."
        )

    def wrong_values(self) -> list[Problem]:
        """Return the values that a parameter can't take, or probably doesn't."""
        return [
            problem
            for name, parameter in self._by_id.items()
            if name in self._given
            for problem in check_value(parameter, self._given)
        ]

    def unknown_names(self) -> list[Problem]:
        """Return the names that the model doesn't list."""
        unknown = self._unknown()
        known = tuple(self._by_id)
        return [
            Problem(
                f"The model has no parameter {quoted_name(name)}"
                + (f". {did_you_mean(name, known)}" if number < _MOST_NEAREST else "."),
                is_certain=False,
            )
            for number, name in enumerate(unknown)
        ]

    def _unknown(self) -> list[str]:
        return [name for name in self._given if name not in self._known]

    def _means(self, name: str, parameter: str) -> bool:
        return nearest_name(name, tuple(self._by_id)) == parameter
