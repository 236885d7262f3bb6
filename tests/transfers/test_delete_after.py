"""Wiro's copies go only when everything is safe in S3, and a try that comes after that still finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_wiro.emulator import WiroEmulator
from airflow_provider_wiro.exceptions import WiroOutputUnavailableError
from airflow_provider_wiro.hooks.wiro import WiroHook
from tests.contract.scripts import refuse, reset, respond, success
from tests.transfers.fake_wiro import BIG, LLM, PNG
from tests.transfers.s3_calls import Calls, land

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.hostile import HostileServer, Script
    from tests.transfers.fake_wiro import Wiro
    from tests.transfers.s3 import S3

pytestmark = pytest.mark.usefixtures("connect")

DELETE = "/v1/Task/InputOutputDelete"
TOKEN = "tok-5f2e9d1c"


def deletions(server: HostileServer) -> list[Any]:
    return [request.json for request in server.requests if request.path == DELETE]


def summary_of(*outputs: dict[str, Any]) -> dict[str, Any]:
    listed = [
        {
            "index": index,
            "name": output["name"],
            "content_type": output["contenttype"],
            "size": int(output["size"]) if "size" in output else None,
            "url": output.get("url"),
        }
        for index, output in enumerate(outputs)
    ]
    return {"wiro_task_id": "2221", "model": "retroAIx/Retro-Cartoons", "outputs": listed}


def test_wiros_files_are_deleted_once_everything_is_there(wiro: Wiro, s3: S3, server: HostileServer) -> None:
    there: list[list[str]] = []

    def delete(wire: Any) -> None:
        there.append(s3.keys)
        success()(wire)

    server.on(DELETE, delete)
    wiro.shows(wiro.file(PNG), wiro.file(BIG), LLM, socketaccesstoken=TOKEN)
    land(delete_after=True, manifest=True)
    assert deletions(server) == [{"tasktoken": TOKEN}]
    assert len(there[0]) == 5
    assert "wiro/2221/manifest.json" in there[0]


def test_by_default_nothing_is_deleted(wiro: Wiro, s3: S3, server: HostileServer) -> None:
    wiro.shows(wiro.file(PNG), socketaccesstoken=TOKEN)
    land()
    assert deletions(server) == []


@pytest.mark.parametrize("fails", ["an output", "the check of an output", "the manifest"])
def test_nothing_is_deleted_while_anything_is_missing(
    wiro: Wiro, s3: S3, server: HostileServer, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    def fail(operation: str, arguments: dict[str, Any]) -> None:
        key = arguments.get("Key", "")
        if fails == "the manifest" and operation == "PutObject" and key.endswith("manifest.json"):
            raise RuntimeError
        if fails == "the check of an output" and operation == "PutObject" and key.endswith("1-0.png"):
            arguments["Body"] = b"half"

    Calls(monkeypatch).before = fail
    script = respond(b"", 404) if fails == "an output" else None
    wiro.shows(wiro.file(PNG), wiro.file(PNG, script), socketaccesstoken=TOKEN)
    with pytest.raises((WiroOutputUnavailableError, RuntimeError)):
        land(delete_after=True, manifest=True)
    assert deletions(server) == []


@pytest.mark.usefixtures("no_repeats")
@pytest.mark.parametrize("script", [reset, respond(b"", 502)])
def test_a_deletion_that_fails_says_that_the_outputs_are_safe_and_is_tried_again(
    wiro: Wiro, s3: S3, server: HostileServer, cdn: HostileServer, script: Script
) -> None:
    server.on(DELETE, script)
    wiro.shows(wiro.file(PNG), socketaccesstoken=TOKEN)
    expected = r"All outputs are safe in S3, .*\. A retry skips what landed and tries to delete them again\."
    with pytest.raises(AirflowException, match=expected) as caught:
        land(delete_after=True)
    assert not isinstance(caught.value, AirflowFailException)
    assert TOKEN not in str(caught.value)
    assert s3.get("wiro/2221/0-0.png") == PNG
    cdn.requests.clear()
    server.on(DELETE, success())
    (file,) = land(delete_after=True)["files"]
    assert file["skipped"]
    assert cdn.requests == []
    assert deletions(server)[-1] == {"tasktoken": TOKEN}


@pytest.mark.parametrize(
    ("script", "advice"),
    [
        (respond(b"", 403), r"an empty body \(HTTP 403, .*\)\. Check the Wiro connection: .* IP address\."),
        (
            refuse(0, "Project authorization is not valid.", 401),
            r"not valid \(HTTP 401, .*\)\. Check the Wiro conn.*",
        ),
        (refuse(1, "task-not-exist"), r"task-not-exist \(HTTP 200, .*\)\. Check the model's .*"),
    ],
)
def test_a_deletion_that_no_retry_mends_fails_for_good_and_says_what_to_do(
    wiro: Wiro, s3: S3, server: HostileServer, script: Script, advice: str
) -> None:
    server.on(DELETE, script)
    wiro.shows(wiro.file(PNG), socketaccesstoken=TOKEN)
    expected = rf"^All outputs are safe in S3, .* {advice} Then clear this task: .*\.$"
    with pytest.raises(AirflowFailException, match=expected) as caught:
        land(delete_after=True)
    assert TOKEN not in str(caught.value)
    assert s3.get("wiro/2221/0-0.png") == PNG
    server.on(DELETE, success())
    assert land(delete_after=True)["files"][0]["skipped"]


def test_files_that_are_gone_already_are_no_error(wiro: Wiro, s3: S3, server: HostileServer) -> None:
    server.on(DELETE, success())
    wiro.shows(wiro.file(PNG), socketaccesstoken=TOKEN)
    land(delete_after=True)
    land(delete_after=True)
    assert len(deletions(server)) == 2


def test_a_try_after_the_deletion_finds_by_the_summary_what_landed(
    wiro: Wiro, s3: S3, server: HostileServer
) -> None:
    server.on(DELETE, success())
    outputs = [wiro.file(PNG), wiro.file(BIG), LLM]
    wiro.shows(*outputs, socketaccesstoken=TOKEN)
    first = land(summary_of(*outputs), delete_after=True)
    wiro.shows(socketaccesstoken=TOKEN)  # Wiro shows no outputs any more
    again = land(summary_of(*outputs), delete_after=True)
    assert [file["uri"] for file in again["files"]] == [file["uri"] for file in first["files"]]
    assert again["total_bytes"] == first["total_bytes"]
    assert all(file["skipped"] for file in again["files"])


def test_a_try_after_the_deletion_finds_by_the_manifest_what_landed(
    wiro: Wiro, s3: S3, server: HostileServer
) -> None:
    server.on(DELETE, success())
    wiro.shows(wiro.file(PNG), wiro.file(BIG), LLM, socketaccesstoken=TOKEN)
    first = land(delete_after=True, manifest=True)
    before = s3.get("wiro/2221/manifest.json")
    wiro.shows(socketaccesstoken=TOKEN)
    again = land(delete_after=True, manifest=True)
    assert [{**file, "skipped": False} for file in again["files"]] == first["files"]
    assert s3.get("wiro/2221/manifest.json") == before


def test_what_is_neither_at_wiro_nor_in_s3_is_an_error(wiro: Wiro, s3: S3) -> None:
    wiro.shows(socketaccesstoken=TOKEN)
    with pytest.raises(AirflowFailException, match="no longer"):
        land(summary_of(LLM), delete_after=True)


def test_without_summary_and_manifest_it_is_said_that_nothing_is_known(
    wiro: Wiro, s3: S3, server: HostileServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.on(DELETE, success())
    wiro.shows(socketaccesstoken=TOKEN)
    assert land(delete_after=True)["files"] == []
    assert "has landed and deleted them" in caplog.text


#: A file in Wiro's storage, as File/Upload returns it.
UPLOAD = "https://cdn1.wiro.ai/abc/robot.png"


def test_a_file_that_other_runs_may_need_is_not_deleted_and_the_outputs_land_all_the_same(
    wiro: Wiro, s3: S3, server: HostileServer
) -> None:
    server.on(DELETE, success())
    wiro.shows(
        wiro.file(PNG), socketaccesstoken=TOKEN, parameters={"inputImage": "", "inputImageUrl": UPLOAD}
    )
    with pytest.raises(AirflowFailException, match=r"'inputImageUrl'.*delete_shared_inputs=True") as caught:
        land(delete_after=True)
    assert str(caught.value).startswith("All outputs are safe in S3, but nothing was deleted")
    assert UPLOAD not in str(caught.value)
    assert deletions(server) == []
    assert s3.get("wiro/2221/0-0.png") == PNG
    (file,) = land(delete_after=False)["files"]
    assert file["skipped"]


def test_the_output_of_another_task_on_the_same_cdn_is_not_deleted(
    wiro: Wiro, s3: S3, server: HostileServer
) -> None:
    output = wiro.file(PNG)
    wiro.shows(output, socketaccesstoken=TOKEN, parameters={"inputImageUrl": output["url"]})
    with pytest.raises(AirflowFailException, match="other runs may need them"):
        land(delete_after=True)


def test_it_is_deleted_where_the_dags_author_says_that_no_other_run_needs_it(
    wiro: Wiro, s3: S3, server: HostileServer
) -> None:
    server.on(DELETE, success())
    wiro.shows(wiro.file(PNG), socketaccesstoken=TOKEN, parameters={"inputImageUrl": UPLOAD})
    land(delete_after=True, delete_shared_inputs=True)
    assert deletions(server) == [{"tasktoken": TOKEN}]


@pytest.mark.parametrize(
    "parameters",
    [
        {"prompt": "a cat", "steps": 60, "refiner": ""},
        {"inputImage": "", "inputImageUrl": "https://shop.example/robot.png"},
        {},
    ],
    ids=["text to image", "fetched from elsewhere", "no parameters"],
)
def test_a_run_without_inputs_at_wiro_is_deleted(
    wiro: Wiro, s3: S3, server: HostileServer, parameters: dict[str, Any]
) -> None:
    server.on(DELETE, success())
    wiro.shows(wiro.file(PNG), socketaccesstoken=TOKEN, parameters=parameters)
    land(delete_after=True)
    assert deletions(server) == [{"tasktoken": TOKEN}]


def test_an_upload_in_the_field_of_a_file_is_not_taken_for_the_runs_own(
    wiro: Wiro, s3: S3, server: HostileServer
) -> None:
    server.on(DELETE, success())
    wiro.shows(
        wiro.file(PNG), socketaccesstoken=TOKEN, parameters={"inputImage": [UPLOAD], "inputImageUrl": ""}
    )
    with pytest.raises(AirflowFailException, match="'inputImage'"):
        land(delete_after=True)
    assert deletions(server) == []


@pytest.mark.parametrize("parameters", [None, "", "not JSON"])
def test_nothing_is_deleted_where_wiro_does_not_show_the_parameters(
    wiro: Wiro, s3: S3, server: HostileServer, parameters: Any
) -> None:
    server.on(DELETE, success())
    wiro.shows(wiro.file(PNG), socketaccesstoken=TOKEN, parameters=parameters)
    with pytest.raises(AirflowFailException, match="doesn't show the parameters"):
        land(delete_after=True)
    assert deletions(server) == []
    land(delete_after=True, delete_shared_inputs=True)
    assert deletions(server) == [{"tasktoken": TOKEN}]


def test_a_picture_is_fetched_before_it_is_deleted_whatever_stands_beside_its_url(
    wiro: Wiro, s3: S3, server: HostileServer
) -> None:
    server.on(DELETE, success())
    wiro.shows({**wiro.file(PNG), "content": {}}, socketaccesstoken=TOKEN)
    land(delete_after=True)
    assert s3.get("wiro/2221/0-0.png") == PNG
    assert deletions(server) == [{"tasktoken": TOKEN}]


def test_an_llms_answer_that_wiro_shows_empty_is_not_deleted(
    wiro: Wiro, s3: S3, server: HostileServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.on(DELETE, success())
    wiro.shows({"contenttype": "raw", "content": None}, debugoutput="", socketaccesstoken=TOKEN)
    with pytest.raises(AirflowFailException, match="is empty"):
        land(delete_after=True)
    assert deletions(server) == []
    assert "The answer of Wiro task 2221 is empty" in caplog.text


def test_one_upload_for_several_runs_survives_the_transfer_of_the_first(
    s3: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    picture = tmp_path / "robot.png"
    picture.write_bytes(PNG)
    model = "wiro/image-edit-general"
    with WiroEmulator(speed=100) as emulator:
        monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", emulator.connection)
        with WiroHook() as hook:
            upload = hook.upload_file(picture)
            shared = hook.run_model(model, {"prompt": "a"}, {"inputImage": upload.url}).wiro_task_id
            own = hook.run_model(model, {"prompt": "a"}, {"inputImage": picture}).wiro_task_id
            for wiro_task_id in (shared, own):
                hook.wait_for_task(wiro_task_id, poll_interval=0.02)
                with pytest.raises(AirflowFailException, match="other runs may need them"):
                    land(wiro_task_id, delete_after=True)
            land(own, delete_after=True, delete_shared_inputs=True)

            assert hook.get_task(shared).outputs
            assert not hook.get_task(own).outputs
    assert emulator.counts.requests["Task/InputOutputDelete"] == 1
