"""A finished task's outputs are in any store whole and verified, or not at all."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_wiro.emulator import Fault, WiroEmulator
from airflow_provider_wiro.exceptions import (
    WiroMissingConnectionError,
    WiroOutputUnavailableError,
    WiroUsageError,
)
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.transfers.wiro_to_object_storage import WiroToObjectStorageOperator
from tests import warm_python
from tests.contract.scripts import chunked, endless, head, never_respond, redirect, reset, respond, truncated
from tests.input_files.object_storage import PEAK, Bucket, attach_memory, serve_s3, storage_path
from tests.transfers.fake_wiro import BIG, LLM, MIB, PNG, TaskInstance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.contract.hostile import HostileServer, Script
    from tests.transfers.fake_wiro import Wiro

pytestmark = pytest.mark.usefixtures("connect")

KEY = "wiro/{wiro_task_id}/{index}-{name}"


class Store:
    """One store: where it begins, and what is in it."""

    def __init__(self, kind: str, root: str, bucket: Bucket | None = None) -> None:
        self.kind, self.root, self._bucket = kind, root, bucket

    def uri(self, key: str) -> str:
        return f"{self.root}/{key}"

    def put(self, key: str, body: bytes) -> None:
        path = storage_path(self.uri(key))
        if self.kind == "file":
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    def get(self, key: str) -> bytes:
        body: bytes = storage_path(self.uri(key)).read_bytes()
        return body

    @property
    def keys(self) -> list[str]:
        if self._bucket:
            assert self._bucket.open_uploads == []
            return self._bucket.keys
        fs = storage_path(self.root).fs
        start = self.root.partition("://")[2].rstrip("/") + "/"
        return sorted(("/" + found.lstrip("/")).split(start, 1)[1] for found in fs.find(start))


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    yield from serve_s3(monkeypatch)


@pytest.fixture(params=["file", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "s3":
        bucket: Bucket = request.getfixturevalue("bucket")
        return Store("s3", bucket.uri("").rstrip("/"), bucket)
    attach_memory()
    return Store(request.param, f"file://{tmp_path}/out" if request.param == "file" else "memory:///out")


def operator(path: Any, wiro_task_id: Any = "2221", **arguments: Any) -> WiroToObjectStorageOperator:
    return WiroToObjectStorageOperator(task_id="land", wiro_task_id=wiro_task_id, path=path, **arguments)


def transfer(path: Any, wiro_task_id: Any = "2221", **arguments: Any) -> dict[str, Any]:
    landed = operator(path, wiro_task_id, **arguments).execute({"ti": TaskInstance()})  # type: ignore[typeddict-item]
    return json.loads(json.dumps(landed))  # type: ignore[no-any-return]  # it becomes an XCom


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


# -- success


@pytest.mark.parametrize("wiro_task_id", ["2221", {"wiro_task_id": "2221", "model": "o/m"}])
def test_an_image_lands_whole_and_is_reported(wiro: Wiro, store: Store, wiro_task_id: Any) -> None:
    wiro.shows(wiro.file(PNG))
    assert transfer(store.uri(KEY), wiro_task_id) == {
        "wiro_task_id": "2221",
        "files": [
            {
                "uri": store.uri("wiro/2221/0-0.png"),
                "name": "0.png",
                "size": len(PNG),
                "sha256": sha256(PNG),
                "content_type": "image/png",
                "etag": None,
                "skipped": False,
            }
        ],
        "total_bytes": len(PNG),
        "cost_usd": "0.00351",
    }
    assert store.keys == ["wiro/2221/0-0.png"]
    assert store.get("wiro/2221/0-0.png") == PNG


def test_all_outputs_land_large_empty_and_an_llms_answer(wiro: Wiro, store: Store) -> None:
    wiro.shows(wiro.file(BIG), LLM, wiro.file(b"", size="0", name="empty.bin"), wiro.file(PNG, size=None))
    landed = transfer(store.uri("{index}-{name}"))
    assert store.keys == ["0-0.png", "1-answer.json", "1-answer.txt", "2-empty.bin", "3-0.png"]
    assert [file["sha256"] for file in landed["files"]] == [sha256(store.get(key)) for key in store.keys]
    assert (store.get("0-0.png") == BIG, json.loads(store.get("1-answer.json"))) == (True, LLM["content"])
    assert landed["total_bytes"] == sum(len(store.get(key)) for key in store.keys)


def test_no_outputs_land_nothing(wiro: Wiro, store: Store) -> None:
    wiro.shows()
    assert transfer(store.uri(KEY))["files"] == []


def test_a_plain_local_path_is_a_file_uri(wiro: Wiro, tmp_path: Path) -> None:
    wiro.shows(wiro.file(PNG))
    [file] = transfer(f"{tmp_path}/{{model}}/{{stem}}{{suffix}}", {"wiro_task_id": "2221", "model": "o/m"})[
        "files"
    ]
    assert file["uri"] == f"file://{tmp_path}/o/m/0.png"
    assert (tmp_path / "o/m/0.png").read_bytes() == PNG


def test_an_object_storage_path_keeps_its_connection(wiro: Wiro, bucket: Bucket) -> None:
    wiro.shows(wiro.file(PNG))
    [file] = transfer(storage_path(bucket.uri("{index}-{name}")))["files"]
    assert file["uri"] == bucket.uri("0-0.png")
    assert bucket.get("0-0.png") == PNG


# -- several at once


def test_several_outputs_are_fetched_at_once_and_reported_in_order(wiro: Wiro, store: Store) -> None:
    three = threading.Barrier(3, timeout=10)

    def together(wire: Any) -> None:
        three.wait()
        respond(PNG)(wire)

    wiro.shows(*(wiro.file(PNG, together, name=f"{number}.png") for number in range(6)))
    files = transfer(store.uri(KEY), max_concurrency=3)["files"]
    assert [file["name"] for file in files] == [f"{number}.png" for number in range(6)]
    assert len(store.keys) == 6


def test_one_that_fails_does_not_hinder_those_under_way(wiro: Wiro, store: Store) -> None:
    begun, failed = threading.Event(), threading.Event()

    def fail(wire: Any) -> None:
        assert begun.wait(10)
        respond(b"", 404)(wire)
        failed.set()

    def after(wire: Any) -> None:
        begun.set()
        assert failed.wait(10)
        respond(PNG)(wire)

    wiro.shows(wiro.file(PNG, fail), wiro.file(PNG, after), wiro.file(PNG), wiro.file(PNG))
    with pytest.raises((AirflowFailException, WiroOutputUnavailableError), match="404"):
        transfer(store.uri(KEY), max_concurrency=2)
    assert "wiro/2221/1-0.png" in store.keys
    assert "wiro/2221/0-0.png" not in store.keys


@pytest.mark.parametrize("number", [0, 65, 2.5, "4"])
def test_a_number_that_makes_no_sense_is_refused_before_anything_is_asked(
    server: HostileServer, tmp_path: Path, number: Any
) -> None:
    with pytest.raises(AirflowFailException, match="from 1 to 64"):
        transfer(f"{tmp_path}/{{name}}", max_concurrency=number)
    assert server.connections == 0


# -- the manifest


@pytest.mark.parametrize("manifest", [True, "about/{wiro_task_id}.json"])
def test_a_manifest_says_where_the_files_come_from(wiro: Wiro, store: Store, manifest: bool | str) -> None:
    wiro.shows(wiro.file(PNG), LLM, parameters={"prompt": "p", "apiKey": "user-secret-1234", "seed": "7"})
    where = manifest if manifest is True else store.uri(str(manifest))
    landed = transfer(store.uri(KEY), manifest=where)
    key = "wiro/2221/manifest.json" if manifest is True else "about/2221.json"
    assert landed["manifest"] == store.uri(key)
    manifest = json.loads(store.get(key))
    assert manifest["parameters"] == {"prompt": "p", "apiKey": "***", "seed": "7"}
    assert (manifest["seed"], manifest["cost_usd"]) == ("7", "0.00351")
    assert [output["uri"] for output in manifest["outputs"]] == [file["uri"] for file in landed["files"]]
    assert manifest["outputs"][0]["sha256"] == sha256(PNG)


def test_a_second_run_leaves_the_manifest_as_it_is(wiro: Wiro, store: Store) -> None:
    wiro.shows(wiro.file(PNG))
    transfer(store.uri(KEY), manifest=True)
    before = store.get("wiro/2221/manifest.json")
    wiro.shows(wiro.file(PNG))
    transfer(store.uri(KEY), manifest=True)
    assert store.get("wiro/2221/manifest.json") == before


@pytest.mark.parametrize("there", [b"mine", b'{"kind": "something else"}'])
def test_something_else_in_the_manifests_place_is_not_overwritten_unless_replaced(
    wiro: Wiro, store: Store, cdn: HostileServer, there: bytes
) -> None:
    store.put("wiro/2221/manifest.json", there)
    wiro.shows(wiro.file(PNG))
    with pytest.raises(AirflowFailException, match="is not the manifest of Wiro task 2221"):
        transfer(store.uri(KEY), manifest=True)
    assert store.get("wiro/2221/manifest.json") == there
    assert cdn.requests == []
    transfer(store.uri(KEY), manifest=True, replace=True)
    assert json.loads(store.get("wiro/2221/manifest.json"))["wiro_task_id"] == "2221"


def test_a_manifest_of_nothing_is_none(wiro: Wiro, store: Store) -> None:
    wiro.shows()
    assert transfer(store.uri(KEY), manifest=True)["manifest"] is None
    assert store.keys == []


# -- what is there already


def test_an_identical_file_is_skipped_and_a_second_run_changes_nothing(wiro: Wiro, store: Store) -> None:
    wiro.shows(wiro.file(PNG), LLM, wiro.file(BIG, size=None))
    first, second = transfer(store.uri(KEY)), transfer(store.uri(KEY))
    assert [file["skipped"] for file in second["files"]] == [True] * 4
    assert [{**file, "skipped": False} for file in second["files"]] == first["files"]


@pytest.mark.parametrize("there", [b"", PNG[:-1], PNG[:-1] + b"!", PNG + b"!"])
def test_a_different_file_is_in_the_way_and_stays_unless_replaced(
    wiro: Wiro, store: Store, there: bytes
) -> None:
    store.put("0.png", there)
    wiro.shows(wiro.file(PNG))
    with pytest.raises(AirflowFailException, match=r"is not output 0 .* replace=True"):
        transfer(store.uri("{name}"))
    assert store.get("0.png") == there
    assert transfer(store.uri("{name}"), replace=True)["files"][0]["skipped"] is False
    assert store.get("0.png") == PNG


def test_a_file_of_another_size_is_recognised_without_reading_it(
    wiro: Wiro, store: Store, cdn: HostileServer
) -> None:
    store.put("0.png", b"other")
    wiro.shows(wiro.file(PNG))
    with pytest.raises(AirflowFailException):
        transfer(store.uri("{name}"))
    assert cdn.requests == []


def test_a_directory_in_the_way_is_left_alone(wiro: Wiro, tmp_path: Path) -> None:
    (tmp_path / "0.png").mkdir()
    wiro.shows(wiro.file(PNG))
    for replace in (False, True):
        with pytest.raises((AirflowFailException, IsADirectoryError)):
            transfer(f"file://{tmp_path}/{{name}}", replace=replace)
    assert list(tmp_path.iterdir()) == [tmp_path / "0.png"]


# -- faults

FOR_GOOD: dict[str, Script] = {
    "a shorter file": respond(BIG[:-1]),
    "a longer file in chunks": chunked(BIG + b"!"),
    "a file that never ends": endless(head(200), b"x"),
    "a web page": respond(b"<html>", content_type="text/html"),
    "a redirect to a file": redirect("file:///etc/passwd"),
}
FOR_NOW: dict[str, Script] = {
    "cut at its beginning": truncated(BIG[:10], missing=len(BIG) - 10),
    "cut after some blocks": truncated(BIG[: 16 * MIB], missing=len(BIG) - 16 * MIB),
    "reset": reset,
    "an expired link": respond(b"", 403),
}


@pytest.mark.parametrize("fault", [*FOR_GOOD, *FOR_NOW])
def test_a_file_that_fails_leaves_nothing_behind(wiro: Wiro, store: Store, fault: str) -> None:
    wiro.shows(wiro.file(PNG), wiro.file(BIG, {**FOR_GOOD, **FOR_NOW}[fault]))
    with pytest.raises(AirflowFailException if fault in FOR_GOOD else WiroOutputUnavailableError):
        transfer(store.uri(KEY))
    assert store.keys == ["wiro/2221/0-0.png"]  # the one that landed before it


def test_what_was_there_survives_a_replacement_that_fails(wiro: Wiro, store: Store) -> None:
    store.put("0.png", b"the old one")
    wiro.shows(wiro.file(BIG, FOR_NOW["cut after some blocks"]))
    with pytest.raises(WiroOutputUnavailableError):
        transfer(store.uri("{name}"), replace=True)
    # Where a file is seen growing, the old one is gone by then, and no half of the new one stays.
    assert store.keys == ([] if store.kind == "memory" else ["0.png"])
    assert store.kind == "memory" or store.get("0.png") == b"the old one"


@pytest.mark.parametrize("operation", ["create_multipart_upload", "upload_part", "complete_multipart_upload"])
def test_a_store_that_fails_leaves_nothing_behind(
    wiro: Wiro, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    import s3fs

    real = s3fs.core.S3File._call_s3

    def failing(self: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        if method == operation:
            raise OSError("S3 is away")
        return real(self, method, *args, **kwargs)

    monkeypatch.setattr(s3fs.core.S3File, "_call_s3", failing)
    wiro.shows(wiro.file(BIG))
    with pytest.raises(WiroOutputUnavailableError, match="S3 is away"):
        transfer(bucket.uri(KEY))
    assert bucket.keys == bucket.open_uploads == []


def test_a_store_that_keeps_less_than_it_was_given_is_noticed(
    wiro: Wiro, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_wiro.landing.object_storage.file import StorageFile

    real = StorageFile.facts

    def lying(self: StorageFile) -> Any:
        found = real(self)
        return found and {**found, "size": found["size"] - 1}

    wiro.shows(wiro.file(PNG))
    monkeypatch.setattr(StorageFile, "facts", lying)
    with pytest.raises(WiroOutputUnavailableError, match="now shows"):
        transfer(store.uri(KEY))
    assert store.keys == []


def test_a_clean_up_that_fails_does_not_hide_why(
    wiro: Wiro, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import s3fs

    def failing(self: Any) -> None:
        raise RuntimeError("S3 is away")

    monkeypatch.setattr(s3fs.core.S3File, "discard", failing)
    wiro.shows(wiro.file(BIG, FOR_GOOD["a longer file in chunks"]))
    with pytest.raises(AirflowFailException, match="more came"):
        transfer(bucket.uri(KEY))
    assert "Could not remove what was written" in caplog.text
    gc.collect()  # fsspec completes an upload when its file is collected
    assert bucket.keys == []


# -- what the engine rides out


@pytest.fixture
def big_output(monkeypatch: pytest.MonkeyPatch) -> Iterator[WiroEmulator]:
    """Wiro with a finished task, whose output has 20 MiB."""
    with WiroEmulator(speed=1000, output_bytes=20 * MIB) as emulator:
        monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", emulator.connection)
        with WiroHook() as hook:
            hook.run_model("retroAIx/Retro-Cartoons", {"prompt": "x", "samples": 1})
            hook.wait_for_task(emulator.tasks[0].id, timeout=10, poll_interval=0.02)
        yield emulator


@pytest.mark.parametrize(
    "fault",
    [
        Fault("truncated", endpoint="cdn", after_bytes=15 * MIB),
        Fault("server_error", endpoint="cdn", status=503),
        Fault("expired_link"),
    ],
    ids=lambda fault: fault.kind,
)
def test_a_cut_or_an_expired_link_is_survived_without_fetching_bytes_twice(
    big_output: WiroEmulator, store: Store, fault: Fault
) -> None:
    big_output.inject(fault)
    [file] = transfer(store.uri(KEY), big_output.tasks[0].id)["files"]
    [key] = store.keys
    assert file["size"] == len(store.get(key)) == 20 * MIB
    assert file["sha256"] == sha256(store.get(key))
    assert big_output.counts.faults_fired[fault.kind] == 1
    assert big_output.counts.bytes_served < 21 * MIB


def test_a_file_that_the_cdn_cannot_resume_is_fetched_and_written_again(
    big_output: WiroEmulator, store: Store
) -> None:
    big_output.inject(Fault("truncated", endpoint="cdn", after_bytes=15 * MIB), Fault("ignore_range"))
    [file] = transfer(store.uri(KEY), big_output.tasks[0].id)["files"]
    [key] = store.keys
    assert file["sha256"] == sha256(store.get(key))
    assert len(store.get(key)) == 20 * MIB
    # How much of the first response was on the line when it was cut depends on the machine; a file that is
    # resumed has less than this.
    assert big_output.counts.bytes_served > 21 * MIB


# -- where it goes


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd",
        "..",
        "/etc/passwd",
        "a\\..\\b",
        "\0\r\n",
        "x" * 300 + ".png",
        "..%2f",
        "é\u202e",
    ],
)
def test_a_hostile_name_stays_where_it_belongs(wiro: Wiro, store: Store, name: str) -> None:
    wiro.shows(wiro.file(PNG, name=name), wiro.file(PNG, name=name))
    landed = transfer(store.uri("safe/{index}-{name}"))
    assert len(store.keys) == 2
    for key in store.keys:
        assert key.startswith("safe/")
        assert key.count("/") == 1
    assert [file["uri"] for file in landed["files"]] == [store.uri(key) for key in store.keys]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("memory:///{unknown}", r"Unknown placeholder \{unknown\} in path"),
        ("relative/{index}-{name}", "absolute local path"),
        ("", "Expected path to name an object"),
        ("nosuchscheme://bucket/{index}-{name}", "Can't open"),
        ("memory:///all/in/one", "Put {index} or {name} into path"),
        ("memory:///" + "x" * 1100 + "{name}", "bytes long"),
    ],
)
def test_a_path_that_cannot_be_right_is_refused_before_anything_is_read(
    wiro: Wiro, cdn: HostileServer, path: str, words: str
) -> None:
    attach_memory()
    wiro.shows(wiro.file(PNG), wiro.file(PNG))
    with pytest.raises((WiroUsageError, AirflowFailException), match=words):
        transfer(path)
    assert cdn.requests == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": "task_start"}, "WiroTaskSensor"),
        ({"pexit": "1", "debugerror": "CUDA out of memory"}, "CUDA out of memory"),
        ({"status": "task_cancel"}, "was cancelled"),
    ],
)
def test_only_a_task_that_has_succeeded_is_moved(
    wiro: Wiro, store: Store, fields: dict[str, Any], words: str
) -> None:
    wiro.shows(wiro.file(PNG), **fields)
    with pytest.raises(AirflowFailException, match=words):
        transfer(store.uri(KEY))
    assert store.keys == []


# -- memory, and being stopped


@pytest.mark.parametrize("kind", ["file", "s3"])
def test_a_large_output_costs_as_little_memory_as_its_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, kind: str
) -> None:
    root = f"file://{tmp_path}" if kind == "file" else request.getfixturevalue("bucket").uri("")
    with (
        WiroEmulator(speed=1000, output_bytes=20 * MIB) as small,
        WiroEmulator(speed=1000, output_bytes=100 * MIB) as large,
    ):
        monkeypatch.setenv("AIRFLOW_CONN_SMALL", small.connection)
        monkeypatch.setenv("AIRFLOW_CONN_LARGE", large.connection)
        program = f"""
