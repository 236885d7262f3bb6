"""Files are in Wiro's storage, each sent once; and none is sent before all of them are checked."""

from __future__ import annotations

import hashlib
import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import requests
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_wiro.api import flow
from airflow_provider_wiro.api.endpoints import ApiCall
from airflow_provider_wiro.api.parameters import MAX_FILE_BYTES, Body
from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.exceptions import WiroConnectionError, WiroServerError
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.operators.wiro_upload import WiroUploadOperator
from tests import warm_python
from tests.input_files.object_storage import Bucket, attach_memory, storage_path
from tests.operators.fakes import FakeTi
from tests.waiting import only_in_this_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_wiro.emulator import WiroEmulator

EDIT = "wiro/image-edit-general"
SENT = "File/Upload"


def operator(files: Any, **settings: Any) -> WiroUploadOperator:
    return WiroUploadOperator(task_id="upload", files=files, **settings)


def upload(files: Any, **settings: Any) -> list[dict[str, Any]]:
    uploaded: list[dict[str, Any]] = operator(files, **settings).execute({"ti": FakeTi()})  # type: ignore[typeddict-item]
    return json.loads(json.dumps(uploaded))  # type: ignore[no-any-return]  # it becomes an XCom


def digest(url: str) -> str:
    return hashlib.sha256(requests.get(url, timeout=5).content).hexdigest()


@pytest.fixture
def image(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str = "robot.png", body: bytes | None = None) -> Path:
        path = tmp_path / name
        path.write_bytes(name.encode() * 1000 if body is None else body)
        return path

    return write


def test_files_are_uploaded_in_order_and_their_urls_serve_the_very_bytes(
    wiro: WiroEmulator, image: Callable[..., Path]
) -> None:
    attach_memory()
    stored = storage_path("memory://bucket/brief.pdf")
    stored.write_bytes(b"%PDF brief")
    paths = [image("b.png"), image("a.webp")]
    uploaded = upload([paths[0], str(paths[1]), "memory://bucket/brief.pdf"])

    assert [(file["name"], file["size"], file["content_type"]) for file in uploaded] == [
        ("b.png", 5000, "image/png"),
        ("a.webp", 6000, "image/webp"),
        ("brief.pdf", 10, "application/pdf"),
    ]
    bodies = [paths[0].read_bytes(), paths[1].read_bytes(), b"%PDF brief"]
    assert [digest(file["url"]) for file in uploaded] == [hashlib.sha256(body).hexdigest() for body in bodies]
    assert len({file["file_id"] for file in uploaded} - {None}) == 3
    assert set(uploaded[0]) == {"name", "url", "size", "content_type", "file_id"}
    assert wiro.counts.requests[SENT] == 3


def test_a_file_comes_from_s3(wiro: WiroEmulator, bucket: Bucket) -> None:
    [uploaded] = upload(bucket.put("in/product.png", b"pixels" * 1000))
    assert uploaded["name"] == "product.png"
    assert digest(uploaded["url"]) == hashlib.sha256(b"pixels" * 1000).hexdigest()


def test_many_runs_use_one_upload(wiro: WiroEmulator, image: Callable[..., Path]) -> None:
    uploaded = upload(image())
    for prompt in ("spring", "summer", "winter"):
        run = WiroRunOperator(
            task_id="edit",
            model=EDIT,
            parameters={"prompt": prompt},
            files={"inputImage": uploaded},
            poll_interval=0.02,
            durable=False,
        )
        run.execute({"ti": FakeTi()})  # type: ignore[typeddict-item]

    assert wiro.counts.requests[SENT] == 1
    assert [task.files for task in wiro.tasks] == [()] * 3
    assert {task.parameters["inputImageUrl"] for task in wiro.tasks} == {uploaded[0]["url"]}
    assert {task.status for task in wiro.tasks} == {"task_postprocess_end"}


def test_no_files_upload_nothing(wiro: WiroEmulator) -> None:
    assert upload([]) == []
    assert wiro.counts.requests[SENT] == 0


def test_nothing_is_sent_before_all_files_are_checked(
    wiro: WiroEmulator, image: Callable[..., Path], tmp_path: Path
) -> None:
    large = tmp_path / "large.mp4"
    with large.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    bad: dict[str, Any] = {
        "found none": tmp_path / "missing.png",
        "1 to 100000000 bytes": large,
        "has 0": image("empty.png", b""),
        "name has to end in one of": image("setup.exe"),
        "Wiro fetches URLs itself": "https://x.test/a.png",
        "found empty text": " ",
        "found NoneType": None,
        "the URL 'https://x.test/b.png'": {"url": "https://x.test/b.png"},
        "found a dict of 'prompt'": {"prompt": "x"},
        "No filesystem|Can't open|not installed": "nosuchscheme://bucket/a.png",
    }
    for words, source in bad.items():
        with pytest.raises(AirflowFailException, match=words):
            upload([image(), source])
    assert wiro.counts.requests[SENT] == 0


@pytest.mark.parametrize("kind", ["server_error", "rate_limit", "drop_before", "drop_after", "truncated"])
def test_a_passing_fault_is_ridden_out_with_the_whole_body(
    wiro: WiroEmulator, image: Callable[..., Path], kind: str
) -> None:
    wiro.inject(Fault(kind, endpoint=SENT, retry_after=0))
    path = image(body=b"pixels" * 300_000)
    [uploaded] = upload(path)
    assert digest(uploaded["url"]) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert wiro.counts.requests[SENT] == 2


