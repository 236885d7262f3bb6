"""What is sent of a run: the given parameters, coerced and completed as Wiro's own clients send them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.decoding.fields import text
from airflow_provider_wiro.api.json_values import json_value
from airflow_provider_wiro.api.parameters import check_name
from airflow_provider_wiro.catalog.schema.kinds import (
    Takes,
    is_for_files,
    names_of,
    options_of,
    what_it_takes,
)
from airflow_provider_wiro.catalog.schema.quoting import quoted_name, shown
from airflow_provider_wiro.catalog.schema.values import as_number, as_text, is_structure
from airflow_provider_wiro.exceptions import WiroUsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_wiro.api.catalog import Model, ModelParameter

#: Instead of a value: leave the parameter out.
_LEAVE_OUT = object()


@dataclass(frozen=True)
class ToSend:
    """
    What is sent of a run.

    :ivar parameters: what was given, the same mapping where nothing is changed.
    :ivar changes: a sentence for each change.
    """

    parameters: Mapping[str, Any]
    changes: tuple[str, ...] = ()


def to_send(
    model: Model, parameters: Mapping[str, Any], files: Mapping[str, int], *, fill_defaults: bool
) -> ToSend:
    """
    Return the parameters as they are sent.

    A select's options are text, so ``5`` is sent as ``"5"`` and True as ``"true"`` where these are options. A
    value that fits nowhere is sent as it is.

    :param files: file parameter → how many files and URLs.
    :param fill_defaults: send what is not given with the schema's default, and what has none as empty text,
        as Wiro's own clients do. Files are left out.
    """
    sent, changes = dict(parameters), []
    for parameter in _distinct(model):
        name, value = parameter.id, parameters.get(parameter.id)
        if value is not None:
            coerced = _coerced(parameter, value)
            if coerced is not value:
                sent[name] = coerced
                changes.append(
                    f"Parameter {quoted_name(name)} is sent as {shown(name, coerced, parameters)}, given as "
                    f"{shown(name, value, parameters)}."
                )
        elif fill_defaults and not _has_files(parameter, parameters, files):
            default = _default(parameter)
            if default is not _LEAVE_OUT:
                sent[name] = default
                how = f"with its default {shown(name, default, parameters)}"
                if default == "":
                    how = "empty: it has no default"
                changes.append(f"Parameter {quoted_name(name)} is not given, and is sent {how}.")
    return ToSend(sent, tuple(changes)) if changes else ToSend(parameters)


def _distinct(model: Model) -> Iterator[ModelParameter]:
    seen: set[str] = set()
    for parameter in model.parameters:
        if parameter.id not in seen:
            seen.add(parameter.id)
            yield parameter


def _coerced(parameter: ModelParameter, value: Any) -> Any:
    """Return a value as Wiro's page sends it; the same object if that changes nothing."""
    match what_it_takes(parameter):
        case Takes.OPTION:
            return _option(parameter, value)
        case Takes.OPTIONS if isinstance(value, list | tuple):
            chosen = [_option(parameter, item) for item in value]
            return chosen if any(new is not old for new, old in zip(chosen, value, strict=True)) else value
        case Takes.OPTIONS if not is_structure(value) and as_text(value) in options_of(parameter):
            return [as_text(value)]
        case Takes.BOOLEAN if isinstance(value, str) and not parameter.options:
            lower = value.strip().lower()
            return lower if lower in {"true", "false"} and lower != value else value
    return value


def _option(parameter: ModelParameter, value: Any) -> Any:
    """Return a number or boolean as the text of the option that it means."""
    if isinstance(value, str) or value is None or is_structure(value):
        return value
    options = options_of(parameter)
    chosen, number = as_text(value), as_number(value)
    if chosen in options or number is None:
        return chosen if chosen in options else value
    return next((option for option in options if as_number(option) == number), value)


def _has_files(parameter: ModelParameter, parameters: Mapping[str, Any], files: Mapping[str, int]) -> bool:
    return is_for_files(parameter) or any(
        name in files or parameters.get(name) is not None for name in names_of(parameter)
    )


def _default(parameter: ModelParameter) -> Any:
    """Return what a parameter that isn't given is sent as."""
    default = parameter.default
    if default is None:
        default = ""
    elif isinstance(default, str):
        default = text(default)
    try:
        check_name(parameter.id, "parameter")
        return json_value(parameter.id, default)
    except WiroUsageError:  # a schema so broken that this can't be sent
        return _LEAVE_OUT
