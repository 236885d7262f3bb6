"""Items that failed, or were not run, are in a file of their own, which can be another batch's inputs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_wiro.emulator import Fault
from tests.batch.batch_work import TINY, prompts

if TYPE_CHECKING:
    from tests.batch.batch_work import BatchWork


def failed_lines(work: BatchWork) -> list[dict[str, Any]]:
    text = (work.folder / "manifest.jsonl.failed.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_what_failed_can_be_fed_back_as_it_is(work: BatchWork) -> None:
    inputs = [
        {"id": f"SKU-{n}", "parameters": {"prompt": f"robot {n}"}, "data": {"shelf": n}} for n in range(4)
    ]
    work.wiro.inject(Fault("exit_code", times=2))
    settings = {"on_item_failure": "continue", "max_item_retries": 0, "max_active": 1}
    summary = work.run(inputs, **settings)

    assert summary["failed_uri"] == f"{summary['manifest_uri']}.failed.jsonl"
    lines = failed_lines(work)
    assert [line["id"] for line in lines] == ["SKU-0", "SKU-1"]
    assert lines[0] == {**inputs[0], "item": 0, "status": "failed", "error": work.manifest[0]["error"]}

    work.clear()
    again = work.run(summary["failed_uri"], **settings)

    assert (again["total"], again["succeeded"]) == (2, 2)
    assert "failed_uri" not in again
    assert [(line["id"], line["data"]) for line in work.manifest] == [
        ("SKU-0", {"shelf": 0}),
        ("SKU-1", {"shelf": 1}),
    ]
    assert work.started == {"robot 0": 2, "robot 1": 2, "robot 2": 1, "robot 3": 1}


def test_what_was_not_run_is_there_too_also_when_the_task_fails(work: BatchWork) -> None:
    work.wiro.inject(Fault("exit_code", times=1))
    with pytest.raises(AirflowException):
        work.run(prompts(4), max_item_retries=0, max_active=1)

    lines = failed_lines(work)
    assert [line["status"] for line in lines] == ["failed", "not_run", "not_run", "not_run"]
    assert [line["parameters"] for line in lines] == prompts(4)
    assert ["error" in line for line in lines] == [True, False, False, False]


def test_without_failures_the_file_of_an_earlier_try_is_gone(work: BatchWork) -> None:
    work.wiro.inject(Fault("exit_code", times=1))
    with pytest.raises(AirflowException):
        work.run(prompts(2), max_item_retries=0, max_active=1)
    assert failed_lines(work)
    work.retry()

    summary = work.run(prompts(2))

    assert "failed_uri" not in summary
    assert not (work.folder / "manifest.jsonl.failed.jsonl").exists()


def test_a_secret_is_not_written_and_its_item_says_so_when_it_is_fed_back(work: BatchWork) -> None:
    secret = "sk-0123456789abcdef"
    inputs = [{"prompt": "a", "api_key": secret}, {"prompt": "b", "data": "x"}]
    work.wiro.inject(Fault("exit_code", times=None))
    summary = work.run(inputs, on_item_failure="continue", max_item_retries=0, check_parameters="off")

    assert secret not in (work.folder / "manifest.jsonl.failed.jsonl").read_text()
    first, second = failed_lines(work)
    assert "parameters" not in first
    assert second["parameters"] == inputs[1]
    work.clear()
    with pytest.raises(
        AirflowFailException, match=r"Item 0 \(line 1\) of inputs: item 0 .* its input has a secret"
    ):
        work.run(summary["failed_uri"])
    assert len(work.wiro.tasks) == 2


def test_a_file_in_an_object_store_is_no_secret_by_its_connection(work: BatchWork) -> None:
    source = str(work.folder / "missing.png")
    inputs = [{"parameters": {"prompt": "a"}, "files": {"inputImage": ["s3://my_conn@bucket/k.png", source]}}]
    with pytest.raises(AirflowException):
        work.run(inputs)  # refused before anything is written
    from airflow_provider_wiro.batch.inputs.item_form import own_input
    from airflow_provider_wiro.batch.results.failed_items import _line_of

    line = json.loads(_line_of(own_input(inputs[0]), {"item": 0, "status": "not_run"}))
    assert line["files"] == inputs[0]["files"]


def test_a_row_of_a_table_comes_back_as_the_item_that_it_was(work: BatchWork) -> None:
    table = work.folder / "items.csv"
    table.write_text("sku,prompt,samples,shelf\nA,a teapot,1,7\nB,a kettle,1,8\n")
    settings = {"id_column": "sku", "data_columns": ["shelf"], "on_item_failure": "continue"}
    work.wiro.inject(Fault("exit_code", times=1))
    summary = work.run(str(table), max_item_retries=0, max_active=1, **settings)
    [line] = failed_lines(work)
    assert (line["id"], line["data"], line["parameters"]["prompt"]) == ("A", {"shelf": "7"}, "a teapot")
    work.clear()

    again = work.run(summary["failed_uri"], **settings)

    assert again["succeeded"] == 1
    assert work.manifest[0]["id"] == "A"
    assert work.manifest[0]["data"] == {"shelf": "7"}


@pytest.mark.parametrize(
    "raw",
    [
        {"prompt": "x", "item": 1, "status": "failed", "error": "y"},
        {"item": 1, "status": "failed", "error": "y"},
        {"item": 1, "status": "s", "parameters": "a model's own parameter"},
    ],
)
def test_a_models_parameters_of_the_same_names_are_sent(raw: dict[str, Any]) -> None:
    from airflow_provider_wiro.batch.inputs.item_form import own_input

    assert own_input(raw).parameters == raw


def test_items_are_written_one_by_one(work: BatchWork) -> None:
    """100 items of 400 KB that have failed take no 40 MB."""
    import tracemalloc

    def many() -> str:
        path = work.folder / "many.jsonl"
        with path.open("w") as file:
            for n in range(100):
                file.write(json.dumps({"prompt": f"{n} " + "x" * 400_000}) + "\n")
        return str(path)

    path = many()
    work.wiro.inject(Fault("exit_code", times=None))
    tracemalloc.start()
    try:
        with pytest.raises(AirflowException):
            work.run(path, max_item_retries=0, max_active=1, parameters=TINY, check_parameters="off")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(failed_lines(work)) == 100
    assert peak < 20 * 1024 * 1024
