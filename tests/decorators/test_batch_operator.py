"""A decorated batch: the items that the function returns are run, and paid for, once."""

from __future__ import annotations

import random
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_wiro.decorators.batch_operator import WiroDecoratedBatchOperator
from airflow_provider_wiro.exceptions import WiroRecordError, WiroUsageError
from tests.batch.batch_work import TINY, prompts
from tests.decorators.fakes import Counted
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.decorators.fakes import DecoratedBatchWork
    from tests.transfers.s3 import S3

KEY = "sk-9f8e7d6c5b4a39281706"


def other_items() -> list[dict[str, Any]]:
    """Return items that differ from call to call."""
    return [{"prompt": f"robot {random.random()}"} for _ in range(3)]


def yielded() -> Iterator[dict[str, Any]]:
    yield from other_items()


def kept(batch: DecoratedBatchWork) -> list[Path]:
    return list(batch.folder.glob("manifest.jsonl.parts/*/inputs.jsonl"))


def lose_a_try(batch: DecoratedBatchWork, function: Counted) -> None:
    """Run a try until it defers, and lose its worker."""
    batch.defer(function)
    batch.retry()


@pytest.mark.parametrize("returned", [prompts(3), tuple(prompts(3))], ids=["list", "tuple"])
def test_each_item_that_the_function_returns_is_run(batch: DecoratedBatchWork, returned: Any) -> None:
    assert batch.run(Counted([returned]))["succeeded"] == 3
    assert batch.started_once(prompts(3))


def test_a_generator_is_read_once_whatever_is_deferred_and_resumed(batch: DecoratedBatchWork) -> None:
    function = Counted([yielded])

    summary = batch.run(function, deferrable=True, max_active=1)

    assert summary["succeeded"] == 3
    assert (function.calls, len(batch.wiro.tasks)) == (1, 3)
    assert len(batch.events) > 1


def test_a_path_can_be_returned_in_place_of_items(batch: DecoratedBatchWork, tmp_path: Path) -> None:
    file = tmp_path / "tonight.jsonl"
    file.write_text('{"prompt": "robot 0"}\n{"prompt": "robot 1"}\n')
    function = Counted([file, RuntimeError("called again")])

    assert batch.run(function, deferrable=True, max_active=1)["succeeded"] == 2
    assert batch.started_once(prompts(2))


def test_no_items_are_no_error(batch: DecoratedBatchWork) -> None:
    assert batch.run(Counted([[]]))["total"] == 0


@pytest.mark.parametrize("function", [other_items, yielded])
def test_a_retry_pays_for_no_item_again_whatever_the_function_would_return_now(
    batch: DecoratedBatchWork, function: Any
) -> None:
    counted = Counted([function])
    lose_a_try(batch, counted)

    summary = batch.run(counted)

    assert summary["succeeded"] == 3
    assert counted.calls == 1
    assert len(batch.started) == 3


def test_the_retry_of_a_success_that_airflow_missed_returns_the_same_summary(
    batch: DecoratedBatchWork,
) -> None:
    function = Counted([other_items])
    first = batch.run(function)
    batch.retry()

    assert batch.run(function) == first
    assert len(batch.wiro.tasks) == 3


def test_after_a_clear_the_function_is_called_again(batch: DecoratedBatchWork) -> None:
    function = Counted([prompts(2), prompts(3)])
    batch.run(function)
    batch.clear()

    assert batch.run(function)["total"] == 3


def test_a_late_process_of_the_try_before_a_clear_does_not_replace_what_the_next_one_runs(
    batch: DecoratedBatchWork,
) -> None:
    function = Counted([prompts(2), prompts(3), prompts(1)])
    deferred = batch.defer(function)
    late = batch.ti.try_number, batch.ti.max_tries
    batch.clear()
    batch.defer(function)
    now = batch.ti.try_number, batch.ti.max_tries
    [file] = kept(batch)
    before = file.read_bytes()

    batch.ti.try_number, batch.ti.max_tries = late
    with pytest.raises(AirflowException):
        batch.resume(deferred, function)

    assert file.read_bytes() == before
    batch.ti.try_number, batch.ti.max_tries = now
    assert function.calls == 2


