"""A finished task's outputs are in the bucket whole and verified, or not at all."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_wiro.exceptions import (
    WiroError,
    WiroOutputUnavailableError,
)
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator
from tests.contract.hostile import wait_until
from tests.contract.scripts import (
    chunked,
    delayed,
    endless,
    gzipped,
    head,
    never_respond,
    raw,
    redirect,
    refuse,
    reset,
    respond,
    success,
    truncated,
)
from tests.transfers.fake_wiro import BIG, DETAIL, LLM, MIB, PNG, TaskInstance, transfer
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from tests.contract.fixtures import Connect
    from tests.contract.hostile import HostileServer, Script
    from tests.transfers.fake_wiro import Wiro
    from tests.transfers.s3 import S3

pytestmark = pytest.mark.usefixtures("connect")


# -- success


@pytest.mark.parametrize(
    "wiro_task_id", ["2221", 2221, {"wiro_task_id": "2221", "model": "retroAIx/Retro-Cartoons"}]
)
def test_an_image_lands_whole_and_is_reported(wiro: Wiro, s3: S3, wiro_task_id: Any) -> None:
    wiro.shows(wiro.file(PNG))
    landed = transfer(wiro_task_id)
    key = "wiro/2221/0-0.png"
    assert landed == {
        "wiro_task_id": "2221",
        "files": [
            {
                "uri": f"s3://{BUCKET}/{key}",
                "name": "0.png",
                "size": len(PNG),
                "sha256": hashlib.sha256(PNG).hexdigest(),
                "content_type": "image/png",
                "etag": hashlib.md5(PNG, usedforsecurity=False).hexdigest(),
                "skipped": False,
            }
        ],
        "total_bytes": len(PNG),
        "cost_usd": "0.00351",
    }
    assert s3.get(key) == PNG
    stored = s3.head(key)
    assert stored["ContentType"] == "image/png"
    assert stored["Metadata"]["sha256"] == hashlib.sha256(PNG).hexdigest()
    assert stored["Metadata"]["wiro-task-id"] == "2221"


def test_an_llms_answer_lands_as_json_and_text(wiro: Wiro, s3: S3) -> None:
    wiro.shows(LLM)
    structured, plain = transfer()["files"]
    assert s3.keys == ["wiro/2221/0-answer.json", "wiro/2221/0-answer.txt"]
    assert json.loads(s3.get(s3.keys[0])) == LLM["content"]
    assert s3.get(s3.keys[1]).decode() == "Merhaba 🌍\n\nve hoşça kal\n"
    assert structured["content_type"] == "application/json"
    assert plain["content_type"] == "text/plain; charset=utf-8"
    assert plain["sha256"] == hashlib.sha256(s3.get(s3.keys[1])).hexdigest()


def test_all_outputs_land_and_their_bytes_add_up(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG), wiro.file(PNG + b"2"), LLM, wiro.file(b"", size="0", name="empty.bin"))
    landed = transfer()
    assert len(landed["files"]) == len(s3.keys) == 5
    assert landed["total_bytes"] == sum(file["size"] for file in landed["files"])


def test_no_outputs_land_nothing(wiro: Wiro, s3: S3) -> None:
    wiro.shows()
    assert transfer()["files"] == []


@pytest.mark.parametrize(
    ("size", "parts"),
    [(8 * MIB - 1, None), (8 * MIB, 1), (8 * MIB + 1, 2), (16 * MIB, 2), (len(BIG), 3)],
)
def test_a_large_file_lands_in_parts(wiro: Wiro, s3: S3, size: int, parts: int | None) -> None:
    body = BIG[:size]
    wiro.shows(wiro.file(body))
    (file,) = transfer()["files"]
    assert file["sha256"] == hashlib.sha256(body).hexdigest()
    assert s3.get("wiro/2221/0-0.png") == body
    assert file["etag"].partition("-")[2] == ("" if parts is None else str(parts))
    assert s3.open_uploads == []


def test_a_file_of_unknown_size_lands(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(BIG, chunked(BIG, content_type="video/mp4"), size=None))
    assert transfer()["files"][0]["size"] == len(BIG)


@pytest.mark.parametrize(
    ("announced", "name", "content_type"),
    [
        ("video/mp4", "a.bin", "video/mp4"),
        ("", "a.webp", "image/webp"),
        ("image/png\r\nX-Evil: 1", "a.png", "image/png"),
        ("imäge/png", "a.png", "image/png"),
        ("x" * 5000 + "/y", "a", "application/octet-stream"),
        ("nonsense", "a", "application/octet-stream"),
    ],
)
def test_only_a_well_formed_content_type_becomes_a_header(
    wiro: Wiro, s3: S3, announced: str, name: str, content_type: str
) -> None:
    wiro.shows(wiro.file(b"of no known type", contenttype=announced, name=name))
    assert transfer()["files"][0]["content_type"] == content_type
    assert s3.head(s3.keys[0])["ContentType"] == content_type


# -- faults of the CDN

FOR_GOOD: dict[str, Script] = {
    "a shorter file": respond(BIG[:-1]),
    "a longer file": respond(BIG + b"!"),
    "a longer file in chunks": chunked(BIG + b"!"),
    "a file that never ends": endless(head(200), b"x"),
    "a web page": respond(b"<html>", content_type="text/html"),
    "gzip": gzipped(BIG),
    "a redirect to a file": redirect("file:///etc/passwd"),
}
FOR_NOW: dict[str, Script] = {
    "truncated": truncated(BIG[:-10]),
    "cut in the second part": truncated(BIG[: 12 * MIB], missing=len(BIG) - 12 * MIB),
    "cut at the end of a part": truncated(BIG[: 16 * MIB], missing=len(BIG) - 16 * MIB),
    "the last chunk missing": chunked(BIG[: 12 * MIB], is_complete=False),
    "reset": reset,
    "an expired link": respond(b"", 403),
    "a server error": respond(b"", 500),
}


@pytest.mark.parametrize("fault", [*FOR_GOOD, *FOR_NOW])
def test_a_file_that_fails_leaves_nothing_behind(wiro: Wiro, s3: S3, fault: str) -> None:
    script = {**FOR_GOOD, **FOR_NOW}[fault]
    wiro.shows(wiro.file(BIG, script))
    with pytest.raises(AirflowFailException if fault in FOR_GOOD else WiroOutputUnavailableError):
        transfer()
    assert s3.keys == []
    assert s3.open_uploads == []


def test_files_that_landed_before_the_fault_are_skipped_next_time(
    wiro: Wiro, s3: S3, cdn: HostileServer
) -> None:
    good, bad = wiro.file(PNG), wiro.file(BIG, raw(b""))
    wiro.shows(good, bad)
    with pytest.raises(WiroOutputUnavailableError):
        transfer()
    assert s3.keys == ["wiro/2221/0-0.png"]
    cdn.requests.clear()
    wiro.shows(good, wiro.file(BIG))
    assert [file["skipped"] for file in transfer()["files"]] == [True, False]
    assert len(cdn.requests) == 1


def test_a_size_no_object_can_have_is_refused_unread(wiro: Wiro, s3: S3) -> None:
    size = str(10**17)
    wiro.shows(wiro.file(PNG, endless(head(200, content_length=size), b"x"), size=size))
    with pytest.raises(AirflowFailException, match="S3 takes"):
        transfer()
    assert s3.keys == s3.open_uploads == []


def test_an_abort_that_fails_does_not_hide_why(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from botocore.client import BaseClient

    real = BaseClient._make_api_call

    def failing(self: Any, operation: str, arguments: Any) -> Any:
        if operation == "AbortMultipartUpload":
            raise RuntimeError("S3 is away")
        return real(self, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", failing)
    wiro.shows(wiro.file(BIG, chunked(BIG + b"!")))
    with pytest.raises(AirflowFailException, match="more came"):
        transfer()
    assert "Could not abort the upload" in caplog.text


@pytest.mark.parametrize("operation", ["UploadPart", "CompleteMultipartUpload"])
def test_a_fault_of_s3_aborts_the_upload(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    from botocore.client import BaseClient

    real = BaseClient._make_api_call

    def failing(self: Any, name: str, arguments: Any) -> Any:
        if name == operation:
            raise KeyboardInterrupt  # not even an Exception
        return real(self, name, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", failing)
    wiro.shows(wiro.file(BIG))
    with pytest.raises(KeyboardInterrupt):
        transfer()
    monkeypatch.undo()
    assert s3.keys == s3.open_uploads == []


def test_an_output_inside_the_network_is_refused_when_wiro_is_outside(
    wiro: Wiro, s3: S3, server: HostileServer, cdn: HostileServer, connect: Connect
) -> None:
    connect(host="http://wiro.test/v1", proxy=server.origin)  # the API seems public; its proxy is ours
    output = wiro.file(PNG)
    task = {"id": "2221", "status": "task_postprocess_end", "outputs": [output]}
    server.on("http://wiro.test/v1/Task/Detail", success(tasklist=[task]))
    with pytest.raises(AirflowFailException, match="not a public address"):
        transfer()
    assert cdn.connections == 0
    assert s3.keys == []


# -- arguments of the upload


@pytest.mark.parametrize("body", [PNG, BIG])
def test_encryption_acl_and_extra_arguments_reach_s3(wiro: Wiro, s3: S3, body: bytes) -> None:
    wiro.shows(wiro.file(body))
    extra = {
        "CacheControl": "max-age=60",
        "Metadata": {"team": "art"},
        "StorageClass": "STANDARD_IA",
        "ChecksumAlgorithm": "SHA256",
        "Tagging": "a=b",
    }
    transfer(encrypt=True, acl_policy="public-read", extra_args=extra)
    stored = s3.head("wiro/2221/0-0.png")
    assert (stored["ServerSideEncryption"], stored["CacheControl"]) == ("AES256", "max-age=60")
    assert (stored["StorageClass"], stored["Metadata"]["team"]) == ("STANDARD_IA", "art")
    assert stored["Metadata"]["wiro-task-id"] == "2221"
    grants = s3.client.get_object_acl(Bucket=BUCKET, Key="wiro/2221/0-0.png")["Grants"]
    assert "READ" in {grant["Permission"] for grant in grants}


def test_a_content_type_of_the_user_is_the_one_that_is_reported(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG))
    (file,) = transfer(extra_args={"ContentType": "image/x-mine"})["files"]
    assert file["content_type"] == s3.head("wiro/2221/0-0.png")["ContentType"] == "image/x-mine"


# -- the task's end


@pytest.mark.parametrize(
    "status", ["task_queue", "task_start", "task_end", "task_error", "task_of_the_future", ""]
)
def test_a_task_that_has_not_ended_is_refused(wiro: Wiro, s3: S3, status: str) -> None:
    wiro.shows(status=status)
    with pytest.raises(AirflowFailException, match="WiroTaskSensor"):
        transfer()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"pexit": "1", "debugerror": "CUDA out of memory"}, "2221 failed .*CUDA out of memory"),
        ({"pexit": ""}, "2221 failed"),
        ({"status": "task_cancel"}, "2221 was cancelled"),
    ],
)
def test_a_task_that_failed_fails_for_good_since_no_retry_here_runs_it_again(
    wiro: Wiro, s3: S3, fields: dict[str, Any], reason: str
) -> None:
    wiro.shows(**fields)
    with pytest.raises(AirflowFailException, match=reason):
        transfer()


@pytest.mark.usefixtures("no_repeats")
@pytest.mark.parametrize(
    "script", [reset, respond(b"<html>", 502), refuse(0, "slow down", 429, retry_after=0)]
)
def test_when_wiro_is_away_a_retry_may_help(server: HostileServer, s3: S3, script: Script) -> None:
    server.on(DETAIL, script)
    with pytest.raises(WiroError):
        transfer()


def test_wrong_credentials_fail_for_good(server: HostileServer, s3: S3) -> None:
    server.on(DETAIL, refuse(0, "Project authorization is not valid.", 401))
    with pytest.raises(AirflowFailException, match="Check the Wiro connection"):
        transfer()


# -- being stopped


@pytest.mark.parametrize("sent_bytes", [0, 9 * MIB])
def test_on_kill_ends_even_a_transfer_that_has_stalled(
    wiro: Wiro, s3: S3, cdn: HostileServer, sent_bytes: int
) -> None:
    stalled = threading.Event()

    def stall(wire: Any) -> None:
        wire.send(head(200, content_length=len(BIG)) + BIG[:sent_bytes])
        stalled.set()
        never_respond(wire)

    wiro.shows(wiro.file(BIG, stall))
    operator = WiroToS3Operator(task_id="land", wiro_task_id="2221", s3_bucket=BUCKET)
    caught: list[BaseException] = []

    def work() -> None:
        try:
            operator.execute({"ti": TaskInstance()})  # type: ignore[typeddict-item]
        except BaseException as error:
            caught.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    assert stalled.wait(10)
    assert wait_until(lambda: bool(s3.open_uploads) == bool(sent_bytes))
    time.sleep(0.1)
    began = time.monotonic()
    operator.on_kill()
    worker.join(10)
    assert time.monotonic() - began < 2  # Airflow kills after 5 s
    assert isinstance(caught[0], AirflowException)
    assert "was stopped" in str(caught[0])
    assert s3.keys == s3.open_uploads == []


def test_after_on_kill_nothing_more_is_started(wiro: Wiro, s3: S3, cdn: HostileServer) -> None:
    operator = WiroToS3Operator(task_id="land", wiro_task_id="2221", s3_bucket=BUCKET, max_concurrency=1)

    def kill_first(wire: Any) -> None:
        operator.on_kill()
        delayed(0.01, respond(PNG))(wire)

    wiro.shows(wiro.file(PNG, kill_first), wiro.file(PNG))
    with pytest.raises(AirflowException, match="was stopped"):
        operator.execute({"ti": TaskInstance()})  # type: ignore[typeddict-item]
    assert s3.keys == []
    assert len(cdn.requests) == 1
