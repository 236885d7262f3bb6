"""A batch whose store refuses: it says so before anything is paid for, and not for item after item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro.exceptions import WiroRecordError, WiroUsageError
from tests.batch.batch_work import prompts
from tests.batch.test_landing import lands
from tests.transfers.gateway import connections_read
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from tests.batch.batch_work import BatchWork
    from tests.transfers import gateway as stores
    from tests.transfers.gateway import Gateway
    from tests.transfers.s3 import S3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"s3_key": "a/{nmae}"}, "Known: .*{item}"),
        ({"s3_key": "a/{item"}, "closing brace"),
        ({"s3_key": "night/{item}/"}, "found that of a folder"),
        ({"s3_bucket": "s3://b"}, "Write s3_bucket='b'"),
        ({"part_size": 1}, "5 MiB"),
        ({"tags": {"k": "a&b"}}, "doesn't take the tag"),
        ({"encrypt": "aws:kms"}, "SSE-KMS"),
    ],
)
def test_what_is_wrong_in_the_dag_file_is_refused_when_it_is_parsed(
    work: BatchWork, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(WiroUsageError, match=said):
        work.operator(prompts(1), **{"s3_bucket": BUCKET, **arguments})


def test_the_connection_is_read_once(work: BatchWork, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs, results, manifest and journal are in S3; each reading logs a line about the credentials."""
    lands(work, state_path=f"s3://aws_default@{BUCKET}/state", max_concurrency=16)
    read = connections_read(monkeypatch)
    assert work.run(prompts(3))["succeeded"] == 3
    assert read == ["aws_default"]


def test_an_unknown_connection_costs_no_run(work: BatchWork, s3: S3) -> None:
    lands(work, aws_conn_id="aws_typo", manifest_uri=str(work.folder / "manifest.jsonl"))
    with pytest.raises(AirflowFailException, match="found 'aws_typo'"):
        work.run(prompts(3))
    assert work.wiro.counts.requests["Run"] == 0


def test_inputs_in_s3_are_read_by_the_operators_connection(work: BatchWork, s3: S3) -> None:
    s3.put("tonight.jsonl", b'{"prompt": "a teapot"}')
    assert work.run(f"s3://{BUCKET}/tonight.jsonl")["succeeded"] == 1


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("s3://no-such-bucket/x.jsonl", r"Can't read the inputs: S3 answered NoSuchBucket.*'aws_default'"),
        (f"s3://{BUCKET}/x.jsonl", "Expected a file of JSON Lines at s3://.*, found none"),
    ],
)
def test_inputs_that_are_not_there_are_one_permanent_error(
    work: BatchWork, s3: S3, uri: str, said: str
) -> None:
    with pytest.raises(AirflowFailException, match=said):
        work.run(uri)
    assert work.wiro.counts.requests["Run"] == 0


def test_a_connection_of_the_inputs_that_airflow_lacks_costs_no_run(work: BatchWork, s3: S3) -> None:
    with pytest.raises(WiroRecordError, match="Airflow has no connection 'my_s3'"):
        work.run(f"s3://my_s3@{BUCKET}/x.jsonl")
    assert work.wiro.counts.requests["Run"] == 0


def test_a_denial_of_one_output_ends_the_batch_for_good_and_nothing_more_is_submitted(
    work: BatchWork, s3: S3, store: Gateway
) -> None:
    def denies_outputs(request: stores.Request) -> stores.Refusal | None:
        if request.method == "PUT" and "/night/" in request.path:
            return 403, "AccessDenied", "Access Denied"
        return None

    store.rules.append(denies_outputs)
    lands(work, manifest_uri=str(work.folder / "manifest.jsonl"), on_item_failure="continue")
    inputs = prompts(12)
    with pytest.raises(AirflowFailException, match=r"night/.*'aws_default'.*needs s3:PutObject"):
        work.run(inputs, max_active=2)
    paid = len(work.wiro.tasks)
    assert paid <= 5
    store.rules.clear()
    work.clear()
    assert work.run(inputs, max_active=4)["succeeded"] == 12
    assert work.started_once(inputs)