def test_items_with_a_secret_are_written_nowhere_and_the_same_are_followed(
    batch: DecoratedBatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    masked: list[str] = []
    monkeypatch.setattr("airflow_provider_wiro.version_compat.mask_secret", masked.append)
    function = Counted([[{**item, "apiKey": KEY} for item in prompts(2)]])

    summary = batch.run(function, deferrable=True, max_active=1)

    assert summary["succeeded"] == 2
    assert KEY not in batch.everything()
    assert kept(batch) == []
    assert KEY in masked
    assert function.calls > 1


def test_items_with_a_secret_that_come_out_otherwise_are_an_error_and_not_paid_for(
    batch: DecoratedBatchWork,
) -> None:
    function = Counted([[{**item, "apiKey": KEY} for item in prompts(count)] for count in (2, 3)])
    deferred = batch.defer(function)

    with pytest.raises(AirflowFailException, match="Inputs changed during the deferral"):
        batch.resume(deferred, function)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "'draw' returned None: it may lack a `return`"),
        ({"prompt": "a teapot"}, "'draw' returned a dict of 'prompt'"),
        (5, "'draw' returned a value of type int"),
        (["a teapot"], "Item 0 of what the function 'draw' returned is a value of type str"),
        ([TINY, {"prompt": {1, 2}}], "Item 1 of what .* Parameter 'prompt' can't be sent: found set"),
    ],
)
def test_anything_else_is_one_clear_error_before_anything_is_submitted(
    batch: DecoratedBatchWork, returned: Any, message: str
) -> None:
    with pytest.raises(AirflowFailException, match=message):
        batch.run(Counted([returned]))

    assert batch.wiro.tasks == []
    assert kept(batch) == []


def test_a_generator_that_fails_submits_nothing_and_is_called_again_by_the_retry(
    batch: DecoratedBatchWork,
) -> None:
    def fails() -> Iterator[dict[str, Any]]:
        yield {"prompt": "robot 0"}
        raise ValueError("the table is locked")

    function = Counted([fails, prompts(2)])
    with pytest.raises(ValueError, match="the table is locked"):
        batch.run(function)
    assert batch.wiro.tasks == []
    batch.retry()

    assert batch.run(function)["succeeded"] == 2


def test_python_values_that_json_has_a_form_for_are_sent(batch: DecoratedBatchWork) -> None:
    batch.run(Counted([[{**TINY, "prompt": "x", "weights": (Decimal("0.5"), Decimal(2))}]]))

    assert batch.wiro.tasks[0].parameters["weights"] == [0.5, 2]


def test_rows_of_a_database_are_read_by_their_columns(batch: DecoratedBatchWork) -> None:
    price = Decimal("9.90")
    rows = [
        {"sku": "A-0", "prompt": "robot 0", "since": date(2026, 1, 2), "price": price},
        {"sku": "A-1", "prompt": "robot 1", "since": None, "price": price},
    ]

    batch.run(Counted([rows]), id_column="sku", data_columns=["since", "price"])

    assert batch.started_once(prompts(2))
    assert [(line["id"], line["data"]) for line in batch.manifest] == [
        ("A-0", {"since": "2026-01-02", "price": 9.9}),
        ("A-1", {"since": None, "price": 9.9}),
    ]


def test_items_are_data_and_name_no_file_of_this_machine(batch: DecoratedBatchWork, tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    items = [{"parameters": {"prompt": "x"}, "files": {"inputImage": tmp_path / "cat.png"}}]
    function = Counted([items])
    edit = {"model": "wiro/image-edit-general", "parameters": {}}

    with pytest.raises(AirflowFailException, match="names the local file"):
        batch.run(function, **edit)
    batch.clear()

    assert batch.run(function, **edit, allowed_local_paths=[tmp_path])["succeeded"] == 1


def test_damaged_items_start_nothing_and_say_where_they_are(batch: DecoratedBatchWork) -> None:
    function = Counted([prompts(2)])
    lose_a_try(batch, function)
    [file] = kept(batch)
    file.write_text("{}\n")
    before = len(batch.wiro.tasks)

    with pytest.raises(WiroRecordError, match=r"Expected in .*inputs\.jsonl"):
        batch.run(function)

    assert len(batch.wiro.tasks) == before


def test_outputs_manifest_and_items_are_in_the_bucket(batch: DecoratedBatchWork, s3: S3) -> None:
    function = Counted([yielded])

    summary = batch.run(function, deferrable=True, max_active=1, s3_bucket=BUCKET, manifest_uri=None)

    [items] = [key for key in s3.keys if key.endswith("inputs.jsonl")]
    manifest = summary["manifest_uri"].partition(f"{BUCKET}/")[2]
    assert summary["succeeded"] == 3
    assert items.startswith(f"{manifest}.parts/")
    assert function.calls == 1


def test_a_bucket_that_does_not_exist_is_reported_before_anything_is_paid_for(
    batch: DecoratedBatchWork, s3: S3
) -> None:
    with pytest.raises(AirflowFailException, match="Correct the bucket, or create it"):
        batch.run(Counted([prompts(2)]), s3_bucket="nowhere", manifest_uri=None)

    assert batch.wiro.tasks == []


def test_inputs_are_no_argument_of_the_decorator() -> None:
    with pytest.raises(WiroUsageError, match="what the function returns are the inputs"):
        WiroDecoratedBatchOperator(task_id="draw", model="a/b", python_callable=prompts, inputs=[{}])


def test_an_estimate_is_of_the_items_that_the_function_returns_and_runs_nothing(
    batch: DecoratedBatchWork,
) -> None:
    function = Counted([prompts(3)])

    found = batch.run(function, estimate_only=True)

    assert (found["total"], found["refused"], function.calls) == (3, 0, 1)
    assert not batch.started
    assert kept(batch) == []
