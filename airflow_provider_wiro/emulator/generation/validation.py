"""Checking a Run against the model's own parameters, with the documented messages."""

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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_wiro.emulator.http.request_body import Body


def check_parameters(model: Model, body: Body) -> None:
    """Raise the first `ApiError` that Wiro would give for this call; unknown parameters are let through."""
    for parameter in model.parameters():
        if parameter.type in FILE_TYPES:
            if parameter.required and not sources_of(parameter, body):
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


def sources_of(parameter: Parameter, body: Body) -> list[str]:
    """
    Return what a file parameter was given: one entry a file (its SHA-256) or URL.

    `fileinput` and `multifileinput` take URLs in `{id}Url`, several separated by commas; a URL in `{id}`
    itself is accepted as well. `combinefileinput` takes all of them in `{id}`.
    """
    sources = [file.sha256 for file in body.files if file.field == parameter.id]
    fields: Sequence[str] = (parameter.id,)
    if parameter.type != "combinefileinput":
        fields = (parameter.id, parameter.url_field)
    for name in fields:
        for value in _as_list(body.fields.get(name)):
            text = str(value)
            parts = text.split(",") if parameter.type == "multifileinput" else [text]
            sources.extend(part.strip() for part in parts if part.strip())
    return sources


def is_blank(value: Any) -> bool:
    """Tell whether a value stands for "not given"."""
    return value is None or (isinstance(value, str) and not value.strip())


def as_number(value: Any) -> float | None:
    """Return a number sent as a number or as text, `None` for anything else. `True` is not a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _check_number(parameter: Parameter, value: Any) -> None:
    number = as_number(value)
    if number is None:
        raise ApiError(VALIDATION, f"Request parameter [{parameter.id}] must be integer or float")
    low = -math.inf if parameter.minimum is None else parameter.minimum
    high = math.inf if parameter.maximum is None else parameter.maximum
    if not low <= number <= high:
        raise ApiError(VALIDATION, f"Request parameter [{parameter.id}] must be between {low:g} and {high:g}")


def _as_list(value: Any) -> list[Any]:
    if is_blank(value):
        return []
    return value if isinstance(value, list) else [value]
