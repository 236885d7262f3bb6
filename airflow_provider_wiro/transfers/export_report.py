"""What a run of the export says beside its result: asset events, links, OpenLineage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.lineage.asset_events import MAX_LISTED, described, report_whole
from airflow_provider_wiro.transfers.assets import report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.export.opening import OpenedExport
    from airflow_provider_wiro.export.summary import ExportSummary

#: Of the result, what an event and OpenLineage are given.
_COUNTS = ("tasks", "dead_links", "refused", "failed", "open", "pending")


class ExportReport:
    """
    What the manifest of a run lists, as far as events and links need it.

    :ivar summary: of the run, once it has ended.
    """

    def __init__(self, opened: OpenedExport, model: str | None, *, keeps_each: bool) -> None:
        self._opened = opened
        self._model = model
        self._keeps_each = keeps_each
        self._first: list[Mapping[str, Any]] = []
        self._tasks: list[Mapping[str, Any]] = []
        self.summary: ExportSummary | None = None

    def begin(self) -> None:
        """Note that the manifest is written, perhaps once more."""
        self._first, self._tasks = [], []

    def take(self, line: Mapping[str, Any]) -> None:
        """Note a line of the manifest."""
        room = MAX_LISTED - len(self._first)
        if room > 0:
            self._first += line["files"][:room]
        if self._keeps_each and line["files"]:
            self._tasks.append(line)

    def show(self, operator: Any, context: Context) -> None:
        """Give the outlets their events, and the buttons their links. What can't be is logged."""
        from airflow_provider_wiro.links.landed import Places, show_links
        from airflow_provider_wiro.links.output_urls import log_landed
        from airflow_provider_wiro.links.s3_console import console_of

        summary = self.summary
        if summary is None:
            return
        uris = [file["uri"] for file in self._first]
        console = console_of(self._opened.destination.bucket.client)
        places = Places(next(iter(uris), None), f"{self._opened.folder}/", summary["manifest_uri"])
        show_links(operator, context, console, places)
        if operator.log_links:
            log_landed(operator.log, console, uris, summary["files"])
        if self._keeps_each:
            for line in self._tasks:
                facts = {name: line[name] for name in ("wiro_task_id", "model", "cost_usd")}
                report(context, operator.outlets, line["files"], facts, asset_events="each")
        elif summary["files"]:
            report_whole(context, operator.outlets, self._opened.folder, self._extra(summary))

    def _extra(self, summary: ExportSummary) -> dict[str, Any]:
        return {
            "manifest_uri": summary["manifest_uri"],
            "model": self._model,
            **{name: summary[name] for name in (*_COUNTS, "cost_usd", "known_cost_usd", "total_bytes")},
            "file_count": summary["files"],
            "files": [{"uri": file["uri"], **described(file)} for file in self._first],
        }

    def lineage(self) -> Any:
        """Return what OpenLineage is given; None where its provider is not installed."""
        from airflow_provider_wiro.lineage import openlineage

        summary = self.summary
        if summary is None:
            return None
        fields = {
            "model": self._model,
            "costUsd": summary["cost_usd"],
            "knownCostUsd": summary["known_cost_usd"],
            "files": summary["files"],
            "totalBytes": summary["total_bytes"],
            "tasks": summary["tasks"],
            "deadLinks": summary["dead_links"],
            "manifestUri": summary["manifest_uri"],
        }
        outputs: list[tuple[str, int | None]] = [(self._opened.folder, None)]
        if summary["manifest_uri"] is not None:
            outputs.append((summary["manifest_uri"], None))
        return openlineage.operator_lineage(self._model, fields, outputs=outputs)
