"""OpenLineage's ``OperatorLineage``: models and files in, objects out, a run facet with cost and times."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airflow_provider_wiro.api.models import Task

#: Where models are, in OpenLineage's naming.
MODELS = "wiro://models"
#: The name of the run facet.
FACET = "wiro"


def operator_lineage(
    model: str | None,
    fields: Mapping[str, Any],
    *,
    parameters: Mapping[str, Any] | None = None,
    inputs: Sequence[str] = (),
    outputs: Sequence[tuple[str, int | None]] = (),
) -> Any:
    """
    Return an ``OperatorLineage``; None where the OpenLineage provider is not installed.

    :param model: ``owner/model``, None if not known; it is an input.
    :param fields: of the run facet.
    :param parameters: a run's; the files at their web addresses are inputs.
    :param inputs: paths and URIs of files that were read.
    :param outputs: URI and size of each; None: not known.
    """
    try:
        extractors = import_module("airflow.providers.openlineage.extractors")
    except ImportError:
        return None
    from airflow.providers.common.compat.openlineage import facet

    from airflow_provider_wiro.redaction.masking import web_addresses

    read = [facet.Dataset(namespace=MODELS, name=model)] if model else []
    for uri in inputs:
        namespace, name = _named(uri)
        read.append(facet.Dataset(namespace=namespace, name=name))
    for address in web_addresses(parameters or {}):
        url = urlsplit(address)
        read.append(facet.Dataset(namespace=f"{url.scheme}://{url.netloc}", name=url.path or "/"))
    return extractors.OperatorLineage(
        inputs=read,
        outputs=[_object(facet, uri, size) for uri, size in outputs],
        run_facets={FACET: _run_facet(facet, fields)},
    )


def task_fields(task: Task, model: str | None) -> dict[str, Any]:
    """Return what the run facet says of one Wiro task."""
    return {
        "wiroTaskId": task.id,
        "model": model,
        "state": task.state.value,
        "costUsd": task.cost_usd,
        "elapsedSeconds": task.elapsed_seconds,
        "createdAt": _moment(task.created_at),
        "startedAt": _moment(task.started_at),
        "endedAt": _moment(task.ended_at),
    }


def _object(facet: Any, uri: str, size: int | None) -> Any:
    namespace, name = _named(uri)
    if size is None:
        return facet.OutputDataset(namespace=namespace, name=name)
    statistics = facet.OutputStatisticsOutputDatasetFacet(rowCount=None, size=size)
    return facet.OutputDataset(namespace=namespace, name=name, outputFacets={"outputStatistics": statistics})


def _named(uri: str) -> tuple[str, str]:
    """Return a file's namespace and name as OpenLineage has them: a local one keeps its slash."""
    scheme, _, rest = uri.partition("://") if "://" in uri else ("file", "", uri)
    place, _, key = rest.partition("/")
    return (f"{scheme}://{place.rpartition('@')[2]}", key or "/") if place else (scheme, f"/{key}")


def _run_facet(facet: Any, fields: Mapping[str, Any]) -> Any:
    from attrs import make_class

    # Its base is there only with OpenLineage, so the class can't stand in the module.
    kind = make_class("WiroRunFacet", list(fields), bases=(facet.RunFacet,))
    return kind(**fields)


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
