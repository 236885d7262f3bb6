"""A Wiro whose tasks start, end and vanish at any moment, and runs of an export that die at any step."""

from __future__ import annotations

import json
from collections import Counter
from itertools import count
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroOvertakenError, WiroResponseError
from airflow_provider_wiro.export.export_run import ExportRun
from airflow_provider_wiro.export.runs import LEASE_SECONDS
from airflow_provider_wiro.export.state import Outcome, RunState, TaskOutcome
from airflow_provider_wiro.export.state_json import from_text
from airflow_provider_wiro.export.state_store import ExportStateStore
from airflow_provider_wiro.export.wanted import ExportIdentity, Filters, Verdict
from tests.api.fake_transport import NO_TASK_YET, NOON, FakeTransport, success
from tests.export.actors import Actors

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from random import Random

    from airflow_provider_wiro.api.flow import Flow, FlowContext, Send
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.responses import ApiResponse

OWN, OTHER = "1", "2"
EPOCH = NOON.timestamp()
IDENTITY = ExportIdentity("api.wiro.ai", "s3://bucket/wiro", Filters(project_id=OWN))
_PAGE = 7


class SimulatedWiro:
    """
    Tasks of two projects.

    :ivar tasks: by id; they are shown the newest first.
    :ivar vanished: ids of tasks that were there once.
    """

    def __init__(self, random: Random) -> None:
        self.now = EPOCH
        self.tasks: dict[int, dict[str, Any]] = {}
        self.vanished: set[int] = set()
        self._random = random
        self._next = 1000
        self._late: list[int] = []

    def change(self) -> None:
        """Something happens, or nothing."""
        random = self._random
        self.now += random.choice((0, 1, 30))
        match random.randrange(12):
            case 0 | 1 | 2:
                self.start()
            case 3 | 4:
                self._end(random.choice(("task_postprocess_end",) * 4 + ("failed", "task_cancel")))
            case 5 if random.random() < 0.1 and self.tasks:
                number = random.choice(list(self.tasks))
                del self.tasks[number]
                self.vanished.add(number)

    def start(self) -> None:
        """Start a task, or show one that was started before some that are shown already."""
        if self._late and (self._random.random() < 0.3 or self._is_long_ago(self._late[0])):
            number = self._late.pop(0)
        else:
            number = self._next
            self._next += self._random.choice((1, 1, 2, 50))
            if self._random.random() < 0.1:
                self._late.append(number)
                return
        project = self._random.choice((OWN, OWN, OTHER))
        shown: dict[str, Any] = {"projectid": project} if self._random.random() < 0.8 else {}
        self.tasks[number] = {
            "project": project,
            "listed": shown,
            "fields": {"id": str(number), "status": "task_start", "createtime": str(int(self.now))},
        }

    def calm_down(self) -> None:
        """Every task that was started ends, and is shown."""
        while self._late:
            self.start()
        while any(task["fields"]["status"] == "task_start" for task in self.tasks.values()):
            self._end("task_postprocess_end")

    def _is_long_ago(self, number: int) -> bool:
        return sum(other > number for other in self.tasks) > 20

    @property
    def wanted(self) -> set[int]:
        return {
            number
            for number, task in self.tasks.items()
            if task["project"] == OWN
            and task["fields"]["status"] == "task_postprocess_end"
            and task["fields"]["pexit"] == "0"
        }

    def _end(self, how: str) -> None:
        running = [task for task in self.tasks.values() if task["fields"]["status"] == "task_start"]
        if running:
            is_failure = how == "failed"
            self._random.choice(running)["fields"].update(
                status="task_postprocess_end" if is_failure else how, pexit="1" if is_failure else "0"
            )

    def __call__(self, sent: Send) -> ApiResponse:
        body = json.loads(sent.body.json or "{}")
        if sent.path == "Task/Detail":
            task = self.tasks.get(int(body["taskid"]))
            if task is None:
                return NO_TASK_YET
            return success(tasklist=[{**task["fields"], "projectid": task["project"]}])
        newest_first = sorted(self.tasks, reverse=True)
        start, limit = int(body["start"]), min(_PAGE, int(body["limit"]))
        items = [self.tasks[number] for number in newest_first[start : start + limit]]
        return success(tasklist=[{**task["fields"], **task["listed"]} for task in items])


