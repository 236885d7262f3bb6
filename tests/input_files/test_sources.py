"""`files=` accepts results of other tasks and `data:` URIs; bad values are refused briefly."""

from __future__ import annotations

import base64
import io
import json
import pathlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.api.parameters import FileContent, FileUrl
from airflow_provider_wiro.exceptions import WiroConnectionError, WiroUsageError
from airflow_provider_wiro.input_files import stored_file
from airflow_provider_wiro.input_files.resolve import resolve_file, resolve_files, resolve_upload
from airflow_provider_wiro.input_files.sent_files import sent_files
from airflow_provider_wiro.input_files.sources import flattened, is_local_path, reference_of, shown
from airflow_provider_wiro.recovery.fingerprint import fingerprint
from airflow_provider_wiro.run.prepared_run import prepare_run
from airflow_provider_wiro.state_files.task_try import TaskTry
from tests.contract.scripts import refuse, success
from tests.input_files.object_storage import BUCKET, Bucket, storage_path
from tests.input_files.test_resolve import Fake

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.contract.hostile import HostileServer
    from tests.contract.twins import Twin

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
DATA = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
CDN = "https://cdn1.wiro.ai/f/"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def summary(*names: str, task: str = "2221", query: str = "", **more: Any) -> dict[str, Any]:
    outputs = [
        {"index": index, "name": name, "content_type": "image/png", "size": 9, "url": f"{CDN}{name}{query}"}
        for index, name in enumerate(names)
    ]
    return {"wiro_task_id": task, "status": "task_postprocess_end", "outputs": outputs, "text": None, **more}


def landed(*uris: str) -> dict[str, Any]:
    """Return what a transfer returns."""
    files = [{"uri": uri, "name": uri.rpartition("/")[2], "size": 9, "skipped": False} for uri in uris]
    return {"wiro_task_id": "2221", "files": files, "total_bytes": 9, "cost_usd": "0.01"}


def urls(given: Any) -> list[str]:
    return [file.url for file in resolve_files({"x": given}).get("x", []) if isinstance(file, FileUrl)]


def content(source: Any, **settings: Any) -> FileContent:
    found = resolve_file(source, **settings)
    assert isinstance(found, FileContent)
    return found


def read(file: FileContent) -> bytes:
    with file.open() as opened:
        return opened.read()


# -- what another task returned


def test_a_run_summary_stands_for_its_outputs() -> None:
    assert urls(summary("0.png")) == [f"{CDN}0.png"]
    assert urls(summary("0.png", "1.png")) == [f"{CDN}0.png", f"{CDN}1.png"]
    assert urls(json.loads(json.dumps(summary("0.png")))) == [f"{CDN}0.png"]
    assert urls([summary("0.png"), [summary("1.png"), f"{CDN}2.png"]]) == [f"{CDN}{n}.png" for n in range(3)]
    assert urls(summary("0.png")["outputs"]) == urls(summary("0.png")["outputs"][0]) == [f"{CDN}0.png"]


def test_an_llms_answer_beside_a_picture_is_no_file() -> None:
    given = summary("0.png")
    given["outputs"].append({"index": 1, "name": "", "content_type": "raw", "size": None, "url": None})
    assert urls(given) == [f"{CDN}0.png"]


def test_a_single_file_parameter_needs_exactly_one_output(server: HostileServer, twin: Twin) -> None:
    item = {"id": "inputImage", "type": "fileinput"}
    server.on("/v1/Tool/Detail", success(tool=[{"parameters": [{"title": "x", "items": [item]}]}]))
    server.on("/v1/Run/o/m", success(taskid="1"))
    with pytest.raises(WiroUsageError, match=r"'inputImage' takes one file, found 2\. Choose one") as caught:
        twin.run_model("o/m", {}, {"inputImage": summary("0.png", "1.png")})
    assert len(str(caught.value)) < 200
    assert server.to("/v1/Run/o/m") == []
    twin.run_model("o/m", {}, {"inputImage": summary("0.png")})
    assert server.to("/v1/Run/o/m")[0].json["inputImageUrl"] == f"{CDN}0.png"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (summary(), r"Wiro task 2221 has no output that is a file .*WiroTaskSensor"),
        ({**summary(), "status": "task_queue"}, r"status task_queue"),
        (
            summary() | {"outputs": [{"index": 0, "name": "", "content_type": "raw", "url": None}]},
            r"answer is the summary's `text`",
        ),
        (
            summary()
            | {"outputs": [{"index": 0, "name": "0.png", "content_type": "image/png", "url": None}]},
            r"Output 0 of Wiro task 2221 has no link",
        ),
        ({}, "found an empty dict"),
        ({"prompt": "x", "steps": 3}, "found a dict of 'prompt', 'steps'"),
        (landed(), "found a dict of 'wiro_task_id', 'files'"),
    ],
)
def test_a_result_without_files_says_why(given: Any, says: str) -> None:
    with pytest.raises(WiroUsageError, match=says) as caught:
        resolve_files({"inputImage": given})
    assert str(caught.value).startswith("File parameter 'inputImage': ")


