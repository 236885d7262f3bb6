"""A card as DAG code: a complete DAG file that runs the same. Values are literals, and never code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.dag_code.dag_file import dag_file
from airflow_provider_wiro.dag_code.literals import literal, untemplated
from airflow_provider_wiro.exceptions import WiroUsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_wiro.gallery.cards.inputs import Inputs

#: In the place of a secret, and of a URL's query, in which signatures are.
_MASKS = ("***", "?…")
_MASKED = "A secret was here, which is masked: fill it in, best as a template."
#: What Airflow keeps of an address has no connection any more.
_CONNECTION = "If it was read by a connection of its own, add that: scheme://connection@bucket/key"
#: Batches' manifests cut longer texts.
_LONGEST_WHOLE = 1_000
_LONGEST = 50_000


def code_of(inputs: Inputs | None) -> str | None:
    """Return the code; None if the inputs aren't known, or not as a whole."""
    if inputs is None or not inputs.is_whole or _is_cut(inputs.parameters):
        return None
    try:
        arguments = [*_dict("parameters", inputs.parameters), *_files(inputs.files)]
        if inputs.label:
            arguments.append(f"        label={untemplated(inputs.label)},")
        code = dag_file(inputs.model or "", arguments)
    except (WiroUsageError, RecursionError):  # of what is no model
        return None
    return code if len(code) <= _LONGEST else None


def _dict(argument: str, values: Mapping[str, Any]) -> Iterator[str]:
    if not values:
        return
    yield f"        {argument}={{"
    for name, value in values.items():
        if any(mask in repr(value) for mask in _MASKS):
            yield f"            # {_MASKED}"
        yield f"            {literal(name)}: {untemplated(value)},"
    yield "        },"


def _files(files: Mapping[str, Any]) -> Iterator[str]:
    """Yield the files that are given by an address; a result of another task has to be given again."""
    given = {name: value for name, value in files.items() if value not in (None, "", [])}
    if not given:
        return
    yield "        files={"
    for name, value in given.items():
        if not _is_address(value):
            yield "            # It was the result of another task, or content: fill it in."
            yield f"            # {literal(name)}: other_task.output,"
            continue
        if any(mask in repr(value) for mask in _MASKS):
            yield f"            # {_MASKED}"
        if _is_in_store(value):
            yield f"            # {_CONNECTION}"
        yield f"            {literal(name)}: {untemplated(value)},"
    yield "        },"


def _is_in_store(value: object) -> bool:
    listed = value if isinstance(value, list) else [value]
    schemes = {one.partition("://")[0].lower() for one in listed if isinstance(one, str) and "://" in one}
    return not schemes <= {"http", "https"}


def _is_address(value: object) -> bool:
    listed = value if isinstance(value, list) else [value]
    return all(isinstance(one, str) and not one.startswith("data:") for one in listed)


def _is_cut(value: object, depth: int = 25) -> bool:
    if isinstance(value, str):
        if value.endswith("…"):
            return len(value) >= _LONGEST_WHOLE
        return value.endswith(" characters)") and "… (" in value
    if not depth:
        return True
    if isinstance(value, Mapping):
        return any(_is_cut(one, depth - 1) for one in value.values())
    return isinstance(value, list) and any(_is_cut(one, depth - 1) for one in value)
