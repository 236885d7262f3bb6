"""The example that publishes what another DAG has landed, by the events of its transfers."""

# ruff: noqa: S608 - the SQL is made of this file's own words

from __future__ import annotations

import io
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.examples.files import example_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.airflow_home import AirflowHome
    from tests.examples.conftest import Bucket

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]

DAG_ID = "example_wiro_publishing"


knows_the_asset = pytest.mark.skipif(
    version("apache-airflow").startswith(("3.0.", "3.1.", "3.2.")),
    reason="dag.test() before 3.3 takes an asset that no DAG processor has seen for an inactive one;"
    " test_events_on_a_real_airflow.py can be run there",
)


@pytest.fixture
def handed_over(airflow_home: AirflowHome) -> Iterator[None]:
    """
    Hand the asset events of this test to each run of the example, as the scheduler does.

    `dag.test()` creates its runs without a scheduler. That one writes into a table which events a run is
    created for; here the database does so itself.
    """
    from airflow import settings
    from sqlalchemy import inspect, text

    def change(*statements: str) -> None:
        with settings.Session() as session:  # type: ignore[misc]
            for statement in statements:
                session.execute(text(statement))
            session.commit()

    with settings.Session() as session:  # type: ignore[misc]
        tables = inspect(session.connection()).get_table_names()
    event = "asset_event" if "asset_event" in tables else "dataset_event"  # Airflow 2.11
    change(
        f"DELETE FROM {event}",
        f"CREATE TRIGGER hand_over AFTER INSERT ON dag_run WHEN new.dag_id = '{DAG_ID}' BEGIN"
        f" INSERT INTO dagrun_{event} (dag_run_id, event_id) SELECT new.id, id FROM {event}; END",
    )
    yield
    change("DROP TRIGGER hand_over")


@knows_the_asset
@pytest.mark.usefixtures("handed_over")
def test_what_two_transfers_have_landed_is_published_by_one_run(
    airflow_home: AirflowHome, wiro: WiroEmulator, bucket: Bucket
) -> None:
    for _ in range(2):
        assert airflow_home.run_dag(example_file(DAG_ID), f"{DAG_ID}_draw").state == "success"
    landed = bucket.objects()
    assert len(landed) == 4

    run = airflow_home.run_dag(example_file(DAG_ID), DAG_ID)

    assert run.state == "success"
    page = bucket.read("published/index.html").decode()
    for key, picture in landed.items():
        published = "published/" + key.replace(".png", ".webp")
        large, small = (Image.open(io.BytesIO(body)) for body in (picture, bucket.read(published)))
        assert small.format == "WEBP"
        assert max(small.size) == min(512, max(large.size))
        assert f'<img src="{published.removeprefix("published/")}">' in page
    assert page.count("<img") == 4
    assert {task.status for task in wiro.tasks} == {"task_postprocess_end"}


@knows_the_asset
@pytest.mark.usefixtures("handed_over", "wiro")
def test_a_picture_that_has_changed_since_its_event_is_not_published(
    airflow_home: AirflowHome, bucket: Bucket
) -> None:
    assert airflow_home.run_dag(example_file(DAG_ID), f"{DAG_ID}_draw").state == "success"
    [key, other] = sorted(bucket.objects())
    bucket.write(key, bucket.read(other) + b"\0")

    run = airflow_home.run_dag(example_file(DAG_ID), DAG_ID)

    assert run.state == "failed"
    assert {run.task_states["resize[0]"], run.task_states["resize[1]"]} == {"failed", "success"}
    assert not any(name.endswith(".html") for name in bucket.objects())


def test_a_run_without_an_event_publishes_nothing(airflow_home: AirflowHome, bucket: Bucket) -> None:
    run = airflow_home.run_dag(example_file(DAG_ID), DAG_ID)

    assert run.state == "success"
    assert run.returned("landed") == []
    assert bucket.objects() == {}
