"""With `retry_failed_only` a batch runs, and pays for, only what an earlier one did not make."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_wiro.batch.journal.recorder import BatchRecorder
from airflow_provider_wiro.batch.results.shards import ResultShards
from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.exceptions import WiroRecordError, WiroUsageError
from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator
from tests.batch.batch_work import prompts
from tests.batch.deletion.test_deleter import model_with_a_file
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from tests.batch.batch_work import BatchWork
    from tests.transfers.s3 import S3

CONTINUE = {"on_item_failure": "continue", "max_item_retries": 0, "max_active": 1}


def named(count: int) -> list[dict[str, Any]]:
    return [{"id": f"SKU-{n}", "parameters": {"prompt": f"robot {n}"}} for n in range(count)]


def run_with_failures(work: BatchWork, inputs: list[dict[str, Any]], **settings: Any) -> str:
    """Run a batch whose first two items fail, and return where its manifest is kept."""
    work.wiro.inject(Fault("exit_code", times=2))
    summary = work.run(inputs, **{**CONTINUE, **settings})
    assert (summary["succeeded"], summary["failed"]) == (len(inputs) - 2, 2)
    kept = work.folder / "first.jsonl"
    kept.write_text((work.folder / "manifest.jsonl").read_text())
    work.clear()
    return str(kept)


@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
@pytest.mark.parametrize("inputs", [prompts(6), named(6)], ids=["by number", "by id"])
def test_only_what_failed_is_run_and_the_new_manifest_is_whole(
    work: BatchWork, inputs: list[dict[str, Any]], deferrable: bool
) -> None:
    manifest = run_with_failures(work, inputs)
    first = work.manifest

    summary = work.run(inputs, retry_failed_only=manifest, deferrable=deferrable)

    assert work.started == {f"robot {n}": 2 if n < 2 else 1 for n in range(6)}
    assert (summary["total"], summary["succeeded"], summary["reused"]) == (6, 6, 4)
    lines = work.manifest
    assert [line["status"] for line in lines] == ["succeeded"] * 2 + ["reused"] * 4
    assert [line["wiro_task_id"] for line in lines[2:]] == [line["wiro_task_id"] for line in first[2:]]
    assert {line["cost_usd"] for line in lines[2:]} == {"0"}
    assert [line["reuse"]["cost_usd"] for line in lines[2:]] == [line["cost_usd"] for line in first[2:]]
    paid = sum(Decimal(line["cost_usd"]) for line in lines[:2])
    assert Decimal(summary["cost_usd"]) == paid


def test_its_files_are_in_the_new_manifest_where_they_landed(work: BatchWork, s3: S3) -> None:
    settings = {"s3_bucket": BUCKET, "s3_key": "night/{item}/{name}"}
    inputs = prompts(4)
    manifest = run_with_failures(work, inputs, **settings)
    first = work.manifest

    summary = work.run(inputs, retry_failed_only=manifest, **settings)

    assert [line["files"] for line in work.manifest[2:]] == [line["files"] for line in first[2:]]
    assert summary["total_bytes"] == sum(file["size"] for line in work.manifest for file in line["files"])


def test_an_item_with_an_id_may_have_moved_and_its_input_may_be_another(work: BatchWork) -> None:
    manifest = run_with_failures(work, named(4))
    moved = [
        {"id": "SKU-3", "parameters": {"prompt": "corrected, though it succeeded"}},
        {"id": "SKU-0", "parameters": {"prompt": "corrected"}},
        {"id": "SKU-2", "parameters": {"prompt": "robot 2"}},
        {"id": "NEW", "parameters": {"prompt": "new"}},
    ]

    work.run(moved, retry_failed_only=manifest)

    assert work.statuses == ["reused", "succeeded", "reused", "succeeded"]
    assert work.started["corrected"] == work.started["new"] == 1
    assert work.started["corrected, though it succeeded"] == 0
    assert "1 of these have another input now (Item 0 (SKU-3))" in work.log


def test_without_ids_inputs_that_moved_are_refused_before_anything_is_paid(work: BatchWork) -> None:
    manifest = run_with_failures(work, prompts(4))
    paid = len(work.wiro.tasks)

    with pytest.raises(AirflowFailException, match=r"Item 2, Item 3 of inputs have other inputs .* ids"):
        work.run([{"prompt": "put first"}, *prompts(3)], retry_failed_only=manifest)

    assert len(work.wiro.tasks) == paid


def test_parameters_of_all_items_may_be_corrected(work: BatchWork) -> None:
    manifest = run_with_failures(work, prompts(4))
    work.run(prompts(4), retry_failed_only=manifest, parameters={"samples": 1, "width": 128, "height": 64})
    assert work.statuses == ["succeeded", "succeeded", "reused", "reused"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "Expected a batch's manifest at .*, found none"),
        ("no json\n", "is not JSON"),
        ('{"item": 0}\n', "Expected the manifest of a batch at .* line 1 is none of one"),
        ('{"item": 0, "status": "succeeded", "outputs": [], "files": ["x"]}\n', "line 1 is none of one"),
        ('{"item": 5, "status": "failed"}\n', "line 1 is none of one"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_refused_before_anything_is_paid(
    work: BatchWork, content: str | None, message: str
) -> None:
    path = work.folder / "earlier.jsonl"
    if content is not None:
        path.write_text(content)

    with pytest.raises(AirflowFailException, match=message):
        work.run(prompts(2), retry_failed_only=str(path))

    assert not work.wiro.tasks
    assert not (work.folder / "manifest.jsonl").exists()


def test_what_did_not_land_is_not_taken_for_landed(work: BatchWork, s3: S3) -> None:
    manifest = run_with_failures(work, prompts(3))
    paid = len(work.wiro.tasks)
    with pytest.raises(AirflowFailException, match=r"Item 2 of inputs succeeded in .* no landed files"):
        work.run(prompts(3), retry_failed_only=manifest, s3_bucket=BUCKET)
    assert len(work.wiro.tasks) == paid


def test_true_means_the_manifest_at_its_own_place_so_that_a_clear_runs_what_failed(work: BatchWork) -> None:
    settings = {**CONTINUE, "retry_failed_only": True}
    work.wiro.inject(Fault("exit_code", times=2))
    first = work.run(prompts(5), **settings)
    assert (first["succeeded"], first["failed"], first["reused"]) == (3, 2, 0)
    work.clear()

    second = work.run(prompts(5), **settings)

    assert (second["succeeded"], second["reused"]) == (5, 3)
    assert work.started == {f"robot {n}": 2 if n < 2 else 1 for n in range(5)}
    work.clear()
    assert work.run(prompts(5), **settings)["reused"] == 5
    assert work.manifest[4]["reuse"]["cost_usd"] != "0"


def test_a_damaged_manifest_at_its_own_place_is_not_overwritten(work: BatchWork) -> None:
    path = work.folder / "manifest.jsonl"
    path.write_text("precious\n")
    with pytest.raises(AirflowFailException):
        work.run(prompts(2), retry_failed_only=True)
    assert path.read_text() == "precious\n"


def test_the_summary_of_another_task_names_its_manifest(work: BatchWork) -> None:
    manifest = run_with_failures(work, prompts(3))
    assert work.run(prompts(3), retry_failed_only={"manifest_uri": manifest})["reused"] == 1


def test_an_empty_template_runs_all(work: BatchWork) -> None:
    summary = work.run(prompts(2), retry_failed_only=" ")
    assert summary["succeeded"] == 2
    assert "reused" not in summary


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("relative.jsonl", "retry_failed_only"),
        (7, "Expected retry_failed_only as the path or URI"),
        ({"total": 3}, "Expected retry_failed_only as the path or URI"),
        (True, "Set manifest_uri"),
    ],
)
def test_what_names_no_manifest_fails_the_dag_file(given: Any, message: str) -> None:
    with pytest.raises(WiroUsageError, match=message):
        WiroBatchRunOperator(task_id="t", model="a/b", inputs=[], retry_failed_only=given)


def test_a_crash_while_it_takes_over_pays_for_nothing_twice(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = run_with_failures(work, prompts(5))
    end, recorded = BatchRecorder.end, []

    async def die(recorder: BatchRecorder, item: int, *args: Any, **kwargs: Any) -> None:
        if len(recorded) == 2:
            await recorder.keep()
            raise RuntimeError("the worker dies")
        recorded.append(item)
        await end(recorder, item, *args, **kwargs)

    with monkeypatch.context() as dying:
        dying.setattr(BatchRecorder, "end", die)
        with pytest.raises(RuntimeError):
            work.run(prompts(5), retry_failed_only=manifest)
    work.retry()

    summary = work.run(prompts(5), retry_failed_only=manifest)

    assert (summary["succeeded"], summary["reused"]) == (5, 3)
    assert work.started == {f"robot {n}": 2 if n < 2 else 1 for n in range(5)}


def test_a_retry_needs_the_manifest_no_more_once_everything_of_it_is_recorded(work: BatchWork) -> None:
    manifest = run_with_failures(work, prompts(4))
    work.wiro.inject(Fault("exit_code", skip=1, times=1))
    with pytest.raises(AirflowException):
        work.run(prompts(4), retry_failed_only=manifest, max_item_retries=0, max_active=1)
    work.retry()

    summary = work.run(prompts(4), retry_failed_only=manifest)

    assert (summary["succeeded"], summary["reused"]) == (4, 2)
    assert work.started == {"robot 0": 2, "robot 1": 3, "robot 2": 1, "robot 3": 1}


def test_the_budget_has_nothing_less_by_what_was_made_before(work: BatchWork) -> None:
    manifest = run_with_failures(work, prompts(4))
    summary = work.run(prompts(4), retry_failed_only=manifest, max_cost_usd="0.01", max_active=2)
    assert (summary["succeeded"], summary["not_run"]) == (4, 0)
    assert summary["spent_usd"] == summary["cost_usd"]


def test_an_estimate_counts_only_what_is_run(work: BatchWork) -> None:
    manifest = run_with_failures(work, prompts(4))
    estimate = work.run(prompts(4), retry_failed_only=manifest, estimate_only=True)
    whole = work.run(prompts(4), estimate_only=True)
    assert Decimal(estimate["min_usd"]) * 2 == Decimal(whole["min_usd"])


def test_items_made_before_need_no_files_any_more(work: BatchWork, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n0000")
    inputs = [
        *prompts(2),
        {"parameters": {"prompt": "with a file"}, "files": {"inputImage": str(picture)}},
    ]
    settings = {"check_parameters": "off", "model": model_with_a_file(), "parameters": {}}
    manifest = run_with_failures(work, inputs, **settings)
    picture.unlink()
    assert work.run(inputs, retry_failed_only=manifest, **settings)["reused"] == 1


def test_links_are_left_out_unless_they_are_wanted(work: BatchWork) -> None:
    manifest = run_with_failures(work, prompts(3), include_links=True)
    assert json.loads((work.folder / "first.jsonl").read_text().splitlines()[2])["outputs"][0]["url"]
    work.run(prompts(3), retry_failed_only=manifest)
    assert work.manifest[2]["outputs"][0]["url"] is None


IN_THE_WAY = "night/1/0.png"


def run_without_landing(work: BatchWork, s3: S3, inputs: list[dict[str, Any]]) -> str:
    """Run a batch whose item 1 is paid for and can't land; return where its manifest is kept."""
    work.settings = {**CONTINUE, "s3_bucket": BUCKET, "s3_key": "night/{item}/{name}"}
    s3.put(IN_THE_WAY, b"somebody else's")
    summary = work.run(inputs)
    assert (summary["succeeded"], summary["failed"]) == (len(inputs) - 1, 1)
    kept = work.folder / "first.jsonl"
    kept.write_text((work.folder / "manifest.jsonl").read_text())
    work.clear()
    return str(kept)


