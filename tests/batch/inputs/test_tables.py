"""Rows as items: CSV, Parquet and rows from a database, typed by the model's schema, and what is refused."""

from __future__ import annotations

import csv
import importlib
import json
import sqlite3
import sys
import tracemalloc
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from airflow_provider_wiro.api.catalog import Model, ModelParameter
from airflow_provider_wiro.batch.inputs.data_trust import DataTrust
from airflow_provider_wiro.batch.inputs.items import Inputs
from airflow_provider_wiro.batch.inputs.sources import InputSource
from airflow_provider_wiro.exceptions import WiroUsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MODEL = Model(
    "owner/model",
    "owner/model",
    parameters=(
        ModelParameter("prompt", "textarea"),
        ModelParameter("seed", "text"),
        ModelParameter("samples", "number"),
        ModelParameter("scale", "float"),
        ModelParameter("ratio", "select", options=("1", "16:9")),
        ModelParameter("tiled", "checkbox"),
        ModelParameter("styles", "multiselect", options=("a", "b")),
        ModelParameter("messages", "textarea"),
        ModelParameter("inputImage", "fileinput"),
        ModelParameter("references", "combinefileinput"),
    ),
)


def opened(given: Any, model: Model | None = MODEL, **settings: Any) -> Inputs:
    rows = {name: settings.pop(name) for name in ("id_column", "data_columns") if name in settings}
    defaults: dict[str, Any] = {"model": "owner/model", "parameters": None, "files": None, "project_id": None}
    return Inputs(InputSource(given, find_model=lambda: model, **rows), **{**defaults, **settings})


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., str]:
    def write(body: str | bytes, name: str = "tonight.csv") -> str:
        path = tmp_path / name
        path.write_bytes(body if isinstance(body, bytes) else body.encode())
        return str(path)

    return write


def sent(inputs: Inputs) -> list[dict[str, Any]]:
    return [dict(inputs[number].parameters) for number in range(len(inputs))]


# -- CSV


def test_a_cell_has_quotes_line_breaks_and_any_letter(written: Callable[..., str]) -> None:
    body = 'sku,prompt\r\n7,"a ""red"" teapot, big"\r\n8,"two\r\nlines, 茶壺 🫖"\r\n\r\n9,6" ruler\r\n'
    with opened(written(body), id_column="sku") as inputs:
        assert sent(inputs) == [
            {"prompt": 'a "red" teapot, big'},
            {"prompt": "two\r\nlines, 茶壺 🫖"},
            {"prompt": '6" ruler'},
        ]
        assert [inputs.name(n) for n in range(3)] == [
            "Item 0 (7, line 2)",
            "Item 1 (8, line 3)",
            "Item 2 (9, line 6)",
        ]


def test_what_the_csv_module_writes_is_read_as_it_was(tmp_path: Path) -> None:
    prompts = [
        '"',
        '""',
        ",",
        ";\t",
        "\n",
        "a\nb\r\nc",
        "'",
        " x ",
        "=1+1",
        "ä\u2028b",
        "\\",
        '\\"',
        "x" * 100_000,
    ]
    path = tmp_path / "all.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(["seed", "prompt"])
        writer.writerows(enumerate(prompts))
    with opened(str(path)) as inputs:
        assert [item["prompt"] for item in sent(inputs)] == prompts


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_the_header_shows_what_separates_cells(written: Callable[..., str], delimiter: str, bom: str) -> None:
    body = f"{bom}prompt{delimiter}samples\na teapot{delimiter}2\n"
    with opened(written(body, "tonight.CSV")) as inputs:
        assert sent(inputs) == [{"prompt": "a teapot", "samples": 2}]


