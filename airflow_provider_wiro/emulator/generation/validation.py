"""Checking a run's parameters against its model, with the error messages that Wiro documents."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.emulator.catalog.model import (
    CHOICE_TYPES,
    FILE_TYPES,
    NUMERIC_TYPES,
    TEXT_TYPES,
    Model,
    Parameter,
)
from airflow_provider_wiro.emulator.envelope import (
    VALIDATION,
    ApiError,
    files_required,
    invalid_parameters,
    parameter_required,
)
from airflow_provider_wiro.emulator.generation.inputs import as_number, is_blank

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.generation.inputs import RequestBody


_BOOLEANS = frozenset({"true", "false", "1", "0", "yes", "no", "on", "off"})


def check_parameters(model: Model, body: RequestBody) -> None:
    """
    Check a request for a run; unknown parameters are accepted.

    :raises ApiError: the first error that Wiro reports for this request.
    """
    for parameter in model.parameters():
        if parameter.type in FILE_TYPES:
            if parameter.required and not body.sources(parameter):
                raise files_required(parameter.id)
            continue
        if model.wants_every_parameter and parameter.id not in body.fields:
            raise parameter_required(parameter.id)
        value = body.fields.get(parameter.id)
        if is_blank(value):
            if parameter.required:
                raise parameter_required(parameter.id)
            continue
        _check_value(parameter, value)


def _check_value(parameter: Parameter, value: Any) -> None:
    is_structure = isinstance(value, (dict, list))
    if parameter.type == "multiselect":
        if not {str(item) for item in _items(value)} <= parameter.values:
            raise invalid_parameters()
    elif parameter.type == "jsonschema":
        return
    elif is_structure:
        raise invalid_parameters()
    elif parameter.type == "checkbox":
        if str(value).strip().lower() not in _BOOLEANS:
            raise invalid_parameters()
    elif parameter.type in NUMERIC_TYPES:
        _check_number(parameter, value)
    elif parameter.type in CHOICE_TYPES:
        # Wiro's clients send a default also where it is none of the options.
        if str(value) not in {*parameter.values, parameter.default}:
            raise invalid_parameters()
    elif parameter.type in TEXT_TYPES:
        _check_bounds(parameter, len(str(value)))


def _items(value: Any) -> list[Any]:
    """Return the list that is a list, JSON text of one, or its only value."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return [value]
    return value if isinstance(value, list) else [value]


def _check_number(parameter: Parameter, value: Any) -> None:
    number = as_number(value)
    if number is None:
        raise ApiError(VALIDATION, f"Request parameter [{parameter.id}] must be integer or float")
    if parameter.type == "integer" and not number.is_integer():
        raise ApiError(VALIDATION, f"Request parameter [{parameter.id}] must be integer")
    _check_bounds(parameter, number)


def _check_bounds(parameter: Parameter, number: float) -> None:
    low, high = parameter.bounds
    if not low <= number <= high:
        raise ApiError(VALIDATION, f"Request parameter [{parameter.id}] must be between {low:g} and {high:g}")