def test_a_transferred_file_is_read_with_the_connection_that_wrote_it(bucket: Bucket) -> None:
    bucket.put("wiro/2221/0-0.png", PNG)
    uri = f"s3://{BUCKET}/wiro/2221/0-0.png"  # as WiroToS3Operator returns it: without a connection
    for given in (uri, f" {uri}\n", {"uri": uri, "name": "0.png"}, landed(uri), [landed(uri)]):
        (file,) = resolve_files({"x": given})["x"]
        assert isinstance(file, FileContent)
        assert (file.name, file.content_type, read(file)) == ("0-0.png", "image/png", PNG)


def test_the_connection_can_be_another_one(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setenv("AIRFLOW_CONN_SHOP", os.environ["AIRFLOW_CONN_AWS_DEFAULT"])
    monkeypatch.setenv(
        "AIRFLOW_CONN_AWS_DEFAULT", '{"conn_type": "aws", "extra": {"endpoint_url": "http://127.0.0.1:9"}}'
    )
    bucket.put("a.png", PNG)
    assert read(content(f"s3://{BUCKET}/a.png", aws_conn_id="shop")) == PNG
    assert read(content(f"s3://shop@{BUCKET}/a.png")) == PNG  # the URI's own connection takes precedence


@pytest.mark.parametrize(
    "uri", ["/etc/passwd", "etc/passwd", "file:///etc/passwd", "local:///etc/passwd", "", None, 7]
)
def test_what_another_task_returned_names_no_file_of_this_machine(uri: Any) -> None:
    with pytest.raises(WiroUsageError, match="in an object store"):
        resolve_files({"x": {"uri": uri}})


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "etc/passwd", "file:///etc/passwd", "", pathlib.Path("/etc/passwd")]
)
def test_a_list_in_another_tasks_result_names_no_file_of_this_machine(path: Any) -> None:
    for listed in ([path], [[path]], ["https://x.test/a.png", path]):
        with pytest.raises(WiroUsageError, match="in an object store"):
            resolve_files({"x": {"files": listed}})


def test_a_list_of_links_in_another_tasks_result_is_accepted() -> None:
    links = ["https://x.test/a.png", "https://x.test/b.png"]
    assert urls({"files": links}) == links


def test_a_batchs_items_are_accepted_and_transferred_files_take_precedence_over_links() -> None:
    item = {"item": 0, "status": "succeeded", **summary("0.png")}
    assert urls([item, item]) == [f"{CDN}0.png"] * 2
    assert (
        list(flattened({**item, "files": landed("s3://b/0.png")["files"]})) == landed("s3://b/0.png")["files"]
    )
    assert urls({**item, "files": []}) == [f"{CDN}0.png"]


# -- a retry recognises its run


def run_of(given: Any) -> str:
    return fingerprint("o/m", {}, resolve_files({"x": given}))


def wanted(files: Mapping[str, Any]) -> Any:
    return prepare_run(
        "o/m", {}, files, project_id=None, max_tries=0, task_try=TaskTry(1), patience_seconds=1
    ).wanted


def test_a_link_that_was_signed_again_is_the_same_file() -> None:
    first, again = (summary("0.png", query=f"?sig={n}") for n in (1, 2))
    assert run_of(first) == run_of(again)
    assert wanted({"x": first}).references == wanted({"x": again}).references
    assert run_of(first) != run_of(summary("0.png", task="2222", query="?sig=1"))
    assert run_of(summary("0.png", "1.png")) != run_of(summary("0.png"))
    (sent,) = sent_files(resolve_files({"x": first}))["x"]
    assert sent.is_output


