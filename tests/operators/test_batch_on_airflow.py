"""A batch on a real Airflow, and on every supported one: `make test-matrix` runs these on each."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.emulator import Fault, WiroEmulator
from airflow_provider_wiro.triggers import wiro_batch

if TYPE_CHECKING:
    from tests.airflow_home import AirflowHome, FinishedRun

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]

DAG_FILE = Path(__file__).parent / "dags" / "wiro_batches.py"
BOTH = pytest.mark.parametrize("dag_id", ["batch_blocking", "batch_deferrable"])


@pytest.fixture(autouse=True)
def _records(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give Airflow before 3.3 a place for the journal; and wait for little."""
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", str(tmp_path / "records"))
    monkeypatch.setattr(wiro_batch, "GATHERING_SECONDS", 0.2)


def run(airflow_home: AirflowHome, dag_id: str, folder: Path) -> FinishedRun:
    return airflow_home.run_dag(DAG_FILE, dag_id, conf={"folder": str(folder)})


def started(wiro: WiroEmulator) -> Counter[str]:
    return Counter(task.parameters["prompt"] for task in wiro.tasks)


@BOTH
def test_a_batch_succeeds_at_its_first_try(
    airflow_home: AirflowHome, wiro: WiroEmulator, tmp_path: Path, dag_id: str
) -> None:
    done = run(airflow_home, dag_id, tmp_path)

    assert (done.state, done.tries["generate"]) == ("success", 1)
    summary = done.returned("generate")
    assert (summary["total"], summary["succeeded"], summary["failed"]) == (6, 6, 0)
    lines = [json.loads(line) for line in Path(summary["manifest_uri"]).read_text().splitlines()]
    assert [line["item"] for line in lines] == list(range(6))
    assert started(wiro) == Counter(f"robot {number}" for number in range(6))
    assert done.xcoms["generate"]["wiro_task_url"].startswith("http://127.0.0.1")


@BOTH
def test_a_retry_runs_what_failed_and_nothing_else_again(
    airflow_home: AirflowHome, wiro: WiroEmulator, tmp_path: Path, dag_id: str
) -> None:
    """The item fails, is tried again and fails once more; then Airflow's retry has a go."""
    wiro.inject(Fault("exit_code", times=5))

    done = run(airflow_home, dag_id, tmp_path)

    assert (done.state, done.tries["generate"]) == ("success", 2)
    assert done.returned("generate")["succeeded"] == 6
    assert sum(task.exit_code == "0" for task in wiro.tasks) == 6
    assert len(wiro.tasks) == 11


def test_a_try_that_dies_after_the_wait_is_paid_for_once(
    airflow_home: AirflowHome, wiro: WiroEmulator, tmp_path: Path
) -> None:
    done = run(airflow_home, "batch_dies", tmp_path)

    assert (done.state, done.tries["generate"]) == ("success", 2)
    assert started(wiro) == Counter(f"robot {number}" for number in range(6))


def test_a_file_of_json_lines_is_run(airflow_home: AirflowHome, wiro: WiroEmulator, tmp_path: Path) -> None:
    (tmp_path / "inputs.jsonl").write_text("\n".join(json.dumps({"prompt": p}) for p in "abc"))

    done = run(airflow_home, "batch_of_a_file", tmp_path)

    assert (done.state, done.returned("generate")["succeeded"]) == ("success", 3)
    assert started(wiro) == Counter("abc")


def test_mapped_batches_each_have_a_journal_and_a_manifest(
    airflow_home: AirflowHome, wiro: WiroEmulator, tmp_path: Path
) -> None:
    done = run(airflow_home, "batch_mapped", tmp_path)

    assert done.state == "success"
    assert [done.returned(f"generate[{index}]")["total"] for index in range(2)] == [2, 1]
    assert len({done.returned(f"generate[{index}]")["manifest_uri"] for index in range(2)}) == 2
    assert started(wiro) == Counter("abc")


def test_rows_of_a_database_are_items_by_their_columns(
    airflow_home: AirflowHome, wiro: WiroEmulator, tmp_path: Path
) -> None:
    done = run(airflow_home, "batch_of_rows", tmp_path)

    assert done.state == "success"
    assert [(line["id"], line["data"]) for line in manifest_of(done)] == [
        ("007", {"shelf": None, "price": 19.9, "made": "2026-01-01T00:00:00+00:00"}),
        ("008", {"shelf": "b", "price": 19.9, "made": "2026-01-01T00:00:00+00:00"}),
    ]
    assert started(wiro) == Counter(['a "red" teapot', "茶壺"])
    assert all(not {"sku", "shelf", "price", "made"} & set(task.parameters) for task in wiro.tasks)


def test_what_mapped_tasks_have_returned_is_a_list_of_items(
    airflow_home: AirflowHome, wiro: WiroEmulator, tmp_path: Path
) -> None:
    done = run(airflow_home, "batch_of_mapped_outputs", tmp_path)

    assert done.state == "success"
    assert [line["id"] for line in manifest_of(done)] == ["SKU-001", "SKU-002"]
    assert started(wiro) == Counter(["a picture of SKU-001", "a picture of SKU-002"])


def manifest_of(done: FinishedRun) -> list[dict[str, Any]]:
    manifest = Path(done.returned("generate")["manifest_uri"])
    return [json.loads(line) for line in manifest.read_text().splitlines()]


def test_what_a_retry_cannot_mend_is_not_retried(
    airflow_home: AirflowHome, wiro: WiroEmulator, tmp_path: Path
) -> None:
    wiro.inject(Fault("api_error", endpoint="Run", code=97, message="Insufficient balance", times=None))

    done = run(airflow_home, "batch_deferrable", tmp_path)

    assert (done.state, done.tries["generate"]) == ("failed", 1)
    assert len(wiro.tasks) == 0


def test_a_second_dag_reads_the_event_of_a_batch(
    airflow_home: AirflowHome, wiro: WiroEmulator, tmp_path: Path
) -> None:
    wiro.inject(Fault("exit_code", times=1))
    summary = run(airflow_home, "batch_with_event", tmp_path).returned("generate")
    assert (summary["succeeded"], summary["failed"]) == (5, 1)

    seen = run(airflow_home, "batch_event_reader", tmp_path).returned("read")

    assert seen["extra"] == {"not_run": 0, "reused": 0, "total_bytes": None, **summary}
    assert seen["lines"] == 6
