"""The inputs of a batch: read once, checked before anything is submitted, known again after a Clear."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.batch.inputs.items import Inputs
from airflow_provider_wiro.exceptions import WiroUsageError

if TYPE_CHECKING:
    from pathlib import Path


def opened(given: Any, **settings: Any) -> Inputs:
    defaults: dict[str, Any] = {"model": "owner/model", "parameters": None, "files": None, "project_id": None}
    return Inputs(given, **{**defaults, **settings})


def test_a_file_is_read_as_it_was_whatever_happens_to_it(tmp_path: Path) -> None:
    path = tmp_path / "inputs.jsonl"
    path.write_text('{"prompt": "ä"}\n\n  \n{"prompt": "b"}')
    with opened(str(path)) as inputs:
        path.write_text("something else")
        assert [inputs[number].parameters for number in range(len(inputs))] == [
            {"prompt": "ä"},
            {"prompt": "b"},
        ]
        assert inputs.name(1) == "Item 1 (line 4)"


def test_nothing_of_the_copy_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for text in ('{"prompt": "a"}\n', "broken"):
        path = tmp_path / "inputs.jsonl"
        path.write_text(text)
        with contextlib.suppress(WiroUsageError):
            opened(str(path)).close()
        assert [found.name for found in tmp_path.iterdir()] == ["inputs.jsonl"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}\n[1]\n", "Line 2 of .*expected an object with the model's parameters, .*found list"),
        ("{}\nnot json\n", "Line 2 of .* is not JSON"),
        ('{"a": 1}\n{"a": NaN}\n', r"Item 1 \(line 2\) of inputs: Parameter 'a' can't be sent"),
        ('{}\n{"": 1}\n', r"Item 1 \(line 2\) of inputs: Expected parameter names"),
        ('\n{"parameters": 1, "files": {}}\n', r"Item 0 \(line 2\) of inputs: Expected its `parameters`"),
        ('{"parameters": {}, "files": {"a": "/not/there"}}', r"Item 0 \(line 1\).*/not/there"),
    ],
)
def test_a_bad_line_is_named_with_its_number(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "inputs.jsonl"
    path.write_text(text)
    with pytest.raises(WiroUsageError, match=message), opened(str(path)) as inputs:
        inputs.check_files()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"prompt": "a"}, "found dict"),
        (7, "found int"),
        (None, "found NoneType"),
        ([{"a": 1}, "b"], "Item 1 of inputs: expected a dict of the model's parameters, .*found 'b'"),
        ([{"a": object()}], "Item 0 of inputs: Parameter 'a' can't be sent"),
        ("[{'prompt': 'rendered as text'}]", "render_template_as_native_obj"),
        ("/not/there.jsonl", "Expected a file of JSON Lines at /not/there.jsonl, found none"),
        ("ftp://x", "Expected the path or URI of a file"),
    ],
)
def test_what_is_no_list_of_items_is_an_error(given: Any, message: str) -> None:
    with pytest.raises(WiroUsageError, match=message):
        opened(given)


def test_a_line_without_end_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_wiro.batch.inputs.json_lines.MAX_LINE_BYTES", 100)
    path = tmp_path / "inputs.jsonl"
    path.write_text('{"a": 1}\n' + json.dumps({"a": "x" * 200}))
    with pytest.raises(WiroUsageError, match=r"Line 2 of .* has more than 100 bytes"):
        opened(str(path))


def test_any_sequence_of_dicts_is_a_list_of_items() -> None:
    assert len(opened({"a": number} for number in range(3))) == 3
    assert len(opened(({"a": 1}, {"a": 2}))) == 2


def test_items_are_told_apart_by_all_that_is_sent() -> None:
    inputs = opened(
        [{"a": 1}, {"a": 1}, {"a": 2}, {"parameters": {"a": 1}, "files": {"f": "https://x.y/1.png"}}],
        parameters={"b": 1},
    )
    digests = list(inputs.fingerprints())

    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
    assert inputs.fingerprint != opened([{"a": 1}], parameters={"b": 1}).fingerprint
    assert opened([{"a": 1}], model="owner/other").fingerprint != opened([{"a": 1}]).fingerprint
    assert opened([{"a": 1, "c": None}]).fingerprint == opened([{"a": 1}]).fingerprint


# -- files that are no paths

DATA = "data:image/png;base64,iVBORw0KGgo="


def shared(task: str, signature: str, name: str = "0.png") -> dict[str, Any]:
    """Return a run summary as a file of all items."""
    output = {"index": 0, "name": name, "url": f"https://cdn1.wiro.ai/{name}?sig={signature}"}
    return {"inputImage": {"wiro_task_id": task, "outputs": [output]}}


def test_items_are_known_again_though_the_links_of_another_tasks_outputs_were_signed_anew() -> None:
    one, again, other = (
        opened([{"prompt": "a"}], files=files).fingerprint
        for files in (shared("7", "1"), shared("7", "2"), shared("8", "1"))
    )
    assert one == again != other


@pytest.mark.parametrize("file", [DATA, {"uri": "s3://bucket/key"}, {"url": "https://x.test/a.png"}])
def test_what_is_no_path_is_not_looked_for_on_this_machine(file: Any) -> None:
    items = [{"parameters": {"prompt": "a"}, "files": {"inputImage": [file, [file]]}}]
    with opened(items) as inputs:
        inputs.check_files()
        assert inputs.fingerprint != opened([{"parameters": {"prompt": "a"}, "files": {}}]).fingerprint
