"""
`make demo`: one Wiro run from an Airflow DAG into an S3 bucket, with real servers and no account.

Starts the Wiro emulator, SeaweedFS and an Airflow, runs `example_wiro_retro_cartoons` deferred through the
triggerer, shows what happened and what is in the bucket, and stops everything.
KEEP=1 (or --keep) leaves it all up until Ctrl-C, and prints where everything is. With
AIRFLOW_CONN_WIRO_DEFAULT in the environment it runs against that Wiro (and pays), with
AIRFLOW_CONN_AWS_DEFAULT it writes to the bucket WIRO_DEMO_BUCKET there.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.programs.system.airflow_api import AirflowAPIError
from tests.programs.system.airflow_stack import USERNAME, AirflowStack
from tests.programs.system.demo_report import print_bucket, print_task_log
from tests.programs.system.emulator import Emulator
from tests.programs.system.seaweedfs import running_seaweedfs
from tests.programs.system.servers import Server, ServerError, stopping_on_signals

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "airflow_provider_wiro" / "example_dags"
DAG_ID = "example_wiro_retro_cartoons"
GENERATE, TO_S3 = "generate", "to_s3"
THROW_AWAY_BUCKET = "wiro-outputs"
WIRO, AWS = "AIRFLOW_CONN_WIRO_DEFAULT", "AIRFLOW_CONN_AWS_DEFAULT"
# A real model can wait in Wiro's queue for a while; the emulator takes seconds.
RUN_TIMEOUT_SECONDS = 15 * 60


class DemoError(Exception):
    """The demo can't continue, or failed; the message says what to do or where to look."""


@dataclass(frozen=True)
class Clock:
    """Prints lines with the seconds since the demo's start."""

    started_at: float

    def say(self, line: str) -> None:
        print(f"[{time.monotonic() - self.started_at:6.1f} s] {line}", flush=True)


@dataclass(frozen=True)
class Services:
    """The services that the tasks use: the environment for Airflow, the bucket, and the URLs to print."""

    environment: dict[str, str]
    bucket: str
    is_own_bucket: bool
    addresses: tuple[str, ...]

    @property
    def connections(self) -> dict[str, str]:
        """The connections of the environment, by id."""
        return {"wiro_default": self.environment[WIRO], "aws_default": self.environment[AWS]}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.programs.system.demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave everything up until Ctrl-C")
    parser.add_argument("--dags", type=Path, default=EXAMPLES, help="folder of the DAG files")
    options = parser.parse_args(arguments)
    keep = options.keep or os.environ.get("KEEP", "0") not in ("", "0")
    (ROOT / ".demo").mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="run-", dir=ROOT / ".demo"))
    try:
        with stopping_on_signals():
            demonstrate(home, options.dags, keep=keep, clock=Clock(time.monotonic()))
    except KeyboardInterrupt:
        print("\nStopped.", flush=True)
        shutil.rmtree(home, ignore_errors=True)
        return 0 if keep else 130
    except (DemoError, ServerError, AirflowAPIError) as error:
        print(f"\nThe demo failed: {error}\nLogs and files of this run: {home}", file=sys.stderr, flush=True)
        return 1
    shutil.rmtree(home, ignore_errors=True)
    return 0


def demonstrate(home: Path, dags_folder: Path, *, keep: bool, clock: Clock) -> None:
    """Start everything below `home`, run the DAG, print what happened; raise if it didn't work."""
    if not any(DAG_ID in file.read_text() for file in dags_folder.glob("*.py")):
        raise DemoError(f"no DAG {DAG_ID} in {dags_folder}")
    with contextlib.ExitStack() as cleanup:
        services = start_services(home, cleanup, clock)
        clock.say("Airflow: making its database, then starting four processes")
        stack = AirflowStack(home / "airflow", dags_folder, environment=services.environment)
        cleanup.enter_context(stack.running(clock.say))
        cleanup.callback(clock.say, "stopping everything")
        try:
            run_dag(stack, services, clock)
        except (DemoError, AirflowAPIError) as error:
            # A failed task's own log has been printed; the logs of Airflow's processes would only distract.
            if isinstance(error, AirflowAPIError):
                print_process_logs(stack.servers)
            if not keep:
                raise
            clock.say(f"{error}; everything stays up")
        if keep:
            stack.keep_connections(services.connections)
            print(f"\nAirflow      {stack.url}   login {USERNAME}, password {stack.password}")
            print(f"DAGs folder  {dags_folder.resolve()}")
            print(f"Shell        export AIRFLOW_HOME={stack.home}")
            print(f"             {Path(sys.executable).parent}/airflow dags list")
            print("\n".join(services.addresses))
            print("Ctrl-C stops everything.", flush=True)
            wait_for_interrupt(stack.servers)
    clock.say("all stopped")


