"""A run's parameters as the model sees them: what was sent, and the model's defaults for the rest."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_wiro.emulator.catalog.model import FILE_TYPES, Model
from airflow_provider_wiro.emulator.generation.validation import as_number, is_blank, sources_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.emulator.http.request_body import Body

NOT_A_MODELS = frozenset({"callbackUrl", "projectid"})
"""Fields that every model takes and that are Wiro's own, not the model's."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """One accepted request for one model."""

    model: Model
    body: Body
    digests: Mapping[str, str] = field(default_factory=dict)
    """The SHA-256 of the files that the emulator itself serves, by their URL."""

    def text(self, name: str) -> str:
        """Return a parameter as text, its default where it was not given, `""` where it has none."""
        value = self.body.fields.get(name)
        if not is_blank(value):
            return str(value)
        default = next((item.default for item in self.model.parameters() if item.id == name), None)
        return default or ""

    def number(self, name: str, fallback: float) -> float:
        """Return a numeric parameter, its default, or `fallback` where the model has no such parameter."""
        number = as_number(self.text(name))
        return fallback if number is None else number

    def files_of(self, name: str) -> int:
        """Return how many files and URLs a file parameter was given."""
        return sum(len(sources_of(item, self.body)) for item in self.model.parameters() if item.id == name)

    @property
    def sources(self) -> tuple[str, ...]:
        """
        What the model reads: an upload by its SHA-256, another file by its URL, in the parameters' order.
        """
        files = (item for item in self.model.parameters() if item.type in FILE_TYPES)
        return tuple(self.digests.get(s, s) for item in files for s in sources_of(item, self.body))

    @property
    def caption(self) -> str:
        """The words a person would recognise the request by."""
        return self.text("prompt") or self.text("effectType") or self.model.title

    @property
    def variety(self) -> str:
        """
        A text that differs whenever the request does: numbers count by value, sent as number or as text.
        """
        values = {
            item.id: self.text(item.id) for item in self.model.parameters() if item.type not in FILE_TYPES
        }
        return json.dumps([self.model.id, values, self.sources], sort_keys=True)
