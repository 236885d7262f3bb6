"""A run with the inputs of one that has landed sends nothing, and its outputs are where they are wanted."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.operators.fakes import GPT, SMALL
from tests.transfers.s3 import BUCKET
from tests.transfers.s3_calls import land

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.operators.fakes import Work
    from tests.transfers.s3 import S3
    from tests.transfers.s3_calls import Calls

TWO = {**SMALL, "samples": 2}
EDIT = "wiro/image-edit-general"


def made(work: Work, **settings: Any) -> dict[str, Any]:
    """Run the model and land what it made, as yesterday's DAG run did."""
    summary: dict[str, Any] = work.run(**settings)
    land(summary)
    work.clear()
    return summary


def cards(s3: S3) -> list[str]:
    return [key for key in s3.keys if key.startswith("cards/")]


def card(s3: S3) -> dict[str, Any]:
    [key] = cards(s3)
    found: dict[str, Any] = json.loads(s3.get(key))
    return found


def test_the_same_run_sends_nothing_and_costs_nothing(work: Work, s3: S3, wiro: WiroEmulator) -> None:
    first = made(work, parameters=TWO)
    again = work.run(parameters=TWO)
    assert work.started == 1
    assert again["reused"] is True
    assert again["wiro_task_id"] == first["wiro_task_id"]
    assert again["cost_usd"] == "0"
    assert (again["status"], again["state"]) == (first["status"], "succeeded")
    assert [one["name"] for one in again["outputs"]] == ["0.png", "1.png"]
    assert [one["size"] for one in again["outputs"]] == [one["size"] for one in first["outputs"]]
    assert [one["url"] for one in again["outputs"]] == [None, None]
    assert [one["uri"] for one in again["outputs"]] == [
        f"s3://{BUCKET}/wiro/2221/0-0.png",
        f"s3://{BUCKET}/wiro/2221/1-1.png",
    ]
    assert again["reuse"]["cost_usd"] == card(s3)["cost_usd"]
    assert "reuse" not in (work.store.record or {})
    json.dumps(again)


def test_nothing_is_asked_of_wiro_for_a_reused_run_and_no_record_is_written(
    work: Work, s3: S3, wiro: WiroEmulator
) -> None:
    made(work)
    writes = len(work.store.writes)
    requests = wiro.counts.requests
    assert work.run()["reused"] is True
    assert len(work.store.writes) == writes
    assert work.ti.xcoms.get("wiro_task_id") is None
    asked = wiro.counts.requests - requests
    del asked["Tool/Detail"]
    assert not +asked


@pytest.mark.parametrize(
    "other",
    [
        {"parameters": {**SMALL, "prompt": "a robot on mars"}},
        {"parameters": {**SMALL, "seed": "1"}},
        {"reuse_results": "s3://aws_default@outputs/others"},
        {"reuse_results": None},
        {"min_outputs": 2, "parameters": SMALL, "timeout": 5},
    ],
    ids=["prompt", "seed", "another folder", "no reuse", "too few outputs"],
)
def test_another_run_is_sent(work: Work, s3: S3, other: dict[str, Any]) -> None:
    made(work)
    from contextlib import suppress

    with suppress(Exception):  # the last one's own run has too few outputs again
        assert not work.run(**other).get("reused")
    assert work.started == 2


def test_a_run_whose_outputs_nobody_landed_is_sent_again(work: Work, s3: S3) -> None:
    work.run()
    work.clear()
    assert "reused" not in work.run() or not work.run()["reused"]
    assert cards(s3) == []
    assert work.started == 2


def test_project_callback_and_label_do_not_matter(work: Work, s3: S3) -> None:
    made(work, callback_url="https://shop.test/done")
    again = work.run(label="SKU-1")
    assert (again["reused"], again["label"]) == (True, "SKU-1")