def test_a_cell_is_typed_by_the_models_schema_and_text_stays_text(written: Callable[..., str]) -> None:
    body = (
        "prompt;seed;samples;scale;ratio;tiled;styles;messages\n"
        '00123;007; 4 ;0.5;1;TRUE;"[""a""]";"[{""role"": ""user""}]"\n'
        "1e3;1.0;many;1e1;16:9;yes;a;plain\n"
        ";;007;12345678901234567890;;;;\n"
        ";;;;;;;\n"
    )
    with opened(written(body)) as inputs:
        first, second, third = sent(inputs)
    assert first == {
        "prompt": "00123",
        "seed": "007",
        "samples": 4,
        "scale": 0.5,
        "ratio": "1",
        "tiled": True,
        "styles": ["a"],
        "messages": [{"role": "user"}],
    }
    assert second == {
        "prompt": "1e3",
        "seed": "1.0",
        "samples": "many",
        "scale": 10,
        "ratio": "16:9",
        "tiled": "yes",
        "styles": "a",
        "messages": "plain",
    }
    # A number that others would round stays as it was written.
    assert third == {"samples": 7, "scale": "12345678901234567890"}


def test_an_empty_cell_leaves_what_all_items_have(written: Callable[..., str]) -> None:
    with opened(written("prompt,samples\na,\nb,3\n"), parameters={"samples": 1}) as inputs:
        assert sent(inputs) == [{"prompt": "a", "samples": 1}, {"prompt": "b", "samples": 3}]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "",
            "Expected a header with the names of the model's parameters in the first line of .*found nothing",
        ),
        ("\n\n", "Expected a header"),
        ("prompt,prompt\na,b\n", "The header of .* has 'prompt' twice"),
        ("prompt,\na,b\n", "Column 2 of .* has no name in the header"),
        ("prompt,seed\na\n", "Line 2 of .*tonight.csv has 1 cell, the header has 2"),
        ('prompt,seed\n"a\nb",1\nc,d,e\n', "Line 4 of .* has 3 cells, the header has 2"),
        ('prompt,seed\n"a" b,1\n', "Line 2 of .* is no CSV"),
        ('prompt,seed\nx,1\n"never closed,1\n', "Line 3 of .* is no CSV"),
        (
            "prompt,seed\nx,1\n" + "y" * 140_000 + ",1\n",
            "Line 3 of .* is no CSV .*128 KB belong into JSON Lines",
        ),
        (
            b"prompt,seed\nx,1\ncaf\xe9,2\n",
            "Line 3 of .* is not UTF-8: found the byte 0xe9. Save the file as CSV UTF-8",
        ),
        ("prompt,seed\nx,1".encode("utf-16"), "Line 1 of .* is not UTF-8: found UTF-16"),
        ("prompt,seed;samples\nx,1\n", "The header of .* has as many ',' as ';'"),
        ("prompt\ra\rb\r", "Line 1 of .* is no CSV"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(
    written: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    body: str | bytes,
    message: str,
) -> None:
    path = written(body)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(WiroUsageError, match=message):
        opened(path)
    assert [found.name for found in tmp_path.iterdir()] == ["tonight.csv"]


def test_nothing_of_the_copies_is_left(
    written: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written("prompt\na\n")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with opened(path) as inputs:
        written("prompt\nchanged\n")
        assert sent(inputs) == [{"prompt": "a"}]
    assert [found.name for found in tmp_path.iterdir()] == ["tonight.csv"]


def test_a_file_that_is_not_there_is_called_by_its_kind() -> None:
    for name, kind in (
        ("x.csv", "CSV file"),
        ("x.parquet", "Parquet file"),
        ("x.jsonl", "file of JSON Lines"),
    ):
        with pytest.raises(WiroUsageError, match=f"Expected a {kind} at /not/there/{name}, found none"):
            opened(f"/not/there/{name}")


def test_a_table_is_never_held_in_memory(written: Callable[..., str]) -> None:
    """20 MB of prompts, in 10,000 rows; the index of a row takes 16 bytes, the digest of its id 32."""
    path = written("sku,prompt\n" + "".join(f"{n},{'x' * 2000}\n" for n in range(10_000)))
    tracemalloc.start()
    with opened(path, id_column="sku") as inputs:
        assert len(inputs) == 10_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * 1024 * 1024


# -- ids, data, files


def test_columns_are_the_id_data_files_and_parameters(written: Callable[..., str]) -> None:
    body = (
        "sku,prompt,inputImage,references,shelf,price\n"
        '007,a teapot,https://x.y/1.png,"[""https://x.y/2.png"", ""s3://b/3.png""]",7,19.90\n'
        "008,a kettle,,https://x.y/a%2Cb.png,,\n"
    )
    with opened(written(body), id_column="sku", data_columns=["shelf", "price"]) as inputs:
        one, two = inputs[0], inputs[1]
        names = [inputs.names_of(0), inputs.names_of(1)]
    assert (one.id, one.parameters) == ("007", {"prompt": "a teapot"})
    assert one.files == {
        "inputImage": "https://x.y/1.png",
        "references": ["https://x.y/2.png", "s3://b/3.png"],
    }
    assert two.files == {"references": "https://x.y/a%2Cb.png"}
    assert names == [
        {"id": "007", "data": {"shelf": "7", "price": "19.90"}},
        {"id": "008", "data": {"shelf": None, "price": None}},
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"id_column": "SKU"},
            "There is no column 'SKU', which id_column names. The columns are 'sku', 'prompt'.",
        ),
        ({"data_columns": ["shelf"]}, "There is no column 'shelf', which data_columns names"),
    ],
)
def test_a_column_that_is_not_there_is_refused_with_those_that_are(
    written: Callable[..., str], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(WiroUsageError, match=message):
        opened(written("sku,prompt\n1,a\n"), **settings)
    with pytest.raises(WiroUsageError, match=f"Item 0 of inputs: {message}"):
        opened([{"sku": "1", "prompt": "a"}], **settings)


def test_rows_need_an_id_each_and_one_of_their_own(written: Callable[..., str]) -> None:
    with pytest.raises(
        WiroUsageError, match=r"Item 1 \(line 3\) of inputs: The column 'sku', its id, is empty"
    ):
        opened(written("sku,prompt\n1,a\n,b\n"), id_column="sku")
    with pytest.raises(
        WiroUsageError, match=r"Item 0 \(line 2\) and item 1 \(line 3\) of inputs have the same id '1'"
    ):
        opened(written("sku,prompt\n1,a\n1,b\n"), id_column="sku")


def test_without_a_schema_every_column_is_a_parameter(written: Callable[..., str]) -> None:
    path = written("prompt,samples,inputImageUrl\na,2,https://x.y/1.png\n")
    for model in (None, Model("owner/model", "owner/model")):
        with opened(path, model) as inputs:
            assert inputs.has_unknown_columns
            assert sent(inputs) == [{"prompt": "a", "samples": "2", "inputImageUrl": "https://x.y/1.png"}]
            assert inputs[0].files == {}


def test_a_run_is_the_same_whatever_the_schema_says(written: Callable[..., str]) -> None:
    """A retry that can't ask for the schema, or finds another one, must not pay again."""
    path = written("sku,prompt,samples,inputImage,messages\n1,a,2,https://x.y/1.png,[]\n")
    found = set()
    for model in (MODEL, None, Model("owner/model", "owner/model", parameters=MODEL.parameters[:3])):
        with opened(path, model, id_column="sku") as inputs:
            found.add((inputs.fingerprint, *inputs.fingerprints()))
    assert len(found) == 1


def test_data_that_is_a_table_may_name_no_more_than_other_data(written: Callable[..., str]) -> None:
    path = written("prompt,inputImage\na,https://x.y/1.png\nb,/etc/passwd\n")
    with (
        opened(path, trust=DataTrust()) as inputs,
        pytest.raises(
            WiroUsageError,
            match=r"Item 1 \(line 3\) of inputs: File parameter 'inputImage' names the local file",
        ),
    ):
        inputs.check_files()
    with (
        opened(written("prompt,projectid\na,7\n"), trust=DataTrust()) as inputs,
        pytest.raises(WiroUsageError, match="Parameter 'projectid' says who is billed"),
    ):
        inputs.check_files()


# -- rows from a database


def test_rows_of_a_real_database_are_items() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE night (sku TEXT, prompt TEXT, samples INTEGER, scale REAL, shelf TEXT)")
    connection.executemany(
        "INSERT INTO night VALUES (?, ?, ?, ?, ?)",
        [
            ("007", 'a "red" teapot', 2, 0.5, None),
            ("008", "', 茶壺\n;--", None, None, "b"),
            ("009", "", 1, 1.0, "c"),
        ],
    )
    cursor = connection.execute("SELECT * FROM night ORDER BY sku")
    names = [column[0] for column in cursor.description]
    rows = cursor.fetchall()
    connection.close()

    inputs = opened(
        [dict(zip(names, row, strict=True)) for row in rows], id_column="sku", data_columns=["shelf"]
    )

    assert sent(inputs) == [
        {"prompt": 'a "red" teapot', "samples": 2, "scale": 0.5},
        {"prompt": "', 茶壺\n;--"},
        {"prompt": "", "samples": 1, "scale": 1.0},
    ]
    assert [inputs.names_of(n) for n in range(3)] == [
        {"id": "007", "data": {"shelf": None}},
        {"id": "008", "data": {"shelf": "b"}},
        {"id": "009", "data": {"shelf": "c"}},
    ]
    for given in (rows, [list(row) for row in rows]):
        with pytest.raises(WiroUsageError, match=r"Return dicts, such as \[dict\(zip\(columns, row\)\)"):
            opened(given, id_column="sku")
        with pytest.raises(WiroUsageError, match=r"return dicts, such as \[dict\(zip\(columns, row\)\)"):
            opened(given)


def test_values_of_database_drivers_become_what_json_has() -> None:
    row = {
        "id": Decimal(7),
        "seed": Decimal("0.10"),
        "scale": Decimal("0.1234567890123456789"),
        "prompt": datetime(2026, 11, 27, 7, 30, tzinfo=UTC),
        "day": date(2026, 11, 27),
        "uuid": UUID(int=1),
        "pause": timedelta(seconds=90),
        "missing": None,
        "nan": float("nan"),
        "dnan": Decimal("NaN"),
        "tags": ("a", Decimal(1)),
    }
    inputs = opened(
        [row], id_column="id", data_columns=["day", "missing", "nan", "dnan", "uuid", "pause", "tags"]
    )
    assert inputs[0].parameters == {
        "seed": 0.1,
        "scale": "0.1234567890123456789",
        "prompt": "2026-11-27T07:30:00+00:00",
    }
    assert inputs.names_of(0) == {
        "id": "7",
        "data": {
            "day": "2026-11-27",
            "missing": None,
            "nan": None,
            "dnan": None,
            "uuid": "00000000-0000-0000-0000-000000000001",
            "pause": 90.0,
            "tags": ["a", 1],
        },
    }
    json.dumps(inputs.names_of(0), allow_nan=False)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"\x89PNG", "Column 'photo' has 4 bytes. A file is named by its URL"),
        (memoryview(b"ab"), "Column 'photo' has 2 bytes"),
        (float("inf"), "Column 'photo' has an infinite number"),
        (Decimal("-Infinity"), "Column 'photo' has an infinite number"),
        (object(), "Column 'photo' has a object, which can't be written as JSON"),
        ({1}, "Column 'photo' has a set"),
    ],
)
def test_a_value_that_json_lacks_is_refused_by_its_column(value: Any, message: str) -> None:
    with pytest.raises(WiroUsageError, match=f"Item 0 of inputs: {message}"):
        opened([{"sku": "1", "photo": value}], id_column="sku")