def test_when_wiro_is_away_a_retry_may_help_and_sends_all_files_again(
    wiro: WiroEmulator, image: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(flow.call.__kwdefaults__, "patience_seconds", 0.0)
    wiro.inject(Fault("server_error", endpoint=SENT, skip=1))
    files = [image("1.png"), image("2.png")]
    with pytest.raises(WiroServerError):
        upload(files)
    assert [file["name"] for file in upload(files)] == ["1.png", "2.png"]
    assert wiro.counts.requests[SENT] == 4


def test_an_object_store_that_is_away_may_be_retried(wiro: WiroEmulator) -> None:
    class Away:
        protocol, name = "fake", "a.png"

        def stat(self) -> Any:
            raise TimeoutError

    with pytest.raises(WiroConnectionError, match="Nothing was sent"):
        upload(Away())
    assert wiro.counts.requests[SENT] == 0


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            Fault("api_error", endpoint=SENT, code=0, message="File type [png] is not supported"),
            "not supported",
        ),
        (Fault("api_error", endpoint=SENT, code=97, message="Insufficient balance"), "Add balance"),
    ],
)
def test_what_wiro_refuses_is_not_retried(
    wiro: WiroEmulator, image: Callable[..., Path], fault: Fault, words: str
) -> None:
    wiro.inject(fault)
    with pytest.raises(AirflowFailException, match=words):
        upload([image("1.png"), image("2.png")])
    assert wiro.counts.requests[SENT] == 1


def test_files_go_into_the_folder_of_an_id(wiro: WiroEmulator, image: Callable[..., Path]) -> None:
    with WiroHook() as hook:
        made = hook.run_flow(
            partial(
                flow.call,
                ApiCall("File/FolderCreate", Body(json='{"name": "shots"}'), lambda it: it.get("list")),
            )
        )
    upload(image(), folder_id=made[0]["id"])
    assert [request.fields for request in wiro.received if request.endpoint == SENT] == [
        {"folderid": made[0]["id"]}
    ]
    with pytest.raises(AirflowFailException, match="folder-not-exist"):
        upload(image(), folder_id="no-such-folder")


def test_no_folder_is_the_root_also_from_an_empty_template(
    wiro: WiroEmulator, image: Callable[..., Path]
) -> None:
    upload(image(), folder_id="")
    assert [request.fields for request in wiro.received] == [{}]


def test_on_kill_starts_no_further_file(wiro: WiroEmulator, image: Callable[..., Path]) -> None:
    task = operator([image("1.png"), image("2.png"), image("3.png")])
    real = task._upload

    def kill_after_first(content: Any) -> dict[str, Any]:
        uploaded = real(content)
        task.on_kill()
        return uploaded

    task._upload = kill_after_first  # type: ignore[method-assign]
    with pytest.raises(AirflowException, match="was stopped"):
        task.execute({"ti": FakeTi()})  # type: ignore[typeddict-item]
    assert wiro.counts.requests[SENT] == 1


def test_on_kill_ends_the_wait_between_two_tries(
    wiro: WiroEmulator, image: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    wiro.inject(Fault("rate_limit", endpoint=SENT, retry_after=20))
    task = operator(image())
    monkeypatch.setattr(time, "sleep", only_in_this_thread(lambda _: task.on_kill(), time.sleep))
    with pytest.raises(AirflowException, match="was stopped"):
        task.execute({"ti": FakeTi()})  # type: ignore[typeddict-item]
    assert wiro.counts.requests[SENT] == 1


def test_wrong_credentials_say_what_to_do(
    wiro: WiroEmulator, image: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = {**json.loads(wiro.connection), "password": "wrong-secret"}
    monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", json.dumps(connection))
    with pytest.raises(AirflowFailException, match="Check the Wiro connection"):
        upload(image())


def test_its_fields_are_templated() -> None:
    assert set(WiroUploadOperator.template_fields) == {"files", "folder_id", "wiro_conn_id", "aws_conn_id"}
    task = operator(["{{ name }}.png", {"nested": 1}], folder_id="{{ folder }}")
    task.render_template_fields({"name": "robot", "folder": "f1"})  # type: ignore[typeddict-unknown-key,typeddict-item]
    assert (task.files, task.folder_id) == (["robot.png", {"nested": 1}], "f1")


def test_importing_it_brings_no_http_library_and_no_object_storage() -> None:
    code = (
        "import sys\n"
        "from airflow.providers.common.compat.sdk import BaseOperator, AirflowFailException, conf\n"
        "before = set(sys.modules)\n"
        "import airflow_provider_wiro.operators.wiro_upload\n"
        "import airflow_provider_wiro.transfers.wiro_to_object_storage\n"
        "heavy = {'requests', 'requests_toolbelt', 'urllib3', 'aiohttp', 'boto3', 'fsspec', 's3fs'}\n"
        "brought = set(sys.modules) - before\n"
        "print([name for name in brought if name.partition('.')[0] in heavy or name.endswith('hooks.wiro')])"
    )
    done = warm_python.run(code)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr[-2000:]
