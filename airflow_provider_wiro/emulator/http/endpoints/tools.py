"""The catalogue: `Tool/List`, `Tool/Detail`, and `Tool/Explore` as the official client calls it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.emulator.catalog import MODELS, find_model
from airflow_provider_wiro.emulator.envelope import NOT_FOUND, ApiError, parameter_required, success
from airflow_provider_wiro.emulator.generation.pricing import typical_cost_usd
from airflow_provider_wiro.emulator.http.endpoints.paging import page_of

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.catalog.model import Model
    from airflow_provider_wiro.emulator.generation.inputs import RequestBody
    from airflow_provider_wiro.emulator.state.world import World


def list_tools(world: World, body: RequestBody) -> dict[str, Any]:
    """Return the models that fit every filter of the request."""
    models = [model for model in MODELS if _fits(model, body)]
    words = _words(body)
    if body.text("sort") == "relevance" and words:
        models.sort(key=lambda model: -sum(word in _searched(model) for word in words))
    else:
        models.sort(key=lambda model: int(model.id), reverse=body.text("order").upper() != "ASC")
    shown = page_of(models, body)
    return success(total=len(models), tool=[_summary(world, model) for model in shown])


def tool_detail(world: World, body: RequestBody) -> dict[str, Any]:
    """Return one model with its parameters."""
    owner, project = body.text("slugowner"), body.text("slugproject")
    for name, value in (("slugowner", owner), ("slugproject", project)):
        if not value:
            raise parameter_required(name)
    model = find_model(owner, project)
    if model is None:
        raise ApiError(NOT_FOUND, "tool-not-accessible")
    groups = [
        {"title": title, "items": [i.to_json() for i in items]} for title, items in model.groups.items()
    ]
    details = {
        "readme": f"<p>{model.description}</p>",
        "parameters": groups or None,
        "inspire": [],
        "samples": [],
    }
    return success(tool=[_summary(world, model) | details])


def explore(world: World, body: RequestBody) -> dict[str, Any]:
    """Return the models, grouped by their kind of output."""
    kinds = dict.fromkeys(model.output for model in MODELS)
    shelves = [
        {
            "id": str(number),
            "title": kind.capitalize(),
            "tools": [_summary(world, model) for model in MODELS if model.output == kind],
        }
        for number, kind in enumerate(kinds, start=1)
    ]
    return success(explore=shelves)


def _fits(model: Model, body: RequestBody) -> bool:
    words, searched = _words(body), _searched(model)
    owner = body.text("slugowner")
    categories = _texts(body.fields.get("categories"))
    tags = _texts(body.fields.get("tags"))
    return (
        (not words or any(word in searched for word in words))
        and (not owner or owner in {model.owner.strip(), model.clean_owner})
        and (not categories or not categories.isdisjoint(model.categories))
        and not tags  # none of the emulator's models has a tag
    )


def _words(body: RequestBody) -> list[str]:
    return body.text("search").lower().split()


def _searched(model: Model) -> str:
    return f"{model.slug} {model.title} {model.description} {' '.join(model.categories)}".lower()


def _texts(value: Any) -> set[str]:
    return (
        {str(item) for item in value} if isinstance(value, Iterable) and not isinstance(value, str) else set()
    )


def _summary(world: World, model: Model) -> dict[str, Any]:
    statistics = world.statistics
    succeeded = statistics.succeeded[model.id]
    summary: dict[str, Any] = {
        "id": model.id,
        "title": model.title,
        "slugowner": model.owner,
        "slugproject": model.project,
        "cleanslugowner": model.clean_owner,
        "cleanslugproject": model.clean_project,
        "description": model.description,
        "seodescription": model.description,
        "image": "",
        "computingtime": f"{model.timing.prepare + model.timing.run:g} seconds",
        "categories": list(model.categories),
        "tags": [],
        "marketplace": 1,
        "onlymembers": "1",
        "averagepoint": "5.00",
        "commentcount": "0",
        "ratedusercount": "0",
        "cps": model.cps,
        "approximatelycost": f"{typical_cost_usd(model):f}",
        "taskstat": {
            "runcount": statistics.started[model.id],
            "successcount": str(succeeded),
            "errorcount": str(statistics.ended[model.id] - succeeded),
            "lastruntime": str(int(statistics.last_run.get(model.id, 0))),
        },
    }
    if model.prices:
        summary["dynamicprice"] = json.dumps(
            [price.to_json() for price in model.prices], separators=(",", ":")
        )
    return summary
