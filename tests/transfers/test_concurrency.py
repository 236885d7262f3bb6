"""Several outputs at once, several threads at one: order, memory, and what an error or a kill stops."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_wiro.landing import workers
from airflow_provider_wiro.landing.workers import WorkerPool
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator
from tests.contract.hostile import wait_until
from tests.contract.scripts import drip, head, never_respond, ranged, requested_range, respond
from tests.transfers.fake_wiro import BIG, MIB, PNG, TaskInstance, transfer
from tests.transfers.s3 import BUCKET
from tests.transfers.s3_calls import Calls, land

if TYPE_CHECKING:
    from types import SimpleNamespace

    from tests.contract.hostile import HostileServer
    from tests.transfers.fake_wiro import Wiro
    from tests.transfers.s3 import S3

pytestmark = pytest.mark.usefixtures("connect")


# -- several outputs


def test_several_outputs_are_fetched_at_once_and_reported_in_order(wiro: Wiro, s3: S3) -> None:
    four = threading.Barrier(4, timeout=5)

    def together(wire: Any) -> None:
        four.wait()
        respond(PNG)(wire)

    wiro.shows(*(wiro.file(PNG, together, name=f"{number}.png") for number in range(8)))
    names = [file["name"] for file in transfer()["files"]]
    assert names == [f"{number}.png" for number in range(8)]
    assert len(s3.keys) == 8


def test_many_small_outputs_cost_two_connections_to_the_cdn_with_two_threads(
    wiro: Wiro, s3: S3, cdn: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(monkeypatch)
    wiro.shows(*(wiro.file(PNG) for _ in range(30)))
    transfer(max_concurrency=2)
    assert (len(cdn.requests), cdn.connections) == (30, 2)
    made = [operation for operation, _ in calls.made]
    assert made.count("PutObject") == 30
    assert made.count("HeadObject") == 30  # whether it is there; S3's answer to the put is the check
    calls.clear()
    assert all(file["skipped"] for file in transfer()["files"])
    assert [operation for operation, _ in calls.made] == ["HeadObject"] * 30
    assert len(cdn.requests) == 30


def test_a_refused_output_does_not_stop_those_in_flight(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(BIG, ranged(BIG)), wiro.file(PNG, respond(PNG + b"!")))
    with pytest.raises(AirflowFailException, match="the CDN announces"):
        transfer()
    assert s3.keys == ["wiro/2221/0-0.png"]
    assert s3.open_uploads == []


# -- memory


@pytest.mark.parametrize(("threads", "part_mib", "bound_mib"), [(2, 5, 10), (4, 8, 32)])
def test_memory_is_bounded_by_threads_times_part_size(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch, threads: int, part_mib: int, bound_mib: int
) -> None:
    """Measured on the buffers, since moto keeps all objects in this very process."""
    kept: dict[int, int] = {}
    real = WorkerPool.buffer

    def buffer(self: WorkerPool[Any, Any], size: int) -> bytearray:
        found = real(self, size)
        kept[threading.get_ident()] = max(len(found), kept.get(threading.get_ident(), 0))
        return found

    monkeypatch.setattr(WorkerPool, "buffer", buffer)
    wiro.shows(*(wiro.file(BIG, ranged(BIG)) for _ in range(4)))
    transfer(max_concurrency=threads, part_size=part_mib * MIB)
    assert len(kept) <= threads
    assert sum(kept.values()) <= bound_mib * MIB


# -- being stopped


@pytest.mark.parametrize("stall_at", [8 * MIB, 16 * MIB])
def test_on_kill_ends_all_parts_at_once_and_leaves_nothing(wiro: Wiro, s3: S3, stall_at: int) -> None:
    stalled = threading.Event()

    def stalling(wire: Any) -> None:
        wanted = requested_range(wire, len(BIG))
        if wanted is None or wanted[0] != stall_at:
            ranged(BIG)(wire)
            return
        stalled.set()
        never_respond(wire)

    wiro.shows(wiro.file(BIG, stalling), wiro.file(BIG, drip(head(200, content_length=len(BIG)), b"x", 0.01)))
    operator, caught, worker = running()
    assert stalled.wait(10)
    assert wait_until(lambda: bool(s3.open_uploads))
    began = time.monotonic()
    operator.on_kill()
    worker.join(10)
    assert time.monotonic() - began < 2
    assert isinstance(caught[0], AirflowException)
    assert "was stopped" in str(caught[0])
    assert s3.keys == s3.open_uploads == []


def test_on_kill_in_a_signal_handler_ends_the_main_threads_wait(wiro: Wiro, s3: S3) -> None:
    """As Airflow does it: SIGTERM comes to the thread that is inside execute()."""
    stalled = threading.Event()

    def stall(wire: Any) -> None:
        wire.send(head(200, content_length=len(BIG)) + BIG[: 9 * MIB])
        stalled.set()
        never_respond(wire)

    wiro.shows(wiro.file(BIG, stall))
    operator = WiroToS3Operator(task_id="land", wiro_task_id="2221", s3_bucket=BUCKET)

    def terminate() -> None:
        assert stalled.wait(10)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, lambda number, frame: operator.on_kill())
    terminator = threading.Thread(target=terminate)
    terminator.start()
    try:
        with pytest.raises(AirflowException, match="was stopped"):
            operator.execute({"ti": TaskInstance()})  # type: ignore[typeddict-item]
    finally:
        signal.signal(signal.SIGTERM, before)
        terminator.join()
    assert s3.keys == s3.open_uploads == []


def test_on_kill_while_s3_hangs_ends_all_the_same_and_aborts(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging, go_on = threading.Event(), threading.Event()
    calls = Calls(monkeypatch)

    def hang(operation: str, arguments: dict[str, Any]) -> None:
        if operation == "UploadPart" and arguments["PartNumber"] == 2:
            hanging.set()
            go_on.wait(20)

    calls.before = hang
    wiro.shows(wiro.file(BIG, ranged(BIG)))
    operator, caught, worker = running()
    assert hanging.wait(10)
    began = time.monotonic()
    operator.on_kill()
    worker.join(10)
    assert time.monotonic() - began < 2.5
    assert "was stopped" in str(caught[0])
    assert s3.keys == s3.open_uploads == []
    go_on.set()


def test_an_airflow_timeout_stops_all_threads_and_leaves_nothing(wiro: Wiro, s3: S3) -> None:
    """Airflow raises it in the main thread, wherever that is."""
    one: list[WorkerPool[Any, Any]] = []
    stalled = threading.Event()

    def stall(wire: Any) -> None:
        wire.send(head(200, content_length=len(BIG)) + BIG[: 9 * MIB])
        stalled.set()
        never_respond(wire)

    def timed_out(self: WorkerPool[Any, Any]) -> None:
        one.append(self)
        WorkerPool._wait_for_all = real  # type: ignore[method-assign]
        assert stalled.wait(10)
        raise TimeoutError("execution_timeout")

    wiro.shows(wiro.file(BIG, stall))
    real = WorkerPool._wait_for_all
    WorkerPool._wait_for_all = timed_out  # type: ignore[method-assign]
    try:
        with pytest.raises(TimeoutError, match="execution_timeout"):
            transfer()
    finally:
        WorkerPool._wait_for_all = real  # type: ignore[method-assign]
    assert s3.keys == s3.open_uploads == []


def test_an_airflow_timeout_waits_for_an_upload_that_s3_is_slow_to_create(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody kills the process after a timeout, and an upload whose id isn't known yet can't be aborted."""
    monkeypatch.setattr(workers, "GRACE_SECONDS", 0.05)
    beginning = threading.Event()

    def slow(operation: str, arguments: dict[str, Any], answer: Any) -> None:
        if operation == "CreateMultipartUpload":
            beginning.set()
            time.sleep(0.5)

    def timed_out(self: WorkerPool[Any, Any], *args: Any) -> None:
        monkeypatch.setattr(WorkerPool, "_wait_for_all", real)
        assert beginning.wait(10)
        raise TimeoutError("execution_timeout")

    Calls(monkeypatch).after = slow
    wiro.shows(wiro.file(BIG, ranged(BIG)))
    real = WorkerPool._wait_for_all
    monkeypatch.setattr(WorkerPool, "_wait_for_all", timed_out)
    with pytest.raises(TimeoutError, match="execution_timeout"):
        transfer()
    assert s3.keys == s3.open_uploads == []


