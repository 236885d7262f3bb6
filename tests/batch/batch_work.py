"""One Airflow task instance that runs a batch, across its tries; and what it leaves behind."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_wiro.batch.journal.interface import to_line
from airflow_provider_wiro.batch.journal.segmented import SegmentedJournal
from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator
from airflow_provider_wiro.storage.open_folder import open_folder
from airflow_provider_wiro.triggers.wiro_batch import WiroBatchTrigger
from tests.operators.fakes import RETRO, TRIGGERS, DictStore, FakeTi, Told, fire

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_wiro.emulator import WiroEmulator

TRIGGERS[f"{WiroBatchTrigger.__module__}.{WiroBatchTrigger.__qualname__}"] = WiroBatchTrigger  # type: ignore[index]

TINY = {"samples": 1, "width": 64, "height": 64}


def prompts(count: int) -> list[dict[str, Any]]:
    """Return as many items, each of its own."""
    return [{"prompt": f"robot {number}"} for number in range(count)]


@dataclass
class BatchWork:
    """What a scheduler would call, in the order it would."""

    wiro: WiroEmulator
    told: Told
    folder: Path
    ti: FakeTi = field(default_factory=FakeTi)
    store: DictStore = field(default_factory=DictStore)
    has_state_store: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    events: list[Any] = field(default_factory=list)

    @property
    def context(self) -> Any:
        return {**self.ti.context, **({"task_state_store": self.store} if self.has_state_store else {})}

    def operator(self, inputs: Any, **settings: Any) -> WiroBatchRunOperator:
        """Return a new operator, as a new worker process would have it."""
        defaults: dict[str, Any] = {
            "model": RETRO,
            "parameters": TINY,
            "poll_interval": 0.02,
            "deferrable": False,
            "manifest_uri": str(self.folder / "manifest.jsonl"),
        }
        if not self.has_state_store:
            defaults["state_path"] = str(self.folder / "state")
        return WiroBatchRunOperator(
            task_id=self.ti.task_id, inputs=inputs, **{**defaults, **self.settings, **settings}
        )

    def run(self, inputs: Any, **settings: Any) -> Any:
        """Run one try to its end, deferrals included."""
        operator = self.operator(inputs, **settings)
        try:
            return operator.execute(self.context)
        except TaskDeferred as deferred:
            return self.resume(deferred, inputs, **settings)

    def defer(self, inputs: Any, **settings: Any) -> TaskDeferred:
        """Run the part of a try before its deferral."""
        try:
            found = self.operator(inputs, deferrable=True, **settings).execute(self.context)
        except TaskDeferred as deferred:
            return deferred
        raise AssertionError(f"did not defer, but returned {found!r}")

    def resume(self, deferred: TaskDeferred, inputs: Any, event: Any = None, **settings: Any) -> Any:
        """Run the trigger (unless its event is given), and the part of a try after it, deferrals included."""
        event = fire(deferred) if event is None else event
        self.events.append(event)
        operator = self.operator(inputs, **{"deferrable": True, **settings})
        kwargs = json.loads(json.dumps(deferred.kwargs or {}))
        try:
            return getattr(operator, deferred.method_name)(self.context, event=event, **kwargs)
        except TaskDeferred as again:
            return self.resume(again, inputs, **settings)

    def retry(self) -> None:
        """Let Airflow retry: another try, XCom emptied, the journal kept."""
        self.ti.try_number += 1
        self.ti.xcoms.clear()

    def clear(self) -> None:
        """Let a user clear the task: a further try, and as many retries as at first."""
        self.ti.max_tries = self.ti.try_number + 2
        self.retry()

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
        return json.dumps([self.ti.xcoms, self.store.values, self.told.lines, self.events]) + files
