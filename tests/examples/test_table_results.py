"""The example that writes a batch's results into a table: one row for each item, whatever is repeated."""

from __future__ import annotations

import json
import sqlite3
import tracemalloc
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.examples.files import example_file, example_module

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.airflow_home import AirflowHome
    from tests.examples.conftest import Bucket

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]

DAG_ID = "example_wiro_table_results"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "shop.db"
    monkeypatch.setenv("AIRFLOW_CONN_SQLITE_DEFAULT", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", str(tmp_path / "records"))
    return path


def select(database: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(database)) as shop:
        return shop.execute(query).fetchall()


def test_each_article_has_one_row_and_the_next_run_draws_only_what_is_missing(
    airflow_home: AirflowHome, wiro: WiroEmulator, bucket: Bucket, database: Path
) -> None:
    with closing(sqlite3.connect(database)) as shop, shop:
        shop.execute(example_module(DAG_ID).TABLES[0])
        shop.execute("INSERT INTO articles VALUES ('009', 'a pan', 9999, NULL)")  # too many steps

    first = airflow_home.run_dag(example_file(DAG_ID), DAG_ID)

    assert first.state == "success"
    assert len(wiro.tasks) == 2
    table = select(database, "SELECT sku, status, uri, cost_usd, error FROM pictures ORDER BY sku")
    assert [row[:2] for row in table] == [("007", "succeeded"), ("008", "succeeded"), ("009", "failed")]
    for sku, _, uri, cost, error in table[:2]:
        assert uri == f"s3://{bucket.name}/articles/{sku}.png"
        assert bucket.read(f"articles/{sku}.png").startswith(PNG)
        assert (float(cost) > 0, error) == (True, None)
    _, _, uri, cost, error = table[2]
    assert (uri, cost) == (None, None)
    assert "steps" in error

    with closing(sqlite3.connect(database)) as shop, shop:
        shop.execute("UPDATE articles SET steps = 20 WHERE sku = '009'")
    second = airflow_home.run_dag(example_file(DAG_ID), DAG_ID)

    assert second.state == "success"
    assert [row["sku"] for row in second.returned("wanted")] == ["009"]
    assert len(wiro.tasks) == 3
    assert select(database, "SELECT sku, status, error FROM pictures ORDER BY sku") == [
        (sku, "succeeded", None) for sku in ("007", "008", "009")
    ]

    third = airflow_home.run_dag(example_file(DAG_ID), DAG_ID)

    assert third.state == "success"
    assert third.returned("wanted") == []
    assert len(wiro.tasks) == 3
    assert len(select(database, "SELECT * FROM pictures")) == 3


def test_the_results_of_many_items_are_read_in_flat_memory(tmp_path: Path, database: Path) -> None:
    example = example_module(DAG_ID)
    manifest = tmp_path / "manifest.jsonl"
    with manifest.open("w") as file:
        for item in range(20_000):
            line = {
                "item": item,
                "id": f"sku-{item}",
                "status": "failed",
                "cost_usd": None,
                "error": "x" * 200,
            }
            file.write(json.dumps(line) + "\n")
    with closing(sqlite3.connect(database)) as shop:
        shop.execute(example.TABLES[1])
    keep = example.keep.function

    keep({"manifest_uri": manifest.as_uri()})
    tracemalloc.start()
    keep({"manifest_uri": manifest.as_uri()})  # the retry after a crash
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 4e6 < manifest.stat().st_size
    assert select(database, "SELECT count(*), count(DISTINCT sku) FROM pictures") == [(20_000, 20_000)]
