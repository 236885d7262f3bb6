"""What a task returned, recognized by its form: of a run, a transfer, a batch, an export, an estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.gallery.cards.texts import (
    LONGEST_ANSWER,
    LONGEST_URI,
    items,
    line,
    mapping,
    seconds,
    text,
    usd,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Files or outputs of one run that are looked at.
_MOST_FILES = 200
_LONGEST_ID = 100
_LONGEST_NAME = 300


@dataclass(frozen=True)
class LandedFile:
    """
    A file of a result.

    :ivar index: its position in the result, by which its media's URL names it.
    :ivar uri: where it landed, as the result has it.
    :ivar etag: None where the store, or the way it was written, has none.
    """

    index: int
    uri: str
    name: str
    content_type: str | None = None
    size: int | None = None
    sha256: str | None = None
    etag: str | None = None


@dataclass(frozen=True)
class UnlandedOutput:
    """An output that Wiro keeps for a limited time."""

    index: int
    name: str
    content_type: str | None = None
    size: int | None = None
    url: str | None = None


@dataclass(frozen=True)
class RunResult:
    """
    A run summary, or a line of a manifest: what came of one run.

    :ivar state: Wiro's: queued, running, succeeded, failed, cancelled.
    :ivar landed: of a transfer, of a manifest's line, and of a reused result.
    """

    wiro_task_id: str | None
    model: str | None = None
    state: str | None = None
    text: str | None = None
    finish_reason: str | None = None
    cost_usd: str | None = None
    elapsed_seconds: float | None = None
    label: str | None = None
    is_reused: bool = False
    outputs: tuple[UnlandedOutput, ...] = ()
    landed: tuple[LandedFile, ...] = ()


@dataclass(frozen=True)
class TransferResult:
    """What a transfer returned."""

    wiro_task_id: str
    files: tuple[LandedFile, ...]
    cost_usd: str | None = None


@dataclass(frozen=True)
class ListResult:
    """
    What a batch or an export returned.

    :ivar total: how many lines its manifest has, as far as the result says it.
    """

    manifest_uri: str | None
    total: int | None = None
    succeeded: int | None = None
    failed: int | None = None
    left_out: int | None = None


@dataclass(frozen=True)
class EstimateResult:
    """What ``estimate_only`` returned: nothing was run."""

    min_usd: str | None
    max_usd: str | None


Result = RunResult | TransferResult | ListResult | EstimateResult


def read_result(value: Any) -> Result | None:
    """Return what a task returned; None if no operator of this provider returns that."""
    found = mapping(value)
    wiro_task_id = text(found.get("wiro_task_id"), _LONGEST_ID)
    if wiro_task_id is not None and isinstance(found.get("files"), list):
        return TransferResult(wiro_task_id, files_in(found["files"]), usd(found.get("cost_usd")))
    if wiro_task_id is not None and isinstance(found.get("outputs"), list) and "state" in found:
        return read_run(found)
    if "manifest_uri" in found and whole(found.get("total")) is not None:
        return ListResult(
            text(found["manifest_uri"], LONGEST_URI),
            whole(found["total"]),
            whole(found.get("succeeded")),
            whole(found.get("failed")),
            whole(found.get("not_run")),
        )
    if "manifest_uri" in found and {"tasks", "files", "dead_links"} <= found.keys():
        return ListResult(text(found["manifest_uri"], LONGEST_URI))
    if {"min_usd", "max_usd"} <= found.keys() and ("kind" in found or "unknown" in found):
        return EstimateResult(usd(found["min_usd"]), usd(found["max_usd"]))
    return None


def read_run(found: Mapping[str, Any]) -> RunResult:
    """Return what a run summary, or a line of a manifest, says."""
    reuse = mapping(found.get("reuse"))
    landed = files_in(found.get("files")) or files_in(reuse.get("landed"))
    return RunResult(
        wiro_task_id=text(found.get("wiro_task_id"), _LONGEST_ID),
        model=line(found.get("model")),
        state=text(found.get("state")),
        text=text(found.get("text"), LONGEST_ANSWER),
        finish_reason=line(found.get("finish_reason")),
        cost_usd=usd(found.get("cost_usd")),
        elapsed_seconds=seconds(found.get("elapsed_seconds")),
        label=text(found.get("label")),
        is_reused=found.get("reused") is True or found.get("status") == "reused",
        outputs=_outputs(found.get("outputs")),
        landed=landed,
    )


def files_in(value: object) -> tuple[LandedFile, ...]:
    """Return the files of a result, each with its position among them; what is no file is passed over."""
    found = []
    for index, one in enumerate(items(value, _MOST_FILES)):
        file = mapping(one)
        uri = file.get("uri")
        if not isinstance(uri, str) or "://" not in uri[:40] or len(uri) > LONGEST_URI:
            continue
        found.append(
            LandedFile(
                index,
                uri,
                line(file.get("name"), _LONGEST_NAME) or "",
                line(file.get("content_type")),
                whole(file.get("size")),
                text(file.get("sha256"), 64),
                text(file.get("etag")),
            )
        )
    return tuple(found)


def _outputs(value: object) -> tuple[UnlandedOutput, ...]:
    found = []
    for index, one in enumerate(items(value, _MOST_FILES)):
        output = mapping(one)
        content_type = line(output.get("content_type"))
        if not output or content_type == "raw":  # an LLM's answer, which is the text
            continue
        found.append(
            UnlandedOutput(
                index,
                line(output.get("name"), _LONGEST_NAME) or "",
                content_type,
                whole(output.get("size")),
                text(output.get("url"), LONGEST_URI),
            )
        )
    return tuple(found)
