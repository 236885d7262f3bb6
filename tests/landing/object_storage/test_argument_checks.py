"""Metadata and part sizes that can't be right are refused when the DAG file is parsed, in words that help."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.landing.object_storage.argument_checks import check_metadata, check_part_size
from airflow_provider_wiro.transfers.wiro_to_object_storage import WiroToObjectStorageOperator


@pytest.mark.parametrize("given", [None, {}, {"team": "art"}, {"cost-center": "7", "Owner_2": "a b"}])
def test_metadata_that_every_store_takes_is_kept(given: Any) -> None:
    assert check_metadata(given) == (given or {})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("team=art", "as a dict of text to text, found str"),
        ({"team": 7}, "text to text"),
        ({7: "team"}, "text to text"),
        ({"2nd": "x"}, "with a letter first"),
        ({"a b": "x"}, "with a letter first"),
        ({"team": "sanat ekibi ş"}, "printable ASCII"),
        ({"team": "a\r\nx: y"}, "printable ASCII"),
        ({"wiro-task-id": "1"}, "writes itself"),
        ({"Wiro_Task_Id": "1"}, "writes itself"),
        ({"SHA256": "1"}, "writes itself"),
        ({"a-b": "1", "a_b": "2"}, "takes for one"),
        ({"a": "x" * 2000}, "are left for yours"),
    ],
)
def test_other_metadata_is_refused(given: Any, words: str) -> None:
    with pytest.raises(WiroUsageError, match=words):
        check_metadata(given)


@pytest.mark.parametrize("given", [0, 1024**2 - 1, 1024**3 + 1, "8", True, None, 8.0])
def test_a_part_size_that_is_of_no_use_is_refused(given: Any) -> None:
    with pytest.raises(WiroUsageError, match="from 1048576"):
        check_part_size(given)


def test_a_dag_file_learns_of_it_when_it_is_parsed() -> None:
    with pytest.raises(WiroUsageError, match="writes itself"):
        WiroToObjectStorageOperator(
            task_id="land", wiro_task_id="1", path="/data/{index}", metadata={"sha256": "x"}
        )
