"""What pages show of real DAG runs; `make test-matrix` runs this on each Airflow that has plugins' tabs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow import settings

from airflow_provider_wiro.gallery import reading
from airflow_provider_wiro.gallery.page import CardState, MediaKind
from tests.gallery.dags.shapes import BUCKET, MODEL
from tests.operators.fixtures import _short_waits, wiro
from tests.transfers.conftest import moto_url, s3

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import Session

    from airflow_provider_wiro.emulator import WiroEmulator
    from airflow_provider_wiro.gallery.page import Card, Gallery, Section
    from tests.airflow_home import AirflowHome, FinishedRun
    from tests.transfers.s3 import S3

__all__ = ["_short_waits", "moto_url", "s3", "wiro"]

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]

DAG_FILE = Path(__file__).parents[1] / "dags" / "shapes.py"


@pytest.fixture(autouse=True)
def _places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", str(tmp_path / "records"))
    monkeypatch.setenv("AIRFLOW__WIRO__S3_CONSOLE_URL", "https://minio.example.com/browser/{bucket}/{key}")


@pytest.fixture
def session(airflow_home: AirflowHome) -> Iterator[Session]:
    with settings.Session() as one:  # type: ignore[misc]
        yield one
        one.rollback()


def cards(gallery: Gallery, section: str = "runs") -> dict[str, Card]:
    return {card.id: card for card in section_of(gallery, section).cards}


def section_of(gallery: Gallery, name: str) -> Section:
    json.dumps(gallery.to_json(), allow_nan=False)
    (run,) = gallery.runs
    return next(one for one in run.sections if one.id == name)


def bytes_at(s3: S3, session: Session, dag_id: str, url: str | None) -> bytes:
    """Return the bytes of what a media's URL stands for, as the route resolves it."""
    from urllib.parse import unquote

    assert url is not None
    names = [unquote(name) for name in url.removeprefix("/wiro/media/").split("/")]
    assert names[0] == dag_id
    _, run_id, task_id, map_index, place, index = names
    output = reading.find_output(session, dag_id, run_id, task_id, int(map_index), place, int(index))
    assert output.aws_conn_id == "aws_default"
    assert output.dag_id == dag_id
    bucket, _, key = output.uri.removeprefix("s3://").partition("/")
    found = s3.client.get_object(Bucket=bucket, Key=key)
    assert found["Metadata"]["wiro-task-id"] == output.wiro_task_id
    body: bytes = found["Body"].read()
    assert len(body) == output.size
    return body