def test_age_counts(work: Work, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    made(work)
    assert work.run(reuse_max_age=3600)["reused"] is True
    body = card(s3)
    body["made_at"] = "2026-01-01T00:00:00+00:00"
    s3.put(cards(s3)[0], json.dumps(body).encode())
    assert not work.run(reuse_max_age=3600).get("reused")
    assert work.started == 2


def test_a_card_holds_no_parameters_no_links_and_no_tokens(work: Work, s3: S3, wiro: WiroEmulator) -> None:
    summary = made(work)
    text = json.dumps(card(s3))
    assert "robot" not in text
    assert "http" not in text
    assert str(wiro.tasks[0].token) not in text
    assert summary["outputs"][0]["url"] not in text
    assert card(s3)["landed"][0] | {"name": "", "content_type": ""} == {
        "output": 0,
        "part": "",
        "name": "",
        "content_type": "",
        "uri": f"s3://{BUCKET}/wiro/2221/0-0.png",
        "size": summary["outputs"][0]["size"],
        "sha256": hashlib.sha256(s3.get("wiro/2221/0-0.png")).hexdigest(),
        "etag": s3.head("wiro/2221/0-0.png")["ETag"].strip('"'),
    }


@pytest.mark.parametrize("change", ["gone", "other bytes", "other size"])
def test_a_changed_object_is_a_miss_and_a_warning(work: Work, s3: S3, change: str) -> None:
    made(work)
    key = "wiro/2221/0-0.png"
    size = len(s3.get(key))
    if change == "gone":
        s3.client.delete_object(Bucket=BUCKET, Key=key)
    else:
        s3.put(key, b"x" * (size if change == "other bytes" else 3))
    assert not work.run().get("reused")
    assert work.started == 2
    assert f"s3://{BUCKET}/{key}" in work.log


def test_an_object_that_was_put_again_with_the_same_bytes_is_unchanged(work: Work, s3: S3) -> None:
    made(work)
    key = "wiro/2221/0-0.png"
    there = s3.head(key)
    s3.client.put_object(Bucket=BUCKET, Key=key, Body=s3.get(key), Metadata=there["Metadata"])
    assert work.run()["reused"] is True


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"\x00" * 100, b"[" * 10_000, b"x" * (2 * 1024 * 1024)],
    ids=["empty", "object", "bytes", "deep", "huge"],
)
def test_a_damaged_card_is_a_miss_and_a_warning_and_is_replaced(work: Work, s3: S3, body: bytes) -> None:
    made(work)
    [key] = cards(s3)
    s3.put(key, body)
    summary = work.run()
    assert not summary.get("reused")
    assert "no usable result card" in work.log
    land(summary)
    work.clear()
    assert work.run()["reused"] is True


def test_a_card_of_other_inputs_is_a_miss(work: Work, s3: S3) -> None:
    made(work)
    body = s3.get(cards(s3)[0])
    made(work, parameters=TWO)
    for key in cards(s3):
        s3.put(key, body)
    assert not work.run(parameters=TWO).get("reused")


@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/passwd",
        "s3://other_account@outputs/wiro/2221/0-0.png",
        "gs://google_cloud_default@outputs/x.png",
        "/etc/passwd",
        "s3://outputs/../x",
    ],
)
def test_a_card_leads_to_no_other_store(work: Work, s3: S3, uri: str) -> None:
    made(work)
    body = card(s3)
    body["landed"][0]["uri"] = uri
    s3.put(cards(s3)[0], json.dumps(body).encode())
    assert not work.run().get("reused")
    assert work.started == 2


def test_a_store_that_cannot_be_read_costs_a_warning_and_not_the_run(
    work: Work, s3: S3, calls: Calls
) -> None:
    from botocore.exceptions import ClientError, ReadTimeoutError

    made(work)

    def deny(operation: str, arguments: dict[str, Any]) -> None:
        if operation == "GetObject" and arguments["Key"].startswith("cards/"):
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)

    calls.before = deny
    assert not work.run().get("reused")
    assert "AccessDenied" in work.log

    def hang(operation: str, arguments: dict[str, Any]) -> None:
        if operation == "HeadObject":
            raise ReadTimeoutError(endpoint_url="http://s3")

    calls.before = hang
    work.clear()
    assert not work.run().get("reused")
    assert work.started == 3