class Exports:
    """
    Runs of one export, a bucket, and what the runs report.

    :ivar landed: how often each task was landed.
    :ivar deleted: tasks whose files were deleted from Wiro after they had landed.
    :ivar trouble_chance: that a task can't be landed, or its files can't be deleted, now.
    """

    def __init__(self, random: Random) -> None:
        self.wiro = SimulatedWiro(random)
        self.actors = Actors(random, self.wiro.change)
        self.files: dict[str, bytes] = {}
        self.landed: Counter[int] = Counter()
        self.deleted: set[int] = set()
        self.trouble_chance = 0.1
        self.parts: dict[str, list[int]] = {}
        self._random = random
        self._tokens = count()
        self._part_names = count()

    # As a Folder.
    uri = "memory://export"
    has_conditional_writes = True

    def read(self, name: str, most: int | None = None) -> bytes | None:
        self._step()
        return self.files.get(name)

    def compare_and_swap(self, name: str, body: bytes, expected: bytes | None) -> bool:
        self._step()
        if self.files.get(name) != expected:
            return self.files.get(name) == body
        self.files[name] = body
        self._step()  # others work, or it is killed, before it learns that
        return self.files.get(name) == body

    def _step(self) -> None:
        self.actors.step()

    def start(
        self, instance: str, *, kill_chance: float, since: datetime | None = None, skew: float = 0.0
    ) -> None:
        """Start a try of a task instance."""
        self.actors.start(lambda: self._try_it(instance, since, skew), kill_chance=kill_chance)

    def finish(self) -> None:
        """Work until no actor is at work."""
        while self.actors.are_at_work:
            self.actors.run_one_step()

    def manifests(self) -> Counter[int]:
        """Return how often each task is in the manifest of a run that has ended."""
        (text,) = self.files.values()
        state = from_text(text.decode(), IDENTITY, "")
        found: Counter[int] = Counter()
        for run in state.runs.values():
            assert run.ended_at is not None
            for part in run.parts:
                found.update(self.parts[part.name])
        return found

    def _try_it(self, instance: str, since: datetime | None, skew: float) -> None:
        store = ExportStateStore(
            self,  # type: ignore[arg-type]
            IDENTITY,
            pause=lambda _: None,
            chance=self._random.random,
        )
        run = ExportRun(
            store,
            token=f"token-{next(self._tokens)}",
            instance=instance,
            now=lambda: self.wiro.now + skew,
        )
        try:
            inherited = run.begin().to_delete
            run.look(self._run_flow, since=since)
            chunk = run.take(self._random.choice((1, 3, 10)))
            deleted = self._delete(inherited)
            while chunk.ids or deleted:
                outcomes = {number: self._land(run, chunk, number) for number in chunk.ids}
                lines = [number for number, found in outcomes.items() if found.outcome is Outcome.LANDED]
                part = self._write(lines) if lines else None
                take = self._random.choice((1, 3, 10))
                committed = run.commit(outcomes, part, take=take, deleted=deleted)
                chunk, deleted = committed.chunk, self._delete(committed.to_delete)
            run.end(self._write_manifest)
        except (WiroOvertakenError, WiroResponseError):
            pass  # so many tasks were started that the walk has not ended; a later run reads on

    def _land(self, run: ExportRun, chunk: Any, number: int) -> TaskOutcome:
        self._step()
        task = self._detail(number)
        if task is None:
            return TaskOutcome(Outcome.UNKNOWN)
        verdict = run.verdict(task, chunk)
        if verdict is not Verdict.WANTED:
            return TaskOutcome(Outcome(verdict.value))
        if self._random.random() < self.trouble_chance:
            return TaskOutcome(Outcome.LATER)
        self.landed[number] += 1
        return TaskOutcome(Outcome.LANDED, {"files": 1}, delete=True)

    def _delete(self, numbers: frozenset[int]) -> frozenset[int]:
        """Delete the files of tasks from Wiro, or of some of them, and return of which."""
        done = set()
        for number in numbers:
            self._step()
            if self._random.random() >= self.trouble_chance:
                assert self.landed[number]
                done.add(number)
        self.deleted |= done
        return frozenset(done)

    def _detail(self, number: int) -> Task | None:
        from airflow_provider_wiro.api import endpoints
        from airflow_provider_wiro.api.flow import call
        from airflow_provider_wiro.exceptions import WiroTaskNotFoundError

        try:
            found: Task = self._run_flow(lambda context: call(endpoints.get_task(str(number)), context))
        except WiroTaskNotFoundError:
            return None
        return found

    def _write(self, lines: list[int]) -> str:
        name = f"part-{next(self._part_names)}"
        self.parts[name] = lines
        self._step()
        return name

    def _write_manifest(self, run: RunState) -> str | None:
        lines = [
            number for part in run.parts for number in self.parts[part.name] if number not in part.dropped
        ]
        assert len(lines) == run.tally.counts.get("landed", 0)
        return self._write(lines) if lines else None

    def _run_flow(self, make_flow: Callable[[FlowContext], Flow[Any]]) -> Any:
        def answer(sent: Send) -> ApiResponse:
            self._step()
            return self.wiro(sent)

        transport = FakeTransport(answer)
        return transport.drive(make_flow(transport.context))

    def silence(self) -> None:
        """Let so much time pass that what dead runs have claimed is free."""
        self.wiro.now += 4 * LEASE_SECONDS