def test_runs_transfers_sensors_subclasses_and_failures(
    airflow_home: AirflowHome, wiro: WiroEmulator, s3: S3, session: Session
) -> None:
    done = airflow_home.run_dag(DAG_FILE, "gallery_runs")

    found = cards(reading.run_gallery(session, "gallery_runs", done.run_id))

    assert list(found) == ["generate", "own", "answer", "started", "fails"]
    drawn = found["generate"]
    assert (drawn.title, drawn.model, drawn.prompt, drawn.seed) == ("robot", MODEL, "a robot manual", "7")
    assert dict(drawn.parameters) == {"apiKey": "***", "height": "64", "samples": "1", "width": "64"}
    assert (drawn.state, drawn.try_number, drawn.cost_usd) == (CardState.SUCCEEDED, 1, "0.00351")
    (media,) = drawn.media
    assert (media.kind, media.content_type, media.uri) == (
        MediaKind.IMAGE,
        "image/png",
        f"s3://{BUCKET}/wiro/{drawn.wiro_task_id}/0-0.png",
    )
    assert bytes_at(s3, session, "gallery_runs", media.url).startswith(b"\x89PNG")
    assert drawn.links is not None
    assert drawn.links["s3"] == f"https://minio.example.com/browser/{BUCKET}/wiro/{drawn.wiro_task_id}/"
    assert drawn.links["wiro"].endswith(f"/#task-{drawn.wiro_task_id}")
    assert "s3cr3t-value" not in repr(found)
    assert [one.url for one in found["own"].media] == [None]
    assert (found["own"].prompt, found["own"].state) == ("a tram", CardState.SUCCEEDED)
    assert (found["answer"].finish_reason, found["answer"].media) == ("stop", ())
    assert str(found["answer"].text).startswith("A local answer")
    assert found["started"].prompt == "a pier"
    assert "/land_waited/-1/-/0" in str(found["started"].media[0].url)
    failed = found["fails"]
    assert (failed.state, failed.media) == (CardState.FAILED, ())
    assert "Wiro has no model 'retroAIx/Not-There'" in str(failed.error)
    assert failed.links is not None
    assert failed.links["log"] == f"/dags/gallery_runs/runs/{_quoted(done.run_id)}/tasks/fails"

    # The page of each task instance shows the same card; one of another provider shows nothing.
    for task_id, card in (("generate", drawn), ("land", drawn), ("waited", found["started"])):
        one = reading.task_gallery(session, "gallery_runs", done.run_id, task_id, -1)
        assert list(cards(one, task_id).values()) == [card]
        assert section_of(one, task_id).task_id == task_id
    for task_id in ("elsewhere", "after_failure"):
        assert reading.task_gallery(session, "gallery_runs", done.run_id, task_id, -1).runs[0].sections == ()
    with pytest.raises(LookupError, match="no task instance 'nothing'"):
        reading.task_gallery(session, "gallery_runs", done.run_id, "nothing", -1)
    with pytest.raises(LookupError, match="no run 'nothing'"):
        reading.run_gallery(session, "gallery_runs", "nothing")

    # The DAG's page has the run, and each of its cards.
    latest = reading.dag_gallery(session, "gallery_runs")
    assert list(cards(latest).values()) == list(found.values())
    assert latest.next is None
    _check_what_no_result_names(session, done)


def _quoted(run_id: str) -> str:
    return run_id.replace(":", "%3A").replace("+", "%2B")


def _check_what_no_result_names(session: Session, done: FinishedRun) -> None:
    for task_id, place, index in (
        ("land", "-", 1),
        ("land", "-", -1),
        ("land", "0", 0),
        ("land", "b0", 0),
        ("generate", "-", 0),
        ("fails", "-", 0),
        ("elsewhere", "-", 0),
        ("nothing", "-", 0),
    ):
        with pytest.raises(LookupError):
            reading.find_output(session, "gallery_runs", done.run_id, task_id, -1, place, index)


def test_mapped_tasks_in_a_group(
    airflow_home: AirflowHome, wiro: WiroEmulator, s3: S3, session: Session
) -> None:
    done = airflow_home.run_dag(DAG_FILE, "gallery_mapped")

    found = cards(reading.run_gallery(session, "gallery_mapped", done.run_id))

    assert [(card.id, card.title, card.prompt) for card in found.values()] == [
        ("shots.picture[0]", "a tram", "a tram"),
        ("shots.picture[1]", "a bakery", "a bakery"),
        ("shots.picture[2]", "a harbour", "a harbour"),
    ]
    for index, card in enumerate(found.values()):
        assert card.links is not None
        assert card.links["log"].endswith(f"/tasks/shots.picture/mapped/{index}")
        assert bytes_at(s3, session, "gallery_mapped", card.media[0].url)
    one = reading.task_gallery(session, "gallery_mapped", done.run_id, "shots.land", 1)
    assert [card.title for card in cards(one, "shots.land[1]").values()] == ["a bakery"]
    all_of_it = reading.task_gallery(session, "gallery_mapped", done.run_id, "shots.picture", -1)
    assert list(cards(all_of_it, "shots.picture").values()) == list(found.values())