def running() -> tuple[WiroToS3Operator, list[BaseException], threading.Thread]:
    operator = WiroToS3Operator(task_id="land", wiro_task_id="2221", s3_bucket=BUCKET)
    caught: list[BaseException] = []

    def work() -> None:
        try:
            operator.execute({"ti": TaskInstance()})  # type: ignore[typeddict-item]
        except BaseException as error:
            caught.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    return operator, caught, worker


# -- what a killed try left


@pytest.mark.parametrize(("try_number", "left"), [(1, 3), (2, 2)])
def test_a_second_try_removes_what_the_first_left_of_this_very_key(
    wiro: Wiro, s3: S3, try_number: int, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_wiro.landing.s3.incomplete_uploads.QUIET_SECONDS", 0.0)
    keys = ["wiro/2221/0-0.png", "wiro/2221/0-0.png.bak", "wiro/2222/0-0.png"]
    for key in keys:
        s3.client.create_multipart_upload(Bucket=BUCKET, Key=key)
    wiro.shows(wiro.file(BIG, ranged(BIG)))
    land(ti=named(try_number))
    assert len(s3.open_uploads) == left
    assert s3.keys == ["wiro/2221/0-0.png"]


def test_a_bucket_whose_uploads_may_not_be_listed_stops_no_transfer(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import ClientError

    calls = Calls(monkeypatch)

    def deny(operation: str, arguments: dict[str, Any]) -> None:
        if operation == "ListMultipartUploads":
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)

    calls.before = deny
    wiro.shows(wiro.file(BIG, ranged(BIG)))
    assert len(land(ti=named(2))["files"]) == 1
    calls.before = lambda operation, arguments: None


def named(try_number: int) -> SimpleNamespace:
    from types import SimpleNamespace as Named

    return Named(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=try_number)
