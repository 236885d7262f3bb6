"""An item that can't be sent is a failed item: the others of a batch that continues are none the worse."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

if TYPE_CHECKING:
    from pathlib import Path

    from tests.batch.batch_work import BatchWork


class NotJson:
    def __repr__(self) -> str:
        return "NotJson()"


BAD: list[dict[Any, Any]] = [
    {"prompt\r\nX-Evil: 1": "x"},
    {"pro\x00mpt": "x"},
    {"pro\u2028mpt": "x"},
    {"pro\ud800mpt": "x"},
    {"prompt": "half a character: \ud83d"},
    {"prompt": {"deep": ["\udfff"]}},
    {"prompt": float("nan")},
    {7: "x"},
    {"": "x"},
    {"prompt": NotJson()},
    {"prompt": {("a", "tuple"): 1}},
]


def results(work: BatchWork) -> list[dict[str, Any]]:
    lines = (work.folder / "manifest.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("bad", BAD, ids=ascii)
def test_it_alone_fails_where_the_batch_continues(work: BatchWork, bad: dict[Any, Any]) -> None:
    summary = work.run([{"prompt": "a"}, bad, {"prompt": "b"}], on_item_failure="continue")

    found = results(work)
    assert [result["status"] for result in found] == ["succeeded", "failed", "succeeded"]
    assert found[1]["error"].isprintable()
    assert len(found[1]["error"]) < 600
    assert (summary["succeeded"], summary["failed"]) == (2, 1)
    assert sorted(task.parameters["prompt"] for task in work.wiro.tasks) == ["a", "b"]


def test_so_it_does_with_a_deferral_and_in_a_file(work: BatchWork, tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text(
        "".join(json.dumps(item) + "\n" for item in ({"prompt": "a"}, BAD[0], BAD[4], {"prompt": "b"}))
    )

    summary = work.run(str(path), on_item_failure="continue", deferrable=True)

    assert [result["status"] for result in results(work)] == ["succeeded", "failed", "failed", "succeeded"]
    assert (summary["succeeded"], summary["failed"]) == (2, 2)


@pytest.mark.parametrize("bad", BAD, ids=ascii)
def test_nothing_is_paid_for_where_the_first_failure_ends_the_batch(
    work: BatchWork, bad: dict[Any, Any]
) -> None:
    with pytest.raises(AirflowFailException, match="Item 1 of inputs"):
        work.run([{"prompt": "a"}, bad])
    assert work.wiro.tasks == []


@pytest.mark.parametrize("name", ["input\r\nImage", "input\ud800Image", ""])
def test_a_file_parameters_name_that_breaks_a_header_fails_its_item(work: BatchWork, name: str) -> None:
    own = {"parameters": {"prompt": "x"}, "files": {name: "https://x.test/a.png"}}

    work.run([{"prompt": "a"}, own], on_item_failure="continue")

    assert [result["status"] for result in results(work)] == ["succeeded", "failed"]


def test_a_value_with_nul_is_sent_as_it_is(work: BatchWork) -> None:
    work.run([{"prompt": "a\0b"}, {"prompt": "c"}], on_item_failure="continue")

    assert [result["status"] for result in results(work)] == ["succeeded", "succeeded"]


@pytest.mark.parametrize("name", ["a\r\nX-Evil: 1.png", 'a"b; filename=x.png', "a\u202eb.png", "a\x7f.png"])
def test_a_files_name_that_would_break_a_header_is_cleaned(
    work: BatchWork, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"\x89PNG\r\n\x1a\n1234")
    own = {"parameters": {"prompt": "x"}, "files": {"inputImage": str(path)}}

    work.run([own, own], on_item_failure="continue", model="wiro/image-edit-general", parameters={})

    assert [result["status"] for result in results(work)] == ["succeeded", "succeeded"]


@pytest.mark.parametrize(
    "file",
    [
        {"wiro_task_id": "7", "status": "task_postprocess_end", "outputs": []},
        {"wiro_task_id": "7", "index": 0, "url": None},
        {"name": "0.png"},
        "https://",
    ],
    ids=ascii,
)
def test_a_file_that_is_no_link_is_found_before_anything_is_paid_for(work: BatchWork, file: Any) -> None:
    items: list[dict[str, Any]] = [
        {"parameters": {"prompt": "a"}},
        {"parameters": {"prompt": "b"}, "files": {"inputImage": file}},
    ]
    with pytest.raises(AirflowFailException, match=r"Item 1 of inputs: File parameter 'inputImage': "):
        work.run(items, max_active=1)
    assert work.wiro.tasks == []

    assert work.run(items, on_item_failure="continue")["failed"] == 1
