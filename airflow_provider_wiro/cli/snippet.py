"""Writes a complete DAG that runs a model, from the model's schema."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.decoding.fields import plain_usd
from airflow_provider_wiro.dag_code.dag_file import dag_file
from airflow_provider_wiro.dag_code.literals import literal, untemplated
from airflow_provider_wiro.redaction.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_wiro.api.catalog import Model, ModelParameter

_FILE_TYPE = "fileinput"
#: A required text without a default gets this one, so that the DAG runs as it is printed.
_SAMPLE_PROMPT = "a lighthouse in a storm, oil painting"
_TEXT_TYPES = frozenset({"text", "textarea"})
_NUMBER_TYPES = frozenset({"number", "numeric", "integer", "float", "range"})
_LONGEST_COMMENT = 80
#: A run's keys for the day, so that a DAG run that is repeated lands on the same objects.
_KEY = "{{ dag.dag_id }}/{{ ds | default(run_id) }}/{index}-{name}"


def snippet(model: Model, *, bucket: str | None = None) -> str:
    """
    Return the code of a DAG file.

    Nothing that Wiro sends becomes code: values are literals, none is a template, and comments stay on
    their line.

    :param bucket: land the outputs there; None: the DAG only runs the model.
    """
    distinct = {one.id: one for one in reversed(model.parameters)}.values()
    listed = list(reversed(distinct))
    files = [one for one in listed if one.kind.endswith(_FILE_TYPE)]
    parameters = [one for one in listed if one not in files]
    arguments = [*_dict("parameters", parameters), *_dict("files", files)]
    if not bucket:
        return dag_file(model.slug, arguments)
    return dag_file(
        model.slug,
        arguments,
        imports=["from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator"],
        more_tasks=[
            "    WiroToS3Operator(",
            '        task_id="to_s3",',
            "        wiro_task_id=run.output,",
            f"        s3_bucket={literal(bucket)},",
            f"        s3_key={literal(_KEY)},",
            "    )",
        ],
    )


def _dict(argument: str, parameters: Sequence[ModelParameter]) -> Iterator[str]:
    if not parameters:
        return
    yield f"        {argument}={{"
    for one in parameters:
        entry = f"{literal(one.id)}: {_value(one)},"
        note = _note(one)
        if one.required and entry.endswith(': "",') and "" not in one.options:
            note = f"{note}: fill this in"
        # What has a default is shown, and left to it.
        yield f"            {'' if one.required else '# '}{entry}{f'  # {note}' if note else ''}"
    yield "        },"


def _value(one: ModelParameter) -> str:
    if one.kind.endswith(_FILE_TYPE):
        return literal("https://example.com/replace-this")
    if one.default in one.options or one.default not in (None, ""):
        return _number(one) or untemplated(one.default)
    if one.kind in _TEXT_TYPES and one.required:
        return literal(_SAMPLE_PROMPT)
    if one.options:
        return untemplated(one.options[0])
    if one.minimum is not None:
        return literal(plain_usd(one.minimum))
    return literal("")


def _number(one: ModelParameter) -> str | None:
    """Return a number's default as a number: both forms are valid, and this one is what people write."""
    is_number = one.kind in _NUMBER_TYPES and re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", str(one.default))
    return str(one.default) if is_number else None


def _note(one: ModelParameter) -> str:
    facts = [one.kind, *(["required"] if one.required else [])]
    if one.options:
        facts.append(" | ".join(option or '""' for option in dict.fromkeys(one.options)))
    elif one.minimum is not None and one.maximum is not None:
        facts.append(f"{plain_usd(one.minimum)} to {plain_usd(one.maximum)}")
    return plain(", ".join(filter(None, facts)), _LONGEST_COMMENT)
