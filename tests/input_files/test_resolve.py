"""A user's files, wherever they are stored: inspected before anything is sent, and sent unchanged."""

from __future__ import annotations

import hashlib
import io
import os
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.api.parameters import MAX_FILE_BYTES, FileContent, FileUrl
from airflow_provider_wiro.emulator import WiroEmulator
from airflow_provider_wiro.exceptions import WiroConnectionError, WiroUsageError
from airflow_provider_wiro.input_files.resolve import UPLOAD_EXTENSIONS, resolve_file, resolve_files
from tests import warm_python
from tests.contract.scripts import refuse, success
from tests.contract.twins import TWINS
from tests.input_files.object_storage import PEAK, Bucket, attach_memory, storage_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.contract.hostile import HostileServer
    from tests.contract.twins import Twin

RUN, TOOL, UPLOAD = "/v1/Run/o/m", "/v1/Tool/Detail", "/v1/File/Upload"
BYTES = bytes(range(256)) * 5000 + b"--boundary\r\n\r\n\0"
#: Nearly four times the memory that its upload may take.
BIG_BYTES = 60_000_000
URL = "https://x.test/a.png"
STORED = success(list=[{"id": "f1", "name": "a.png", "url": "https://files.test/f1"}])


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(params=["path", "text", "file://", "memory://", "object", "s3://"])
def put(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str, bytes], Any]:
    if request.param == "s3://":
        bucket: Bucket = request.getfixturevalue("bucket")
        return bucket.put
    if request.param in {"memory://", "object"}:
        attach_memory()

    def write(name: str, body: bytes) -> Any:
        if request.param in {"memory://", "object"}:
            path = storage_path(f"memory://bucket/{name}")
            path.write_bytes(body)
            return path if request.param == "object" else f"memory://bucket/{name}"
        local = tmp_path / name
        local.write_bytes(body)
        return {"path": local, "text": str(local), "file://": f"file://{local}"}[request.param]

    return write


class Fake:
    """A path in an object store that fails."""

    protocol = "fake"
    name = "a.png"

    def __init__(self, *, on_stat: Exception | None = None, on_open: Any = None, body: Any = None) -> None:
        self._on_stat, self._on_open, self._body = on_stat, on_open, body

    def __str__(self) -> str:
        return "fake://bucket/a.png"

    def stat(self) -> os.stat_result:
        if self._on_stat:
            raise self._on_stat
        return os.stat_result((0o100644, 0, 0, 1, 0, 0, len(BYTES), 0, 0, 0))

    def open(self, mode: str) -> Any:
        if self._on_open:
            raise self._on_open
        return self._body()


