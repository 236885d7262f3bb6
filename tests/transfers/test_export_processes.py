"""Exports in processes of their own, several at once, killed outright: each output is in the bucket once."""

from __future__ import annotations

import hashlib
import json
import signal
import time
from collections import Counter
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import pytest

from tests.transfers.fake_project import LONG_AGO, body_of
from tests.transfers.s3 import BUCKET
from tests.warm_python import WarmPython

if TYPE_CHECKING:
    from tests.transfers.fake_project import Project
    from tests.transfers.seaweedfs_bucket import Bucket

pytestmark = pytest.mark.usefixtures("connect")

#: A run that is silent for so long counts as dead.
LEASE_SECONDS = 2.0

#: Runs an export, and prints its result. It stops dead at the n-th put of an object, if there is an n.
PROGRAM = f"""
import json, sys, threading
from types import SimpleNamespace
from botocore.client import BaseClient
from airflow_provider_wiro.export import execution, export_run
from airflow_provider_wiro.transfers.wiro_project_to_s3 import WiroProjectToS3Operator
run_id, try_number, moment, stop_at = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
lock, real, seen = threading.Lock(), BaseClient._make_api_call, []
execution.CHUNK = 4
export_run.ExportRun.__init__.__kwdefaults__["lease_seconds"] = {LEASE_SECONDS}

def watched(client, name, arguments):
    if name != "PutObject":
        return real(client, name, arguments)
    with lock:
        seen.append(name)
        if len(seen) > stop_at > 0:
            threading.Event().wait()
        if len(seen) != stop_at:
            pass
        elif moment == "before":
            stop()
        else:
            real(client, name, arguments)
            stop()
    return real(client, name, arguments)

def stop():
    print("now", flush=True)
    threading.Event().wait()

BaseClient._make_api_call = watched
ti = SimpleNamespace(dag_id="d", run_id=run_id, task_id="export", map_index=-1, try_number=try_number)
operator = WiroProjectToS3Operator(
    task_id="export",
    since="{LONG_AGO}",
    project_id="p1",
    s3_bucket="{BUCKET}",
    s3_key="all/{{wiro_task_id}}/{{index}}-{{name}}",
    deferrable=False,
)
print(json.dumps(operator.execute({{"ti": ti}})), flush=True)
"""


class Runs:
    """Runs of one export, each in a process of its own."""

    def __init__(self) -> None:
        self.results: dict[str, dict[str, Any]] = {}

    def start(self, run_id: str, try_number: int = 1, *, moment: str = "", stop_at: int = 0) -> WarmPython:
        return WarmPython(PROGRAM, run_id, str(try_number), moment, str(stop_at))

    def wait_until_it_stops(self, process: WarmPython) -> None:
        assert any(line == "now\n" for line in process.stdout)

    def finish(self, process: WarmPython, run_id: str) -> None:
        """Wait for a process's result. Airflow prints its log as well."""
        self.results[run_id] = next(json.loads(line) for line in process.stdout if line.startswith("{"))
        assert process.wait() == 0


#: Puts of the state and of the manifest's parts are among these; chunks have four tasks.
DEATHS = (("after", 8), ("before", 11))


def test_each_output_is_landed_and_reported_once_whoever_dies_and_whoever_works_at_once(
    project: Project, bucket: Bucket
) -> None:
    runs = Runs()
    own = [number for number in range(1, 41) if number % 3]
    for number in range(1, 41):
        fields = {} if number % 3 else {"projectid": "p2"}
        (project.start if number % 10 in {1, 2} else project.add)(number, **fields)
    numbers = count(101)

    def add_more() -> None:
        for number in islice(numbers, 12):
            project.add(number)
            own.append(number)

    for round_, (moment, stop_at) in enumerate(DEATHS):
        killed = f"killed-{round_}"
        add_more()
        with runs.start(killed, moment=moment, stop_at=stop_at) as first:
            runs.wait_until_it_stops(first)
            for number in own[14 * round_ : 14 * round_ + 14]:  # what was running has ended
                project.add(number)
            add_more()
            with runs.start(f"one-{round_}") as one, runs.start(f"other-{round_}") as other:
                runs.finish(one, f"one-{round_}")
                runs.finish(other, f"other-{round_}")
            first.kill()
            assert first.wait() == -signal.SIGKILL
        if round_ == 0:  # the other one has no retry: the next run does what it has left
            with runs.start(killed, 2) as retry:
                runs.finish(retry, killed)
    time.sleep(LEASE_SECONDS)
    with runs.start("last") as last:
        runs.finish(last, "last")
    outputs = {key: bucket.sha256(key) for key in bucket.keys if "_wiro_export" not in key}
    assert outputs == {f"all/{number}/0-0.png": hashlib.sha256(body_of(number)).hexdigest() for number in own}
    reported = Counter(
        int(json.loads(line)["wiro_task_id"])
        for uri in {result["manifest_uri"] for result in runs.results.values()} - {None}
        for line in bucket.client.get_object(Bucket=BUCKET, Key=uri.partition(f"{BUCKET}/")[2])["Body"]
        .read()
        .splitlines()
    )
    assert reported == dict.fromkeys(own, 1)
    assert sum(result["tasks"] for result in runs.results.values()) == len(own)
    assert (runs.results["last"]["open"], runs.results["last"]["pending"]) == (0, 0)
