"""What a run was given, as a card shows it: prompt, seed, main parameters, files by their names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from airflow_provider_wiro.gallery.cards.cut_fields import is_cut, read_cut
from airflow_provider_wiro.gallery.cards.texts import (
    LONGEST_PARAMETER,
    LONGEST_PROMPT,
    items,
    mapping,
    shown,
    text,
    truncated,
)
from airflow_provider_wiro.redaction.masking import masked

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What Wiro's models call the text that says what to make, the clearest first.
_PROMPTS = (
    "prompt",
    "inputprompt",
    "generalprompt",
    "text",
    "script",
    "lyrics",
    "description",
    "caption",
    "message",
    "messages",
    "question",
    "query",
    "firstmessage",
    "multiprompt",
    "instanceprompt",
    "systeminstructions",
    "systemprompt",
)
_SEED = "seed"
_MOST_PARAMETERS = 12
_MOST_FILES = 20
#: A parameter's name that holds the address of a file, as ``inputImageUrl``.
_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]{0,20}://|data:)", re.IGNORECASE)


@dataclass(frozen=True)
class Inputs:
    """
    What a run was given.

    :ivar parameters: by name, with secrets masked.
    :ivar files: the value of each file parameter, as it was rendered.
    :ivar is_whole: whether nothing of it is missing or cut.
    """

    model: str | None = None
    label: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Any] = field(default_factory=dict)
    is_whole: bool = True

    @classmethod
    def rendered(cls, fields: Mapping[str, Any] | None) -> Inputs | None:
        """Return the inputs in an operator's rendered fields; None if Airflow has them no longer."""
        if fields is None:
            return None
        is_whole, read = True, {}
        for name in ("parameters", "files"):
            value = fields.get(name)
            if isinstance(value, str) and is_cut(value):
                is_whole, value = False, read_cut(value)
            elif isinstance(value, str):  # a template that gave JSON as text
                is_whole, value = False, {}
            read[name] = {str(key): one for key, one in mapping(masked(value)).items()}
        return cls(
            text(fields.get("model")),
            text(fields.get("run_label")),
            read["parameters"],
            read["files"],
            is_whole,
        )

    def with_own(self, own: Inputs) -> Inputs:
        """Return the inputs of an item of a batch, which take precedence over those of the batch."""
        return Inputs(
            self.model,
            own.label,
            {**self.parameters, **own.parameters},
            {**self.files, **own.files},
            self.is_whole and own.is_whole,
        )

    @property
    def prompt(self) -> str | None:
        """The text that says what to make."""
        name = self._prompt_name
        return None if name is None else truncated(_said(self.parameters[name]), LONGEST_PROMPT) or None

    @property
    def seed(self) -> str | None:
        """The seed, if one was given."""
        found = next((self.parameters[name] for name in self.parameters if name.lower() == _SEED), None)
        is_given = isinstance(found, str | int | float) and not isinstance(found, bool)
        return (shown(found, 100) or None) if is_given else None

    @property
    def main(self) -> tuple[tuple[str, str], ...]:
        """The other parameters, and the names of files."""
        beside = {self._prompt_name, *(name for name in self.parameters if name.lower() == _SEED)}
        found = [
            (shown(name, 100), _value(value))
            for name, value in self.parameters.items()
            if name not in beside and value not in (None, "", [], {})
        ]
        files = [(shown(name, 100), file_names(value)) for name, value in self.files.items()]
        return tuple([*files, *found][:_MOST_PARAMETERS])

    @property
    def _prompt_name(self) -> str | None:
        known = {re.sub(r"[^a-z]", "", name.lower()): name for name in reversed(list(self.parameters))}
        for name in _PROMPTS:
            if name in known and _said(self.parameters[known[name]]):
                return known[name]
        return None


def file_names(value: object) -> str:
    """Return the names of files, whatever way they are given: addresses, paths, results, lists of these."""
    listed = items(value, _MOST_FILES) if isinstance(value, list) else [value]
    return truncated(", ".join(filter(None, map(_file_name, listed))), LONGEST_PARAMETER)


def _file_name(value: object) -> str:
    found = mapping(value)
    if found:
        inner = found.get("files") or found.get("outputs")
        if isinstance(inner, list):
            return file_names(inner)
        return shown(found.get("name") or found.get("uri") or "", LONGEST_PARAMETER)
    if not isinstance(value, str):
        return ""
    if value.startswith("data:"):
        return truncated(value.partition(";")[0].partition(",")[0], 100)
    path = re.split(r"[?#]", value[:4096], maxsplit=1)[0].rstrip("/")
    return unquote(path.rpartition("/")[2]) or shown(value)


def _value(value: object) -> str:
    if isinstance(value, str) and _ADDRESS.match(value):
        return file_names(value)
    return shown(value)


def _said(value: object) -> str:
    """Return a prompt as text: of a conversation the texts of its messages."""
    if isinstance(value, str):
        return text(value.strip(), LONGEST_PROMPT + 1) or ""
    if isinstance(value, list):
        return "\n".join(filter(None, (_said(_content(one)) for one in value[:100])))
    return ""


def _content(message: object) -> object:
    found = mapping(message)
    return next((found[name] for name in ("content", "text", "prompt", "message") if name in found), message)
