"""A batch of rows, from a table in S3 to its manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro.batch.inputs import sources
from airflow_provider_wiro.catalog import model_cache
from airflow_provider_wiro.emulator import Fault
from tests.batch.test_landing import lands, manifest_in
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from tests.batch.batch_work import BatchWork
    from tests.transfers.s3 import S3

EDIT = "wiro/image-edit-general"
BOTH = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
TABLE = f"s3://{BUCKET}/in/tonight.csv"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


def edits(work: BatchWork, s3: S3, **settings: Any) -> None:
    """Have a table of two pictures to edit in S3, and a batch that runs it."""
    for name in ("a", "b"):
        s3.put(f"in/{name}.png", PNG + name.encode())
    s3.put(
        "in/tonight.csv",
        (
            "\ufeffsku;prompt;inputImage;samples;strength;shelf\r\n"
            f'007;"00123; ""red""";s3://{BUCKET}/in/a.png;2;0.5;top\r\n'
            f"008;茶壺;s3://{BUCKET}/in/b.png;;;\r\n"
        ).encode(),
    )
    lands(
        work,
        model=EDIT,
        parameters=None,
        s3_key="night/{id}-{index}{suffix}",
        id_column="sku",
        data_columns=["shelf"],
        **settings,
    )


@BOTH
def test_a_table_is_run_row_by_row_and_lands_by_its_ids(work: BatchWork, s3: S3, deferrable: bool) -> None:
    edits(work, s3)

    summary = work.run(TABLE, deferrable=deferrable)

    assert summary["succeeded"] == 2
    lines = manifest_in(s3, summary["manifest_uri"])
    assert [(line["id"], line["data"]) for line in lines] == [
        ("007", {"shelf": "top"}),
        ("008", {"shelf": None}),
    ]
    assert [file["uri"] for line in lines for file in line["files"]] == [
        f"s3://{BUCKET}/night/{name}.png" for name in ("007-0", "007-1", "008-0")
    ]
    sent = {task.parameters["prompt"]: task.parameters for task in work.wiro.tasks}
    assert set(sent) == {'00123; "red"', "茶壺"}
    for parameters in sent.values():
        assert not {"sku", "shelf"} & set(parameters)


def test_a_lost_run_of_a_row_is_found_again_though_the_schema_is_not(
    work: BatchWork, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits(work, s3, manifest_uri=str(work.folder / "manifest.jsonl"))
    work.run(TABLE, max_active=2)
    lines = work.journal_lines
    work.leave_journal(lines[: [entry["what"] for entry in work.entries].index("id")])
    monkeypatch.setattr(sources.InputSource, "columns", without_schema(sources.InputSource.columns))

    summary = work.run(TABLE, max_active=2)

    assert summary["succeeded"] == 2
    assert len(work.wiro.tasks) == 2


def without_schema(columns: Any) -> Any:
    """Return what columns are while Wiro can't be asked for the model."""

    def found(source: sources.InputSource) -> Any:
        return columns(sources.InputSource(source.given, source.id_column, source.data_columns))

    return found


def test_a_schema_that_is_not_to_be_had_is_said(
    work: BatchWork, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_cache, "LONGEST_ASKING_SECONDS", 0.3)
    work.wiro.inject(Fault("server_error", endpoint="Tool/Detail", status=503, times=None))
    s3.put("in/tonight.csv", b"prompt,samples\na robot,1\n")
    lands(work, parameters={"width": 64, "height": 64})

    assert work.run(TABLE)["succeeded"] == 1

    assert "every column is sent as a parameter" in work.log


def test_the_columns_of_a_table_are_checked_before_anything_is_paid(work: BatchWork, s3: S3) -> None:
    edits(work, s3)
    for settings, message in (
        (
            {"id_column": "SKU"},
            "There is no column 'SKU', which id_column names. The columns are 'sku', 'prompt'",
        ),
        ({"data_columns": ["x"]}, "There is no column 'x', which data_columns names"),
        ({"id_column": None}, "Item 0 .line 2. has no id, and s3_key has"),
    ):
        with pytest.raises(AirflowFailException, match=message):
            work.run(TABLE, **settings)
    assert work.wiro.counts.requests["Run"] == 0
