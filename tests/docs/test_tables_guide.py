"""The guide's example of rows of a database, on a real database through Airflow's own hook."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.common.sql.hooks.sql import DbApiHook

if TYPE_CHECKING:
    import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "tables.md"


class SqliteHook(DbApiHook):
    """Airflow's hook, on a file. The cursors of sqlite3 are no context managers, unlike those of psycopg."""

    conn_name_attr = "conn_id"

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def get_conn(self) -> Any:
        return sqlite3.connect(self._path)


def test_the_example_returns_a_dict_for_each_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as shop:
        shop.executescript(
            "CREATE TABLE articles (sku TEXT, prompt TEXT, shelf REAL, picture TEXT);"
            "INSERT INTO articles VALUES ('008', 'b', 1.5, NULL), ('007', 'a', NULL, NULL),"
            "('9', 'c', 1, 'x');"
        )
    monkeypatch.setattr(DbApiHook, "get_hook", lambda _: SqliteHook(tmp_path / "shop.db"))
    [example] = [
        block
        for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
        if "DbApiHook" in block
    ]
    names: dict[str, Any] = {}
    exec(example, names)  # noqa: S102  the guide's own code

    assert names["articles"].function() == [
        {"sku": "007", "prompt": "a", "shelf": None},
        {"sku": "008", "prompt": "b", "shelf": 1.5},
    ]