def test_a_store_that_cannot_be_written_costs_a_warning_and_not_the_transfer(
    work: Work, s3: S3, calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    from botocore.exceptions import ClientError

    summary = work.run()

    def deny(operation: str, arguments: dict[str, Any]) -> None:
        if operation == "PutObject" and arguments["Key"].startswith("cards/"):
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)

    calls.before = deny
    assert len(land(summary)["files"]) == 1
    assert "Can't keep a result card" in capsys.readouterr().out


def test_a_deferred_run_has_its_card_too(work: Work, s3: S3) -> None:
    made(work, deferrable=True)
    assert work.run(deferrable=True)["reused"] is True
    assert work.started == 1


def test_a_run_that_a_retry_picks_up_has_its_card_too(work: Work, s3: S3) -> None:
    def die(**_: Any) -> None:
        raise SystemExit("SIGKILL")

    work.ti.xcom_push = die  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        work.run()
    del work.ti.xcom_push
    work.retry()
    land(work.run())
    work.clear()
    assert work.run()["reused"] is True
    assert work.started == 1


def test_a_live_run_of_an_earlier_try_is_followed_and_no_card_is_looked_for(
    work: Work, s3: S3, calls: Calls
) -> None:
    made(work)

    def die(**_: Any) -> None:
        raise SystemExit("SIGKILL")

    work.ti.xcom_push = die  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        work.run(reuse_results=None)
    del work.ti.xcom_push
    work.retry()
    calls.clear()
    assert work.run()["wiro_task_id"] == "2222"
    assert calls.of("GetObject") == []


# Transfers of reused results.


def test_the_same_key_is_skipped(work: Work, s3: S3, wiro: WiroEmulator, calls: Calls) -> None:
    made(work, parameters=TWO)
    again = work.run(parameters=TWO)
    calls.clear()
    landed = land(again)
    assert [file["skipped"] for file in landed["files"]] == [True, True]
    assert landed["cost_usd"] == "0"
    assert {operation for operation, _ in calls.made} == {"HeadObject"}
    before = {key: s3.head(key)["LastModified"] for key in s3.keys}
    assert all(file["skipped"] for file in land(again, replace=True)["files"])
    assert before == {key: s3.head(key)["LastModified"] for key in s3.keys}


def test_another_key_is_copied_inside_s3_with_the_same_metadata(work: Work, s3: S3, calls: Calls) -> None:
    made(work, parameters=TWO)
    again = work.run(parameters=TWO)
    calls.clear()
    landed = land(again, s3_key="today/{model}/{index}{suffix}", tags={"team": "art"}, encrypt=True)
    assert calls.of("GetObject") == []
    assert [file["uri"].rpartition("/")[2] for file in landed["files"]] == ["0.png", "1.png"]
    for index, file in enumerate(landed["files"]):
        source = s3.get(f"wiro/2221/{index}-{index}.png")
        key = file["uri"].removeprefix(f"s3://{BUCKET}/")
        head = s3.head(key)
        assert s3.get(key) == source
        assert file["skipped"] is False
        assert file["sha256"] == head["Metadata"]["sha256"] == hashlib.sha256(source).hexdigest()
        assert (head["Metadata"]["wiro-task-id"], head["Metadata"]["wiro-output"]) == ("2221", str(index))
        assert (head["ContentType"], head["ServerSideEncryption"]) == ("image/png", "AES256")
        tags = s3.client.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"]
        assert {"Key": "team", "Value": "art"} in tags
        assert {"Key": "sha256", "Value": file["sha256"]} in tags
    assert all(file["skipped"] for file in land(again, s3_key="today/{model}/{index}{suffix}")["files"])


