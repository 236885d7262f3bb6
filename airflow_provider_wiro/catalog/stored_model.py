"""A model of Wiro's catalogue as JSON, and back. Whatever is damaged is refused, never repaired."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from airflow_provider_wiro.api.catalog import Model, ModelParameter

T = TypeVar("T")


def to_stored(model: Model) -> dict[str, Any]:
    """Return a model as JSON values."""
    return {**_plain(model), "parameters": [_plain(parameter) for parameter in model.parameters]}


def from_stored(stored: object) -> Model:
    """
    Return the model that :func:`to_stored` gave.

    :raises ValueError: it is damaged, or of a version of this provider that knows other fields.
    """
    if not isinstance(stored, Mapping):
        raise ValueError("no object")  # noqa: TRY004  one error for all that can be wrong
    parameters = tuple(_read(ModelParameter, one) for one in _list(stored.get("parameters")))
    return _read(Model, {**stored, "parameters": parameters})


def _plain(one: Model | ModelParameter) -> dict[str, Any]:
    return {
        field.name: str(value) if isinstance(value := getattr(one, field.name), Decimal) else value
        for field in fields(one)
    }


def _read(kind: type[T], stored: object) -> T:
    known = fields(kind)  # type: ignore[arg-type]
    if not isinstance(stored, Mapping) or stored.keys() != {field.name for field in known}:
        raise ValueError("other fields")
    return kind(**{field.name: _READERS[str(field.type)](stored[field.name]) for field in known})


def _of(kind: type[T]) -> Callable[[object], T]:
    def read(value: object) -> T:
        if not isinstance(value, kind):
            raise ValueError(f"expected {kind.__name__}")  # noqa: TRY004
        return value

    return read


def _list(value: object) -> list[Any]:
    return _of(list)(value)


def _decimal(value: object) -> Decimal | None:
    if value is None:
        return None
    try:
        found = Decimal(_of(str)(value))
    except InvalidOperation:
        raise ValueError("no number") from None
    if not found.is_finite():
        raise ValueError("no number")
    return found


#: By the annotations of Model and ModelParameter, so that a new field is stored, or fails a test.
_READERS: dict[str, Callable[[object], Any]] = {
    "str": _of(str),
    "bool": _of(bool),
    "Any": lambda value: value,
    "Decimal | None": _decimal,
    "tuple[str, ...]": lambda value: tuple(map(_of(str), _list(value))),
    "tuple[Mapping[str, Any], ...]": lambda value: tuple(map(_of(dict), _list(value))),
    "tuple[ModelParameter, ...]": _of(tuple),
}
