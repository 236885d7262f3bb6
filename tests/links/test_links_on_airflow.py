"""The buttons as a real Airflow shows them; `make test-matrix` runs this on every supported one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow import __version__ as airflow_version

from airflow_provider_wiro.triggers import wiro_batch
from tests.transfers.conftest import moto_url, s3
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.airflow_home import AirflowHome, FinishedRun
    from tests.transfers.s3 import S3

__all__ = ["moto_url", "s3"]

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]

DAG_FILE = Path(__file__).parent / "dags" / "links.py"
CONSOLE = "https://minio.example.com/browser"


@pytest.fixture(autouse=True)
def _places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", str(tmp_path / "records"))
    monkeypatch.setenv("AIRFLOW__WIRO__S3_CONSOLE_URL", f"{CONSOLE}/{{bucket}}/{{key}}")
    monkeypatch.setattr(wiro_batch, "GATHERING_SECONDS", 0.2)


def test_each_task_has_its_buttons_and_no_log_line_complains(
    airflow_home: AirflowHome,
    wiro: WiroEmulator,
    s3: S3,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    done = airflow_home.run_dag(DAG_FILE, "links")

    logged = caplog.text + "".join(capfd.readouterr())
    assert "XCom not found" not in logged
    assert "Failed to push an xcom" not in logged
    wiro_task_id = done.returned("generate")["wiro_task_id"]
    url = done.returned("generate")["outputs"][0]["url"]
    task_url = done.xcoms["generate"]["wiro_task_url"]
    assert task_url.endswith(f"/#task-{wiro_task_id}")
    assert shown(airflow_home, done, "generate") == {
        "Wiro task": task_url,
        "First output": url,
    }
    assert shown(airflow_home, done, "land") == {
        "Wiro task": task_url,
        "First output": f"{CONSOLE}/{BUCKET}/wiro/{wiro_task_id}/0-0.png",
        "In S3": f"{CONSOLE}/{BUCKET}/wiro/{wiro_task_id}/",
        "Manifest": f"{CONSOLE}/{BUCKET}/wiro/{wiro_task_id}/manifest.json",
    }
    assert shown(airflow_home, done, "land_each", 0)["In S3"] == f"{CONSOLE}/{BUCKET}/each/{wiro_task_id}/"
    assert shown(airflow_home, done, "land_each", 0)["Manifest"] is None
    assert set(shown(airflow_home, done, "fail").values()) == {None}
    batch = shown(airflow_home, done, "batch")
    assert batch["In S3"] == f"{CONSOLE}/{BUCKET}/night/"
    assert batch["First output"] == f"{CONSOLE}/{BUCKET}/night/0/0.png"
    assert str(batch["Manifest"]).startswith(f"{CONSOLE}/{BUCKET}/wiro/batches/")
    assert done.xcoms["batch"]["progress"]["done"] == 2
    assert done.xcoms["batch"]["progress"]["running"] == 0
    assert f"Output: {url}" in logged
    assert f"Output: s3://{BUCKET}/wiro/{wiro_task_id}/0-0.png {CONSOLE}/{BUCKET}/wiro/" in logged


def shown(home: AirflowHome, done: FinishedRun, task_id: str, map_index: int = -1) -> dict[str, Any]:
    """Return the links of a task instance as Airflow's API gives them: name → URL, None for none."""
    version = tuple(int(part) for part in airflow_version.split(".")[:2])
    if version < (3, 1):  # `dag.test()` leaves no DAG in the database, in which the API looks for it
        return _shown_by_the_dag(home, done, task_id, map_index)
    from airflow.api_fastapi.app import create_app
    from fastapi.testclient import TestClient

    path = f"/api/v2/dags/links/dagRuns/{done.run_id}/taskInstances/{task_id}/links"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "True")
        client = TestClient(create_app(apps="core"))
        token = client.get("/auth/token").json()["access_token"]
        response = client.get(
            path, params={"map_index": map_index}, headers={"Authorization": f"Bearer {token}"}
        )
    assert response.status_code == 200, response.text
    links: dict[str, Any] = response.json()["extra_links"]
    return links


def _shown_by_the_dag(home: AirflowHome, done: FinishedRun, task_id: str, map_index: int) -> dict[str, Any]:
    """Ask the DAG as it is stored for its links: what the API does with the one in the database."""
    from airflow import settings
    from airflow.models.dagbag import DagBag
    from airflow.models.taskinstance import TaskInstance
    from airflow.serialization.serialized_objects import SerializedDAG

    dag = SerializedDAG.from_dict(SerializedDAG.to_dict(DagBag(home.dags).dags["links"]))
    task = dag.get_task(task_id)
    with settings.Session() as session:  # type: ignore[misc]
        ti = (
            session.query(TaskInstance)
            .filter_by(dag_id="links", run_id=done.run_id, task_id=task_id, map_index=map_index)
            .one()
        )
        return {name: task.get_extra_links(ti, name) or None for name in task.extra_links}
