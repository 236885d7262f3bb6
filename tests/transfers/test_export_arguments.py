"""What can't be right of an export is refused when its DAG file is parsed, in one sentence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.transfers.wiro_project_to_s3 import WiroProjectToS3Operator


def export(**arguments: Any) -> WiroProjectToS3Operator:
    return WiroProjectToS3Operator(task_id="export", **{"s3_bucket": "outputs", **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"s3_key": "wiro/{index}-{name}"}, "Expected {wiro_task_id} in s3_key"),
        ({"s3_key": "wiro/{wiro_task_id}{index}"}, "separated from other placeholders"),
        ({"s3_key": "wiro/{model}{wiro_task_id}/{name}"}, "separated from other placeholders"),
        ({"s3_key": "wiro/{created:%d}{wiro_task_id}/{name}"}, "separated from other placeholders"),
        ({"s3_key": "wiro/{created}/{wiro_task_id}/{name}"}, "without one"),
        ({"s3_key": "wiro/{created:%!}/{wiro_task_id}/{name}"}, "strftime"),
        ({"s3_key": "wiro/{date}/{wiro_task_id}/{name}"}, "Unknown placeholder {date}"),
        ({"s3_key": "wiro/{label}/{wiro_task_id}/{name}"}, "Unknown placeholder {label}"),
        ({"s3_key": "{{ ds }}/{wiro_task_id}/{name}"}, "write {created:%Y/%m/%d}"),
        ({"s3_key": "x/{{ data_interval_start | ds }}/{wiro_task_id}/{name}"}, "an export of its own"),
        ({"s3_key": "{{ ds /{wiro_task_id}/{name}"}, "to end with `}}`"),
        ({"s3_bucket": "No Bucket"}, "bucket"),
        ({"manifest": "{label}/{wiro_task_id}.json"}, "without {label}"),
        ({"manifest": "{created:%Y}/{index}.json"}, "Unknown placeholder {index}"),
        ({"manifest_uri": "relative.jsonl"}, "manifest_uri as an absolute path"),
        ({"manifest_uri": "s3://bucket/folder/"}, "It names a folder"),
        ({"state_path": "relative"}, "state_path"),
        ({"since": "yesterday"}, "Expected since as a datetime"),
        ({"since": timedelta(days=-1)}, "Expected since as a datetime"),
        ({"model": "no-slash"}, "owner/model"),
        ({"project_id": ["7", "8"]}, "Expected project_id as the id of one project, found list"),
        ({"max_tasks": 0}, "Expected max_tasks as a whole number from 1"),
        ({"max_tasks": "many"}, "Expected max_tasks as a whole number from 1"),
        ({"wait_for_open": -1}, "Expected wait_for_open as minutes"),
        ({"wait_for_open": timedelta(hours=1)}, "Expected wait_for_open as minutes"),
        ({"wait_for_open": True}, "Expected wait_for_open as minutes"),
        ({"delete_after": "yes"}, "Expected delete_after as True or False"),
        ({"succeeded_only": "false"}, "Expected succeeded_only as True or False"),
        ({"asset_events": "all"}, "Expected asset_events as 'one'"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"part_size": 1}, "part_size"),
        ({"poll_interval": 0}, "poll_interval"),
        ({"acl_policy": "mine"}, "acl_policy"),
        ({"extra_args": {"Metadata": {"wiro-task-id": "1"}}}, "wiro-task-id"),
        ({"wiro_conn_id": ""}, "wiro_conn_id"),
    ],
)
def test_what_can_not_be_right_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(WiroUsageError) as refused:
        export(**arguments)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"since": "{{ data_interval_start }}"},
        {"since": datetime(2026, 1, 1, tzinfo=UTC)},
        {"since": timedelta(days=7), "max_tasks": 100, "wait_for_open": 0.5},
        {"s3_key": "s3://outputs/{created:%Y-%m}/{wiro_task_id}/{index}{suffix}", "s3_bucket": None},
        {"s3_key": "{{ params.folder }}/{wiro_task_id}/{name}"},
        {"s3_key": "wiro/{created:%Y}/{{ ds }}/{wiro_task_id}/{name}"},
        {"s3_key": "wiro/{wiro_task_id}-{index}.png", "manifest": "wiro/{created:%Y}/{wiro_task_id}.json"},
        {"manifest_uri": "s3://aws_default@bucket/{{ ds }}.jsonl", "state_path": "{{ var.value.place }}"},
        {"model": "{{ params.model }}", "project_id": 17},
    ],
)
def test_what_can_be_right_passes(arguments: dict[str, Any]) -> None:
    assert export(**arguments).task_id == "export"