def test_batches_and_exports(airflow_home: AirflowHome, wiro: WiroEmulator, s3: S3, session: Session) -> None:
    done = airflow_home.run_dag(DAG_FILE, "gallery_batches")

    gallery = reading.run_gallery(session, "gallery_batches", done.run_id)

    batch = section_of(gallery, "batch")
    assert (batch.state, batch.first, batch.total, batch.note) == ("success", 1, 2, "")
    assert batch.progress is not None
    assert (batch.progress.total, batch.progress.done) == (2, 2)
    assert [(card.title, card.prompt) for card in batch.cards] == [("A-1", "one"), ("Item 2", "two")]
    assert all(card.code and '"width": 64' in card.code for card in batch.cards)
    assert bytes_at(s3, session, "gallery_batches", batch.cards[1].media[0].url)
    export = section_of(gallery, "export")
    assert len(export.cards) >= 2
    assert {card.state for card in export.cards} == {CardState.SUCCEEDED}
    assert bytes_at(s3, session, "gallery_batches", export.cards[-1].media[0].url)
    for task_id, section in (("batch", batch), ("export", export)):
        own = reading.task_gallery(session, "gallery_batches", done.run_id, task_id, -1)
        assert section_of(own, task_id) == section
    second = reading.task_gallery(session, "gallery_batches", done.run_id, "batch", -1, at="item-2")
    assert [card.title for card in section_of(second, "batch").cards] == ["Item 2"]
    for place in ("2", "-", "b1", "x"):
        with pytest.raises(LookupError):
            reading.find_output(session, "gallery_batches", done.run_id, "batch", -1, place, 0)


def test_a_manifest_that_an_xcom_names_elsewhere_is_not_read(
    airflow_home: AirflowHome, wiro: WiroEmulator, s3: S3, session: Session
) -> None:
    done = airflow_home.run_dag(DAG_FILE, "gallery_batches")
    secret = {
        "item": 0,
        "status": "succeeded",
        "text": "what only another DAG's readers may see",
        "files": [],
    }
    s3.client.put_object(Bucket=BUCKET, Key="other.jsonl", Body=json.dumps(secret).encode())
    _overwrite(
        session, done, "batch", {**done.returned("batch"), "manifest_uri": f"s3://{BUCKET}/other.jsonl"}
    )

    batch = section_of(reading.run_gallery(session, "gallery_batches", done.run_id), "batch")

    assert batch.cards == ()
    assert batch.note.startswith("Its manifest isn't read: the result names a place")
    with pytest.raises(LookupError):
        reading.find_output(session, "gallery_batches", done.run_id, "batch", -1, "0", 0)


def test_a_batch_that_pushes_no_result_has_its_manifest_where_it_writes_it(
    airflow_home: AirflowHome, wiro: WiroEmulator, s3: S3, session: Session
) -> None:
    from airflow_provider_wiro.gallery.left.tables import xcom

    done = airflow_home.run_dag(DAG_FILE, "gallery_batches")
    session.execute(xcom.delete().where(xcom.c.run_id == done.run_id, xcom.c.key == "return_value"))
    session.commit()

    gallery = reading.run_gallery(session, "gallery_batches", done.run_id)

    batch, export = section_of(gallery, "batch"), section_of(gallery, "export")
    assert [card.title for card in batch.cards] == ["A-1", "Item 2"]
    assert batch.note == ""
    assert bytes_at(s3, session, "gallery_batches", batch.cards[0].media[0].url)
    assert (export.cards, export.note) == (
        (),
        "The task left no result, which would say where its manifest is.",
    )


def _overwrite(session: Session, done: FinishedRun, task_id: str, value: Any) -> None:
    """Write an XCom as a user does by Airflow's API."""
    from airflow_provider_wiro.gallery.left.tables import xcom

    session.execute(
        xcom.update()
        .where(xcom.c.run_id == done.run_id, xcom.c.task_id == task_id, xcom.c.key == "return_value")
        .values(value=json.dumps(value))
    )
    session.commit()