import json
{PEAK}
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.transfers.wiro_to_object_storage import WiroToObjectStorageOperator
def land(conn_id):
    with WiroHook(conn_id) as hook:
        run = hook.run_model("retroAIx/Retro-Cartoons", {{"prompt": "x", "samples": 1}})
        hook.wait_for_task(run.wiro_task_id, timeout=10, poll_interval=0.05)
    operator = WiroToObjectStorageOperator(
        task_id="land", wiro_task_id=run.wiro_task_id, path={root!r} + "/" + conn_id, wiro_conn_id=conn_id
    )
    print(json.dumps([operator.execute({{}}), peak_kib()]))
land("small")
land("large")
"""
        done = warm_python.run(program)
    assert done.returncode == 0, done.stderr
    (_, before), (landed, after) = (
        json.loads(line) for line in done.stdout.splitlines() if line.startswith("[{")
    )
    assert landed["total_bytes"] == 100 * MIB
    assert after - before < 32 * 1024


@pytest.mark.parametrize("sent_bytes", [0, 9 * MIB])
def test_on_kill_ends_even_a_transfer_that_has_stalled(wiro: Wiro, store: Store, sent_bytes: int) -> None:
    stalled = threading.Event()

    def stall(wire: Any) -> None:
        wire.send(head(200, content_length=len(BIG)) + BIG[:sent_bytes])
        stalled.set()
        never_respond(wire)

    wiro.shows(wiro.file(BIG, stall))
    task = operator(store.uri(KEY))
    caught: list[BaseException] = []

    def work() -> None:
        try:
            task.execute({"ti": TaskInstance()})  # type: ignore[typeddict-item]
        except BaseException as error:
            caught.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    assert stalled.wait(10)
    time.sleep(0.1)  # until it waits for bytes
    task.on_kill()
    worker.join(3)  # Airflow kills after 5 s
    assert not worker.is_alive()
    assert isinstance(caught[0], AirflowException)
    assert "was stopped" in str(caught[0])
    assert store.keys == []


def test_after_on_kill_nothing_is_started(wiro: Wiro, store: Store, cdn: HostileServer) -> None:
    wiro.shows(wiro.file(PNG))
    task = operator(store.uri(KEY))
    task.on_kill()
    with pytest.raises(AirflowException, match="was stopped"):
        task.execute({"ti": TaskInstance()})  # type: ignore[typeddict-item]
    assert (store.keys, cdn.requests) == ([], [])


# -- a place is what it says


@pytest.mark.parametrize(
    "path",
    [
        "{root}/run::7/{{index}}-{{name}}",
        "/{root}/{{name}}",
        "file://localhost{root}/{{name}}",
        "file:/{root}/{{name}}",
        "{root}/../{{name}}",
        "{root}/../dags/x.py::/{{index}}-{{name}}",
        "{root}/%2e%2e/{{name}}",
        "{root}/a\\..\\{{name}}",
        "{root}/a\0/{{name}}",
        "{root}/a\n/{{name}}",
        "{root}/a\ud800/{{name}}",
        "{root}/{{name}}/",
        "~/{{name}}",
        "memory:///run::7/{{index}}-{{name}}",
        "memory:///a?version=1/{{name}}",
    ],
)
@pytest.mark.parametrize("as_manifest", [False, True])
def test_a_path_that_would_be_another_place_is_refused_before_anything_is_read(
    wiro: Wiro, cdn: HostileServer, tmp_path: Path, path: str, as_manifest: bool
) -> None:
    attach_memory()
    wiro.shows(wiro.file(PNG), wiro.file(PNG))
    place = path.format(root=tmp_path)
    arguments = {"path": place}
    if as_manifest:
        manifest = place.replace("{index}", "x").replace("{name}", "x")
        arguments = {"path": f"{tmp_path}/{KEY}", "manifest": manifest}
    with pytest.raises((WiroUsageError, AirflowFailException), match=r"Expected (path|manifest)"):
        transfer(**arguments)
    assert cdn.requests == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("scheme", ["FILE", "local", "file"])
def test_a_scheme_may_be_written_in_any_way(wiro: Wiro, tmp_path: Path, scheme: str) -> None:
    wiro.shows(wiro.file(PNG))
    transfer(f"{scheme}://{tmp_path}/a/{{name}}")
    assert (tmp_path / "a" / "0.png").read_bytes() == PNG


def test_a_path_that_no_disk_takes_is_an_error_for_good(wiro: Wiro, tmp_path: Path) -> None:
    wiro.shows(wiro.file(PNG))
    (tmp_path / "file").write_bytes(b"x")
    for folder in ("x" * 300, "file"):
        with pytest.raises(AirflowFailException, match="Correct path, or create"):
            transfer(f"{tmp_path}/{folder}/{{name}}")


@pytest.mark.parametrize(
    "manifest", ["/{root}/0-0.png", "{root}/./0-0.png", "file://{root}//0-0.png", "{root}/link/0-0.png"]
)
def test_the_manifest_in_an_outputs_place_is_refused_however_it_is_spelled(
    wiro: Wiro, cdn: HostileServer, tmp_path: Path, manifest: str
) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    wiro.shows(wiro.file(PNG))
    with pytest.raises(AirflowFailException, match=r"would both land in|as an absolute local path"):
        transfer(f"{tmp_path}/{{index}}-{{name}}", manifest=manifest.format(root=tmp_path))
    assert cdn.requests == []


class Rendered:
    """A DAG file's task, rendered by Airflow as before it is executed."""

    def __init__(self, piece: str, **arguments: Any) -> None:
        self.task = operator(**arguments)
        self.task.render_template_fields({"params": {"t": piece}})  # type: ignore[typeddict-item]

    def land(self) -> Any:
        return self.task.execute({"ti": TaskInstance()})  # type: ignore[typeddict-item]


