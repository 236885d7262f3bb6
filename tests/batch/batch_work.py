"""One Airflow task instance that runs a batch, across its tries; and what it leaves behind."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.batch.journal.interface import to_line
from airflow_provider_wiro.batch.journal.segmented import SegmentedJournal
from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator
from airflow_provider_wiro.storage.open_folder import open_folder
from airflow_provider_wiro.triggers.wiro_batch import WiroBatchTrigger
from tests.operators.fakes import RETRO, TRIGGERS, AirflowTask

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.providers.common.compat.sdk import TaskDeferred


TRIGGERS[f"{WiroBatchTrigger.__module__}.{WiroBatchTrigger.__qualname__}"] = WiroBatchTrigger  # type: ignore[index]

TINY = {"samples": 1, "width": 64, "height": 64}


def prompts(count: int) -> list[dict[str, Any]]:
    """Return as many items, each of its own."""
    return [{"prompt": f"robot {number}"} for number in range(count)]


@dataclass
class BatchWork(AirflowTask):
    """An Airflow task instance that runs a batch, and what it leaves behind."""

    has_state_store: bool = False
    folder: Path = field(kw_only=True)

    def operator(self, inputs: Any, **settings: Any) -> WiroBatchRunOperator:  # type: ignore[override]
        return WiroBatchRunOperator(
            task_id=self.ti.task_id, inputs=inputs, **{**self.defaults, **self.settings, **settings}
        )

    @property
    def defaults(self) -> dict[str, Any]:
        """The arguments of an operator whose test names no others."""
        defaults: dict[str, Any] = {
            "model": RETRO,
            "parameters": TINY,
            "poll_interval": 0.02,
            "deferrable": False,
            "manifest_uri": str(self.folder / "manifest.jsonl"),
        }
        if not self.has_state_store:
            defaults["state_path"] = str(self.folder / "state")
        return defaults

    def resume(self, deferred: TaskDeferred, inputs: Any, event: Any = None, **settings: Any) -> Any:
        """Run the trigger (unless its event is given), and the part of a try after it, deferrals included."""
        return self._resume(deferred, (inputs,), event, settings)

    @property
    def manifest(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "manifest.jsonl").read_text().splitlines()]

    @property
    def statuses(self) -> list[str]:
        return [line["status"] for line in self.manifest]

    @property
    def journal(self) -> Path:
        """The folder of the journal, if it is kept on disk."""
        [found] = self.folder.glob("state/*/*/*/*.batch")
        return found

    def open_journal(self) -> SegmentedJournal:
        """Return the journal as another process would open it; reading it fences this batch."""
        if self.has_state_store:
            return SegmentedJournal.in_task_state(self.store)
        return SegmentedJournal.in_folder(open_folder(str(self.journal)))

    @property
    def entries(self) -> list[dict[str, Any]]:
        return list(self.open_journal().salvage())

    @property
    def journal_lines(self) -> list[str]:
        return [to_line(entry) for entry in self.entries]

    def leave_journal(self, lines: list[str]) -> Path:
        """Have the journal consist of these lines, whatever they are; return the file that has them."""
        folder = self.journal
        self.remove_journal()
        if lines:
            folder.mkdir()
            pointer = {"version": 2, "owner": "a", "segments": [["a", None]], "copied": []}
            (folder / "head.jsonl").write_text(json.dumps(pointer))
            (folder / "a-000001.jsonl").write_text(f'{{"lines":{len(lines)}}}\n{"".join(lines)}')
        return folder / "a-000001.jsonl"

    def remove_journal(self) -> None:
        shutil.rmtree(self.journal)

    @property
    def started(self) -> Counter[str]:
        """How many tasks Wiro has started for each prompt."""
        return Counter(task.parameters["prompt"] for task in self.wiro.tasks)

    def started_once(self, inputs: list[dict[str, Any]]) -> bool:
        """Whether each item was started exactly once, and nothing else."""
        return self.started == Counter(item["prompt"] for item in inputs)

    def everything(self) -> str:
        """Return everything of this task instance that is kept as plain text somewhere."""
        files = "".join(path.read_text() for path in self.folder.rglob("*") if path.is_file())
        return self.kept_text() + files