def test_another_object_in_the_way_is_never_overwritten_unless_replace_says_so(work: Work, s3: S3) -> None:
    made(work)
    again = work.run()
    s3.put("today/0.png", b"theirs")
    with pytest.raises(Exception, match="is there already"):
        land(again, s3_key="today/0.png")
    assert s3.get("today/0.png") == b"theirs"
    land(again, s3_key="today/0.png", replace=True)
    assert s3.get("today/0.png") == s3.get("wiro/2221/0-0.png")


def test_an_object_that_appears_meanwhile_is_not_overwritten(work: Work, s3: S3, calls: Calls) -> None:
    made(work)
    again = work.run()

    def appear(operation: str, arguments: dict[str, Any], answer: Any) -> None:
        if operation == "UploadPartCopy":
            calls.after = lambda *_: None
            s3.put("today/0.png", b"theirs")

    calls.after = appear
    with pytest.raises(Exception, match=r"is there already|writes"):
        land(again, s3_key="today/0.png")
    assert s3.get("today/0.png") == b"theirs"
    assert s3.open_uploads == []


@pytest.mark.parametrize("change", ["gone", "replaced"])
def test_an_object_that_has_changed_since_the_look_up_is_not_copied(work: Work, s3: S3, change: str) -> None:
    made(work)
    again = work.run()
    if change == "gone":
        s3.client.delete_object(Bucket=BUCKET, Key="wiro/2221/0-0.png")
    else:
        s3.put("wiro/2221/0-0.png", b"other")
    with pytest.raises(Exception, match="is gone or has changed") as caught:
        land(again, s3_key="today/0.png")
    assert "Clear the task of the run" in str(caught.value)
    assert "today/0.png" not in s3.keys
    assert s3.open_uploads == []


def test_the_manifest_of_a_copy_names_the_task_and_the_objects(work: Work, s3: S3) -> None:
    made(work)
    landed = land(work.run(), s3_key="today/{index}-{name}", manifest=True)
    manifest = json.loads(s3.get("today/manifest.json"))
    assert landed["manifest"] == f"s3://{BUCKET}/today/manifest.json"
    assert (manifest["wiro_task_id"], manifest["cost_usd"]) == ("2221", "0")
    assert [one["key"] for one in manifest["outputs"]] == ["today/0-0.png"]


def test_a_manifest_that_is_there_stays(work: Work, s3: S3) -> None:
    summary = work.run()
    land(summary, manifest=True)
    work.clear()
    before = s3.get("wiro/2221/manifest.json")
    land(work.run(), manifest=True)
    assert s3.get("wiro/2221/manifest.json") == before


def test_a_reused_run_has_nothing_to_delete_at_wiro(work: Work, s3: S3, wiro: WiroEmulator) -> None:
    summary = work.run()
    land(summary, delete_after=True)
    work.clear()
    again = work.run()
    assert again["reused"] is True
    assert all(file["skipped"] for file in land(again, delete_after=True)["files"])


def test_a_mapped_or_cleared_transfer_of_an_id_alone_keeps_no_card(work: Work, s3: S3) -> None:
    land(work.run()["wiro_task_id"])
    assert cards(s3) == []


