"""What a scenario works with (Airflow, an emulator of its own, its DAG runs) and what it must prove."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from tests.programs.faults.interruptible_wait import BrokenPromiseError, pause, wait_for
from tests.programs.system.airflow_api import FINISHED_RUN_STATES, AirflowAPIError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.programs.faults.wiro import Seen, Wiro
    from tests.programs.system.airflow_stack import AirflowStack

TASK = "run"
_SLOW_POLL_SECONDS = 1.5
#: A killed part of Airflow, or two busy cores, may delay the API server's responses.
_API_PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Expected:
    """
    What must hold at the end.

    :ivar states: Airflow's task instances by state.
    :ivar billed: Wiro tasks that succeeded; by default one for each successful Airflow task.
    :ivar most_tries: the highest try number that is right.
    """

    started: int
    states: Mapping[str, int]
    stopped: int = 0
    billed: int | None = None
    most_tries: int | None = None


@dataclass
class ScenarioContext:
    """The Airflow, the emulator and the DAG runs of one scenario."""

    name: str
    stack: AirflowStack
    wiro: Wiro
    log: Callable[[str], None]
    runs: list[Run] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_connected: bool = False

    def say(self, line: str) -> None:
        self.log(f"{self.name}: {line}")

    def note(self, fact: str) -> None:
        """Keep a fact for the summary line."""
        self.notes.append(fact)
        self.say(fact)

    def trigger(self, dag_id: str | None = None) -> Run:
        """Start a run of the scenario's DAG."""
        if not self.is_connected:
            self.connect()
        dag_id = dag_id or self.name
        run = Run(self.stack, dag_id, self.stack.api.trigger(dag_id))
        self.runs.append(run)
        return run

    def ask(self, question: Callable[[Seen], Any]) -> Any:
        return question(self.wiro.seen())

    def wait_until_wiro(self, what: str, question: Callable[[Seen], bool], *, within_seconds: float) -> float:
        return wait_for(f"Wiro: {what}", lambda: self.ask(question), within_seconds=within_seconds)

    def wait_until_followed(self, *runs: Run) -> None:
        """
        Wait until the runs are deferred and the triggerer follows their Wiro tasks: it has polled, and
        listens.

        A task that a user stops before its trigger runs is another case: Airflow drops its trigger.
        """
        for run in runs:
            run.wait_for_state("deferred")
        tasks = sum(len(run.instances()) for run in runs)
        self.wait_until_wiro(
            "triggers listen", lambda seen: seen.counts["socket_registrations"] >= tasks, within_seconds=90
        )

    def connect(self, *, through: str | None = None) -> None:
        """
        Make the Airflow connection that leads to this scenario's Wiro, in the database, as users do.

        `through` is the host and port of a gateway in between.
        """
        found = json.loads(self.wiro.airflow_connection())
        if through:
            found["host"] = urlsplit(found["host"])._replace(netloc=through).geturl()
        body = {**found, "connection_id": f"wiro_{self.name}", "extra": json.dumps(found["extra"])}
        self.stack.api.request("POST", "/api/v2/connections", body)
        self.is_connected = True

    def counted(self) -> str:
        """Return the summary of this scenario: Wiro's record, Airflow's end states, and the notes."""
        seen = self.wiro.seen()
        states: Counter[str] = sum((run.states() for run in self.runs), Counter())
        requests = seen.requests("Task/Cancel", "Task/Kill")
        how = f" by {requests} request{'' if requests == 1 else 's'}" if requests else ""
        facts = [
            f"Wiro tasks: {seen.started} started, {seen.succeeded} billed, {seen.stopped} stopped{how}, "
            f"{seen.alive} alive",
            "Airflow: " + ", ".join(f"{count} {state}" for state, count in sorted(states.items())),
            *self.notes,
        ]
        return "; ".join(facts)

    def finish(self, expected: Expected, *, within_seconds: float = 240) -> None:
        """Wait until every run has ended, then compare what Wiro and Airflow show with what is expected."""
        for run in self.runs:
            run.wait_until_over(within_seconds)
        seen = self.wiro.seen()
        instances = [instance for run in self.runs for instance in run.instances()]
        states = Counter(str(instance["state"]) for instance in instances)
        tries = max(instance["try_number"] for instance in instances)
        self.note(f"{tries} {'try' if tries == 1 else 'tries'} at most")
        billed = states.get("success", 0) if expected.billed is None else expected.billed
        wrong = [
            f"{what}: expected {wanted}, found {found}"
            for what, wanted, found in (
                ("Wiro tasks started", expected.started, seen.started),
                ("Wiro tasks stopped", expected.stopped, seen.stopped),
                ("Wiro tasks still alive", 0, seen.alive),
                ("Wiro tasks started beside a live one of the same run", 0, seen.overlaps),
                ("Wiro tasks billed", billed, seen.succeeded),
                ("Airflow states", dict(expected.states), dict(states)),
                ("nonces repeated", 0, seen.counts["nonces_repeated"]),
                ("requests with bad authentication", 0, seen.counts["auth_failures"]),
            )
            if wanted != found
        ]
        if expected.most_tries is not None and tries > expected.most_tries:
            wrong.append(f"tries: expected at most {expected.most_tries}, found {tries}")
        if wrong:
            raise BrokenPromiseError("; ".join(wrong))


