"""Outputs as a transfer has put them, and as a result names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.gallery.landed_output import LandedOutput
from airflow_provider_wiro.landing.provenance import Provenance
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = "wiro/2221/0-film ü.mp4"
TASK = "2221"


def metadata_of(task: str = TASK, dag_id: str = "covers", api: str | None = "api.wiro.ai") -> dict[str, str]:
    """Return the metadata that a transfer writes."""
    return Provenance(task, "owner/model", dag_id, "manual__1", "to_s3", api=api).metadata("0")


def put(
    client: Any, body: bytes, metadata: Mapping[str, str] | None = None, key: str = KEY, **more: Any
) -> None:
    """Put an object as a transfer does; its own type is one that nobody should rely on."""
    given = metadata_of() if metadata is None else dict(metadata)
    client.put_object(
        Bucket=BUCKET, Key=key, Body=body, **{"Metadata": given, "ContentType": "text/html", **more}
    )


def an_output(content_type: str | None = "video/mp4", name: str = "film ü.mp4", **more: Any) -> LandedOutput:
    """Return an output as the reader of results gives it."""
    known: dict[str, Any] = {
        "uri": f"s3://{BUCKET}/{KEY}",
        "size": None,
        "wiro_task_id": TASK,
        "aws_conn_id": "aws_default",
        "dag_id": "covers",
    }
    return LandedOutput(name=name, content_type=content_type, **{**known, **more})
