"""
The plan of a transfer: which objects a finished task's outputs become, and under which keys.

With ``delete_after`` a try can die after Wiro's files were deleted and before Airflow knows that it has
succeeded. The next try plans from the run summary or the manifest, to find what landed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.decoding.llm_answers import RAW, answer_text
from airflow_provider_wiro.api.models import Output
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.landing.json_text import json_text
from airflow_provider_wiro.media_types.suffixes import OCTET_STREAM, type_of_name
from airflow_provider_wiro.redaction.masking import without
from airflow_provider_wiro.redaction.secret_values import secret_values
from airflow_provider_wiro.storage.location import identity_of
from airflow_provider_wiro.storage.object_keys import clean_name, fill_key, key_segment, output_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.storage.landed_object import LandedObject

#: What an object's key may be made of, in the `s3_key` of the operator.
PLACEHOLDERS = frozenset({"wiro_task_id", "model", "index", "name", "stem", "suffix"})
#: The same for the outputs of one run, which may have a label.
RUN_PLACEHOLDERS = PLACEHOLDERS | {"label"}
#: What the key of a run's manifest may be made of.
MANIFEST_PLACEHOLDERS = frozenset({"wiro_task_id", "model", "label"})

#: The objects that an LLM's answer becomes, and their types.
_PART_TYPES = {"json": "application/json", "txt": "text/plain; charset=utf-8"}

_MIME_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}", re.ASCII)


@dataclass(frozen=True)
class PlannedObject:
    """
    One object that is to land.

    :ivar part: distinguishes the objects that one output becomes: empty, ``json`` or ``txt``.
    :ivar size: bytes, None if Wiro didn't announce them.
    :ivar body: the bytes themselves, None for a file that is fetched from the CDN.
    """

    output: Output
    name: str
    key: str
    content_type: str
    size: int | None
    part: str = ""
    body: bytes | None = None

    @property
    def output_id(self) -> str:
        """Which of the task's outputs it is, as the objects' metadata names it."""
        return f"{self.output.index}{self.part}"


def plan(
    task: Task,
    key_template: str,
    *,
    model: str | None = None,
    label: str | None = None,
    argument: str = "s3_key",
) -> list[PlannedObject]:
    """
    Return the objects that a task's outputs become, before anything is moved.

    :param key_template: with the placeholders of ``RUN_PLACEHOLDERS``.
    :param model: the model as the user named it; default: as Wiro names it.
    :param label: the run's, None if it has none.
    :param argument: the name of the template's argument, for messages.
    :raises WiroUsageError: two outputs would get the same key; or it has ``{label}``, and the run has none.
    """
    labels = label_values(key_template, label, argument)
    planned: list[PlannedObject] = []
    for output in task.outputs:
        for name, content_type, part, body in _parts(task, output):
            size = output.size if body is None else len(body)
            values = {**_values(task, model, output, name), **labels}
            key = fill_key(key_template, values, argument=argument)
            planned.append(PlannedObject(output, name, key, content_type, size, part, body))
    _refuse_collisions(planned, key_template, argument)
    return planned


def plan_landed(
    task: Task,
    landed: Sequence[LandedObject],
    key_template: str,
    *,
    model: str | None = None,
    label: str | None = None,
    argument: str = "s3_key",
) -> list[PlannedObject]:
    """
    Return the objects that objects of an earlier transfer become: see :func:`plan`.

    :param task: with the outputs that they are of.
    """
    outputs = {output.index: output for output in task.outputs}
    labels = label_values(key_template, label, argument)
    planned: list[PlannedObject] = []
    for one in landed:
        output = outputs[one.output]
        name = output_name(one.name, one.content_type, None)
        values = {**_values(task, model, output, name), **labels}
        key = fill_key(key_template, values, argument=argument)
        content_type = _PART_TYPES.get(one.part) or content_type_of(one.content_type, name)
        planned.append(PlannedObject(output, name, key, content_type, one.size, one.part))
    _refuse_collisions(planned, key_template, argument)
    return planned


def _parts(task: Task, output: Output) -> Iterator[tuple[str, str, str, bytes | None]]:
    """Yield name, content type, part and body of each object: one for a file, two for an LLM's answer."""
    if output.content is None:
        name = output_name(output.name, output.content_type, output.url)
        yield name, content_type_of(output.content_type, name), "", None
        return
    stem = PurePosixPath(clean_name(output.name, fallback="answer")).stem
    # Some models repeat their parameters, the token of the conversation among them.
    scrub = without([*secret_values(task.parameters), *secret_values(output.content)])
    structured = scrub(json_text(output.content))
    plain = scrub(answer_text([output.content], task.debug_output))
    yield f"{stem}.json", _PART_TYPES["json"], "json", _line(structured)
    yield f"{stem}.txt", _PART_TYPES["txt"], "txt", _line(plain)