def test_a_number_that_no_reader_of_json_keeps_is_text() -> None:
    row = {"sku": 7.0, "seed": 2**60, "scale": Decimal("1E+999999"), "prompt": Decimal(2**60)}
    item = opened([row], id_column="sku")[0]
    assert (item.id, item.parameters) == (
        "7",
        {"seed": 2**60, "scale": "1E+999999", "prompt": "1152921504606846976"},
    )


def test_items_in_the_long_form_are_no_rows() -> None:
    with pytest.raises(WiroUsageError, match="found 'parameters' in a row"):
        opened([{"id": "1", "parameters": {"prompt": "a"}}], id_column="id")
    with pytest.raises(WiroUsageError, match=r"Expected the names of a row's columns as text, found 0"):
        opened([{0: "x", "sku": "1"}], id_column="sku")


def test_lines_of_json_are_rows_too_where_a_column_is_named(written: Callable[..., str]) -> None:
    body = '{"sku": 7, "prompt": "a", "inputImage": ["https://x.y/1.png"], "seed": null, "n": NaN}\n'
    with opened(written(body, "tonight.jsonl"), id_column="sku") as inputs:
        assert inputs[0].files == {"inputImage": ["https://x.y/1.png"]}
        assert (inputs[0].id, inputs[0].parameters) == ("7", {"prompt": "a"})


