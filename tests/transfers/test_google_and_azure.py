"""What lands in Google Cloud Storage and in Azure is whole, says where it is from, and overwrites nothing."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_wiro.exceptions import WiroOutputUnavailableError
from airflow_provider_wiro.landing.workers import WorkerPool
from airflow_provider_wiro.storage.object_stores.azure import AzureBlob
from airflow_provider_wiro.storage.object_stores.google import GoogleObject
from airflow_provider_wiro.transfers.wiro_to_object_storage import WiroToObjectStorageOperator
from tests.contract.scripts import head, never_respond, ranged, requested_range, respond, truncated
from tests.transfers.fake_wiro import BIG, LLM, MIB, PNG, TaskInstance

if TYPE_CHECKING:
    from tests.contract.hostile import HostileServer, Script
    from tests.storage.object_stores.object_store import GoogleStore, Store
    from tests.transfers.fake_wiro import Wiro

pytestmark = pytest.mark.usefixtures("connect")

KEY = "wiro/{wiro_task_id}/{index}-{name}"
FIRST = "wiro/2221/0-0.png"


def operator(store: Store, key: str = KEY, **arguments: Any) -> WiroToObjectStorageOperator:
    return WiroToObjectStorageOperator(task_id="land", wiro_task_id="2221", path=store.uri(key), **arguments)


def transfer(store: Store, key: str = KEY, **arguments: Any) -> dict[str, Any]:
    landed = operator(store, key, **arguments).execute({"ti": TaskInstance()})  # type: ignore[typeddict-item]
    return json.loads(json.dumps(landed))  # type: ignore[no-any-return]  # it becomes an XCom


@pytest.fixture
def store(object_store: Store) -> Store:
    return object_store


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


# -- what lands


@pytest.mark.parametrize("body", [PNG, BIG, BIG[: 16 * MIB]], ids=["small", "in parts", "in whole parts"])
@pytest.mark.parametrize("serves_ranges", [True, False])
def test_an_output_lands_whole_with_its_type_and_where_it_comes_from(
    wiro: Wiro, store: Store, body: bytes, serves_ranges: bool
) -> None:
    serve = ranged(body, content_type="image/png") if serves_ranges else respond(body)
    wiro.shows(wiro.file(body, serve))
    [file] = transfer(store)["files"]
    seen = store.get(FIRST)
    assert seen.body == body
    assert seen.content_type == file["content_type"] == "image/png"
    assert seen.metadata["sha256"] == file["sha256"] == sha256(body)
    assert seen.metadata[store.name("wiro-task-id")] == "2221"
    assert seen.metadata[store.name("wiro-output")] == "0"
    assert seen.metadata[store.name("wiro-model")] == "retroAIx/Retro-Cartoons"
    assert file["etag"]
    assert file["skipped"] is False


def test_an_llms_answer_and_an_empty_file_land_as_what_they_are(wiro: Wiro, store: Store) -> None:
    wiro.shows(LLM, wiro.file(b"", size="0", name="empty.bin", contenttype="application/x-empty"))
    landed = transfer(store, "{index}-{name}")
    assert store.keys == ["0-answer.json", "0-answer.txt", "1-empty.bin"]
    assert json.loads(store.get("0-answer.json").body) == LLM["content"]
    assert store.get("0-answer.txt").content_type == "text/plain; charset=utf-8"
    assert store.get("1-empty.bin").body == b""
    assert [store.get(key).metadata["sha256"] for key in store.keys] == [
        file["sha256"] for file in landed["files"]
    ]


def test_a_type_that_the_first_bytes_contradict_is_stored_as_they_are(wiro: Wiro, store: Store) -> None:
    jpeg = b"\xff\xd8\xff\xe0" + b"pixels" * 100
    wiro.shows(wiro.file(jpeg))
    [file] = transfer(store)["files"]
    assert file["content_type"] == store.get(FIRST).content_type == "image/jpeg"


def test_the_users_metadata_is_kept_beside_the_transfers(wiro: Wiro, store: Store) -> None:
    wiro.shows(wiro.file(PNG))
    transfer(store, metadata={"team": "art", "cost-center": "7"})
    seen = store.get(FIRST).metadata
    assert (seen["team"], seen[store.name("cost-center")], seen[store.name("wiro-task-id")]) == (
        "art",
        "7",
        "2221",
    )


@pytest.mark.parametrize("key", ["a b/{index}.png", "ü-ş/{index}&x=y+z.png", "100%/{index}.png"])
def test_a_key_may_have_any_characters(wiro: Wiro, store: Store, key: str) -> None:
    wiro.shows(wiro.file(PNG), wiro.file(BIG, ranged(BIG)))
    transfer(store, key)
    assert store.keys == [key.format(index=0), key.format(index=1)]
    assert store.get(key.format(index=1)).body == BIG


def test_the_log_has_a_line_for_each_output_and_none_for_each_request(
    wiro: Wiro, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    wiro.shows(wiro.file(BIG, ranged(BIG)))
    transfer(store, part_size=MIB)
    of_clients = [record for record in caplog.records if record.name.startswith(("azure", "gcsfs"))]
    assert [record.getMessage() for record in of_clients] == []


def test_an_emulators_objects_have_no_page_at_google(wiro: Wiro, store: Store) -> None:
    wiro.shows(wiro.file(PNG))
    ti = TaskInstance()
    operator(store).execute({"ti": ti})  # type: ignore[typeddict-item]
    assert [text for text in map(str, ti.xcoms.values()) if "console" in text] == []


# -- in parts, at once


def test_parts_of_one_output_are_fetched_at_once(wiro: Wiro, store: Store) -> None:
    three = threading.Barrier(3, timeout=20)

    big = BIG[: 16 * MIB]
    wiro.shows(wiro.file(big, together_of(big, three)))
    [file] = transfer(store, part_size=4 * MIB, max_concurrency=3)["files"]
    assert file["sha256"] == sha256(store.get(FIRST).body) == sha256(big)


def together_of(body: bytes, barrier: threading.Barrier) -> Script:
    """Serve ranges, those after the first only when as many are asked for as the barrier has parties."""

    def script(wire: Any) -> None:
        wanted = requested_range(wire, len(body))
        if wanted and wanted[0]:
            barrier.wait()
        ranged(body)(wire)

    return script


def test_memory_is_bounded_by_threads_times_part_size(
    wiro: Wiro, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[int, int] = {}
    real = WorkerPool.buffer

    def buffer(self: WorkerPool[Any, Any], size: int) -> bytearray:
        found = real(self, size)
        kept[threading.get_ident()] = max(len(found), kept.get(threading.get_ident(), 0))
        return found

    monkeypatch.setattr(WorkerPool, "buffer", buffer)
    wiro.shows(*(wiro.file(BIG, ranged(BIG)) for _ in range(3)))
    transfer(store, max_concurrency=2, part_size=2 * MIB)
    assert len(kept) <= 2
    assert sum(kept.values()) <= 4 * MIB


# -- what is there already


def test_a_second_run_recognises_its_own_objects_without_reading_anything(
    wiro: Wiro, store: Store, cdn: HostileServer
) -> None:
    wiro.shows(wiro.file(PNG), wiro.file(BIG, ranged(BIG)), LLM)
    first = transfer(store, manifest=True)
    fetched = len(cdn.requests)
    second = transfer(store, manifest=True)
    assert [{**file, "skipped": False} for file in second["files"]] == first["files"]
    assert all(file["skipped"] for file in second["files"])
    assert len(cdn.requests) == fetched


@pytest.mark.parametrize("there", [b"another", PNG[:-1] + b"!"])
def test_another_object_is_in_the_way_and_stays_unless_replaced(
    wiro: Wiro, store: Store, there: bytes
) -> None:
    store.put(FIRST, there)
    wiro.shows(wiro.file(PNG))
    with pytest.raises(AirflowFailException, match=r"is not output 0 .* replace=True"):
        transfer(store)
    assert store.get(FIRST).body == there
    assert transfer(store, replace=True)["files"][0]["skipped"] is False
    assert store.get(FIRST).body == PNG


def test_metadata_of_another_output_does_not_make_an_object_this_one(wiro: Wiro, store: Store) -> None:
    """Copied with its metadata by somebody, or of another API's task with the same id."""
    wiro.shows(wiro.file(PNG))
    transfer(store)
    copied = {name.replace("_", "-"): value for name, value in store.get(FIRST).metadata.items()}
    for change in ({"wiro-task-id": "2222"}, {"wiro-output": "1"}, {"wiro-api": "elsewhere"}):
        store.put(FIRST, PNG[:-1] + b"!", {**copied, **change})
        with pytest.raises(AirflowFailException, match="is not output 0"):
            transfer(store)


