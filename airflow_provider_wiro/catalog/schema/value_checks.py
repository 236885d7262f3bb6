"""Checks of a parameter's value: whether it can be read as the type, and fits bounds and options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.catalog.schema.bounds import fits_step, length_bounds, number_bounds
from airflow_provider_wiro.catalog.schema.kinds import Takes, options_of, what_it_takes
from airflow_provider_wiro.catalog.schema.quoting import quoted, quoted_name, shown
from airflow_provider_wiro.catalog.schema.values import (
    BOOLEANS,
    as_number,
    as_text,
    is_same,
    is_structure,
    is_unset,
    is_whole,
    listed,
)
from airflow_provider_wiro.redaction.secret_values import json_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_wiro.api.catalog import ModelParameter

#: A message lists this many options.
_MOST_OPTIONS = 8


@dataclass(frozen=True)
class Problem:
    """
    What is wrong with a run.

    :ivar is_certain: it can't be right; else it is only suspicious.
    """

    text: str
    is_certain: bool = True


def check_value(parameter: ModelParameter, given: Mapping[str, Any]) -> Iterator[Problem]:
    """
    Yield what is wrong with the value of a parameter; files are checked elsewhere.

    :param given: all parameters of the run, whose secrets no message shows.
    """
    value = given[parameter.id]
    if is_unset(value) or is_same(value, parameter.default):
        return
    check = _CHECKS.get(what_it_takes(parameter))
    if check is not None:
        yield from check(parameter, value, given)


def _text(parameter: ModelParameter, value: Any, given: Mapping[str, Any]) -> Iterator[Problem]:
    name = quoted_name(parameter.id)
    if is_structure(value):
        # Objects, such as the shots of a film, are sent as JSON, which some texts are.
        is_json = isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)
        yield Problem(
            f"Parameter {name} takes text, found {shown(parameter.id, value, given)}.", is_certain=not is_json
        )
        return
    bounds, text, number = length_bounds(parameter), as_text(value), as_number(value)
    if number is not None and bounds.admit(number):  # a size or count of which the schema makes a text
        return
    # Wiro's page counts UTF-16 units: it calls an emoji two characters. In doubt the text fits.
    longest = len(text.encode("utf-16-le", "surrogatepass")) // 2
    if (bounds.minimum is not None and longest < bounds.minimum) or (
        bounds.maximum is not None and len(text) > bounds.maximum
    ):
        yield Problem(
            f"Parameter {name} takes {bounds} characters, found {len(text):,}.",
            is_certain=not bounds.is_doubtful,
        )


def _number(parameter: ModelParameter, value: Any, given: Mapping[str, Any]) -> Iterator[Problem]:
    name, number = quoted_name(parameter.id), as_number(value)
    is_whole_wanted = what_it_takes(parameter) is Takes.WHOLE_NUMBER
    if any(is_same(value, option) for option in parameter.options):  # such as "auto"
        return
    if number is None or (is_whole_wanted and not is_whole(number)):
        default = as_number(parameter.default)
        yield Problem(
            f"Parameter {name} takes {'a whole number' if is_whole_wanted else 'a number'}, found "
            f"{shown(parameter.id, value, given)}.",
            # A default such as "auto" or 0.5 shows that other values are read, too.
            is_certain=is_unset(parameter.default)
            or (default is not None and (not is_whole_wanted or is_whole(default))),
        )
        return
    bounds = number_bounds(parameter)
    if not bounds.admit(number):
        yield Problem(
            f"Parameter {name} takes {bounds}, found {shown(parameter.id, value, given)}.",
            is_certain=not bounds.is_doubtful,
        )
    elif not fits_step(parameter, number):
        yield Problem(
            f"Parameter {name} is {shown(parameter.id, value, given)}, which is not reached in steps of "
            f"{as_text(parameter.step)}.",
            is_certain=False,
        )


def _option(parameter: ModelParameter, value: Any, given: Mapping[str, Any]) -> Iterator[Problem]:
    options = options_of(parameter)
    if not is_structure(value):
        yield from _foreign(parameter, value, options, given)
    elif options:
        yield Problem(
            f"Parameter {quoted_name(parameter.id)} takes one of its options, found "
            f"{shown(parameter.id, value, given)}.",
            # Which type a select of several has is not documented: this may be one.
            is_certain=isinstance(value, Mapping) or any(map(is_structure, value)),
        )


def _options(parameter: ModelParameter, value: Any, given: Mapping[str, Any]) -> Iterator[Problem]:
    found = json_in(value) if isinstance(value, str) else value
    if any(map(is_structure, listed(value if found is None else found))):
        found_text = shown(parameter.id, value, given)
        yield Problem(
            f"Parameter {quoted_name(parameter.id)} takes a list of its options, found {found_text}."
        )
        return
    for item in listed(value if found is None else found):
        if not is_unset(item):
            yield from _foreign(parameter, item, options_of(parameter), given)


def _boolean(parameter: ModelParameter, value: Any, given: Mapping[str, Any]) -> Iterator[Problem]:
    if parameter.options:  # several boxes
        return
    default = as_text(parameter.default).strip().lower()
    if default and default not in BOOLEANS:  # a box that stands for a text
        return
    if is_structure(value) or as_text(value).strip().lower() not in BOOLEANS:
        yield Problem(
            f"Parameter {quoted_name(parameter.id)} takes true or false, found "
            f"{shown(parameter.id, value, given)}."
        )


_CHECKS = {
    Takes.TEXT: _text,
    Takes.NUMBER: _number,
    Takes.WHOLE_NUMBER: _number,
    Takes.OPTION: _option,
    Takes.OPTIONS: _options,
    Takes.BOOLEAN: _boolean,
}


def _foreign(
    parameter: ModelParameter, value: Any, options: tuple[str, ...], given: Mapping[str, Any]
) -> Iterator[Problem]:
    """Yield a problem if a value is none of a parameter's options."""
    if not options or any(is_same(value, option) for option in options if _is_as_given(value, option)):
        return
    found = as_text(value).strip().casefold()
    number = as_number(value)
    meant = next(
        (
            option
            for option in options
            if option.strip().casefold() == found or (number is not None and as_number(option) == number)
        ),
        None,
    )
    if meant is not None:
        hint = f"Write {quoted(meant)}."
    else:
        distinct = list(dict.fromkeys(options))
        more = len(distinct) - _MOST_OPTIONS
        listing = ", ".join(map(quoted, distinct[:_MOST_OPTIONS]))
        hint = f"Its options are {listing}{f' and {more} more' if more > 0 else ''}."
    yield Problem(
        f"Parameter {quoted_name(parameter.id)} is {shown(parameter.id, value, given)}, which is none of its "
        f"options. {hint}",
        is_certain=False,
    )


def _is_as_given(value: Any, option: str) -> bool:
    """Whether a value is compared with an option: text exactly, numbers and booleans by their text."""
    return not isinstance(value, str) or value == option
