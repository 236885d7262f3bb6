"""Writes a complete DAG that runs a model, from the model's schema."""

from __future__ import annotations

import ast
import importlib.util
import re
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.decoding.fields import plain_usd, text
from airflow_provider_wiro.api.model_slugs import clean_slug
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
    name = re.sub(r"[^a-z0-9]+", "_", clean_slug(model.slug).partition("/")[2]).strip("_") or "model"
    distinct = {one.id: one for one in reversed(model.parameters)}.values()
    listed = list(reversed(distinct))
    files = [one for one in listed if one.kind.endswith(_FILE_TYPE)]
    parameters = [one for one in listed if one not in files]
    lines = [
        _import_of_dag(),
        "",
        "from airflow_provider_wiro.operators.wiro import WiroRunOperator",
        *(["from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator"] if bucket else []),
        "",
        "with DAG(",
        f"    dag_id={_literal(f'wiro_{name}')},",
        "    schedule=None,",
        "    catchup=False,",
        "    # A retry follows the same run, and pays for no other.",
        '    default_args={"retries": 2},',
        "):",
        f"    {'run = ' if bucket else ''}WiroRunOperator(",
        '        task_id="run",',
        f"        model={_untemplated(model.slug)},",
        *_dict("parameters", parameters),
        *_dict("files", files),
        "        deferrable=True,",
        "    )",
    ]
    if bucket:
        lines += [
            "    WiroToS3Operator(",
            '        task_id="to_s3",',
            "        wiro_task_id=run.output,",
            f"        s3_bucket={_literal(bucket)},",
            f"        s3_key={_literal(_KEY)},",
            "    )",
        ]
    return "\n".join(lines) + "\n"


def _import_of_dag() -> str:
    """Return the import of this machine's Airflow: 2.11 has no ``airflow.sdk``."""
    has_sdk = importlib.util.find_spec("airflow.sdk") is not None
    return "from airflow.sdk import DAG" if has_sdk else "from airflow import DAG"


def _dict(argument: str, parameters: Sequence[ModelParameter]) -> Iterator[str]:
    if not parameters:
        return
    yield f"        {argument}={{"
    for one in parameters:
        entry = f"{_literal(one.id)}: {_value(one)},"
        note = _note(one)
        if one.required and entry.endswith(': "",') and "" not in one.options:
            note = f"{note}: fill this in"
        # What has a default is shown, and left to it.
        yield f"            {'' if one.required else '# '}{entry}{f'  # {note}' if note else ''}"
    yield "        },"


def _value(one: ModelParameter) -> str:
    if one.kind.endswith(_FILE_TYPE):
        return _literal("https://example.com/replace-this")
    if one.default in one.options or one.default not in (None, ""):
        return _number(one) or _untemplated(one.default)
    if one.kind in _TEXT_TYPES and one.required:
        return _literal(_SAMPLE_PROMPT)
    if one.options:
        return _untemplated(one.options[0])
    if one.minimum is not None:
        return _literal(plain_usd(one.minimum))
    return _literal("")


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


def _literal(value: object) -> str:
    """Return a value as a Python literal, text in double quotes as Airflow's own examples have it."""
    if isinstance(value, str):
        return f'"{"".join(map(_character, value))}"'
    try:
        shown = repr(value)
        return shown if ast.literal_eval(shown) == value else '""'
    except (ValueError, SyntaxError, MemoryError, RecursionError):  # such as JSON's Infinity
        return '""'


def _character(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    # What a terminal or an editor wouldn't show is escaped. (JSON's escapes aren't Python's beyond U+FFFF.)
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def _untemplated(value: object) -> str:
    """Return a value as the literal of a templated field, which Airflow renders as this value."""
    return _literal(_escaped(value))


def _escaped(value: object) -> object:
    if isinstance(value, str):
        return re.sub(r"\{[{%#]", r"{{ '\g<0>' }}", text(value))
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    if isinstance(value, dict):
        return {name: _escaped(item) for name, item in value.items()}
    return value