def make_way(s3: S3) -> None:
    s3.client.delete_object(Bucket=BUCKET, Key=IN_THE_WAY)


@pytest.mark.parametrize("inputs", [prompts(3), named(3)], ids=["by number", "by id"])
def test_what_is_paid_for_and_has_not_landed_lands_and_is_not_paid_for_again(
    work: BatchWork, s3: S3, inputs: list[dict[str, Any]]
) -> None:
    manifest = run_without_landing(work, s3, inputs)
    paid = work.manifest[1]
    make_way(s3)

    summary = work.run(inputs, retry_failed_only=manifest, max_cost_usd="0.0001")

    assert work.started == {f"robot {n}": 1 for n in range(3)}
    assert (summary["succeeded"], summary["reused"], summary["cost_usd"]) == (3, 3, "0")
    line = work.manifest[1]
    assert (line["status"], line["wiro_task_id"]) == ("reused", paid["wiro_task_id"])
    assert line["reuse"]["cost_usd"] == paid["cost_usd"]
    assert "error" not in line
    assert [file["uri"] for file in line["files"]] == [f"s3://{BUCKET}/{IN_THE_WAY}"]
    assert s3.get(IN_THE_WAY) != b"somebody else's"


def test_while_it_can_not_land_it_fails_and_is_not_paid_for_again(work: BatchWork, s3: S3) -> None:
    run_without_landing(work, s3, prompts(3))

    summary = work.run(prompts(3), retry_failed_only=True)

    assert (summary["succeeded"], summary["failed"]) == (2, 1)
    assert "is there already" in work.manifest[1]["error"]
    work.clear()
    make_way(s3)
    assert work.run(prompts(3), retry_failed_only=True)["reused"] == 3
    assert work.started == {f"robot {n}": 1 for n in range(3)}


