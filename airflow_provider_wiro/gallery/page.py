"""
What a page of the gallery shows, as values: the form of the JSON that its script reads.

Every text in it is plain text, which the script never reads as HTML.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

#: How many cards a page of a section has.
PAGE_SIZE = 60


class MediaKind(StrEnum):
    """How an output is shown."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    FILE = "file"  # by its name and type; also what a browser could run: SVG, HTML


class CardState(StrEnum):
    """What became of a run, or of an item of a batch."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    REUSED = "reused"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    NOT_RUN = "not_run"


@dataclass(frozen=True)
class Media:
    """
    One output.

    :ivar url: where the browser gets its bytes, relative to the API server's root; None: it can't.
    :ivar uri: where it landed, without a connection; None if it has not.
    :ivar note: why there is no ``url``, a sentence; empty if there is.
    """

    kind: MediaKind
    name: str
    content_type: str | None
    size: int | None
    url: str | None
    uri: str | None
    note: str = ""


@dataclass(frozen=True)
class Card:
    """
    A run with its outputs.

    :ivar id: the same for the same run each time the page is read, unique in its section.
    :ivar title: the run's label, the item's id, else the task's name or the item's number.
    :ivar parameters: the main ones beside the prompt, as texts, in their order; secrets are masked.
    :ivar text: an LLM's answer; at most 100,000 characters.
    :ivar error: why it failed.
    :ivar cost_usd: a decimal number as text.
    :ivar links: what the card links to → URL: ``log`` (a page of Airflow, relative to its root), ``wiro``,
        ``s3``, ``manifest`` (https).
    :ivar code: a DAG that runs the same; None if its inputs aren't known.
    """

    id: str
    title: str
    state: CardState
    task_id: str
    map_index: int
    try_number: int | None = None
    model: str | None = None
    prompt: str | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    seed: str | None = None
    wiro_task_id: str | None = None
    text: str | None = None
    finish_reason: str | None = None
    error: str | None = None
    cost_usd: str | None = None
    elapsed_seconds: float | None = None
    media: tuple[Media, ...] = ()
    links: dict[str, str] | None = None
    code: str | None = None


@dataclass(frozen=True)
class Progress:
    """
    How far a batch, or all runs of a section, are: counts of items.

    :ivar not_done: what was skipped, stopped or left out, and won't be done.
    """

    total: int
    queued: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    not_done: int = 0
    at: str | None = None


@dataclass(frozen=True)
class Section:
    """
    A part of a page: the single runs of a DAG run, or one batch, or one export.

    :ivar id: unique on the page.
    :ivar task_id: of a batch or an export; None for the single runs.
    :ivar state: Airflow's state of that task.
    :ivar first: the number of the first card, from 1; None if it isn't known.
    :ivar total: how many cards there are on all pages; None if it isn't known.
    :ivar here: where this page begins, the ``at`` of its URL; the empty text is the beginning.
    :ivar previous: ``at`` of the page before, None if this is the first.
    :ivar next: ``at`` of the next page, None if this is the last.
    :ivar jumps: whether ``at`` can also be the number of an item, counted from 1, as ``item-5000``.
    :ivar note: a sentence about the whole section, such as why its manifest can't be read; empty: none.
    """

    id: str
    title: str
    cards: tuple[Card, ...]
    task_id: str | None = None
    map_index: int = -1
    state: str | None = None
    progress: Progress | None = None
    first: int | None = None
    total: int | None = None
    here: str = ""
    previous: str | None = None
    next: str | None = None
    jumps: bool = False
    note: str = ""


@dataclass(frozen=True)
class GalleryRun:
    """
    What a page shows of one DAG run.

    :ivar state: Airflow's state of the DAG run.
    :ivar at: its logical date, or else when it started, in ISO 8601.
    :ivar url: the page of the DAG run in Airflow, relative to its root.
    """

    run_id: str
    state: str
    at: str | None
    url: str
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Gallery:
    """
    The answer to a request for a page's contents.

    :ivar runs: one, or of a DAG's page the latest, newest first.
    :ivar next: ``at`` of the page with older runs of the DAG; None if there is none.
    :ivar refresh_seconds: when to ask again, since something is on its way; None: nothing is.
    :ivar origins: where media come from beside the API server itself, as ``https://host``: a page whose
        Content-Security-Policy lacks one has to be loaded again.
    """

    dag_id: str
    runs: tuple[GalleryRun, ...]
    next: str | None = None
    refresh_seconds: int | None = None
    origins: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can have it."""
        return asdict(self)
