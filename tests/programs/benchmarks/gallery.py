"""
The gallery: a page of a batch's manifest, beside the reading of all of it, and a film through the API server.

Each way is measured in a process of its own, whose caches are empty.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.airflow_home import ROOT
from tests.gallery.manifests.stored_lines import batch
from tests.programs.benchmarks.gallery_job import BUCKET, FILM, MANIFEST
from tests.programs.system.seaweedfs import SeaweedFS, running_seaweedfs
from tests.programs.system.servers import clean_environment

MIB = 1024 * 1024
_ITEMS = 10_000
_ROUNDS = 3
_FILM_BYTES = 1024 * MIB
_MEANINGS = {
    "first": "first page of 60",
    "middle": "page of item 5,000",
    "media": "… and its 60 items again, for their media",
    "whole": "all lines, read and parsed",
    "film": "streamed, over HTTP",
    "film_range": "its last MiB, by Range",
    "plain": "boto3 alone",
}


def main() -> None:
    """Print two tables: medians, and the growth of the process's memory."""
    runs = ROOT / ".cache" / "bench"
    runs.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=runs) as scratch,
        running_seaweedfs(Path(scratch, "s3"), log=Path(scratch, "log"), bucket=BUCKET) as server,
    ):
        body = batch(_ITEMS)
        server.client().put_object(Bucket=BUCKET, Key=MANIFEST, Body=body)
        ways = ("first", "middle", "media", "whole")
        _print(f"A manifest of {_ITEMS:,} items, {len(body) / MIB:.1f} MiB", _measure(server, scratch, ways))
        film = Path(scratch, "film")
        with film.open("wb") as target:
            for _ in range(_FILM_BYTES // MIB):
                target.write(os.urandom(MIB))
        metadata = {"Metadata": {"wiro-task-id": "2221", "airflow-dag-id": "bench"}}
        server.client().upload_file(str(film), BUCKET, FILM, ExtraArgs=metadata)
        film.unlink()
        ways = ("film", "film_range", "plain")
        _print("A film of 1 GiB", _measure(server, scratch, ways, rounds=1))


def _measure(
    server: SeaweedFS, scratch: str, ways: tuple[str, ...], rounds: int = _ROUNDS
) -> dict[str, dict[str, float]]:
    environment = clean_environment() | {
        "AIRFLOW_HOME": str(Path(scratch, "airflow")),
        "AIRFLOW_CONN_AWS_DEFAULT": server.airflow_connection(),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "AIRFLOW__WIRO__GALLERY_MEDIA": "streamed",
    }
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            done = subprocess.run(
                [sys.executable, "-m", "tests.programs.benchmarks.gallery_job", way],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            found[way].append(json.loads(done.stdout.splitlines()[-1]))
    return {
        way: {name: statistics.median(one[name] for one in results) for name in results[0]}
        for way, results in found.items()
    }


def _print(title: str, found: dict[str, dict[str, float]]) -> None:
    print(f"\nGallery: {title}")
    print(f"{'':44} {'ms':>8} {'requests':>9} {'MiB read':>9} {'MiB memory':>11}")
    for way, result in found.items():
        print(
            f"{_MEANINGS[way]:44} {result['seconds'] * 1000:8.0f} {result['requests']:9.0f} "
            f"{result['bytes'] / MIB:9.2f} {result['memory'] / MIB:11.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
