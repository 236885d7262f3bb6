"""A model of the catalogue: its parameters, timing, prices and kind of output."""

from __future__ import annotations

import math
import re
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ParameterType = Literal[
    "text",
    "textarea",
    "number",
    "numeric",
    "integer",
    "float",
    "range",
    "select",
    "selectwithcover",
    "multiselect",
    "checkbox",
    "jsonschema",
    "fileinput",
    "multifileinput",
    "combinefileinput",
]
Phase = Literal["queue", "prepare", "run", "finish"]
OutputKind = Literal["image", "video", "audio", "document", "weights", "text"]

NUMERIC_TYPES = frozenset({"number", "numeric", "integer", "float", "range"})
CHOICE_TYPES = frozenset({"select", "selectwithcover"})
TEXT_TYPES = frozenset({"text", "textarea"})
#: A maximum from here on means that there are no bounds, as in Wiro's 0…9999999999.
NO_BOUND = 9_999_999_999
FILE_TYPES = frozenset({"fileinput", "multifileinput", "combinefileinput"})


@dataclass(frozen=True, slots=True)
class Parameter:
    """One input of a model, as `Tool/Detail` describes it."""

    id: str
    type: ParameterType
    _: KW_ONLY
    label: str = ""
    required: bool | Literal["true"] = False
    """Some models of Wiro's say it as text."""
    default: str | tuple[str, ...] | None = None
    options: tuple[tuple[str, str], ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    advanced: bool = False
    json_schema: Mapping[str, Any] | None = None

    @property
    def values(self) -> frozenset[str]:
        """The values of the options."""
        return frozenset(value for value, _ in self.options)

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest number, or length of a text, that a run may give."""
        if self.maximum is not None and self.maximum >= NO_BOUND:
            return -math.inf, math.inf
        return (
            -math.inf if self.minimum is None else self.minimum,
            math.inf if self.maximum is None else self.maximum,
        )

    @property
    def url_field(self) -> str:
        """The name of the field that takes a URL in place of the file itself."""
        return f"{self.id}Url"

    def to_json(self) -> dict[str, Any]:
        """Return the item of `Tool/Detail`: unset fields are absent, numbers are text."""
        item: dict[str, Any] = {"id": self.id, "type": self.type, "label": self.label or self.id}
        if self.required:
            item["required"] = self.required
        if self.default is not None:
            item["default"] = list(self.default) if isinstance(self.default, tuple) else self.default
        if self.options:
            item["options"] = [{"value": value, "label": label} for value, label in self.options]
        bounds = {"min": self.minimum, "max": self.maximum, "step": self.step}
        item.update({name: f"{bound:.12g}" for name, bound in bounds.items() if bound is not None})
        if self.advanced:
            item["advanced"] = True
        if self.json_schema is not None:
            item["jsonschema"] = self.json_schema
        return item


@dataclass(frozen=True, slots=True)
class Price:
    """One entry of `dynamicprice`. Empty `inputs` fit every run; without a method it is a price per run."""

    price: float
    method: str | None
    inputs: dict[str, str] = field(default_factory=dict)
    extra: float | None = None
    per_input: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the entry for the JSON inside `dynamicprice`."""
        entry: dict[str, Any] = {"inputs": self.inputs, "price": self.price}
        if self.method is not None:
            entry["priceMethod"] = self.method
        if self.extra is not None:
            entry["priceExtra"] = self.extra
        if self.per_input is not None:
            entry["priceInput"] = self.per_input
        return entry


@dataclass(frozen=True, slots=True)
class Timing:
    """How long each phase of a model's run takes, in seconds."""

    queue: float = 1.0
    prepare: float = 2.0
    run: float = 4.0
    finish: float = 1.0

    @property
    def total(self) -> float:
        """The seconds from the request to the end of the run."""
        return self.queue + self.prepare + self.run + self.finish

    def of(self, phase: Phase) -> float:
        """Return the length of one phase in seconds."""
        return {"queue": self.queue, "prepare": self.prepare, "run": self.run, "finish": self.finish}[phase]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model. `owner` and `project` are the slugs as the catalogue shows them, stray spaces included."""

    id: str
    owner: str
    project: str
    title: str
    description: str
    categories: tuple[str, ...]
    output: OutputKind
    groups: Mapping[str, tuple[Parameter, ...]]
    """The parameters in groups, by the titles on the model's page."""
    timing: Timing = field(default_factory=Timing)
    prices: tuple[Price, ...] = ()
    cps: str = "0.000585"
    wants_every_parameter: bool = False
    """A run must name every parameter, optional ones too; `""` means "not set"."""

    @property
    def slug(self) -> str:
        """Owner and model, without stray spaces."""
        return f"{self.owner.strip()}/{self.project.strip()}"

    @property
    def clean_owner(self) -> str:
        """The URL-safe form of the owner."""
        return clean_slug(self.owner)

    @property
    def clean_project(self) -> str:
        """The URL-safe form of the model's name."""
        return clean_slug(self.project)

    def parameters(self) -> Iterator[Parameter]:
        """Yield every parameter of every group."""
        for group in self.groups.values():
            yield from group

    def is_called(self, owner: str, project: str) -> bool:
        """Return whether these two path segments, already decoded, name this model."""
        return owner in {self.owner.strip(), self.clean_owner} and project in {
            self.project.strip(),
            self.clean_project,
        }


def clean_slug(text: str) -> str:
    """Return Wiro's URL-safe form: lower case, hyphens for all else ("FLUX.2-dev" -> "flux-2-dev")."""
    return re.sub(r"[^a-z0-9]+", "-", text.strip().lower()).strip("-")


def select(
    parameter_id: str,
    *values: str,
    default: str | tuple[str, ...],
    required: bool = False,
    label: str = "",
    kind: ParameterType = "select",
) -> Parameter:
    """Return a parameter with a choice of `values`."""
    options = tuple((value, value) for value in values)
    return Parameter(parameter_id, kind, label=label, required=required, default=default, options=options)
