"""
`make test-watchers`: event-driven DAGs on a real Airflow 3, while its triggerer is stopped and killed.

Somebody else starts Wiro tasks all the time, and each end must be an event once: none lost, and doubled only
what was fired in the seconds before a kill. The example that exports what a team makes must have it in S3
within two minutes. Runs on the Airflow of the Python that runs it:

    .cache/matrix/3.1.8/bin/python -m tests.programs.watchers
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from moto.server import ThreadedMotoServer

from airflow_provider_wiro.emulator import WiroEmulator
from tests.programs.system.airflow_api import AirflowAPIError
from tests.programs.system.airflow_stack import AirflowStack
from tests.programs.system.servers import ServerError, stopping_on_signals

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
SCRATCH = ROOT / ".cache" / "watchers"
EXAMPLE = ROOT / "airflow_provider_wiro" / "example_dags" / "exports" / "example_wiro_team_export.py"
DAGS = ("note_every", "note_failed", "example_wiro_team_export")
BUCKET = "wiro-outputs"
RETRO = "retroAIx/Retro-Cartoons"
PARAMETERS = {"prompt": "a lighthouse", "samples": 1, "width": 64, "height": 64, "steps": 1}
SECONDS_BETWEEN_TASKS = 0.5
#: A trigger's events of one chunk can be doubled by a kill; with this rhythm there are far fewer in one.
MOST_DOUBLED_BY_A_KILL = 40
EXPORTED_WITHIN_SECONDS = 120.0


class BrokenPromiseError(Exception):
    """A promise didn't hold."""


class Team(threading.Thread):
    """Starts Wiro tasks at a steady pace, as people at Wiro's site do."""

    def __init__(self, wiro: WiroEmulator) -> None:
        super().__init__(daemon=True)
        self.started: list[str] = []
        self._wiro = wiro
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(SECONDS_BETWEEN_TASKS):
            self.started.append(self._wiro.start_teammates_task(RETRO, PARAMETERS))

    def stop(self) -> None:
        self._stopped.set()
        self.join()