@pytest.mark.parametrize("field", ["path", "manifest"])
def test_no_templated_piece_leaves_the_fixed_folder_by_a_symbolic_link(
    wiro: Wiro, cdn: HostileServer, tmp_path: Path, field: str
) -> None:
    data, other = tmp_path / "data", tmp_path / "other"
    data.mkdir()
    other.mkdir()
    (data / "link").symlink_to(other)
    wiro.shows(wiro.file(PNG))
    arguments = {"path": f"{data}/{{name}}", field: f"{data}/{{{{ params.t }}}}/x"}
    with pytest.raises(AirflowFailException, match="by a symbolic link, outside of"):
        Rendered("link", **arguments).land()
    assert (cdn.requests, list(other.iterdir())) == ([], [])
    Rendered("new", **arguments).land()
    assert (data / "new" / "x").exists()


@pytest.mark.parametrize("piece", ["..", "../dags/x.py::", "/../..", "a\\..\\..", "%2e%2e", "x\0"])
def test_no_templated_piece_leaves_the_fixed_folder(
    wiro: Wiro, cdn: HostileServer, tmp_path: Path, piece: str
) -> None:
    wiro.shows(wiro.file(PNG))
    with pytest.raises(AirflowFailException, match="Expected path"):
        Rendered(piece, path=f"{tmp_path}/data/{{{{ params.t }}}}/{{index}}-{{name}}").land()
    assert (cdn.requests, list(tmp_path.iterdir())) == ([], [])


