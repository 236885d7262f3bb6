"""Task instances and what they have left, as the gallery reads them, with what a test doesn't care about."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.gallery.cards.groups import Group, groups_of
from airflow_provider_wiro.gallery.cards.media import MediaRules
from airflow_provider_wiro.gallery.cards.run_card import run_card
from airflow_provider_wiro.gallery.left.rows import DagRunRow, DagTask, Instance, InstanceKey, Kind, Values
from airflow_provider_wiro.gallery.media import kind_of, why_not_served

if TYPE_CHECKING:
    from airflow_provider_wiro.gallery.page import Card

RUN_ID = "manual__2026-11-27T10:00:00+00:00"
STARTED = datetime(2026, 11, 27, 10, tzinfo=UTC)
ENDED = DagRunRow(7, "shots", RUN_ID, "success", STARTED)
ON_ITS_WAY = DagRunRow(7, "shots", RUN_ID, "running", STARTED)
RULES = MediaRules(kind_of, why_not_served)

FILE: dict[str, Any] = {
    "uri": "s3://bucket/wiro/2221/0-0.png",
    "name": "0.png",
    "size": 427,
    "sha256": "0" * 64,
    "content_type": "image/png",
    "etag": "e",
    "skipped": False,
}
SUMMARY: dict[str, Any] = {
    "wiro_task_id": "2221",
    "model": "owner/model",
    "status": "task_postprocess_end",
    "state": "succeeded",
    "outputs": [
        {
            "index": 0,
            "name": "0.png",
            "content_type": "image/png",
            "size": 427,
            "url": "https://cdn1.wiro.ai/0.png",
        }
    ],
    "text": None,
    "finish_reason": None,
    "usage": None,
    "elapsed_seconds": 6.0,
    "cost_usd": "0.00351",
    "label": None,
    "reused": False,
}
TRANSFERRED: dict[str, Any] = {
    "wiro_task_id": "2221",
    "files": [FILE],
    "total_bytes": 427,
    "cost_usd": "0.004",
}
#: What Airflow shows of a run, and of a transfer, as rendered.
RENDERED: dict[str, Any] = {
    "model": "owner/model",
    "parameters": {"prompt": "a robot", "seed": "7", "steps": 30},
    "files": None,
    "aws_conn_id": "aws_default",
    "run_label": None,
}
RENDERED_TRANSFER: dict[str, Any] = {"wiro_task_id": "2221", "s3_bucket": "bucket", "aws_conn_id": "to_s3"}


def instance(
    task_id: str = "generate",
    kind: Kind = Kind.RUN,
    state: str | None = "success",
    *,
    map_index: int = -1,
    wiro_task_id: str | None = None,
    order: int = 0,
    follows: bool = False,
    label: str | None = None,
    arguments: dict[str, Any] | None = None,
) -> Instance:
    task = DagTask(task_id, kind, order, arguments or {}, follows)
    return Instance(InstanceKey(RUN_ID, task_id, map_index), task, state, 1, label, wiro_task_id)


def transfer(state: str | None = "success", **more: Any) -> Instance:
    return instance("land", Kind.TRANSFER, state, **{"order": 1, "follows": True, **more})


def left(returned: Any = None, *, rendered: dict[str, Any] | None = None, **xcoms: Any) -> Values:
    known = xcoms if returned is None else {"return_value": returned, **xcoms}
    return Values(known, rendered)


def one_group(*instances: Instance) -> Group:
    (group,) = groups_of(instances)
    return group


def card(
    *pairs: tuple[Instance, Values], run: DagRunRow = ENDED, rules: MediaRules = RULES, group: Any = None
) -> Card:
    """Return the card of task instances that are one group."""
    return run_card(
        run, group or one_group(*(one for one, _ in pairs)), {one.key: values for one, values in pairs}, rules
    )
