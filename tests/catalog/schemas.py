"""Models for tests, made from what Tool/Detail returns."""

from __future__ import annotations

from typing import Any

from airflow_provider_wiro.api.catalog import Model


def model_of(*items: Any, categories: tuple[str, ...] = (), **fields: Any) -> Model:
    """Return a model with these parameters, as Wiro lists them."""
    groups = [{"title": "Input", "items": list(items)}]
    return Model.from_wire(
        {"slugowner": "o", "slugproject": "m", "categories": list(categories), "parameters": groups} | fields
    )


def item(name: str, kind: str = "text", **fields: Any) -> dict[str, Any]:
    """Return one parameter, as Wiro lists it."""
    return {"id": name, "type": kind, "label": name} | fields


def select(name: str, *values: str, kind: str = "select", **fields: Any) -> dict[str, Any]:
    """Return a parameter with options."""
    return item(name, kind, options=[{"value": value, "label": value} for value in values], **fields)
