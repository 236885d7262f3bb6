"""What of a finished task lands in storage, and under which keys."""

from __future__ import annotations

import io
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Protocol

from airflow_provider_wiro.api.decoding.llm_answers import answer_text
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.landing.json_text import json_text
from airflow_provider_wiro.media_types.suffixes import OCTET_STREAM, type_of_name
from airflow_provider_wiro.redaction.parameters import secret_values
from airflow_provider_wiro.redaction.task_parameters import without
from airflow_provider_wiro.storage.location import identity_of
from airflow_provider_wiro.storage.object_keys import clean_name, fill_key, output_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_provider_wiro.api.models import Output, Task
    from airflow_provider_wiro.hooks.wiro import WiroHook

#: What an object's key may be made of, in the `s3_key` of the operator.
PLACEHOLDERS = frozenset({"wiro_task_id", "model", "index", "name", "stem", "suffix"})

_MIME_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}", re.ASCII)


class Readable(Protocol):
    """Something whose bytes come piece by piece."""

    def read(self, size: int, /) -> bytes:
        """Return the next ``size`` bytes, fewer only at the end."""


@dataclass(frozen=True)
class PlannedObject:
    """
    One object to be.

    :ivar part: tells apart the objects that come of one output: empty, ``json`` or ``txt``.
    :ivar size: bytes, None if Wiro didn't tell.
    :ivar body: the bytes themselves, None for a file that is fetched from the CDN.
    """

    output: Output
    name: str
    key: str
    content_type: str
    size: int | None
    part: str = ""
    body: bytes | None = None

    @contextmanager
    def open(self, hook: WiroHook) -> Iterator[Readable]:
        """Open the bytes for reading."""
        if self.body is not None:
            yield io.BytesIO(self.body)
            return
        with hook.open_output(self.output) as stream:
            yield stream


def plan(
    task: Task, key_template: str, *, model: str | None = None, argument: str = "s3_key"
) -> list[PlannedObject]:
    """
    Return what of a task lands where, before anything is moved.

    :param key_template: with the placeholders of ``PLACEHOLDERS``.
    :param model: the model as the user named it; default: as Wiro names it.
    :param argument: what the user knows the template as, for messages.
    :raises WiroUsageError: two outputs would meet in one key.
    """
    landings: list[PlannedObject] = []
    for output in task.outputs:
        for landing_name, content_type, part, body in _parts(task, output):
            size = output.size if body is None else len(body)
            key = fill_key(key_template, _values(task, model, output, landing_name), argument=argument)
            landings.append(PlannedObject(output, landing_name, key, content_type, size, part, body))
    _refuse_collisions(landings, key_template, argument)
    return landings


def _parts(task: Task, output: Output) -> Iterator[tuple[str, str, str, bytes | None]]:
    """Yield name, content type, part and body: one for a file, two for an LLM's answer."""
    if output.content is None:
        name = output_name(output.name, output.content_type, output.url)
        yield name, content_type_of(output.content_type, name), "", None
        return
    stem = PurePosixPath(clean_name(output.name, fallback="answer")).stem
    # Some models repeat their parameters, the token of the conversation among them.
    scrub = without([*secret_values(task.parameters), *secret_values(output.content)])
    structured = scrub(json_text(output.content))
    plain = scrub(answer_text([output.content], task.debug_output))
    yield f"{stem}.json", "application/json", "json", _line(structured)
    yield f"{stem}.txt", "text/plain; charset=utf-8", "txt", _line(plain)


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


def _refuse_collisions(landings: Sequence[PlannedObject], key_template: str, argument: str) -> None:
    seen: dict[str, PlannedObject] = {}
    for landing in landings:
        other = seen.setdefault(identity_of(landing.key), landing)
        if other is not landing:
            raise WiroUsageError(
                f"Outputs {other.output.index} ({other.name!r}) and {landing.output.index} "
                f"({landing.name!r}) would both land in {landing.key!r}. Put {{index}} or {{name}} into "
                f"{argument}, found {key_template!r}."
            )
