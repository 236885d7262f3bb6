"""OpenLineage facets of a transfer. Imported only where an OpenLineage provider asks for them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airflow_provider_wiro.api.models import Task

#: Where models are, in OpenLineage's naming.
MODELS = "wiro://models"


@dataclass(frozen=True)
class Landed:
    """
    A transfer that has succeeded.

    :ivar model: ``owner/model``, None if not known.
    :ivar files: as the operator returns them.
    """

    task: Task
    model: str | None
    files: Sequence[Mapping[str, Any]]


def operator_lineage(landed: Landed) -> Any:
    """
    Return an ``OperatorLineage``: model and input files in, the objects out, cost and times of the run.

    None where the OpenLineage provider is not installed.
    """
    try:
        extractors = import_module("airflow.providers.openlineage.extractors")
    except ImportError:
        return None
    from airflow.providers.common.compat.openlineage import facet

    from airflow_provider_wiro.redaction.masking import web_addresses

    inputs = [facet.Dataset(namespace=MODELS, name=landed.model)] if landed.model else []
    for address in web_addresses(landed.task.parameters):
        url = urlsplit(address)
        inputs.append(facet.Dataset(namespace=f"{url.scheme}://{url.netloc}", name=url.path or "/"))
    return extractors.OperatorLineage(
        inputs=inputs,
        outputs=[_object(facet, file) for file in landed.files],
        run_facets={"wiro": _run_facet(facet, landed)},
    )


def _object(facet: Any, file: Mapping[str, Any]) -> Any:
    scheme, _, rest = file["uri"].partition("://")
    place, _, key = rest.partition("/")
    # OpenLineage's naming: local files have no place, and keep their slash.
    namespace, name = (f"{scheme}://{place.rpartition('@')[2]}", key) if place else (scheme, f"/{key}")
    size = facet.OutputStatisticsOutputDatasetFacet(rowCount=None, size=file["size"])
    return facet.OutputDataset(namespace=namespace, name=name, outputFacets={"outputStatistics": size})


def _run_facet(facet: Any, landed: Landed) -> Any:
    from attrs import make_class

    task = landed.task
    fields = {
        "wiroTaskId": task.id,
        "model": landed.model,
        "costUsd": task.cost_usd,
        "elapsedSeconds": task.elapsed_seconds,
        "createdAt": _moment(task.created_at),
        "startedAt": _moment(task.started_at),
        "endedAt": _moment(task.ended_at),
        "totalBytes": sum(file["size"] for file in landed.files),
        "files": len(landed.files),
    }
    # Its base is there only with OpenLineage, so the class can't stand in the module.
    kind = make_class("WiroRunFacet", list(fields), bases=(facet.RunFacet,))
    return kind(**fields)


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
