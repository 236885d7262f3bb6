"""Kinds of parameters: what values a parameter takes, by the ``type`` that Wiro gives it."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.parameters import FILE_KINDS
from airflow_provider_wiro.redaction.secret_values import json_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_wiro.api.catalog import ModelParameter


class Takes(Enum):
    """What a parameter takes. Wiro's set of types is open: a parameter of any other type takes anything."""

    TEXT = auto()
    NUMBER = auto()
    WHOLE_NUMBER = auto()
    OPTION = auto()
    OPTIONS = auto()
    BOOLEAN = auto()
    FILES = auto()
    ANYTHING = auto()


#: Wiro's types, and beside them those of its n8n nodes (string, color, options, multiOptions, boolean).
_KINDS = {
    **dict.fromkeys(("text", "textarea", "string", "color"), Takes.TEXT),
    **dict.fromkeys(("number", "numeric", "float", "range"), Takes.NUMBER),
    "integer": Takes.WHOLE_NUMBER,
    **dict.fromkeys(("select", "selectwithcover", "options"), Takes.OPTION),
    **dict.fromkeys(("multiselect", "multi-select", "multioptions"), Takes.OPTIONS),
    **dict.fromkeys(("checkbox", "boolean"), Takes.BOOLEAN),
    **dict.fromkeys(FILE_KINDS, Takes.FILES),
}
#: Parameters of language models that take JSON, also where their type is a text's.
_JSON_NAMES = frozenset({"messages", "tools", "tool_choice", "toolOutputs"})


def what_it_takes(parameter: ModelParameter) -> Takes:
    """Return what a parameter takes."""
    takes = _KINDS.get(_kind(parameter), Takes.ANYTHING)
    if takes is Takes.OPTION and isinstance(parameter.default, list):
        return Takes.OPTIONS
    is_open = parameter.takes_json or (
        takes is Takes.TEXT and (_is_json(parameter) or _is_n8n_file(parameter))
    )
    return Takes.ANYTHING if is_open else takes


def may_take_files(parameter: ModelParameter) -> bool:
    """Whether files can be sent for a parameter; also where its type is not known."""
    takes = _KINDS.get(_kind(parameter))
    if takes is None:
        return not parameter.takes_json and _kind(parameter) != "jsonschema"
    return takes is Takes.FILES or _is_n8n_file(parameter)


def is_for_files(parameter: ModelParameter) -> bool:
    """Whether files are what a parameter is for, by its type's name where that is not known."""
    return may_take_files(parameter) and (
        what_it_takes(parameter) is Takes.FILES or "file" in _kind(parameter) or _is_n8n_file(parameter)
    )


def names_of(parameter: ModelParameter) -> Iterator[str]:
    """Yield the names under which a run may give a parameter: for files also with and without ``Url``."""
    yield parameter.id
    if may_take_files(parameter):
        yield f"{parameter.id}Url"
        if parameter.id.endswith("Url") and len(parameter.id) > len("Url"):
            yield parameter.id.removesuffix("Url")


def options_of(parameter: ModelParameter) -> tuple[str, ...]:
    """Return the values to choose from; empty if they aren't known, as for a list that Wiro's page loads."""
    return parameter.options if any(option.strip() for option in parameter.options) else ()


def _is_json(parameter: ModelParameter) -> bool:
    default = parameter.default
    is_json = json_in(default) is not None if isinstance(default, str) else isinstance(default, list | dict)
    return is_json or parameter.id in _JSON_NAMES


def _is_n8n_file(parameter: ModelParameter) -> bool:
    """Whether it is a file parameter as the n8n nodes show it: a ``string`` called ``inputImageUrl``."""
    return _kind(parameter) == "string" and parameter.id.endswith("Url")


def _kind(parameter: ModelParameter) -> str:
    return parameter.kind.strip().lower()
