"""A run's label is in keys, metadata, tags and manifest; without one nothing lands under a key with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.transfers.wiro_to_object_storage import WiroToObjectStorageOperator
from tests.transfers.fake_wiro import LLM, PNG, TaskInstance
from tests.transfers.s3 import BUCKET
from tests.transfers.s3_calls import land

if TYPE_CHECKING:
    from pathlib import Path

    from tests.transfers.fake_wiro import Wiro
    from tests.transfers.s3 import S3

pytestmark = pytest.mark.usefixtures("connect")


def summary(label: Any) -> dict[str, Any]:
    return {"wiro_task_id": "2221", "model": "retroAIx/Retro-Cartoons", "label": label, "reused": False}


def land_locally(folder: Path, wiro_task_id: Any, key: str, **arguments: Any) -> list[str]:
    operator = WiroToObjectStorageOperator(
        task_id="land", wiro_task_id=wiro_task_id, path=f"{folder}/{key}", **arguments
    )
    operator.execute({"ti": TaskInstance()})  # type: ignore[typeddict-item]
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("SKU-001", "SKU-001"),
        ("SKU/001", "SKU-001"),
        ("../../etc/passwd", "etc-passwd"),
        (" Şapka n°7? ", "Şapka-n°7"),
        ("a\nb\u202ec", "abc"),
        ("{name}", "name"),
        ("x" * 300, "x" * 200),
    ],
)
def test_a_label_is_cleaned_for_a_key(wiro: Wiro, s3: S3, tmp_path: Path, label: str, name: str) -> None:
    wiro.shows(wiro.file(PNG))
    land(summary(label), s3_key="shop/{label}/{index}{suffix}")
    assert s3.keys == [f"shop/{name}/0.png"]
    assert land_locally(tmp_path, summary(label), "shop/{label}{suffix}") == [f"shop/{name}.png"]


@pytest.mark.parametrize("given", ["2221", summary(None), summary(""), summary(7), {"wiro_task_id": "2221"}])
def test_without_a_label_nothing_lands_under_a_key_that_has_it(
    wiro: Wiro, s3: S3, tmp_path: Path, given: Any
) -> None:
    wiro.shows(wiro.file(PNG), LLM)
    with pytest.raises(AirflowFailException, match=r"s3_key .* has {label}, and this run has no label"):
        land(given, s3_key="{label}/{name}")
    with pytest.raises(AirflowFailException, match=r"path .* has {label}, and this run has no label"):
        land_locally(tmp_path, given, "{label}/{name}")
    with pytest.raises(AirflowFailException, match=r"manifest .* has {label}, and this run has no label"):
        land(given, manifest="{label}.json")
    assert (s3.keys, list(tmp_path.iterdir())) == ([], [])


def test_a_label_of_which_nothing_may_be_in_a_key_is_refused(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG))
    with pytest.raises(AirflowFailException, match="nothing of the label"):
        land(summary("???"), s3_key="{label}/{name}")
    assert s3.keys == []


def test_the_object_and_its_manifest_name_the_label(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG))
    land(summary("Şapka 1"), tags=True, manifest="manifests/{label}.json", s3_key="{label}.png")
    stored = s3.head("Şapka-1.png")
    assert stored["Metadata"]["wiro-label"] == "%C5%9Eapka 1"
    tags = s3.client.get_object_tagging(Bucket=BUCKET, Key="Şapka-1.png")["TagSet"]
    assert {"Key": "wiro-label", "Value": "Şapka 1"} in tags
    assert json.loads(s3.get("manifests/Şapka-1.json"))["label"] == "Şapka 1"


def test_the_manifest_lies_beside_outputs_whose_folder_is_the_label(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG))
    land(summary("SKU"), manifest=True, s3_key="{label}/{name}")
    assert s3.keys == ["SKU/0.png", "SKU/manifest.json"]
    land(summary("SKU"), manifest=True, s3_key="{label}/{name}")
    assert s3.keys == ["SKU/0.png", "SKU/manifest.json"]


def test_two_runs_of_one_label_do_not_overwrite_each_other(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG))
    land(summary("SKU"), s3_key="{label}.png")
    wiro.shows(wiro.file(PNG[:-1] + b"x"), id="2222")
    with pytest.raises(AirflowFailException, match="SKU"):
        land({**summary("SKU"), "wiro_task_id": "2222"}, s3_key="{label}.png")
    assert s3.get("SKU.png") == PNG


def test_another_label_of_an_object_that_is_there_is_no_other_object(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG))
    land(summary("one"), s3_key="{name}")
    assert land(summary("two"), s3_key="{name}")["files"][0]["skipped"]


def test_an_unknown_placeholder_is_refused_and_label_is_among_those_named(tmp_path: Path) -> None:
    with pytest.raises(WiroUsageError, match=r"Unknown placeholder {lable}.*{label}"):
        land(s3_key="{lable}/{name}")
    with pytest.raises(WiroUsageError, match=r"Unknown placeholder {lable}.*{label}"):
        land_locally(tmp_path, "2221", "{lable}/{name}")
