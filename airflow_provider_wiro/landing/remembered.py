"""
The outputs of a task that Wiro shows none of any more, because its files were deleted.

With ``delete_after`` a try can die after the files were deleted and before Airflow knows that it succeeded.
The next one must find what landed, and not report that there was nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.decoding.llm_answers import RAW
from airflow_provider_wiro.api.models import Output
from airflow_provider_wiro.landing.plan import PlannedObject, plan

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task


def remembered(task: Task, summary: object) -> Task:
    """Return a task with the outputs that its run summary lists, if Wiro itself shows none."""
    listed = summary.get("outputs") if isinstance(summary, Mapping) else None
    if task.outputs or not isinstance(listed, list | tuple):
        return task
    outputs = [_output(index, item) for index, item in enumerate(listed) if isinstance(item, Mapping)]
    return replace(task, outputs=tuple(outputs))


def _output(index: int, item: Mapping[str, Any]) -> Output:
    position, size, url = item.get("index"), item.get("size"), item.get("url")
    content_type = str(item.get("content_type") or "")
    is_answer = not url and content_type.lower() in {RAW, ""}
    return Output(
        index=position if isinstance(position, int) else index,
        name=str(item.get("name") or ""),
        content_type=content_type,
        size=size or None if isinstance(size, int) else None,
        url=url if isinstance(url, str) and url else None,
        content={} if is_answer else None,
    )


def plan_remembered(task: Task, key_template: str, *, model: str | None = None) -> list[PlannedObject]:
    """
    Return what of such a task landed where.

    A summary hasn't got what an LLM answered, so that these have no body: they can only be there already.
    """
    landings = plan(task, key_template, model=model)
    return [landing if landing.output.url else replace(landing, size=None, body=None) for landing in landings]


def landings_of_manifest(earlier: Mapping[str, Any] | None) -> list[PlannedObject]:
    """Return what of a task has landed where, as its manifest tells."""
    listed = (earlier or {}).get("outputs")
    return [
        _landing(item, item["source"])
        for item in (listed if isinstance(listed, list) else ())
        if isinstance(item, Mapping) and isinstance(item.get("source"), Mapping)
    ]


def _landing(item: Mapping[str, Any], source: Mapping[str, Any]) -> PlannedObject:
    index, size = source.get("output"), item.get("size")
    return PlannedObject(
        Output(index if isinstance(index, int) else 0, str(source.get("name") or ""), "", None, None),
        str(item.get("name") or ""),
        str(item.get("key") or ""),
        str(item.get("content_type") or ""),
        size if isinstance(size, int) else None,
        str(source.get("part") or ""),
    )