def test_with_fail_its_failure_fails_the_batch_and_a_retry_lands_it(work: BatchWork, s3: S3) -> None:
    manifest = run_without_landing(work, s3, prompts(3))
    settings = {"retry_failed_only": manifest, "on_item_failure": "fail"}
    with pytest.raises(AirflowException, match=r"item 1: .* is there already"):
        work.run(prompts(3), **settings)
    work.retry()
    make_way(s3)
    assert work.run(prompts(3), **settings)["reused"] == 3
    assert work.started == {f"robot {n}": 1 for n in range(3)}


def test_it_is_run_again_if_wiro_has_it_no_more_or_its_input_was_corrected(work: BatchWork, s3: S3) -> None:
    manifest = run_without_landing(work, s3, prompts(3))
    make_way(s3)
    corrected = prompts(3)
    corrected[1] = {"prompt": "corrected"}
    work.run(corrected, retry_failed_only=manifest)
    assert work.started["corrected"] == 1
    work.clear()
    make_way(s3)
    task_id = json.loads((work.folder / "first.jsonl").read_text().splitlines()[1])["wiro_task_id"]
    work.wiro.forget_task(task_id)

    work.run(prompts(3), retry_failed_only=manifest)

    assert work.started["robot 1"] == 2
    assert work.statuses == ["reused", "succeeded", "reused"]
    assert f"an earlier batch has paid for Wiro task {task_id}" in work.log