def test_the_folder_may_be_behind_a_symbolic_link_that_the_dag_names(wiro: Wiro, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    wiro.shows(wiro.file(PNG))
    Rendered("new", path=f"{tmp_path}/link/{{{{ params.t }}}}/{{name}}").land()
    assert (tmp_path / "disk" / "new" / "0.png").read_bytes() == PNG


def test_a_manifest_on_disk_is_its_owners_and_an_output_is_not(wiro: Wiro, tmp_path: Path) -> None:
    wiro.shows(wiro.file(PNG))
    before = os.umask(0o022)
    try:
        transfer(f"{tmp_path}/{{name}}", manifest=True)
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("manifest.json", "0.png")] == [0o600, 0o644]


# -- a place that can't be written to


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("/proc/wiro", "No such file or directory. Correct path, or create"),
        ("{tmp}/taken", "Not a directory. Correct path"),
        ("s3://aws_default@no-such-bucket", "The specified bucket does not exist. Correct path"),
    ],
)
def test_a_place_that_is_not_there_is_one_permanent_error(
    wiro: Wiro, bucket: Bucket, tmp_path: Path, folder: str, said: str
) -> None:
    bucket.put("a.png", b"x")  # there is an S3, with another bucket
    (tmp_path / "taken").write_bytes(b"x")
    wiro.shows(wiro.file(PNG))
    path = f"{folder.format(tmp=tmp_path)}/{{name}}"

    with pytest.raises(AirflowFailException, match=said) as caught:
        transfer(path)

    assert caught.value.__cause__ is None
    assert len(str(caught.value)) < 300


def test_a_connection_that_airflow_lacks_is_named_before_another_is_used(wiro: Wiro, bucket: Bucket) -> None:
    wiro.shows(wiro.file(PNG))
    with pytest.raises(WiroMissingConnectionError, match="Airflow has no connection 'my_s3'"):
        transfer("s3://my_s3@inputs/{name}")
    assert bucket.keys == []