def start_services(home: Path, cleanup: contextlib.ExitStack, clock: Clock) -> Services:
    """Start the emulator and the S3 server, unless the environment names others."""
    environment: dict[str, str] = {}
    addresses = []
    if wiro := os.environ.get(WIRO):
        clock.say(f"Wiro: the one of {WIRO}; runs are paid for there")
        environment[WIRO] = wiro
    else:
        emulator = cleanup.enter_context(Emulator(log=home / "emulator.log"))
        environment[WIRO] = emulator.airflow_connection()
        addresses.append(f"Emulator     {emulator.page}")
        clock.say(f"Wiro emulator is up (pid {emulator.pid})")
    bucket = os.environ.get("WIRO_DEMO_BUCKET", "")
    if aws := os.environ.get(AWS):
        if not bucket:
            raise DemoError(f"{AWS} is set, so WIRO_DEMO_BUCKET must name the bucket to write to")
        # Such a connection may be an empty one that leaves everything to the AWS_* variables or to a profile.
        environment |= {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        environment |= {AWS: aws, "WIRO_EXAMPLE_BUCKET": bucket}
        clock.say(f"S3: bucket {bucket} of {AWS}")
        return Services(environment, bucket, is_own_bucket=False, addresses=tuple(addresses))
    s3 = cleanup.enter_context(
        running_seaweedfs(home / "s3", log=home / "seaweedfs.log", bucket=THROW_AWAY_BUCKET)
    )
    environment |= {AWS: s3.airflow_connection(), "WIRO_EXAMPLE_BUCKET": THROW_AWAY_BUCKET}
    addresses.append(
        f"S3           {s3.endpoint}   bucket {THROW_AWAY_BUCKET}, key {s3.access_key}, "
        f"secret {s3.secret_key}"
    )
    clock.say(f"SeaweedFS (S3) is up (pid {s3.pid})")
    return Services(environment, THROW_AWAY_BUCKET, is_own_bucket=True, addresses=tuple(addresses))


def run_dag(stack: AirflowStack, services: Services, clock: Clock) -> None:
    """Run the DAG to its end and print states, logs, the transfer's result and the bucket."""
    api = stack.api
    api.wait_for_dag(DAG_ID)
    run_id = api.trigger(DAG_ID)
    clock.say(f"run {run_id} of {DAG_ID} has started")
    state = api.wait_for_run(
        DAG_ID,
        run_id,
        timeout_seconds=RUN_TIMEOUT_SECONDS,
        on_change=lambda task, task_state: clock.say(f"  {task:<10} {task_state}"),
    )
    clock.say(f"the run ended: {state}")
    tries = {it["task_id"]: it["try_number"] for it in api.task_instances(DAG_ID, run_id)}
    for task in (GENERATE, TO_S3):
        for attempt in range(1, tries[task] + 1):
            title = task if tries[task] == 1 else f"{task}, try {attempt}"
            print_task_log(title, api.task_log(DAG_ID, run_id, task, attempt=attempt))
    if state != "success":
        raise DemoError(f"the run of {DAG_ID} ended as {state}; the task logs above say why")
    result = api.xcom(DAG_ID, run_id, TO_S3)
    print(f"\nWhat {TO_S3} returned:\n{json.dumps(result, indent=2)}")
    # The bucket is read with S3Hook through the same connection, so this process becomes one of Airflow's.
    os.environ.clear()
    os.environ.update(stack.environment | {"AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING"})
    objects = print_bucket(services.bucket, None if services.is_own_bucket else result["files"])
    print(flush=True)
    if objects < 1:
        raise DemoError(f"the run succeeded, and bucket {services.bucket} is empty")


def print_process_logs(servers: tuple[Server, ...]) -> None:
    for server in servers:
        print(f"\n-- the end of the log of {server.name}\n{server.log_tail(15)}", file=sys.stderr)


def wait_for_interrupt(servers: tuple[Server, ...]) -> None:
    """Wait for Ctrl-C; raise ServerError when a server ends by itself."""
    while True:
        for server in servers:
            if not server.is_running:
                raise ServerError(f"{server.name} ended by itself; the end of its log:\n{server.log_tail()}")
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