@pytest.mark.parametrize("given", [DATA, f" {DATA}"])
def test_a_data_uri_is_identified_by_its_content(given: Any, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    assert run_of(given) == run_of(tmp_path / "a.png") != run_of(DATA[:-8])
    assert wanted({"x": given}).references == wanted({"x": given}).references
    assert wanted({"x": given}).files["x"][0].sha256 is not None


def test_runs_recorded_by_an_earlier_version_are_recognized() -> None:
    """Fingerprints in records from before summaries and connections were supported."""
    one = f"{CDN}0.png?sig=1"
    assert (
        run_of({"index": 0, "name": "0.png", "url": one})
        == run_of(one)
        == fingerprint("o/m", {}, {"x": [FileUrl(one)]})
    )
    assert reference_of("s3://b/k") == "s3://b/k"
    assert reference_of({"url": one}) == one


def test_an_objects_identity_is_its_uri_whatever_connection_reads_it(bucket: Bucket) -> None:
    bucket.put("a.png", PNG)
    assert content(f"s3://{BUCKET}/a.png").identity.startswith(f"s3://{BUCKET}/a.png (")


# -- data: URIs


@pytest.mark.parametrize("given", [DATA, f"\n {DATA}"])
def test_a_data_uri_is_sent_as_a_file(server: HostileServer, twin: Twin, given: Any) -> None:
    server.on("/v1/Tool/Detail", refuse(1, "not there"))
    server.on("/v1/Run/o/m", refuse(96, "limit"), success(taskid="1"))
    twin.run_model("o/m", {}, {"inputImage": given})
    for request in server.to("/v1/Run/o/m"):  # each try starts at the first byte
        (part,) = request.parts[:1]
        assert (part.name, part.filename, part.body) == ("inputImage", "file.png", PNG)
        assert int(request.headers["content-length"]) == request.body_size


def test_four_megabytes_of_data_uri_are_sent() -> None:
    body = PNG + bytes(4_000_000)
    file = content(f"data:image/png;base64,{base64.b64encode(body).decode()}")
    assert (file.size, read(file) == body) == (len(body), True)


@pytest.mark.parametrize(
    ("uri", "name", "kind"),
    [
        (DATA, "file.png", "image/png"),
        (DATA.replace("image/png", ""), "file.png", "image/png"),
        (DATA.replace("image/png", "application/octet-stream"), "file.png", "image/png"),
        ("data:text/csv,a%2Cb", "file.csv", "text/csv"),
        ("data:,hello", "file", "application/octet-stream"),
        (DATA.replace("image/png", "application/x-mine"), "file", "application/x-mine"),
    ],
)
def test_a_data_uris_type_is_its_stated_one_or_else_that_of_its_bytes(uri: str, name: str, kind: str) -> None:
    file = content(uri)
    assert (file.name, file.content_type) == (name, kind)


# -- types and names of sent files


@pytest.mark.parametrize(
    ("name", "body", "sent", "kind"),
    [
        ("a.webp", b"x", "a.webp", "image/webp"),
        ("a.m4a", b"x", "a.m4a", "audio/mp4"),
        ("a.docx", b"x", "a.docx", WORD),
        ("a.glb", b"x", "a.glb", "model/gltf-binary"),
        ("noext", PNG, "noext.png", "image/png"),
        ("photo.2026", PNG, "photo.2026.png", "image/png"),
        ("a.nosuchthing", PNG, "a.nosuchthing.png", "image/png"),
        ("a.final", PNG, "a.final.png", "image/png"),
        ("noext", b"who knows", "noext", "application/octet-stream"),
        ("a.png", b"\xff\xd8\xff\xe0", "a.png", "image/png"),  # the suffix is the user's word
    ],
)
def test_a_files_type_is_that_of_its_suffix_or_else_of_its_bytes(
    tmp_path: Path, name: str, body: bytes, sent: str, kind: str
) -> None:
    (tmp_path / name).write_bytes(body)
    file = content(tmp_path / name)
    assert (file.name, file.content_type, read(file)) == (sent, kind, body)


def test_an_object_without_a_suffix_has_the_type_of_its_bytes_or_else_the_stores(bucket: Bucket) -> None:
    bucket.put("output", PNG)
    bucket.client.put_object(Bucket=BUCKET, Key="table", Body=b"a,b", ContentType="text/csv; charset=utf-8")
    bucket.put("thing", b"x")
    found = [content(f"s3://{BUCKET}/{key}") for key in ("output", "table", "thing")]
    assert [(file.name, file.content_type) for file in found] == [
        ("output.png", "image/png"),
        ("table.csv", "text/csv"),
        ("thing", "application/octet-stream"),
    ]


def test_an_unreadable_beginning_may_be_retried() -> None:
    fake = Fake(on_open=TimeoutError())
    fake.name = "noext"
    with pytest.raises(WiroConnectionError, match=r"File parameter 'x': Can't read fake://bucket"):
        resolve_files({"x": fake})


def test_a_connection_that_opens_no_store_is_what_has_to_be_corrected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not a file that is missing, and no package."""

    def without_key_file(*_: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", "/keys/google.json")

    monkeypatch.setattr(stored_file, "open_object", without_key_file)
    with pytest.raises(WiroUsageError, match=r"google\.json'\. Correct the connection 'google_prod'\.$"):
        resolve_files({"x": "gs://google_prod@bucket/0.png"})


def test_a_store_that_denies_its_file_says_so_for_good() -> None:
    exceptions = pytest.importorskip("azure.core.exceptions")
    denied = exceptions.ClientAuthenticationError("<?xml version='1.0'?>")
    denied.status_code, denied.error_code = 403, "AuthorizationFailure"
    with pytest.raises(WiroUsageError, match=r"Can't read fake://bucket.*: AuthorizationFailure\."):
        resolve_files({"x": Fake(on_stat=denied)})


# -- uploads


def test_uploads_accept_data_uris_and_transferred_files(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("a.png", PNG)
    (tmp_path / "noext").write_bytes(PNG)
    for given in (
        DATA,
        f"s3://{BUCKET}/a.png",
        landed(f"s3://{BUCKET}/a.png")["files"][0],
        tmp_path / "noext",
    ):
        file = resolve_upload(given)
        assert (file.content_type, read(file)) == ("image/png", PNG)
        assert file.name.endswith(".png")


@pytest.mark.parametrize("given", [f"{CDN}0.png?sig=secret", summary("0.png", query="?sig=secret")])
def test_a_link_is_no_upload(given: Any) -> None:
    (source,) = flattened(given)
    with pytest.raises(WiroUsageError, match=r"^File 0: .*Wiro fetches URLs itself") as caught:
        resolve_upload(source, where="File 0")
    assert "secret" not in str(caught.value)


# -- errors


LONG = "x" * 5000


class Operator:
    task_id, output = "generate", None


@pytest.mark.parametrize(
    "given",
    [
        f"/{LONG}/a.png",
        f"s3://{BUCKET}/{LONG}",
        f"nosuchstore://{LONG}",
        f"https://user:secret@[{LONG}",
        f"http://x.test/{LONG} {LONG}",
        f"data:image/png;base64,{LONG}!",
        f"data:{LONG}",
        {"url": LONG},
        {"url": DATA * 100},
        {"uri": LONG},
        {LONG: 1},
        {"wiro_task_id": LONG, "outputs": [], "status": LONG},
        storage_path(f"file:///{LONG}"),
        "",
        "\0",
        b"bytes",
        io.BytesIO(b"x"),
        7,
        3.5,
        True,
        SimpleNamespace(),
        Operator(),
    ],
    ids=lambda value: f"{type(value).__name__} {str(value)[:20]!r}",
)
def test_a_value_that_is_no_file_is_refused_with_its_parameter_in_few_words(
    given: Any, bucket: Bucket
) -> None:
    name = "inputImage"
    for files in ({name: given}, {name: ["https://x.test/a.png", given]}):
        with pytest.raises(WiroUsageError) as caught:
            resolve_files(files)
        message = str(caught.value)
        assert message.startswith("File parameter 'inputImage': ")
        assert len(message) < 480
        assert "x" * 201 not in message
        assert "secret" not in message


def test_an_operator_in_place_of_its_result_is_refused_with_advice() -> None:
    with pytest.raises(WiroUsageError, match=r"found Operator\. Write `generate\.output`"):
        resolve_files({"x": Operator()})


def test_an_error_while_reading_names_the_parameter_too(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (file,) = resolve_files({"inputImage": tmp_path / "a.png"})["inputImage"]
    assert isinstance(file, FileContent)
    (tmp_path / "a.png").unlink()
    with pytest.raises(WiroUsageError, match=r"a\.png \(file parameter 'inputImage'\): No such file"):
        file.open()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a.png", True),
        (pathlib.Path("/a.png"), True),
        ("s3://b/k", False),
        (DATA, False),
        (f"{CDN}0.png", False),
        ({"url": "a.png"}, False),
    ],
)
def test_a_local_path_is_distinguished_from_everything_else(given: Any, expected: bool) -> None:
    assert is_local_path(given) is expected


def test_no_message_shows_more_than_a_line_of_a_source() -> None:
    for source in (LONG, pathlib.Path(LONG), LONG.encode(), f"data:,{LONG}", f"https://{LONG}", {LONG: 1}, 7):
        assert len(shown(source)) <= 203
