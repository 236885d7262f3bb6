"""The inputs of a run: the fields and files that were sent, and the model's defaults for the rest."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.emulator.catalog.model import FILE_TYPES, Model, Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WIRO_FIELDS = frozenset({"callbackUrl", "projectid"})
"""Fields that every run takes and that are Wiro's own, not the model's."""


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """A file part of a multipart body, already on disk. `size` is in bytes, `sha256` in hexadecimal."""

    field: str
    name: str
    content_type: str
    path: Path
    size: int
    sha256: str


@dataclass(slots=True)
class RequestBody:
    """The fields and files of one request. A multipart field sent several times is a list of its values."""

    fields: dict[str, Any] = field(default_factory=dict)
    files: list[ReceivedFile] = field(default_factory=list)

    def text(self, name: str) -> str:
        """Return a field as text, the way Wiro reads ids and limits: `1`, `"1"` and `" 1 "` are the same."""
        value = self.fields.get(name)
        return "" if value is None else str(value).strip()

    def sources(self, parameter: Parameter) -> list[str]:
        """
        Return the files and URLs given for a file parameter: a file by its SHA-256, a URL as it is.

        `fileinput` and `multifileinput` take URLs in `{id}Url`, several separated by commas; a URL in `{id}`
        itself is accepted as well. `combinefileinput` takes all of them in `{id}`.
        """
        sources = [file.sha256 for file in self.files if file.field == parameter.id]
        names = (
            [parameter.id] if parameter.type == "combinefileinput" else [parameter.id, parameter.url_field]
        )
        for name in names:
            value = self.fields.get(name)
            for item in value if isinstance(value, list) else [] if is_blank(value) else [value]:
                text = str(item)
                parts = text.split(",") if parameter.type == "multifileinput" else [text]
                sources.extend(part.strip() for part in parts if part.strip())
        return sources


@dataclass(frozen=True, slots=True)
class Inputs:
    """One accepted request for one model."""

    model: Model
    body: RequestBody
    digests: Mapping[str, str] = field(default_factory=dict)
    """The SHA-256 of the files that the emulator itself serves, by their URL."""
    audio_seconds: float = 0.0
    """For how long the sounds among the files play."""

    def text(self, name: str) -> str:
        """Return a parameter or its default as text: `True` is "true", `5.0` is "5", none is `""`."""
        value = self.body.fields.get(name)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        if not is_blank(value):
            return str(value)
        default = next((item.default for item in self.model.parameters() if item.id == name), None)
        return str(list(default)) if isinstance(default, tuple) else default or ""

    def number(self, name: str, fallback: float) -> float:
        """Return a numeric parameter, or its default; `fallback` if the model has no such parameter."""
        number = as_number(self.text(name))
        return fallback if number is None else number

    def count_files(self, name: str) -> int:
        """Return how many files and URLs a file parameter was given."""
        return sum(len(self.body.sources(item)) for item in self.model.parameters() if item.id == name)

    @property
    def sources(self) -> tuple[str, ...]:
        """The files that the model reads, in the parameters' order: uploads by SHA-256, others by URL."""
        files = (item for item in self.model.parameters() if item.type in FILE_TYPES)
        return tuple(self.digests.get(s, s) for item in files for s in self.body.sources(item))

    @property
    def caption(self) -> str:
        """The words by which a person recognises the request."""
        return self.text("prompt") or self.text("effectType") or self.model.title

    @property
    def fingerprint(self) -> str:
        """A text that differs whenever the request does; `4` and `"4"` are the same."""
        values = {
            item.id: self.text(item.id) for item in self.model.parameters() if item.type not in FILE_TYPES
        }
        return json.dumps([self.model.id, values, self.sources], sort_keys=True)


def is_blank(value: Any) -> bool:
    """Return whether a value means "not given"."""
    return value is None or (isinstance(value, str) and not value.strip())


def as_number(value: Any) -> float | None:
    """Return a number sent as a number or as text, `None` for anything else. `True` is not a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str) and (not value.isascii() or "_" in value):  # only Python reads 1_000
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