def test_a_reused_output_is_another_runs_input(
    work: Work, s3: S3, wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_wiro.input_files import resolve
    from airflow_provider_wiro.input_files.stored_file import StoredFile

    made(work)
    again = work.run()
    opened: list[tuple[Any, Any]] = []

    def object_file(source: Any, conn_id: Any = None) -> StoredFile:
        import io

        opened.append((source, conn_id))
        body = s3.get("wiro/2221/0-0.png")
        return StoredFile(source, "0-0.png", len(body), False, "e", lambda _: io.BytesIO(body))

    monkeypatch.setattr(resolve, "object_file", object_file)
    work.clear()
    edited = work.run(model=EDIT, parameters={"prompt": "x"}, files={"inputImage": again}, reuse_results=None)
    assert edited["state"] == "succeeded"
    assert set(opened) == {(f"s3://{BUCKET}/wiro/2221/0-0.png", "aws_default")}


# LLMs.


def test_an_answer_is_reused_without_any_transfer(work: Work, s3: S3) -> None:
    first = work.run(model=GPT, parameters={"prompt": "why?"})
    work.clear()
    again = work.run(model=GPT, parameters={"prompt": "why?"})
    assert work.started == 1
    assert (again["reused"], again["text"]) == (True, first["text"])
    assert (again["finish_reason"], again["usage"]) == (first["finish_reason"], first["usage"])


def test_an_answer_that_has_landed_is_copied_in_both_forms(work: Work, s3: S3) -> None:
    made(work, model=GPT, parameters={"prompt": "why?"})
    again = work.run(model=GPT, parameters={"prompt": "why?"})
    landed = land(again, s3_key="today/{name}")
    assert sorted(file["uri"].rpartition(".")[2] for file in landed["files"]) == ["json", "txt"]
    assert not any(file["skipped"] for file in landed["files"])


def test_an_answer_outlives_its_objects(work: Work, s3: S3) -> None:
    made(work, model=GPT, parameters={"prompt": "why?"})
    for key in s3.keys:
        if not key.startswith("cards/"):
            s3.client.delete_object(Bucket=BUCKET, Key=key)
    again = work.run(model=GPT, parameters={"prompt": "why?"})
    assert again["reused"] is True
    assert len(land(again)["files"]) == 2  # from Wiro


def test_a_run_with_secrets_keeps_none_of_them(work: Work, s3: S3) -> None:
    secret = "sk-9f2b7c4d5e6f7a8b9c0d"
    given = {"prompt": f"repeat {secret}", "apiKey": secret}
    work.run(model=GPT, parameters=given)
    assert secret not in "".join(s3.get(key).decode() for key in cards(s3))


# Two at once.


def test_two_writers_of_one_card_do_not_hurt_each_other(work: Work, s3: S3) -> None:
    one = work.run()
    work.clear()
    other = work.run()
    assert work.started == 2
    land(one)
    land(other)
    work.clear()
    assert work.run()["wiro_task_id"] == other["wiro_task_id"]
    assert len(cards(s3)) == 1


def test_local_cards_and_files(work: Work, tmp_path: Path) -> None:
    from airflow_provider_wiro.transfers.wiro_to_object_storage import WiroToObjectStorageOperator

    place = str(tmp_path / "results")

    def store(summary: Any, folder: str) -> dict[str, Any]:
        operator = WiroToObjectStorageOperator(
            task_id="store", wiro_task_id=summary, path=f"{place}/{folder}/{{index}}-{{name}}"
        )
        found: dict[str, Any] = operator.execute({})  # type: ignore[typeddict-item]
        return found

    store(work.run(reuse_results=place), "first")
    work.clear()
    again = work.run(reuse_results=place)
    assert again["reused"] is True
    assert store(again, "first")["files"][0]["skipped"] is True
    copied = WiroToObjectStorageOperator(
        task_id="store", wiro_task_id=again, path=f"{place}/{{model}}/{{name}}"
    ).execute({})  # type: ignore[typeddict-item]
    assert copied["files"][0]["skipped"] is False
    (tmp_path / "results/first/0-0.png").write_bytes(b"changed")
    assert not work.run(reuse_results=place).get("reused")


def test_a_deferral_that_forgot_the_inputs_keeps_a_card_if_they_cannot_have_changed(
    work: Work, s3: S3
) -> None:
    deferred = work.defer()
    deferred.kwargs = {}  # as `airflow dags test` resumes
    land(work.resume(deferred))
    work.clear()
    assert work.run()["reused"] is True
