"""Checking a run's parameters against its model, with the error messages that Wiro documents."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.emulator.catalog.model import FILE_TYPES, NUMERIC_TYPES, Model, Parameter
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
        if isinstance(value, (dict, list)) and parameter.type != "checkbox":
            raise invalid_parameters()
        if is_blank(value):
            if parameter.required:
                raise parameter_required(parameter.id)
            continue
        if parameter.type in NUMERIC_TYPES:
            _check_number(parameter, value)
        elif parameter.type == "select" and str(value) not in {option for option, _ in parameter.options}:
            raise invalid_parameters()


def _check_number(parameter: Parameter, value: Any) -> None:
    number = as_number(value)
    if number is None:
        raise ApiError(VALIDATION, f"Request parameter [{parameter.id}] must be integer or float")
    low = -math.inf if parameter.minimum is None else parameter.minimum
    high = math.inf if parameter.maximum is None else parameter.maximum
    if not low <= number <= high:
        raise ApiError(VALIDATION, f"Request parameter [{parameter.id}] must be between {low:g} and {high:g}")
