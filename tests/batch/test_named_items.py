"""A batch whose items have ids: they name what lands, what the manifest says and what the log says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.version_compat import mask_secret
from tests.batch.test_landing import lands, manifest_in
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from tests.batch.batch_work import BatchWork
    from tests.transfers.s3 import S3

BOTH = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])


def articles(*ids: str) -> list[dict[str, Any]]:
    """Return an item for each id, with a prompt and data of its own."""
    return [
        {"id": one, "parameters": {"prompt": f"a picture of {one}"}, "data": {"shelf": one}} for one in ids
    ]


@BOTH
def test_outputs_land_by_their_items_id_and_say_so(work: BatchWork, s3: S3, deferrable: bool) -> None:
    lands(work, s3_key="night/{id}/{name}")

    summary = work.run(articles("SKU-001", "a/b", "Gün 7"), deferrable=deferrable)

    lines = manifest_in(s3, summary["manifest_uri"])
    assert [(line["id"], line["data"]) for line in lines] == [
        (one, {"shelf": one}) for one in ("SKU-001", "a/b", "Gün 7")
    ]
    assert [line["files"][0]["uri"] for line in lines] == [
        f"s3://{BUCKET}/night/{one}/0.png" for one in ("SKU-001", "a-b", "Gün-7")
    ]
    assert s3.head("night/Gün-7/0.png")["Metadata"]["wiro-item-id"] == "G%C3%BCn 7"
    assert all(set(task.parameters) == {"prompt", "samples", "width", "height"} for task in work.wiro.tasks)


def test_each_line_of_the_manifest_shows_the_items_own_input(work: BatchWork) -> None:
    inputs = [{"prompt": "robot 0"}, {"id": "SKU-1", "data": {"row": 2}, "parameters": {"prompt": "robot 1"}}]
    work.run(inputs)
    assert [line["input"] for line in work.manifest] == [
        {"parameters": {"prompt": "robot 0"}},
        {"parameters": {"prompt": "robot 1"}},
    ]


def test_what_airflow_knows_as_a_secret_is_in_no_line_of_the_manifest_as_in_no_rendered_field(
    work: BatchWork,
) -> None:
    mask_secret("of-a-variable-4711")  # as Airflow does for `{{ var.value.shop_token }}`
    item = {
        "id": "SKU-1",
        "parameters": {"prompt": "signed of-a-variable-4711", "max_tokens": "of 100"},
    }

    work.run([item], check_parameters="off")

    (line,) = work.manifest
    assert line["input"] == {"parameters": {"prompt": "signed ***", "max_tokens": "of 100"}}
    assert work.wiro.tasks[0].parameters["prompt"] == "signed of-a-variable-4711"


def test_an_item_that_failed_or_was_not_run_shows_its_input_too(work: BatchWork) -> None:
    inputs = [{"prompt": "robot 0", "steps": 500}, {"prompt": "robot 1"}]
    with pytest.raises(AirflowException, match="1 of 2 items failed"):
        work.run(inputs, max_active=1, check_parameters="off")
    assert work.statuses == ["failed", "not_run"]
    assert [line["input"]["parameters"] for line in work.manifest] == inputs


def test_an_item_without_names_of_its_own_has_none_in_the_manifest(work: BatchWork) -> None:
    work.run([{"prompt": "a"}, {"id": "b", "parameters": {"prompt": "b"}}])
    assert [("id" in line, "data" in line) for line in work.manifest] == [(False, False), (True, False)]


def test_ids_that_would_meet_in_the_bucket_are_refused_with_nothing_paid(work: BatchWork, s3: S3) -> None:
    lands(work, s3_key="night/{id}/{name}")
    for ids, message in (
        (("a/b", "a-b"), r"Item 0 \(a/b\) and item 1 \(a-b\) have the same id in their keys"),
        (("a", "a"), "Item 0 and item 1 of inputs have the same id 'a'"),
    ):
        with pytest.raises(AirflowFailException, match=message):
            work.run(articles(*ids), on_item_failure="continue")
    with pytest.raises(AirflowFailException, match="Item 1 has no id"):
        work.run([*articles("a"), {"prompt": "b"}])
    assert (work.wiro.counts.requests["Run"], s3.keys) == (0, [])


def test_errors_and_log_lines_name_the_item_by_its_id(work: BatchWork) -> None:
    items = articles("SKU-001", "SKU-002")
    items[1]["parameters"]["steps"] = 100_000

    with pytest.raises(AirflowFailException, match=r"item 1 \(SKU-002\): "):
        work.run(items, check_parameters="off")  # Wiro refuses it

    assert "Item 1 (SKU-002) failed" in work.log
    assert [line["id"] for line in work.manifest] == ["SKU-001", "SKU-002"]


def test_a_batch_that_dies_at_any_entry_lands_everything_under_the_same_keys(work: BatchWork, s3: S3) -> None:
    lands(work, s3_key="night/{id}/{name}", manifest_uri=str(work.folder / "manifest.jsonl"))
    items = articles("SKU-001", "SKU-002", "SKU-003")
    work.run(items, max_active=3)
    lines, landed = work.journal_lines, [line["files"][0]["uri"] for line in work.manifest]
    assert landed == [f"s3://{BUCKET}/night/{item['id']}/0.png" for item in items]
    first_id = [entry["what"] for entry in work.entries].index("id")
    for length in range(first_id, len(lines) + 1):
        work.leave_journal(lines[:length])

        assert work.run(items, max_active=3)["succeeded"] == 3, length

        assert [line["files"][0]["uri"] for line in work.manifest] == landed, length
    assert len(work.wiro.tasks) == 3
    assert len(s3.keys) == 3


def fails_once(work: BatchWork, items: list[dict[str, Any]], **settings: Any) -> None:
    """Run a batch whose last item fails, so that a retry continues it."""
    work.wiro.inject(Fault("exit_code", skip=len(items) - 1, times=1))
    with pytest.raises(AirflowException):
        work.run(items, max_active=1, max_item_retries=0, **settings)
    work.retry()


def test_items_that_have_new_ids_in_a_retry_land_again_and_are_not_paid_again(
    work: BatchWork, s3: S3
) -> None:
    lands(work, s3_key="night/{id}/{name}", manifest_uri=str(work.folder / "manifest.jsonl"))
    fails_once(work, articles("SKU-001", "SKU-002", "SKU-003"))
    renamed = [{**item, "id": f"N-{item['id']}"} for item in articles("SKU-001", "SKU-002", "SKU-003")]

    assert work.run(renamed)["succeeded"] == 3

    assert [line["files"][0]["uri"] for line in work.manifest] == [
        f"s3://{BUCKET}/night/{item['id']}/0.png" for item in renamed
    ]
    assert len(work.wiro.tasks) == 4  # three, and the one that failed again


def test_items_of_one_input_keep_the_outputs_of_their_own_id(work: BatchWork, s3: S3) -> None:
    """A retry may have another order, and more items in front."""
    lands(work, s3_key="night/{id}/{name}", manifest_uri=str(work.folder / "manifest.jsonl"))
    items = [{"id": one, "parameters": {"prompt": "the same"}} for one in ("a", "b", "c")]
    fails_once(work, items)
    tasks = {line["id"]: line["wiro_task_id"] for line in work.manifest}

    work.run([{"id": "new", "parameters": {"prompt": "other"}}, items[1], items[0], items[2]])

    again = {line["id"]: line["wiro_task_id"] for line in work.manifest}
    assert (again["a"], again["b"]) == (tasks["a"], tasks["b"])
    assert all(line["files"][0]["uri"].endswith(f"night/{line['id']}/0.png") for line in work.manifest)
    assert len(work.wiro.tasks) == 5


def test_ids_that_change_during_a_deferral_are_noticed(work: BatchWork) -> None:
    deferred = work.defer(articles("a", "b"), deferrable=True)
    with pytest.raises(AirflowFailException, match="Inputs changed during the deferral"):
        work.resume(deferred, articles("a", "c"), deferrable=True)


def test_what_the_journal_keeps_of_an_item_is_its_id_and_not_its_data(work: BatchWork) -> None:
    work.run([{"id": "SKU-001", "parameters": {"prompt": "a"}, "data": {"shelf": "seventh"}}])
    [intent] = [entry for entry in work.entries if entry["what"] == "intent"]
    assert intent["item_id"] == "SKU-001"
    assert "seventh" not in json.dumps(work.entries)
