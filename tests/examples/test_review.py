"""The example of a review: what Airflow does with a person's answer, in this process."""

from __future__ import annotations

import importlib
import threading
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest

from tests.examples.conftest import Bucket
from tests.examples.files import example_file
from tests.programs.system.seaweedfs import running_seaweedfs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.airflow_home import AirflowHome, FinishedRun

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]

DAG_ID = "example_wiro_review"
AGAIN = "Again, with another seed"
AIRFLOW = tuple(int(part) for part in version("apache-airflow").split(".")[:2])

asks = pytest.mark.skipif(
    AIRFLOW < (3, 3),
    reason="dag.test() before 3.3 waits for no answer; test_review_on_a_real_airflow.py can be run there",
)


class Reviewer(threading.Thread):
    """Answers the first question that is asked, as Airflow's API does."""

    def __init__(self, option: str, pictures: list[str], meanwhile: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._meanwhile = meanwhile
        # Before the thread starts: Airflow's modules must not be imported by two threads at once.
        self._hitl = importlib.import_module("airflow.models.hitl")
        self._task_instance = importlib.import_module("airflow.models.taskinstance").TaskInstance
        self._submit = importlib.import_module("airflow.models.trigger").handle_event_submit
        self._event = importlib.import_module("airflow.triggers.base").TriggerEvent
        self._answer = {"chosen_options": [option], "params_input": {"pictures": pictures}}
        self._is_over = threading.Event()

    def __enter__(self) -> Reviewer:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._is_over.set()
        self.join()

    def run(self) -> None:
        while not (self._is_over.wait(0.3) or self._answers()):
            continue

    def _answers(self) -> bool:
        from airflow import settings
        from sqlalchemy import select

        who, detail_of = self._task_instance, self._hitl.HITLDetail
        with settings.Session() as session:  # type: ignore[misc]
            waits = select(who).where(who.dag_id == DAG_ID, who.state == "awaiting_input")
            waiting = session.scalars(waits).first()
            if waiting is None:
                return False
            self._meanwhile()
            detail = session.scalars(select(detail_of).where(detail_of.ti_id == waiting.id)).one()
            detail.responded_by = self._hitl.HITLUser(id="1", name="reviewer")
            detail.responded_at = datetime.now(UTC)
            for name, value in self._answer.items():
                setattr(detail, name, value)
            event = self._event(detail.as_resume_event_payload())
            self._submit(event, task_instance=waiting, session=session)
            session.commit()
            return True


def reviewed(airflow_home: AirflowHome, option: str, pictures: list[str], **params: Any) -> FinishedRun:
    with Reviewer(option, pictures, lambda: None):
        run = airflow_home.run_dag(example_file(DAG_ID), DAG_ID, params)
    assert run.state == "success"
    return run


def published(bucket: Bucket) -> dict[str, bytes]:
    return {key: body for key, body in bucket.objects().items() if key.startswith("published/")}


@asks
def test_what_is_approved_is_copied_within_s3_with_what_it_says_of_itself(
    airflow_home: AirflowHome, wiro: WiroEmulator, bucket: Bucket
) -> None:
    run = reviewed(airflow_home, "Approve", ["4", "2"])

    [task] = wiro.tasks
    files = run.returned("land")["files"]
    assert len(files) == 4
    keys = [file["uri"].removeprefix(f"s3://{bucket.name}/") for file in files]
    copies = [key.replace("review/", "published/") for key in (keys[1], keys[3])]
    assert sorted(published(bucket)) == sorted(copies)
    assert published(bucket)[copies[0]] == bucket.read(keys[1])
    assert bucket.metadata(copies[0])["wiro-task-id"] == task.id


@pytest.fixture
def seaweedfs_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A bucket of a store that heeds the condition of a copy, which moto does not."""
    name = "wiro-outputs"
    with running_seaweedfs(tmp_path / "s3", log=tmp_path / "s3.log", bucket=name) as s3:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", s3.airflow_connection())
        monkeypatch.setenv("WIRO_EXAMPLE_BUCKET", name)
        client = s3.client()
        yield Bucket(client, name, s3.airflow_connection())
        client.close()


@asks
@pytest.mark.usefixtures("wiro")
def test_an_object_that_was_replaced_during_the_review_is_not_published(
    airflow_home: AirflowHome, seaweedfs_bucket: Bucket, tmp_path: Path
) -> None:
    example = example_file(DAG_ID).read_text()
    without_retries = tmp_path / "review.py"  # else the test waits for them
    without_retries.write_text(example.replace('"retries": 2', '"retries": 0'))

    def replace_the_first() -> None:
        seaweedfs_bucket.write(min(seaweedfs_bucket.objects()), b"another picture")

    with Reviewer("Approve", ["1", "2"], replace_the_first):
        run = airflow_home.run_dag(without_retries, DAG_ID)

    assert run.state != "success"
    [copied] = published(seaweedfs_bucket).items()
    assert copied[0].endswith("/1-1.png")
    assert copied[1] != b"another picture"


@asks
@pytest.mark.parametrize(
    ("option", "pictures", "tries_left"),
    [("Reject", ["1", "2"], 2), ("Approve", [], 2), (AGAIN, ["1", "2"], 0)],
    ids=["rejected", "nothing chosen", "no try left"],
)
def test_nothing_else_is_published(
    airflow_home: AirflowHome,
    wiro: WiroEmulator,
    bucket: Bucket,
    option: str,
    pictures: list[str],
    tries_left: int,
) -> None:
    run = reviewed(airflow_home, option, pictures, tries_left=tries_left)

    assert published(bucket) == {}
    assert {run.task_states[task] for task in ("publish", "again")} == {"skipped"}
    assert len(wiro.tasks) == 1


@asks
@pytest.mark.usefixtures("wiro", "bucket")
def test_again_hands_the_next_seed_to_another_run(airflow_home: AirflowHome) -> None:
    run = reviewed(airflow_home, AGAIN, ["1"], prompt="a cat", seed=7, tries_left=2)

    assert run.task_states["again"] == "success"
    assert run.returned("next_try") == {"prompt": "a cat", "seed": 8, "tries_left": 1}


@pytest.mark.skipif(AIRFLOW >= (3, 1), reason="tasks can ask people")
def test_below_airflow_3_1_the_file_makes_no_dag_and_says_so(
    airflow_home: AirflowHome, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(LookupError, match="Airflow says: nothing"):
        airflow_home.run_dag(example_file(DAG_ID), DAG_ID)

    assert capsys.readouterr().out.count("needs Airflow 3.1 or newer, whose tasks can ask people") == 1
