"""Nothing of a batch lands where something else of it is: refused before anything is paid for."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro.batch.preflight.collisions import (
    check_item_keys,
    check_manifest,
    refuse_manifests_place,
)
from airflow_provider_wiro.exceptions import WiroOutputRefusedError, WiroUsageError
from tests.batch.batch_work import prompts
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from pathlib import Path

    from tests.batch.batch_work import BatchWork
    from tests.transfers.s3 import S3


@pytest.mark.parametrize(
    "template",
    [
        "x/{name}",
        "s3://bucket/x/{index}-{name}",
        "s3://bucket-{item}/x/{name}",
        "{model}/{stem}{suffix}",
        "x/{item}{index}",
        "x/{index}{item}",
        "x/{index}0{item}",
        "x/{item}{name}",
        "x/{stem}{wiro_task_id}.png",
        "x/{name}-{item}-{stem}",
    ],
)
def test_a_template_by_which_two_items_can_meet_is_refused(template: str) -> None:
    with pytest.raises(WiroUsageError, match="outputs of two of the 2 items could have one key"):
        check_item_keys(template, 2)
    check_item_keys(template, 1)


@pytest.mark.parametrize(
    "template",
    [
        "wiro/{wiro_task_id}/{index}-{name}",
        "x/{item}/{name}",
        "x/{item}-{index}{suffix}",
        "x/{item}{suffix}",
        "x/{name}-{item}",
        "x/{stem}_{item}{suffix}",
        "{model}{item}",
        "s3://bucket/{item}/{name}",
        "x/{name}/{item}",
    ],
)
def test_a_template_that_keeps_items_apart_is_taken(template: str) -> None:
    check_item_keys(template, 1000)


def test_no_run_is_paid_for_where_items_would_meet(work: BatchWork, s3: S3) -> None:
    with pytest.raises(WiroUsageError, match="could have one key"):
        work.run(prompts(2), s3_bucket=BUCKET, s3_key="x/{name}")
    assert (list(work.wiro.tasks), s3.keys) == ([], [])


@pytest.mark.parametrize("spelled", ["{}", "file://{}", "FILE://{}"])
def test_the_manifest_never_replaces_the_inputs(work: BatchWork, tmp_path: Path, spelled: str) -> None:
    path = tmp_path / "inputs.jsonl"
    path.write_text(json.dumps({"prompt": "a"}))
    with pytest.raises(AirflowFailException, match="would replace the inputs"):
        work.run(str(path), manifest_uri=spelled.format(path))
    assert (json.loads(path.read_text()), list(work.wiro.tasks)) == ({"prompt": "a"}, [])


@pytest.mark.parametrize(
    "place",
    [
        "{root}/../m.jsonl",
        "/{root}/m.jsonl",
        "file://localhost{root}/m.jsonl",
        "{root}/x::/m",
        "{root}/",
        "m",
    ],
)
def test_a_manifest_whose_place_is_another_is_refused_before_the_first_run(
    work: BatchWork, tmp_path: Path, place: str
) -> None:
    with pytest.raises((WiroUsageError, AirflowFailException), match="Expected manifest_uri"):
        work.run(prompts(1), manifest_uri=place.format(root=tmp_path))
    assert not work.wiro.tasks


def test_no_templated_piece_takes_the_manifest_out_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path)
    with pytest.raises(WiroUsageError, match="by a symbolic link"):
        check_manifest(f"{tmp_path}/data/link/m", f"{tmp_path}/data/{{{{ params.t }}}}/m", [])
    check_manifest(f"{tmp_path}/data/new/m", f"{tmp_path}/data/{{{{ params.t }}}}/m", [])


def test_no_output_lands_in_the_manifests_place() -> None:
    landing: Any = SimpleNamespace(key="x//manifest.jsonl", output=SimpleNamespace(index=0))
    refuse_manifests_place([landing], "bucket", None)
    refuse_manifests_place([landing], "other", "s3://aws_default@bucket/x/manifest.jsonl")
    with pytest.raises(WiroOutputRefusedError, match="the place of the batch's manifest"):
        refuse_manifests_place([landing], "bucket", "s3://aws_default@bucket/x/manifest.jsonl")


def test_an_output_in_the_manifests_place_fails_its_item_and_the_manifest_is_written(
    work: BatchWork, s3: S3
) -> None:
    uri = f"s3://aws_default@{BUCKET}/x/0.png"
    settings = {"s3_bucket": BUCKET, "s3_key": "x/{name}", "manifest_uri": uri}
    with pytest.raises(AirflowFailException, match="the place of the batch's manifest"):
        work.run(prompts(1), max_item_retries=0, **settings)
    [line] = s3.get("x/0.png").decode().splitlines()
    assert json.loads(line)["status"] == "failed"


def test_what_a_batch_keeps_on_disk_is_its_owners(work: BatchWork) -> None:
    work.run(prompts(2))
    files = [path for path in work.folder.rglob("*") if path.is_file()]
    assert {path.name.partition(".")[2] for path in files} >= {"jsonl"}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
