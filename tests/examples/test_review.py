"""The example of a review: what Airflow does with a person's answer, in this process."""

from __future__ import annotations

import importlib
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

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


class Reviewer:
    """
    Answers a question as Airflow's API does, once `dag.test()` says in its log that it waits for that.

    Before that line it still writes the task's state, and would undo an answer.
    """

    def __init__(self, log: Any, option: str, pictures: list[str], meanwhile: Callable[[], None]) -> None:
        self._meanwhile = meanwhile
        self._log = log
        self._answer = {"chosen_options": [option], "params_input": {"pictures": pictures}}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def info(self, message: str, *args: object) -> None:
        self._log.info(message, *args)
        if message.startswith("Waiting for Human-in-the-loop input"):
            self._meanwhile()
            self._respond()

    def _respond(self) -> None:
        from airflow import settings
        from airflow.models.hitl import HITLDetail, HITLUser
        from airflow.models.taskinstance import TaskInstance
        from airflow.models.trigger import handle_event_submit
        from airflow.triggers.base import TriggerEvent
        from sqlalchemy import select

        with settings.NonScopedSession() as session:  # type: ignore[misc]
            waits = select(TaskInstance).where(
                TaskInstance.dag_id == DAG_ID, TaskInstance.state == "awaiting_input"
            )
            waiting = session.scalars(waits).one()
            detail = session.scalars(select(HITLDetail).where(HITLDetail.ti_id == waiting.id)).one()
            detail.responded_by = HITLUser(id="1", name="reviewer")
            detail.responded_at = datetime.now(UTC)
            for name, value in self._answer.items():
                setattr(detail, name, value)
            event = TriggerEvent(detail.as_resume_event_payload())
            handle_event_submit(event, task_instance=waiting, session=session)
            session.commit()


@contextmanager
def reviewing(
    option: str, pictures: list[str], meanwhile: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Have a person answer in this way; what is done ``meanwhile`` happens between question and answer."""
    module = importlib.import_module("airflow.sdk.definitions.dag")
    with patch.object(module, "log", Reviewer(module.log, option, pictures, meanwhile)):
        yield


def reviewed(airflow_home: AirflowHome, option: str, pictures: list[str], **params: Any) -> FinishedRun:
    with reviewing(option, pictures):
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

    with reviewing("Approve", ["1", "2"], replace_the_first):
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