def test_a_sequence_that_is_read_from_airflow_piece_by_piece_is_a_list() -> None:
    class Lazy:
        """As Airflow's LazyXComSequence: what mapped tasks have returned."""

        def __init__(self) -> None:
            self.asked = 0

        def __len__(self) -> int:
            return 3

        def __getitem__(self, number: int) -> dict[str, Any]:
            if number >= 3:
                raise IndexError(number)
            self.asked += 1
            return {"id": str(number), "parameters": {"prompt": "a"}}

        def __iter__(self) -> Any:
            return (self[number] for number in range(3))

    lazy = Lazy()
    inputs = opened(lazy)
    assert list(inputs.ids()) == ["0", "1", "2"]
    assert lazy.asked == 3


# -- Parquet


def test_parquet_without_pyarrow_says_what_to_install(
    written: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(WiroUsageError, match=r"needs pyarrow, .*install airflow-provider-wiro\[parquet\]"):
        opened(written(b"PAR1", "tonight.parquet"))


def test_rows_of_a_parquet_file_are_items(tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), importlib.import_module("pyarrow.parquet")
    rows = [
        {
            "sku": f"{n:05}",
            "prompt": "茶壺",
            "samples": n,
            "price": Decimal("19.90"),
            "day": date(2026, 11, 27),
        }
        for n in range(2500)
    ]
    rows[1]["samples"] = None
    path = tmp_path / "tonight.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=700)

    with opened(str(path), id_column="sku", data_columns=["price", "day"]) as inputs:
        assert len(inputs) == 2500
        assert inputs[2499].parameters == {"prompt": "茶壺", "samples": 2499}
        assert inputs[1].parameters == {"prompt": "茶壺"}
        assert inputs.names_of(2499) == {"id": "02499", "data": {"price": 19.9, "day": "2026-11-27"}}
        assert inputs.name(7) == "Item 7 (00007, row 8)"


def test_what_is_no_parquet_or_has_bytes_in_it_is_refused(
    tmp_path: Path, written: Callable[..., str]
) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), importlib.import_module("pyarrow.parquet")
    with pytest.raises(WiroUsageError, match=r"tonight.parquet can't be read as Parquet: "):
        opened(written(b"prompt,seed\n", "tonight.parquet"))
    path = tmp_path / "bytes.parquet"
    parquet.write_table(pyarrow.Table.from_pylist([{"sku": "1", "photo": b"\x89PNG"}]), path)
    with pytest.raises(WiroUsageError, match=r"Row 1 of .*: Column 'photo' has 4 bytes"):
        opened(str(path))
