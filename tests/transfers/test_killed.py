"""
A process killed outright in the middle of a transfer: what the next try finds, removes, and sends only once.

And what a try that cleans up does to a writer of the same object that is not dead at all.
"""

from __future__ import annotations

import hashlib
import signal
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.downloads import ranges
from airflow_provider_wiro.landing.s3 import incomplete_uploads
from tests.contract.scripts import ranged, requested_range
from tests.transfers.fake_wiro import BIG, MIB, PNG
from tests.transfers.s3 import BUCKET
from tests.transfers.s3_calls import Calls, land
from tests.warm_python import WarmPython

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.hostile import HostileServer, Script
    from tests.transfers.fake_wiro import Wiro
    from tests.transfers.seaweedfs_bucket import Bucket

pytestmark = pytest.mark.usefixtures("connect")

LARGE, SMALL = "wiro/2221/0-0.png", "wiro/2221/1-0.png"
SHA256 = hashlib.sha256(BIG).hexdigest()

#: Lands the task as its first try would, and stops dead before or after the n-th call of an operation, when
#: the small output has landed.
FIRST_TRY = f"""
import sys, threading
from types import SimpleNamespace
from botocore.client import BaseClient
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator
moment, operation, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
lock, real, seen, small = threading.Lock(), BaseClient._make_api_call, [], threading.Event()

def watched(client, name, arguments):
    if name == "PutObject":
        real(client, name, arguments)
        small.set()
    if name != operation:
        return real(client, name, arguments)
    with lock:
        seen.append(name)
        is_it = len(seen) == count
    if is_it and moment == "before":
        stop()
    answer = real(client, name, arguments)
    if is_it:
        stop()
    return answer

def stop():
    small.wait()
    print("now", flush=True)
    threading.Event().wait()

BaseClient._make_api_call = watched
ti = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=1)
WiroToS3Operator(
    task_id="t", wiro_task_id="2221", s3_bucket="{BUCKET}", s3_key="wiro/2221/{{index}}-{{name}}"
).execute({{"ti": ti}})
"""


def kill_first_try(moment: str, operation: str, count: int) -> None:
    """Run a first try in a process of its own, and end it with SIGKILL at a moment of its work."""
    with WarmPython(FIRST_TRY, moment, operation, str(count)) as process:
        has_stopped = any(line == "now\n" for line in process.stdout)
        process.kill()
    assert has_stopped
    assert process.returncode == -signal.SIGKILL


def second_try(**arguments: Any) -> list[dict[str, Any]]:
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=2)
    files: list[dict[str, Any]] = land(ti=ti, **arguments)["files"]
    return files


@pytest.fixture
def _soon_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """S3's clock can't be handed in, so an upload counts as dead sooner."""
    monkeypatch.setattr(incomplete_uploads, "QUIET_SECONDS", 1.0)


@pytest.mark.usefixtures("_soon_dead")
@pytest.mark.parametrize(
    ("moment", "operation", "count", "is_landed"),
    [
        ("after", "CreateMultipartUpload", 1, False),
        ("before", "UploadPart", 2, False),
        ("after", "UploadPart", 3, False),
        ("before", "CompleteMultipartUpload", 1, False),
        ("after", "CompleteMultipartUpload", 1, True),
    ],
)
def test_after_a_kill_all_is_there_once_and_nothing_is_left_over(
    wiro: Wiro, bucket: Bucket, cdn: HostileServer, moment: str, operation: str, count: int, is_landed: bool
) -> None:
    wiro.shows(wiro.file(BIG, ranged(BIG)), wiro.file(PNG))
    kill_first_try(moment, operation, count)
    assert bucket.open_uploads == ([] if is_landed else [LARGE])
    assert bucket.keys == ([LARGE] if is_landed else []) + [SMALL]
    cdn.requests.clear()
    large, small = second_try()
    assert large["sha256"] == (None if is_landed else SHA256)
    assert bucket.sha256(LARGE) == SHA256
    assert bucket.sha256(SMALL) == hashlib.sha256(PNG).hexdigest()
    assert bucket.open_uploads == []
    assert (large["skipped"], small["skipped"]) == (is_landed, True)
    fetched = {request.path for request in cdn.requests}
    assert fetched == (set() if is_landed else {"/f/0/0.png"})


# -- a writer that is alive


