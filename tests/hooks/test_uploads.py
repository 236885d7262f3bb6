"""Files are sent unchanged and never held in memory; bad ones are refused before any request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.api.parameters import MAX_FILE_BYTES
from airflow_provider_wiro.exceptions import WiroUsageError
from tests import warm_python
from tests.contract.scripts import refuse, reset, respond_before_body, success
from tests.contract.twins import TWINS, sha256

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.contract.hostile import HostileServer, Part
    from tests.contract.twins import Twin

RUN, TOOL, UPLOAD = "/v1/Run/o/m", "/v1/Tool/Detail", "/v1/File/Upload"
STARTED = success(taskid="1")
BYTES = bytes(range(256)) * 1000 + b"--boundary\r\n\r\n\0"
#: Five times the memory that its upload may take.
BIG_BYTES = 40_000_000


def model(kind: str, name: str = "inputImage") -> Any:
    return success(
        tool=[{"slugowner": "o", "slugproject": "m", "parameters": [{"items": [{"id": name, "type": kind}]}]}]
    )


def parts_sent(parts: list[Part]) -> list[tuple[str, str | None, bytes]]:
    return [(part.name, part.filename, part.body) for part in parts]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.png"
    path.write_bytes(BYTES)
    return path


def test_a_local_file_arrives_byte_by_byte(server: HostileServer, twin: Twin, image: Path) -> None:
    server.on(TOOL, model("fileinput")).on(RUN, STARTED)
    twin.run_model("o/m", {"prompt": "çizgi", "samples": 4, "on": True}, {"inputImage": str(image)})
    (request,) = server.to(RUN)
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert int(request.headers["content-length"]) == request.body_size
    assert parts_sent(request.parts) == [
        ("prompt", None, "çizgi".encode()),
        ("samples", None, b"4"),
        ("on", None, b"true"),
        ("inputImage", "image.png", BYTES),
        ("inputImageUrl", None, b""),
    ]
    assert request.parts[3].headers["content-type"] == "image/png"


def test_files_and_urls_in_a_list_are_sent_each_in_its_way(
    server: HostileServer, twin: Twin, image: Path, an_hour_later: Callable[[], None]
) -> None:
    files = {"inputImage": [image, "https://x.test/a.png", str(image), " https://x.test/b.png "]}
    server.on(TOOL, model("multifileinput"), model("combinefileinput")).on(RUN, STARTED)
    twin.run_model("o/m", {}, files)
    an_hour_later()
    twin.run_model("o/m", {}, files)
    multi, combined = server.to(RUN)
    assert parts_sent(multi.parts) == [
        ("inputImage", "image.png", BYTES),
        ("inputImage", "image.png", BYTES),
        ("inputImageUrl", None, b"https://x.test/a.png,https://x.test/b.png"),
    ]
    assert parts_sent(combined.parts) == [
        ("inputImage", "image.png", BYTES),
        ("inputImage", None, b"https://x.test/a.png"),
        ("inputImage", "image.png", BYTES),
        ("inputImage", None, b"https://x.test/b.png"),
    ]


def test_urls_alone_are_sent_as_json(
    server: HostileServer, twin: Twin, an_hour_later: Callable[[], None]
) -> None:
    server.on(TOOL, model("fileinput"), model("combinefileinput")).on(RUN, STARTED)
    twin.run_model("o/m", {"prompt": "x"}, {"inputImage": "https://x.test/a.png"})
    an_hour_later()
    twin.run_model("o/m", {"prompt": "x"}, {"inputImage": ["https://x.test/a.png"]})
    assert [request.json for request in server.to(RUN)] == [
        {"prompt": "x", "inputImage": "", "inputImageUrl": "https://x.test/a.png"},
        {"prompt": "x", "inputImage": ["https://x.test/a.png"]},
    ]


def test_a_files_name_is_sent_unchanged_but_harmless(
    server: HostileServer, twin: Twin, tmp_path: Path
) -> None:
    for name in ("gün doğdu.png", 'a"b;c.png', "%41.png"):
        (tmp_path / name).write_bytes(b"x")
    server.on(TOOL, refuse(1, "not there")).on(RUN, STARTED)
    twin.run_model("o/m", {}, {"inputImage": sorted(tmp_path.iterdir())})
    names = [part.filename for part in server.to(RUN)[0].parts if part.filename]
    assert names == ["41.png", "a-b-c.png", "gün-doğdu.png"]


@pytest.mark.parametrize("parameter", ["input image", "inputs[0]", "görsel"])
def test_a_parameters_name_is_sent_unchanged(
    server: HostileServer, twin: Twin, image: Path, parameter: str
) -> None:
    server.on(TOOL, refuse(1, "not there")).on(RUN, STARTED)
    twin.run_model("o/m", {}, {parameter: image})
    assert server.to(RUN)[0].parts[0].name == parameter


def test_a_file_is_sent_from_its_beginning_at_every_try(
    server: HostileServer, twin: Twin, image: Path
) -> None:
    busy = refuse(0, "slow down", 429)
    server.on(TOOL, model("fileinput")).on(RUN, busy, refuse(96, "limit"), STARTED)
    twin.run_model("o/m", {}, {"inputImage": image})
    assert [request.parts[0].body for request in server.to(RUN)] == [BYTES] * 3


def test_upload_file_is_repeated_after_a_lost_response(
    server: HostileServer, twin: Twin, image: Path
) -> None:
    stored = {"id": "f1", "name": "image.png", "size": "256014", "url": "https://files.test/f1"}
    server.on(UPLOAD, reset, success(list=[stored]))
    assert twin.upload_file(image, folder_id="d1").url == "https://files.test/f1"
    for request in server.requests:
        assert parts_sent(request.parts) == [("folderid", None, b"d1"), ("file", "image.png", BYTES)]


def test_a_response_before_the_body_was_read_is_understood(
    server: HostileServer, twin: Twin, tmp_path: Path, no_repeats: None
) -> None:
    big = tmp_path / "big.png"
    big.write_bytes(b"\0" * 5_000_000)
    server.on(UPLOAD, respond_before_body(refuse(0, "too large", 413)))
    with pytest.raises(Exception, match=r"too large|No response"):
        twin.upload_file(big)


def _sparse(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path


def test_bad_files_are_refused_before_any_request(server: HostileServer, twin: Twin, tmp_path: Path) -> None:
    empty = tmp_path / "empty.png"
    empty.touch()
    bad: list[Any] = [
        tmp_path / "missing.png",
        str(tmp_path / "missing.png"),
        empty,
        _sparse(tmp_path / "large.png", MAX_FILE_BYTES + 1),
        tmp_path,
        "",
        "  ",
        42,
        b"bytes",
        "x" * 5000,
        "a\0b",
        "nosuchscheme://bucket/key",
        "https://",
    ]
    for file in bad:
        with pytest.raises(WiroUsageError):
            twin.run_model("o/m", {}, {"inputImage": file})
        with pytest.raises(WiroUsageError):
            twin.upload_file(file)
    with pytest.raises(WiroUsageError):
        twin.run_model("o/m", {}, [str(tmp_path)])
    assert server.connections == 0


def test_an_unreadable_file_is_the_users_error_and_no_run_is_lost(
    server: HostileServer, twin: Twin, image: Path
) -> None:
    def remove(wire: Any) -> None:
        image.unlink()
        model("fileinput")(wire)

    server.on(TOOL, remove).on(RUN, STARTED)
    with pytest.raises(WiroUsageError, match=r"Can't read .*image\.png"):
        twin.run_model("o/m", {}, {"inputImage": image})
    assert server.to(RUN) == []


def test_a_file_of_the_largest_size_is_taken(server: HostileServer, twin: Twin, tmp_path: Path) -> None:
    server.on(UPLOAD, success(list=[{"id": "1", "url": "https://files.test/1"}]))
    assert twin.upload_file(_sparse(tmp_path / "max.mp4", MAX_FILE_BYTES)).id == "1"
    assert server.requests[0].body_size > MAX_FILE_BYTES


@pytest.mark.usefixtures("connect")
@pytest.mark.parametrize("kind", list(TWINS))
def test_a_file_of_40_mb_costs_no_memory(server: HostileServer, tmp_path: Path, kind: str) -> None:
    warm_up = tmp_path / "small.mp4"
    warm_up.write_bytes(b"x" * 1_000_000)
    file = _sparse(tmp_path / "big.mp4", BIG_BYTES)
    server.on(UPLOAD, success(list=[{"id": "1", "url": "https://files.test/1"}]))
    program = f"""
import json, resource, sys
from tests.contract.twins import TWINS
twin = TWINS[{kind!r}]()
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
twin.upload_file({str(warm_up)!r})
before = peak()
twin.upload_file({str(file)!r})
print(json.dumps(peak() - before))
twin.close()
"""
    done = warm_python.run(program)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) < 8 * 1024  # KiB
    assert server.requests[1].body_size > BIG_BYTES
    assert sha256(b"") != server.requests[1].body_sha256