@pytest.mark.parametrize("body", [PNG, pytest.param(BIG, id="in parts")])
def test_an_object_that_appears_while_the_output_is_fetched_is_not_overwritten(
    wiro: Wiro, store: Store, body: bytes
) -> None:
    if not store.heeds_conditions and body is BIG:
        pytest.skip(
            "fake-gcs-server ignores the condition of a resumable upload; see the test of its request"
        )

    def meanwhile(wire: Any) -> None:
        if FIRST not in store.keys:
            store.put(FIRST, b"another task's")
        ranged(body)(wire)

    wiro.shows(wiro.file(body, meanwhile))
    with pytest.raises(AirflowFailException, match="is there already and is not output 0"):
        transfer(store)
    assert store.get(FIRST).body == b"another task's"


def test_two_runs_at_once_land_one_object_and_both_succeed(wiro: Wiro, store: Store) -> None:
    two = threading.Barrier(2, timeout=20)

    def together(wire: Any) -> None:
        two.wait()
        respond(PNG)(wire)

    wiro.shows(wiro.file(PNG, together))
    results: list[Any] = []

    def run(run_id: str) -> None:
        instance: Any = TaskInstance()
        instance.run_id = run_id
        try:
            landed = operator(store, manifest=True).execute({"ti": instance})
            results.append(landed["files"][0])
        except BaseException as error:
            results.append(error)

    threads = [threading.Thread(target=run, args=(run_id,)) for run_id in ("one", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [one for one in results if isinstance(one, BaseException)] == []
    assert sorted(file["skipped"] for file in results) == [False, True]
    assert {file["sha256"] for file in results} == {sha256(PNG)}
    assert store.get(FIRST).body == PNG


@pytest.mark.parametrize(("replace", "condition"), [(False, "ifGenerationMatch=0"), (True, None)])
def test_google_is_asked_to_create_a_large_object_only_if_there_is_none(
    wiro: Wiro, google: GoogleStore, replace: bool, condition: str | None
) -> None:
    """The session's first request holds for the whole upload, and its server ignores it: so the request."""
    if google.heeds_conditions:
        pytest.skip("a server without a log; its conditions are tested themselves")
    wiro.shows(wiro.file(BIG, ranged(BIG)))
    transfer(google, replace=replace)
    [begun] = [line for line in google.requests if "uploadType=resumable" in line and "POST" in line]
    assert ("ifGenerationMatch=0" in begun) is (condition is not None)


# -- what fails leaves nothing

FOR_GOOD: dict[str, Script] = {
    "a shorter file": respond(BIG[:-1]),
    "a web page": respond(b"<html>", content_type="text/html"),
    "a web page by its bytes": respond((b"<!doctype html><p>" + BIG)[: len(BIG)], content_type="image/png"),
}
FOR_NOW: dict[str, Script] = {
    "cut at its beginning": truncated(BIG[:10], missing=len(BIG) - 10),
    "cut after a part": truncated(BIG[: 9 * MIB], missing=len(BIG) - 9 * MIB),
    "an expired link": respond(b"", 403),
}


@pytest.mark.parametrize("fault", [*FOR_GOOD, *FOR_NOW])
def test_an_output_that_fails_leaves_nothing_behind(wiro: Wiro, store: Store, fault: str) -> None:
    wiro.shows(wiro.file(PNG), wiro.file(BIG, {**FOR_GOOD, **FOR_NOW}[fault]))
    with pytest.raises(AirflowFailException if fault in FOR_GOOD else WiroOutputUnavailableError):
        transfer(store)
    assert store.keys == [FIRST]  # the one that landed before it


def test_what_was_there_survives_a_replacement_that_fails(wiro: Wiro, store: Store) -> None:
    store.put(FIRST, b"the old one")
    wiro.shows(wiro.file(BIG, FOR_NOW["cut after a part"]))
    with pytest.raises(WiroOutputUnavailableError):
        transfer(store, replace=True)
    assert store.get(FIRST).body == b"the old one"


def test_on_kill_ends_a_stalled_transfer_at_once_and_leaves_nothing(wiro: Wiro, store: Store) -> None:
    stalled = threading.Event()

    def stall(wire: Any) -> None:
        wire.send(head(200, content_length=len(BIG)) + BIG[: 9 * MIB])
        stalled.set()
        never_respond(wire)

    wiro.shows(wiro.file(BIG, stall))
    task = operator(store)
    caught: list[BaseException] = []

    def work() -> None:
        try:
            task.execute({"ti": TaskInstance()})  # type: ignore[typeddict-item]
        except BaseException as error:
            caught.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    assert stalled.wait(10)
    task.on_kill()
    worker.join(4)  # Airflow kills after 5 s
    assert not worker.is_alive()
    assert isinstance(caught[0], AirflowException)
    assert "was stopped" in str(caught[0])
    assert store.keys == []


def test_an_upload_that_is_given_up_is_ended_at_google(wiro: Wiro, google: GoogleStore) -> None:
    if google.heeds_conditions:
        pytest.skip("a server without a log; its conditions are tested themselves")
    wiro.shows(wiro.file(BIG, FOR_NOW["cut after a part"]))
    with pytest.raises(WiroOutputUnavailableError):
        transfer(google)
    begun = [line for line in google.requests if "uploadType=resumable" in line and "POST" in line]
    given_up = [line for line in google.requests if "DELETE" in line and "upload_id=" in line]
    assert len(given_up) == len(begun) > 0


def test_a_put_whose_response_was_lost_is_known_to_be_ones_own(
    wiro: Wiro, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client sends it again, and the store refuses that for the object that the first one made."""
    kind: Any = {"google": GoogleObject, "azure": AzureBlob}[store.kind]
    real, puts = kind.call, []

    def twice(self: Any, method: str, *args: Any, **arguments: Any) -> Any:
        found = real(self, method, *args, **arguments)
        if method == "upload_blob" or arguments.get("uploadType") == "multipart":
            puts.append(method)
            body = arguments.get("data") or args[0]
            body.seek(0)
            return real(self, method, *args, **arguments)
        return found

    monkeypatch.setattr(kind, "call", twice)
    wiro.shows(wiro.file(PNG))
    [file] = transfer(store)["files"]
    assert len(puts) == 1
    assert file["skipped"] is False
    assert file["sha256"] == sha256(store.get(FIRST).body)


def test_an_object_of_which_the_store_shows_other_bytes_is_deleted(
    wiro: Wiro, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind: Any = {"google": GoogleObject, "azure": AzureBlob}[store.kind]
    if store.kind == "google":
        real = kind._facts
        monkeypatch.setattr(kind, "_facts", staticmethod(lambda found: replace(real(found), md5="0" * 32)))
    else:
        monkeypatch.setattr(
            kind, "facts", lambda self, real=kind.facts: (found := real(self)) and replace(found, size=1)
        )
    wiro.shows(wiro.file(PNG))
    with pytest.raises(WiroOutputUnavailableError, match="Nothing was kept"):
        transfer(store)
    assert store.keys == []


# -- the manifest


def test_a_manifest_says_where_the_objects_come_from(wiro: Wiro, store: Store) -> None:
    wiro.shows(wiro.file(PNG), parameters={"prompt": "p", "apiKey": "user-secret-1234"})
    landed = transfer(store, manifest=True)
    seen = store.get("wiro/2221/manifest.json")
    manifest = json.loads(seen.body)
    assert manifest["parameters"] == {"prompt": "p", "apiKey": "***"}
    assert manifest["outputs"][0]["uri"] == landed["files"][0]["uri"]
    assert manifest["outputs"][0]["etag"] == landed["files"][0]["etag"]
    assert seen.content_type == "application/json"
    assert seen.metadata[store.name("wiro-output")] == "manifest"


def test_something_else_in_the_manifests_place_is_not_overwritten(wiro: Wiro, store: Store) -> None:
    wiro.shows(wiro.file(PNG))
    store.put("wiro/2221/manifest.json", b"mine")
    with pytest.raises(AirflowFailException, match="is not the manifest of Wiro task 2221"):
        transfer(store, manifest=True)
    assert store.get("wiro/2221/manifest.json").body == b"mine"


# -- a place that isn't there


def test_a_bucket_that_is_not_there_is_one_permanent_error(wiro: Wiro, store: Store) -> None:
    wiro.shows(wiro.file(PNG))
    store.bucket = "no-such-bucket"
    with pytest.raises(AirflowFailException, match="Correct path, or create") as caught:
        transfer(store)
    assert len(str(caught.value)) < 300
