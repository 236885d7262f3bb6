"""What the operators return and write is what the JSON schemas in docs/reference/schemas say."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import requests

from airflow_provider_wiro.emulator import Fault, WiroEmulator
from airflow_provider_wiro.emulator.catalog import MODELS
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator
from airflow_provider_wiro.operators.wiro_spend import WiroSpendOperator
from airflow_provider_wiro.operators.wiro_upload import WiroUploadOperator
from airflow_provider_wiro.sensors.wiro import WiroTaskSensor
from airflow_provider_wiro.transfers.wiro_project_to_s3 import WiroProjectToS3Operator
from airflow_provider_wiro.transfers.wiro_to_object_storage import WiroToObjectStorageOperator
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator
from tests import quick_s3
from tests.docs.schemas import check
from tests.operators.fakes import FakeTi

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUCKET = "results"
FILMS = "ByteDance/seedance-pro-v1.5"
FILM = {"resolution": "720p", "duration": "5", "ratio": "16:9"}
PICTURE = {"prompt": "a robot", "samples": 2, "width": 64, "height": 64, "seed": "123456"}


@pytest.fixture
def s3() -> Any:
    """A client of an S3 with an empty bucket."""
    url = quick_s3.moto_url()
    requests.post(f"{url}/moto-api/reset", timeout=5).close()
    client = quick_s3.client(url)
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture(autouse=True)
def wiro(monkeypatch: pytest.MonkeyPatch, s3: Any) -> Iterator[WiroEmulator]:
    aws = {
        "conn_type": "aws",
        "login": "a",
        "password": "b",
        "extra": {"endpoint_url": s3.meta.endpoint_url, "region_name": "us-east-1"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(aws))
    with WiroEmulator(speed=100) as emulator:
        monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", emulator.connection)
        yield emulator


@pytest.mark.parametrize("model", [model.slug for model in MODELS])
def test_an_estimate(model: str) -> None:
    with WiroHook() as hook:
        check(
            hook.estimate(model, {"prompt": "a robot"}, {"inputImageClothes": "x.png"}).to_json(), "estimate"
        )


def result(operator: Any) -> Any:
    return operator.execute(FakeTi(task_id=operator.task_id).context)


def run(model: str = "retroAIx/Retro-Cartoons", **settings: Any) -> Any:
    settings = {"parameters": PICTURE, "durable": False, "poll_interval": 0.02, **settings}
    return result(WiroRunOperator(task_id="generate", model=model, **settings))


def land(what: Any, **settings: Any) -> Any:
    return result(WiroToS3Operator(task_id="to_s3", wiro_task_id=what, s3_bucket=BUCKET, **settings))


def read(s3: Any, uri: str) -> bytes:
    key = uri.removeprefix(f"s3://{BUCKET}/")
    body: bytes = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return body


def batch(tmp_path: Path, count: int = 2, **settings: Any) -> tuple[Any, list[Any]]:
    manifest = tmp_path / "manifest.jsonl"
    defaults = {
        "model": "retroAIx/Retro-Cartoons",
        "inputs": [{"prompt": f"robot {number}"} for number in range(count)],
        "parameters": {"samples": 1, "width": 64, "height": 64},
        "poll_interval": 0.02,
        "state_path": str(tmp_path / "state"),
        "manifest_uri": str(manifest),
        "on_item_failure": "continue",
        "max_item_retries": 0,
    }
    operator = WiroBatchRunOperator(task_id="generate", **{**defaults, **settings})
    return result(operator), [json.loads(line) for line in manifest.read_text().splitlines()]


def test_a_run_and_the_sensor_return_a_run_summary() -> None:
    summary = run()

    check(summary, "run-summary")
    check(result(WiroTaskSensor(task_id="wait", wiro_task_id=summary)), "run-summary")


def test_a_run_that_nobody_waits_for_returns_a_run_summary() -> None:
    check(run(wait_for_completion=False), "run-summary")


def test_the_answer_of_an_llm_and_its_files_are_as_described(s3: Any) -> None:
    summary = run("openai/gpt-5-nano", parameters={"prompt": "Describe a cover."})
    landed = land(summary, manifest=True)

    assert summary["text"]
    assert summary["usage"]
    check(summary, "run-summary")
    check(landed, "transfer-result")
    check(json.loads(read(s3, landed["manifest"])), "manifest")


def test_a_transfer_to_s3_returns_a_result_and_writes_a_manifest(s3: Any) -> None:
    summary = run()
    for is_first in (True, False):
        landed = land(summary, manifest=True)
        check(landed, "transfer-result")
        assert [file["skipped"] for file in landed["files"]] == [not is_first] * 2
    manifest = json.loads(read(s3, landed["manifest"]))

    check(manifest, "manifest")
    assert manifest["seed"] == "123456"


def test_a_transfer_to_object_storage_returns_a_result_and_writes_a_manifest(tmp_path: Path) -> None:
    folder = f"{tmp_path}/{{wiro_task_id}}"
    operator = WiroToObjectStorageOperator(
        task_id="land", wiro_task_id=run(), path=f"{folder}/{{index}}-{{name}}", manifest=True
    )
    landed = result(operator)
    [manifest] = tmp_path.rglob("manifest.json")

    check(landed, "transfer-result")
    check(json.loads(manifest.read_text()), "manifest")


def test_a_transfer_of_no_outputs_returns_a_result(wiro: WiroEmulator) -> None:
    wiro.inject(Fault("no_outputs"))
    landed = land(run(), manifest=True)

    assert landed["files"] == []
    check(landed, "transfer-result")


def test_an_export_returns_a_result_and_writes_a_line_for_each_task(s3: Any, wiro: WiroEmulator) -> None:
    run()
    run("openai/gpt-5-nano", parameters={"prompt": "Describe a cover."})
    wiro.inject(Fault("exit_code"))
    with WiroHook() as hook:
        hook.wait_for_task(run(wait_for_completion=False)["wiro_task_id"])
    operator = WiroProjectToS3Operator(
        task_id="export", since=timedelta(hours=1), s3_bucket=BUCKET, succeeded_only=False
    )
    exported = result(operator)

    check(exported, "export-result")
    manifest = read(s3, exported["manifest_uri"].replace("aws_default@", ""))
    lines = [json.loads(line) for line in manifest.splitlines()]
    assert [line["state"] for line in lines] == ["succeeded", "succeeded", "failed"]
    for line in lines:
        check(line, "export-manifest-line")


def test_an_upload_returns_its_files(tmp_path: Path) -> None:
    picture = tmp_path / "robot.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))

    check(result(WiroUploadOperator(task_id="upload", files=str(picture))), "upload-result")


def test_what_was_spent_is_as_described() -> None:
    spent = WiroSpendOperator(task_id="spent", since=timedelta(hours=1))
    check(result(spent), "spend")
    run()
    found = result(spent)
    assert found["tasks"] == 1
    check(found, "spend")


def test_a_batch_returns_a_summary_and_writes_a_line_for_each_item(tmp_path: Path) -> None:
    summary, lines = batch(tmp_path)

    check(summary, "batch-summary")
    assert len(lines) == 2
    for line in lines:
        check(line, "batch-manifest-line")


def test_a_batch_with_a_budget_and_its_estimate_are_as_described(tmp_path: Path) -> None:
    summary, lines = batch(tmp_path, 3, model=FILMS, parameters=FILM, max_cost_usd=0.2)

    check(summary, "batch-summary")
    assert (summary["succeeded"], summary["not_run"], summary["spent_usd"]) == (1, 2, "0.13")
    for line in lines:
        check(line, "batch-manifest-line")
    operator = WiroBatchRunOperator(
        task_id="t", model=FILMS, inputs=[{"prompt": "a"}], parameters=FILM, estimate_only=True
    )
    check(operator.execute({"ti": FakeTi()}), "batch-estimate")


def test_a_batch_that_lands_its_outputs_and_has_failures_is_as_described(
    tmp_path: Path, wiro: WiroEmulator
) -> None:
    wiro.inject(Fault("exit_code"))
    summary, lines = batch(tmp_path, 3, s3_bucket=BUCKET, s3_key="batch/{item}-{name}", include_links=True)

    assert (summary["succeeded"], summary["failed"]) == (2, 1)
    assert summary["total_bytes"] > 0
    check(summary, "batch-summary")
    for line in lines:
        check(line, "batch-manifest-line")


def test_a_value_that_is_wrong_in_one_field_is_refused() -> None:
    summary = run()
    for field, value in (("cost_usd", 0.1), ("state", "done"), ("wiro_task_id", 2221), ("outputs", None)):
        wrong = copy.deepcopy(summary) | {field: value}
        with pytest.raises(jsonschema.ValidationError):
            check(wrong, "run-summary")
