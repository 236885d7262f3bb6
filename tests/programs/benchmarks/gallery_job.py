"""One way of :mod:`tests.programs.benchmarks.gallery`, in a process of its own; prints one line of JSON."""

from __future__ import annotations

import http.client
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_wiro.gallery.landed_output import LandedOutput
from airflow_provider_wiro.gallery.manifests import open_manifest
from airflow_provider_wiro.gallery.ranged.s3_clients import s3_client
from tests.gallery.media.media_server import running_media_server

if TYPE_CHECKING:
    from collections.abc import Callable

BUCKET = "bench"
MANIFEST = "wiro/batches/shots/manual__1/generate.jsonl"
FILM = "wiro/2221/0-film.mp4"
_CONNECTION = "aws_default"
_READ_BYTES = 64 * 1024


def _page(at: str) -> Any:
    page = open_manifest(f"s3://{BUCKET}/{MANIFEST}", _CONNECTION).page(at)
    assert len(page.lines) == 60
    json.dumps([line.value for line in page.lines])
    return page


def _media() -> None:
    page = _page("item-5000")
    for line in page.lines:
        assert open_manifest(f"s3://{BUCKET}/{MANIFEST}", _CONNECTION).line(line.place) == line.value


def _whole() -> None:
    body = s3_client(_CONNECTION).get_object(Bucket=BUCKET, Key=MANIFEST)["Body"].read()
    lines = [json.loads(line) for line in body.splitlines()]
    json.dumps(lines[:60])


def _film(**headers: str) -> None:
    with running_media_server() as server:
        server.outputs["film"] = LandedOutput(
            f"s3://{BUCKET}/{FILM}", "film.mp4", "video/mp4", None, "2221", _CONNECTION, dag_id="bench"
        )
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
        connection.request("GET", "/film", headers=headers)
        answer = connection.getresponse()
        assert answer.status in {200, 206}
        left = int(answer.headers["Content-Length"])
        while found := answer.read(_READ_BYTES):
            left -= len(found)
        assert left == 0
        connection.close()


def _plain() -> None:
    body = s3_client(_CONNECTION).get_object(Bucket=BUCKET, Key=FILM)["Body"]
    for _ in body.iter_chunks(1024 * 1024):
        pass


WAYS: dict[str, Callable[[], Any]] = {
    "first": lambda: _page(""),
    "middle": lambda: _page("item-5000"),
    "media": _media,
    "whole": _whole,
    "film": _film,
    "film_range": lambda: _film(Range="bytes=-1048576"),
    "plain": _plain,
}


def _reset_peak() -> int:
    """Have Linux count the peak of this process's memory from now on; return its bytes now."""
    Path("/proc/self/clear_refs").write_text("5")
    return _kibibytes("VmRSS") * 1024


def _kibibytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])


def main() -> None:
    """Measure a way, with a client that is connected already."""
    client = s3_client(_CONNECTION)
    client.head_object(Bucket=BUCKET, Key=MANIFEST)
    counts = {"requests": 0, "bytes": 0}

    def count(parsed: Any, **_: Any) -> None:
        counts["requests"] += 1
        counts["bytes"] += parsed.get("ContentLength") or 0

    client.meta.events.register("after-call.s3.GetObject", count)
    before = _reset_peak()
    began = time.perf_counter()
    WAYS[sys.argv[1]]()
    seconds = time.perf_counter() - began
    memory = _kibibytes("VmHWM") * 1024 - before
    print(json.dumps({"seconds": seconds, "memory": memory, **counts}))


if __name__ == "__main__":
    main()