@dataclass(frozen=True)
class Run:
    """One run of a DAG with one task, mapped or not."""

    stack: AirflowStack
    dag_id: str
    run_id: str

    def instances(self) -> list[dict[str, Any]]:
        # 100 is the most that Airflow gives at once; the default is 50.
        path = f"{self._path}/taskInstances?limit=100"
        found = self._patiently(lambda: self.stack.api.request("GET", path))
        instances: list[dict[str, Any]] = found["task_instances"]
        return instances

    def states(self) -> Counter[str]:
        return Counter(str(instance["state"]) for instance in self.instances())

    def wait_for_state(self, state: str, *, within_seconds: float = 120) -> float:
        """Wait until the task (all of a mapped one) is in a state."""
        return wait_for(
            f"{self.dag_id} is {state}", lambda: set(self.states()) == {state}, within_seconds=within_seconds
        )

    def task_process(self) -> int:
        """Return the pid of the process that runs the task, as Airflow knows it."""
        [instance] = self.instances()
        if not instance["pid"]:
            raise BrokenPromiseError(f"Airflow shows no process for {self.dag_id}: {instance}")
        return int(instance["pid"])

    def record(self) -> dict[str, Any] | None:
        """Return the provider's record of the run, read from outside through Airflow's REST API."""
        path = f"{self._path}/taskInstances/{TASK}/state-store"
        found = self._patiently(lambda: self.stack.api.request("GET", path))
        return next((it["value"] for it in found["task_state_store"] if it["key"] == "wiro_run"), None)

    def result(self, task_id: str) -> Any:
        """Return what a task has returned."""
        path = f"{self._path}/taskInstances/{task_id}/xcomEntries/return_value"
        return self._patiently(lambda: self.stack.api.request("GET", path))["value"]

    def mark_failed(self, map_index: int | None = None) -> None:
        """Mark the task failed as a user does in the UI, of a mapped one a single instance."""
        task = TASK if map_index is None else f"{TASK}/{map_index}"
        path = f"{self._path}/taskInstances/{task}"
        self._patiently(lambda: self.stack.api.request("PATCH", path, {"new_state": "failed"}))

    def clear(self) -> None:
        """Clear the task as a user does in the UI."""
        body = {"dry_run": False, "dag_run_id": self.run_id, "task_ids": [TASK], "only_failed": False}
        self.stack.api.request("POST", f"/api/v2/dags/{self.dag_id}/clearTaskInstances", body)

    def wait_until_over(self, within_seconds: float) -> str:
        deadline = time.monotonic() + within_seconds
        while True:
            state: str = self._patiently(lambda: self.stack.api.run_state(self.dag_id, self.run_id))
            if state in FINISHED_RUN_STATES:
                return state
            if time.monotonic() > deadline:
                shown = [(it["map_index"], it["state"], it["try_number"]) for it in self.instances()]
                unfinished = [it for it in shown if it[1] not in ("success", "failed")]
                raise BrokenPromiseError(
                    f"{self.dag_id} is still {state} after {within_seconds:.0f} s: {unfinished}"
                )
            pause(_SLOW_POLL_SECONDS)

    @property
    def _path(self) -> str:
        return f"/api/v2/dags/{self.dag_id}/dagRuns/{quote(self.run_id, safe='')}"

    def _patiently(self, ask: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + _API_PATIENCE_SECONDS
        while True:
            try:
                return ask()
            except AirflowAPIError as error:
                if " HTTP 4" in str(error) or time.monotonic() > deadline:
                    raise
            pause(_SLOW_POLL_SECONDS)