def _line(text: str) -> bytes:
    return text.encode("utf-8", "replace") + b"\n"


def content_type_of(announced: str, name: str) -> str:
    """
    Return the MIME type Wiro announced, else what the name suggests. Only a well-formed one becomes a header.
    """
    if _MIME_TYPE.fullmatch(announced):
        return announced
    return type_of_name(name) or OCTET_STREAM


def model_folder(model: str | None) -> str:
    """Return a model as a part of a key."""
    segments = [clean_name(segment, fallback="_") for segment in (model or "").split("/") if segment.strip()]
    return "/".join(segments) or "unknown-model"


def label_values(template: str, label: str | None, argument: str) -> dict[str, str]:
    """
    Return the value of the placeholder ``{label}``, if a template has it.

    :param label: the run's, None if it has none.
    :param argument: the name of the template's argument, for the message.
    :raises WiroUsageError: there is none, or nothing of it may be in a key.
    """
    if "{label}" not in template:
        return {}
    if label is None:
        raise WiroUsageError(
            f"{argument} {template[:200]!r} has {{label}}, and this run has no label. Give the "
            "WiroRunOperator a label, and this task its run summary (run.output), not only the id."
        )
    cleaned = key_segment(label)
    if not cleaned:
        raise WiroUsageError(
            f"{argument} {template[:200]!r} has {{label}}, and nothing of the label {label[:200]!r} may be "
            "in a key. Give a label with letters or digits."
        )
    return {"label": cleaned}


def _values(task: Task, model: str | None, output: Output, name: str) -> Mapping[str, str]:
    path = PurePosixPath(name)
    return {
        "wiro_task_id": clean_name(task.id, fallback="_"),
        "model": model_folder(model or task.model),
        "index": str(output.index),
        "name": name,
        "stem": path.stem,
        "suffix": path.suffix,
    }


def _refuse_collisions(planned: Sequence[PlannedObject], key_template: str, argument: str) -> None:
    seen: dict[str, PlannedObject] = {}
    has_name = "{name}" in key_template or "{stem}" in key_template
    missing = "{index}" if has_name else "{index} or {name}"
    for one in planned:
        other = seen.setdefault(identity_of(one.key), one)
        if other is not one:
            raise WiroUsageError(
                f"Outputs {other.output.index} ({other.name!r}) and {one.output.index} "
                f"({one.name!r}) would both land in {one.key!r}. Put {missing} into {argument}, found "
                f"{key_template!r}."
            )


def with_listed_outputs(task: Task, summary: object) -> Task:
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


def plan_remembered(
    task: Task, key_template: str, *, model: str | None = None, label: str | None = None
) -> list[PlannedObject]:
    """
    Return the objects of a task of which only the run summary lists outputs.

    A summary hasn't an LLM's answer, so these objects have no body: they can only be there already.
    """
    planned = plan(task, key_template, model=model, label=label)
    return [one if one.output.url else replace(one, size=None, body=None) for one in planned]


def planned_by_manifest(earlier: Mapping[str, Any] | None) -> list[PlannedObject]:
    """Return the objects that an earlier manifest lists."""
    listed = (earlier or {}).get("outputs")
    return [
        _planned(item, item["source"])
        for item in (listed if isinstance(listed, list) else ())
        if isinstance(item, Mapping) and isinstance(item.get("source"), Mapping)
    ]


def _planned(item: Mapping[str, Any], source: Mapping[str, Any]) -> PlannedObject:
    index, size = source.get("output"), item.get("size")
    return PlannedObject(
        Output(index if isinstance(index, int) else 0, str(source.get("name") or ""), "", None, None),
        str(item.get("name") or ""),
        str(item.get("key") or ""),
        str(item.get("content_type") or ""),
        size if isinstance(size, int) else None,
        str(source.get("part") or ""),
    )