class Cut(io.BytesIO):
    """Bytes whose reading fails half-way."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__(BYTES)
        self._error = error

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > len(BYTES) // 2:
            if self._error:
                raise self._error
            return b""
        return super().read(size)


# -- every kind of parameter and of source, against the emulator


@pytest.mark.parametrize("kind", list(TWINS))
def test_each_kind_of_file_parameter_accepts_files_from_everywhere(
    monkeypatch: pytest.MonkeyPatch, put: Callable[[str, bytes], Any], kind: str
) -> None:
    one, two, three = BYTES, BYTES + b"2", BYTES[::-1]
    with WiroEmulator(speed=100) as wiro:
        monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", wiro.connection)
        twin = TWINS[kind]()
        twin.run_model("wiro/image-edit-general", {"prompt": "x"}, {"inputImage": put("1.png", one)})
        twin.run_model(
            "wiro/AI-Resume-CV-Parser",
            {},
            {"inputDocumentMultiple": [put("1.pdf", one), put("2.pdf", two), URL]},
        )
        twin.run_model(
            "wiro/Virtual Try-On",
            {},
            {"inputImageHuman": URL, "inputImageClothes": [put("2.png", two), URL, put("3.png", three)]},
        )
        twin.close()
        sent = [[(file.field, file.name, file.sha256) for file in task.files] for task in wiro.tasks]
        urls = [task.parameters for task in wiro.tasks]
        assert wiro.counts.requests["Run"] == 3
    assert sent == [
        [("inputImage", "1.png", sha256(one))],
        [("inputDocumentMultiple", "1.pdf", sha256(one)), ("inputDocumentMultiple", "2.pdf", sha256(two))],
        [("inputImageClothes", "2.png", sha256(two)), ("inputImageClothes", "3.png", sha256(three))],
    ]
    assert urls[1]["inputDocumentMultipleUrl"] == URL
    assert (urls[2]["inputImageHumanUrl"], urls[2]["inputImageClothes"]) == (URL, URL)


def test_a_file_is_opened_again_for_every_try_and_its_length_is_announced(
    server: HostileServer, twin: Twin, put: Callable[[str, bytes], Any]
) -> None:
    server.on(TOOL, refuse(1, "not there"))
    server.on(RUN, refuse(0, "slow down", 429), refuse(96, "limit"), success(taskid="1"))
    twin.run_model("o/m", {}, {"inputImage": put("a.png", BYTES)})
    assert [request.parts[0].body == BYTES for request in server.to(RUN)] == [True] * 3
    for request in server.to(RUN):
        assert int(request.headers["content-length"]) == request.body_size


@pytest.mark.usefixtures("connect")
@pytest.mark.parametrize("kind", list(TWINS))
def test_a_file_of_60_mb_from_s3_costs_as_little_memory_as_its_blocks(
    server: HostileServer, bucket: Bucket, kind: str
) -> None:
    small = bucket.put("small.mp4", b"x" * 9_000_000)
    big = bucket.put("big.mp4", b"\0" * BIG_BYTES)
    server.on(UPLOAD, STORED)
    program = f"""
{PEAK}
from tests.contract.twins import TWINS
twin = TWINS[{kind!r}]()
twin.upload_file({small!r})
before = peak_kib()
twin.upload_file({big!r})
print(peak_kib() - before)
twin.close()
"""
    done = warm_python.run(program)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) < 16 * 1024
    assert server.requests[1].body_size > BIG_BYTES


# -- checked before anything is sent


def test_a_file_too_large_for_wiro_is_refused_wherever_it_is(
    server: HostileServer, twin: Twin, tmp_path: Path
) -> None:
    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    for source in (large, f"file://{large}", storage_path(f"file://{large}")):
        with pytest.raises(WiroUsageError, match=f"has {MAX_FILE_BYTES + 1}"):
            twin.run_model("o/m", {}, {"inputImage": source})
        with pytest.raises(WiroUsageError, match=f"has {MAX_FILE_BYTES + 1}"):
            twin.upload_file(source)
    assert server.connections == 0


@pytest.mark.parametrize("name", ["a.exe", "a.tar.gz", "a", ".png", "png", "a.png.", "a.svg"])
def test_a_kind_of_file_that_wiro_does_not_store_is_refused_before_the_upload(
    server: HostileServer, twin: Twin, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(b"x")
    if name == "a.png.":  # the sent name is cleaned
        server.on(UPLOAD, STORED)
        assert twin.upload_file(tmp_path / name).id == "f1"
        return
    with pytest.raises(WiroUsageError, match=r"has to end in one of .*, found"):
        twin.upload_file(tmp_path / name)
    assert server.connections == 0


def test_every_kind_of_file_that_wiro_stores_is_taken_in_any_case(
    server: HostileServer, twin: Twin, tmp_path: Path
) -> None:
    server.on(UPLOAD, STORED)
    for extension in UPLOAD_EXTENSIONS:
        path = tmp_path / f"a.{extension.upper()}"
        path.write_bytes(b"x")
        twin.upload_file(path)
    assert len(server.to(UPLOAD)) == len(UPLOAD_EXTENSIONS) == 21


def test_a_run_takes_kinds_of_files_that_file_upload_does_not(
    server: HostileServer, twin: Twin, tmp_path: Path
) -> None:
    (tmp_path / "model.glb").write_bytes(b"x")
    server.on(TOOL, refuse(1, "not there")).on(RUN, success(taskid="1"))
    twin.run_model("o/m", {}, {"inputMesh": tmp_path / "model.glb"})
    assert server.to(RUN)[0].parts[0].filename == "model.glb"


def test_a_url_is_not_uploaded_since_wiro_fetches_it_itself(server: HostileServer, twin: Twin) -> None:
    with pytest.raises(WiroUsageError, match="Wiro fetches URLs itself"):
        twin.upload_file(URL)
    assert server.connections == 0


def test_an_object_that_does_not_exist_is_the_users_error(bucket: Bucket) -> None:
    bucket.put("folder/a.png", b"x")
    for uri in (bucket.uri("missing.png"), bucket.uri("folder"), "s3://aws_default@no-such-bucket/a.png"):
        with pytest.raises(WiroUsageError, match=r"found (none|a folder)"):
            resolve_file(uri)


# -- a store that fails


def test_inspecting_a_file_costs_one_request(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = bucket.put("a.png", BYTES)
    resolve_file(uri)  # opens the store
    import s3fs

    asked: list[str] = []
    real = s3fs.S3FileSystem._call_s3

    async def counting(self: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        asked.append(method)
        return await real(self, method, *args, **kwargs)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", counting)
    resolve_file(uri)
    assert asked == ["head_object"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (FileNotFoundError(2, "No such file"), WiroUsageError),
        (PermissionError(13, "Permission denied"), WiroUsageError),
        (TimeoutError(), WiroConnectionError),
        (OSError(5, "Service Unavailable"), WiroConnectionError),
        (RuntimeError("the store's own"), WiroConnectionError),
    ],
)
def test_only_temporary_errors_of_an_object_store_may_be_retried(
    server: HostileServer, twin: Twin, error: Exception, expected: type[Exception]
) -> None:
    server.on(TOOL, refuse(1, "not there"))
    for source in (Fake(on_stat=error), Fake(on_open=error)):
        with pytest.raises(expected, match=r"fake://bucket/a\.png"):
            twin.run_model("o/m", {}, {"inputImage": source})
    assert server.to(RUN) == []


@pytest.mark.parametrize("error", [OSError(5, "Connection reset by S3"), RuntimeError("it is away"), None])
def test_a_file_that_fails_while_it_is_sent_is_no_lost_run(
    server: HostileServer, twin: Twin, error: Exception | None
) -> None:
    """The body was incomplete, so nothing was started: a retry pays only once."""
    server.on(TOOL, refuse(1, "not there")).on(RUN, success(taskid="1"))
    with pytest.raises(WiroConnectionError, match=r"fake://bucket/a\.png"):
        twin.run_model("o/m", {}, {"inputImage": Fake(body=lambda: Cut(error))})
    assert [request.body_sha256 for request in server.to(RUN)] in (
        [],
        [""],
    )  # it was never received completely


@pytest.mark.parametrize("change", [b"", b"shorter", BYTES + b"longer"])
def test_a_file_that_changed_since_its_inspection_is_not_sent(
    server: HostileServer, twin: Twin, put: Callable[[str, bytes], Any], change: bytes
) -> None:
    source = put("a.png", BYTES)

    def changing(wire: Any) -> None:
        put("a.png", change)
        refuse(1, "not there")(wire)

    server.on(TOOL, changing).on(RUN, success(taskid="1"))
    with pytest.raises(WiroConnectionError, match="is being changed"):
        twin.run_model("o/m", {}, {"inputImage": source})
    assert [request.body_sha256 for request in server.to(RUN)] in ([], [""])


# -- what distinguishes one content from another


def test_an_object_that_was_replaced_by_one_of_the_same_size_is_another_file(bucket: Bucket) -> None:
    uri = bucket.put("a.png", b"one")
    first, again = resolve_file(uri), resolve_file(uri)
    bucket.put("a.png", b"two")
    other = resolve_file(uri)
    assert isinstance(first, FileContent)
    assert isinstance(again, FileContent)
    assert isinstance(other, FileContent)
    assert first.identity == again.identity != other.identity


def test_a_local_file_is_identified_by_its_content(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(BYTES)
    found = resolve_files({"x": [tmp_path / "a.png", tmp_path / "b.png"]})["x"]
    assert {file.identity for file in found if isinstance(file, FileContent)} == {f"sha256:{sha256(BYTES)}"}


# -- what another task returned


def test_uploads_and_outputs_of_other_tasks_are_taken_by_their_url() -> None:
    uploaded = [{"name": "a.png", "url": URL, "size": 3, "content_type": "image/png", "file_id": "1"}]
    for given in (uploaded, uploaded[0], [uploaded], URL, [URL]):
        assert resolve_files({"inputImage": given}) == {"inputImage": [FileUrl(URL)]}
    assert resolve_files({"inputImage": [uploaded, uploaded]}) == {"inputImage": [FileUrl(URL)] * 2}


@pytest.mark.parametrize("url", [None, "", "/etc/passwd", "file:///etc/passwd", 7])
def test_a_dict_never_names_a_file_of_this_machine(url: Any) -> None:
    with pytest.raises(WiroUsageError, match=r"http\(s\) URL"):
        resolve_file({"url": url})