def without_digests(manifest: str) -> str:
    """Make a manifest one of version 0.1.0, which has no digests."""
    path = Path(manifest)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line.pop("input_digest")
        line.pop("input")
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return manifest


def test_a_manifest_that_does_not_say_its_inputs_is_refused_for_that_reason(work: BatchWork) -> None:
    manifest = without_digests(run_with_failures(work, prompts(4)))
    paid = len(work.wiro.tasks)
    with pytest.raises(AirflowFailException, match="An earlier version of this package wrote"):
        work.run(prompts(4), retry_failed_only=manifest)
    assert len(work.wiro.tasks) == paid


def test_an_id_needs_no_digest(work: BatchWork) -> None:
    manifest = without_digests(run_with_failures(work, named(4)))
    assert work.run(named(4), retry_failed_only=manifest)["reused"] == 2
    assert "have another input now" not in work.log


def test_a_manifest_of_a_version_that_did_not_show_inputs_is_taken_over(work: BatchWork) -> None:
    manifest = run_with_failures(work, prompts(4))
    path = Path(manifest)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line.pop("input")
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert work.run(prompts(4), retry_failed_only=manifest)["reused"] == 2


def test_a_manifest_with_fewer_items_than_the_inputs_is_warned_of(work: BatchWork) -> None:
    manifest = run_with_failures(work, prompts(4))
    Path(manifest).write_text("".join(f"{line}\n" for line in Path(manifest).read_text().splitlines()[:3]))
    work.run(prompts(4), retry_failed_only=manifest)
    assert "has 3 lines, and inputs has 4 items. An item that it doesn't have is run." in work.log


def test_the_signature_of_an_address_is_not_quoted() -> None:
    link = "https://b.s3.amazonaws.com/m.jsonl?X-Amz-Signature=abcdef0123456789abcdef0123456789"
    with pytest.raises(WiroUsageError, match="What follows") as caught:
        WiroBatchRunOperator(task_id="t", model="a/b", inputs=[], retry_failed_only=link)
    assert "abcdef" not in str(caught.value)


def test_a_try_that_can_not_record_what_was_made_leaves_its_manifest_for_the_next(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**CONTINUE, "retry_failed_only": True}
    work.wiro.inject(Fault("exit_code", times=2))
    work.run(prompts(5), **settings)
    work.clear()

    def refuse(*_: Any) -> None:
        raise WiroRecordError("The store is down for a moment.")

    with monkeypatch.context() as outage:
        outage.setattr(ResultShards, "write", refuse)
        with pytest.raises(WiroRecordError, match="The store is down for a moment"):
            work.run(prompts(5), **settings)
    assert work.statuses.count("succeeded") == 3
    work.retry()

    summary = work.run(prompts(5), **settings)

    assert (summary["succeeded"], summary["reused"]) == (5, 3)
    assert work.started == {f"robot {n}": 2 if n < 2 else 1 for n in range(5)}