class Program:
    """One run of the program."""

    def __init__(self, home: Path, burst: int) -> None:
        self.home = home
        self.burst = burst
        self._started_at = time.monotonic()

    def say(self, line: str) -> None:
        print(f"[{time.monotonic() - self._started_at:6.1f} s] {line}", flush=True)

    def run(self) -> None:
        """Run everything; raises BrokenPromiseError."""
        dags = self.home / "dags"
        shutil.copytree(HERE / "dags", dags)
        shutil.copy(EXAMPLE, dags)
        notes = self.home / "notes"
        notes.mkdir()
        storage = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
        storage.start()
        try:
            with WiroEmulator(speed=4) as wiro:
                address = "http://{}:{}".format(*storage.get_host_and_port())
                environment = {
                    "AIRFLOW_CONN_WIRO_DEFAULT": wiro.connection,
                    "AIRFLOW_CONN_AWS_DEFAULT": _aws(address),
                    "WATCHED_FOLDER": str(notes),
                    "PYTHONPATH": str(ROOT),
                    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
                    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
                }
                self.s3 = boto3.client("s3", **json.loads(_aws(address))["extra"], **_KEYS)
                self.s3.create_bucket(Bucket=BUCKET)
                self.wiro = wiro
                self.stack = AirflowStack(self.home / "airflow", dags, environment=environment)
                with self.stack.running(self.say):
                    self._test(notes)
        finally:
            storage.stop()

    def _test(self, notes: Path) -> None:
        for dag_id in DAGS:
            self.stack.api.wait_for_dag(dag_id)
            self._set_paused(dag_id, is_paused=False)
        self._wait("all watchers look", lambda: self._log().count("Starting from now") == len(DAGS), 120)
        time.sleep(10)
        self._quick_export()
        team = Team(self.wiro)
        team.start()
        time.sleep(15)
        self._restart("asked to stop", lambda: self.stack.triggerer.stop(), down_seconds=6)
        time.sleep(12)
        self._restart("killed", self.stack.triggerer.kill, down_seconds=3)
        time.sleep(12)
        self._restart("killed again", self.stack.triggerer.kill, down_seconds=0)
        time.sleep(10)
        self._pause_the_dag()
        time.sleep(10)
        team.stop()
        started = set(team.started) | self.quick
        self._wait("every task is an event", lambda: started <= set(self._events()["every"]), 120)
        time.sleep(12)
        self._check(started)
        if self.burst:
            started |= self._burst()
        self._wait("the DAG runs have got every event", lambda: self._have_all(started, notes / "every"), 240)
        log = self._log()
        if "Unclosed" in log or "continues after an error" in log:
            raise BrokenPromiseError(f"the triggerer's log complains: {self.stack.triggerer.log}")

    def _quick_export(self) -> None:
        began = time.monotonic()
        self.quick = {self.wiro.start_teammates_task(RETRO, PARAMETERS, seconds=1)}
        self._wait("the team's task is in S3", lambda: self.quick <= self._exported(), 180)
        seconds = time.monotonic() - began
        self.say(f"exported {seconds:.0f} s after its start")
        if seconds > EXPORTED_WITHIN_SECONDS:
            raise BrokenPromiseError(f"the export took {seconds:.0f} s")

    def _restart(self, how: str, stop: Callable[[], None], *, down_seconds: float) -> None:
        stop()
        self.say(f"the triggerer was {how}")
        time.sleep(down_seconds)
        self.stack.triggerer.start()
        self.say("the triggerer is back")

    def _have_all(self, started: set[str], notes: Path) -> bool:
        """Whether DAG runs have got all events: the last ones of a group go to the next event's run."""
        if started <= set(_lines(notes)):
            return True
        self.wiro.start_teammates_task(RETRO, PARAMETERS, seconds=1)
        time.sleep(10)
        return False

    def _pause_the_dag(self) -> None:
        """Airflow ends the watchers of a paused DAG, and makes new ones when it is unpaused."""
        begins, ends = self._log().count("Continuing after"), self._log().count("trigger completed")
        self._set_paused("note_every", is_paused=True)
        self._wait("the watcher has ended", lambda: self._log().count("trigger completed") > ends, 90)
        time.sleep(10)
        self._set_paused("note_every", is_paused=False)
        self._wait("it looks again", lambda: self._log().count("Continuing after") > begins, 90)

    def _set_paused(self, dag_id: str, *, is_paused: bool) -> None:
        self.stack.api.request("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": is_paused})

    def _check(self, started: set[str]) -> None:
        events = self._events()
        every = events["every"]
        requests = self.wiro.counts.requests
        doubled = [one for one, times in every.items() if times > 1]
        self.say(
            f"{len(started)} tasks, {len(every)} with an event, {len(doubled)} of them doubled by three "
            f"restarts; with the export {requests['Task/List']} pages, {requests['Task/Detail']} Details"
        )
        if set(every) != started:
            raise BrokenPromiseError(f"events for tasks that nobody started: {set(every) - started}")
        if len(doubled) > MOST_DOUBLED_BY_A_KILL or max(every.values()) > 3:
            raise BrokenPromiseError(f"too many doubled events: {doubled}")
        if events["failed"]:
            raise BrokenPromiseError("an event of a task that didn't fail, for the watcher of failures")

    def _burst(self) -> set[str]:
        """Let many tasks end between two looks, and measure at which rate Airflow takes the events."""
        began = time.monotonic()
        ids = {self.wiro.start_teammates_task(RETRO, PARAMETERS, seconds=1) for _ in range(self.burst)}
        self._wait("the burst's events", lambda: ids <= set(self._events()["every"]), 900)
        seconds = time.monotonic() - began
        self.say(f"{self.burst} events within {seconds:.0f} s: {self.burst / seconds:.0f} a second")
        return ids

    def _events(self) -> dict[str, Counter[str]]:
        """Return how many events Airflow has for each task, by asset."""
        found: dict[str, Counter[str]] = {"every": Counter(), "failed": Counter()}
        with contextlib.closing(sqlite3.connect(self.home / "airflow" / "airflow.db")) as database:
            for name, extra in database.execute(
                "SELECT name, asset_event.extra FROM asset_event JOIN asset ON asset.id = asset_id"
            ):
                if name in found:
                    found[name][json.loads(extra)["payload"]["wiro_task_id"]] += 1
        return found

    def _exported(self) -> set[str]:
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix="team/").get("Contents", [])
        return {item["Key"].rpartition("/")[2].partition("-")[0] for item in listed}

    def _log(self) -> str:
        return self.stack.triggerer.log.read_text(errors="replace")

    def _wait(self, what: str, is_so: Callable[[], Any], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > deadline:
                raise BrokenPromiseError(f"not within {seconds:.0f} s: {what}")
            time.sleep(1)
        self.say(what)


_KEYS = {"aws_access_key_id": "test-key", "aws_secret_access_key": "test-secret"}


def _aws(address: str) -> str:
    extra = {"endpoint_url": address, "region_name": "us-east-1"}
    return json.dumps({"conn_type": "aws", "login": "test-key", "password": "test-secret", "extra": extra})


def _lines(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.programs.watchers", description=__doc__)
    parser.add_argument(
        "--burst", type=int, default=0, help="at the end, this many tasks end between two looks"
    )
    options = parser.parse_args()
    SCRATCH.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="run-", dir=SCRATCH))
    print(f"Airflow {importlib.metadata.version('apache-airflow')}", flush=True)
    program = Program(home, options.burst)
    try:
        with stopping_on_signals():
            program.run()
    except KeyboardInterrupt:
        print("\nStopped; every server is down.", flush=True)
        return 130
    except (BrokenPromiseError, ServerError, AirflowAPIError) as error:
        print(f"\nBROKEN: {error}\nLogs: {home}", flush=True)
        return 1
    shutil.rmtree(home, ignore_errors=True)
    print("every promise held", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
