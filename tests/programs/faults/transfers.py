"""What goes wrong while outputs are transferred into S3."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tests.programs.faults.interruptible_wait import BrokenPromiseError, wait_for
from tests.programs.faults.processes import kill_task
from tests.programs.faults.scenario import Scenario
from tests.programs.faults.scenario_context import Expected
from tests.programs.system.seaweedfs import running_seaweedfs
from tests.programs.system.servers import DIRECT

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from tests.programs.faults.scenario_context import Run, ScenarioContext

BUCKET = "outputs"
MIB = 1024 * 1024
OUTPUTS, OUTPUT_BYTES = 6, 20 * MIB
#: Each output has three. With four threads one is complete by then, and since this is no multiple of three,
#: another is in flight.
PARTS_SERVED = 14
#: Four a second.
_STILL_LOOKS = 12


def transfer_killed(context: ScenarioContext) -> None:
    """
    The process dies in the middle of a transfer: some outputs are complete, others have some parts.

    The second try transfers only what is missing, and no part of the first is left in the bucket.
    """
    context.stack.api.wait_for_dag(context.name, timeout_seconds=180)
    folder = context.wiro.log.parents[1] / "s3"
    with running_seaweedfs(folder / "data", log=folder / "log", bucket=BUCKET) as server:
        s3 = server.client()
        connection = json.loads(server.airflow_connection())
        fields = {
            **connection,
            "connection_id": f"aws_{context.name}",
            "extra": json.dumps(connection["extra"]),
        }
        context.stack.api.request("POST", "/api/v2/connections", fields)
        context.wiro.arm(
            {"kind": "big_output", "bytes": OUTPUT_BYTES, "outputs": OUTPUTS},
            {"kind": "slow", "endpoint": "cdn", "delay_seconds": 600, "skip": PARTS_SERVED, "times": None},
        )
        run = context.trigger()
        # The fault that fires first is the one that makes the outputs large.
        context.wait_until_wiro("the CDN stalls", lambda seen: seen.faults_fired > 1, within_seconds=180)
        landed, under_way = _when_all_is_still(s3)
        kill_task(_instance(run, "land")["pid"], context.stack.servers)
        context.wiro.disarm()
        if not landed or not under_way:
            raise BrokenPromiseError(f"killed at no telling moment: {landed} landed, {under_way} under way")
        context.note(f"killed with {len(landed)} of {OUTPUTS} landed and {len(under_way)} under way")
        served_before = context.ask(lambda seen: seen.counts["bytes_served"])
        context.finish(Expected(started=1, states={"success": 2}, billed=1, most_tries=2))
        served = context.ask(lambda seen: seen.counts["bytes_served"]) - served_before
        _check(s3, run, landed, served)
        context.note(f"the second try fetched {served // MIB} MiB, and left no open upload")


def _when_all_is_still(s3: S3Client) -> tuple[dict[str, str], dict[str, int]]:
    """Return the complete objects and the number of parts in flight, once both have stopped changing."""
    seen: list[tuple[dict[str, str], dict[str, int]]] = []

    def is_still() -> bool:
        seen.append((_etags(s3), _parts(s3)))
        return len(seen) >= _STILL_LOOKS and all(it == seen[-1] for it in seen[-_STILL_LOOKS:])

    wait_for("the transfer has stalled", is_still, within_seconds=60)
    return seen[-1]


def _check(s3: S3Client, run: Run, landed: dict[str, str], served: int) -> None:
    files = run.result("land")["files"]
    shown = {output["index"]: _sha256(output["url"]) for output in run.result("run")["outputs"]}
    found = {key: _sha256_of(s3, key) for key in _etags(s3)}
    missing = (OUTPUTS - len(landed)) * OUTPUT_BYTES
    wrong = [
        f"{what}: expected {wanted}, found {seen}"
        for what, wanted, seen in (
            ("digests in the bucket", sorted(shown.values()), sorted(found.values())),
            ("objects that were there", landed, {k: v for k, v in _etags(s3).items() if k in landed}),
            ("outputs that were skipped", len(landed), sum(file["skipped"] for file in files)),
            ("open uploads", [], _open_uploads(s3)),
        )
        if wanted != seen
    ]
    # A stalled connection that sends its rest when its fault is disarmed is no second transfer.
    if not missing <= served < missing + OUTPUT_BYTES:
        wrong.append(f"bytes that the second try fetched: expected {missing}, found {served}")
    if wrong:
        raise BrokenPromiseError("; ".join(wrong))


def _instance(run: Run, task_id: str) -> dict[str, Any]:
    return next(instance for instance in run.instances() if instance["task_id"] == task_id)


def _etags(s3: S3Client) -> dict[str, str]:
    return {item["Key"]: item["ETag"] for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])}


def _open_uploads(s3: S3Client) -> list[tuple[str, str]]:
    found = s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    return [(upload["Key"], upload["UploadId"]) for upload in found]


def _parts(s3: S3Client) -> dict[str, int]:
    found = {}
    for key, upload_id in _open_uploads(s3):
        with suppress(s3.exceptions.NoSuchUpload):  # it has just become an object
            parts = s3.list_parts(Bucket=BUCKET, Key=key, UploadId=upload_id)
            found[key] = len(parts.get("Parts", []))
    return found


def _sha256_of(s3: S3Client, key: str) -> str:
    return hashlib.sha256(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()).hexdigest()


def _sha256(url: str) -> str:
    with DIRECT.open(url, timeout=60) as answer:
        return hashlib.sha256(answer.read()).hexdigest()


SCENARIOS = (Scenario("transfer_killed", transfer_killed, model_seconds=8),)