class Stalling:
    """A CDN that stops in the second part of the first to ask for it, until told to go on."""

    def __init__(self) -> None:
        self.has_stalled, self.goes_on = threading.Event(), threading.Event()

    def serve(self, body: bytes) -> Script:
        whole = ranged(body)

        def script(wire: Any) -> None:
            if requested_range(wire, len(body)) == (8 * MIB, 16 * MIB) and not self.has_stalled.is_set():
                self.has_stalled.set()
                assert self.goes_on.wait(20)
            whole(wire)

        return script


class Writer:
    """Another run's first try, which lands the same objects in a thread of its own."""

    def __init__(self, **arguments: Any) -> None:
        self.files: list[dict[str, Any]] = []
        self.error: BaseException | None = None
        self._arguments = arguments
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        ti = SimpleNamespace(dag_id="other", run_id="r", task_id="t", map_index=-1, try_number=1)
        try:
            self.files = land(ti=ti, max_concurrency=1, **self._arguments)["files"]
        except BaseException as error:
            self.error = error

    def result(self) -> dict[str, Any]:
        self._thread.join(30)
        assert not self._thread.is_alive()
        if self.error:
            raise self.error
        return self.files[0]


@pytest.fixture
def stalling(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stalling]:
    monkeypatch.setattr(ranges, "PATIENCE_SECONDS", 60.0)
    one = Stalling()
    yield one
    one.goes_on.set()


@pytest.mark.parametrize("replace", [False, True])
def test_a_writer_that_continues_while_another_cleans_up_is_left_alone(
    wiro: Wiro, bucket: Bucket, calls: Calls, stalling: Stalling, replace: bool
) -> None:
    wiro.shows(wiro.file(BIG, stalling.serve(BIG)))
    other = Writer(replace=replace)
    assert stalling.has_stalled.wait(20)
    own = threading.get_ident()
    looks = 0

    def before(operation: str, arguments: dict[str, Any]) -> None:
        nonlocal looks
        looks += operation == "ListParts"
        if looks == 2 and threading.get_ident() == own:  # the first was before our upload, this one is after
            stalling.goes_on.set()
            other.result()

    calls.before = before
    (file,) = second_try(replace=replace)
    assert looks == 2
    assert other.result()["skipped"] is not replace
    assert file["sha256"] == bucket.sha256(LARGE) == SHA256
    # The other's own, since with replace=False it was the second to complete its object.
    assert len(calls.of("AbortMultipartUpload")) == (0 if replace else 1)
    assert bucket.open_uploads == []


@pytest.mark.parametrize(("seconds_since_begin", "is_left_alone"), [(3600, True), (0, False)])
def test_a_part_that_came_since_the_try_began_shows_a_live_writer(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, seconds_since_begin: int, is_left_alone: bool
) -> None:
    monkeypatch.setattr(incomplete_uploads, "QUIET_SECONDS", 0.0)
    where = {"Bucket": BUCKET, "Key": LARGE}
    upload = bucket.client.create_multipart_upload(**where)["UploadId"]
    bucket.client.upload_part(**where, UploadId=upload, PartNumber=1, Body=PNG)
    ticks = iter([0, *[seconds_since_begin] * 5])
    one = incomplete_uploads.IncompleteUploads(bucket.client, BUCKET, {}, lambda: float(next(ticks)))
    one.remove(LARGE)
    assert bucket.open_uploads == ([LARGE] if is_left_alone else [])
    bucket.client.abort_multipart_upload(**where, UploadId=upload)


@pytest.mark.parametrize("replace", [False, True])
def test_an_idle_writer_that_was_taken_for_dead_restarts_by_itself(
    wiro: Wiro,
    bucket: Bucket,
    stalling: Stalling,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    replace: bool,
) -> None:
    monkeypatch.setattr(incomplete_uploads, "QUIET_SECONDS", 0.0)
    wiro.shows(wiro.file(BIG, stalling.serve(BIG)))
    other = Writer(replace=replace)
    assert stalling.has_stalled.wait(20)
    (file,) = second_try(replace=replace)
    assert bucket.open_uploads == []  # the other's is gone
    stalling.goes_on.set()
    assert other.result()["size"] == len(BIG)
    assert other.result()["skipped"] is not replace
    assert "It is restarted" in caplog.text
    assert file["sha256"] == bucket.sha256(LARGE) == SHA256
    assert bucket.open_uploads == []
