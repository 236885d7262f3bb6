"""Pages of DAG runs with many, and with hostile, rows: a fixed number of queries, and never an error page."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from airflow import settings

from airflow_provider_wiro.emulator import WiroEmulator
from airflow_provider_wiro.gallery import reading
from airflow_provider_wiro.gallery.left import values
from airflow_provider_wiro.gallery.page import CardState
from airflow_provider_wiro.gallery.pages import page_parts
from tests import quick_s3
from tests.gallery.cards.made import FILE, SUMMARY, TRANSFERRED
from tests.gallery.pages.many_rows import Rows, statements
from tests.transfers.conftest import moto_url, s3
from tests.transfers.s3 import S3

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import Session

    from airflow_provider_wiro.gallery.page import Card, Gallery, Section
    from tests.airflow_home import AirflowHome

__all__ = ["moto_url", "s3"]

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]

DAG_FILE = Path(__file__).parents[1] / "dags" / "shapes.py"
DAG_ID = "gallery_many"
CONNECTION = {"conn_type": "aws", "login": "a", "password": "b"}
RUN, LAND = "shots.picture", "shots.land"


@functools.cache
def real_run(airflow_home: AirflowHome, records: str) -> str:
    """Run the DAG, once for all tests of this process."""
    with pytest.MonkeyPatch.context() as patch, WiroEmulator(speed=100) as emulator:
        patch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", emulator.connection)
        extra = {"endpoint_url": quick_s3.moto_url()}
        patch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({**CONNECTION, "extra": extra}))
        patch.setenv("AIRFLOW__WIRO__STATE_PATH", records)
        requests.post(f"{quick_s3.moto_url()}/moto-api/reset", timeout=5).close()
        S3(quick_s3.moto_url())
        return airflow_home.run_dag(DAG_FILE, DAG_ID).run_id


@pytest.fixture(scope="module")
def run_id(airflow_home: AirflowHome) -> str:
    """A real DAG run, which these tests copy rows of."""
    return real_run(airflow_home, str(airflow_home.path / "records"))


@pytest.fixture
def rows(run_id: str, s3: S3) -> Iterator[Rows]:
    with settings.Session() as session:  # type: ignore[misc]
        made = Rows(session, run_id)
        yield made
        made.remove()


@pytest.fixture
def session(rows: Rows) -> Session:
    return rows._session


def page(gallery: Gallery) -> Section:
    json.dumps(gallery.to_json(), allow_nan=False, ensure_ascii=False).encode()
    return gallery.runs[0].sections[0]


def make_thousand(rows: Rows) -> None:
    """Have a thousand runs and as many transfers, every tenth of which is missing."""
    rows.copy_instance(RUN, range(3, 1_000))
    landed = [index for index in range(3, 1_000) if index % 10]
    rows.copy_instance(LAND, range(3, 3 + len(landed)))
    url = "https://wiro.ai/models/a/b#task-w{}"
    rows.xcoms(RUN, "wiro_task_url", [(index, url.format(index)) for index in range(3, 1_000)])
    rows.xcoms(LAND, "wiro_task_url", [(3 + at, url.format(index)) for at, index in enumerate(landed)])
    rows.xcoms(
        RUN, "return_value", [(index, {**SUMMARY, "wiro_task_id": f"w{index}"}) for index in range(3, 1_000)]
    )
    rows.xcoms(
        LAND,
        "return_value",
        [
            (
                3 + at,
                {**TRANSFERRED, "wiro_task_id": f"w{index}", "files": [{**FILE, "uri": f"s3://b/{index}"}]},
            )
            for at, index in enumerate(landed)
        ],
    )
    rows.rendered(LAND, [(3 + at, {"aws_conn_id": None}) for at in range(len(landed))])


def test_a_thousand_mapped_runs_are_paged_by_few_queries(rows: Rows, session: Session) -> None:
    make_thousand(rows)

    with statements(session) as sent:
        first = page(reading.run_gallery(session, DAG_ID, rows.run_id))
    assert len(sent) < 15, sent
    assert (len(first.cards), first.first, first.total, first.jumps) == (60, 1, 1_000, True)
    assert (first.here, first.previous, first.next) == ("", None, "item-61")

    with statements(session) as sent:
        late = page(reading.run_gallery(session, DAG_ID, rows.run_id, "item-901"))
    assert len(sent) < 15, sent
    assert (late.first, late.previous, late.next) == (901, "item-841", "item-961")
    by_index = {card.map_index: card for card in late.cards}
    assert list(by_index) == list(range(900, 960))
    assert [card.wiro_task_id for card in late.cards] == [f"w{index}" for index in range(900, 960)]
    # The transfer's index is another one, since some had nothing to land.
    assert [one.uri for one in by_index[901].media] == ["s3://b/901"]
    assert by_index[900].media[0].uri is None

    last = page(reading.run_gallery(session, DAG_ID, rows.run_id, "item-961"))
    assert (len(last.cards), last.next) == (40, None)
    single = page(reading.task_gallery(session, DAG_ID, rows.run_id, RUN, 901))
    assert single.cards == (by_index[901],)


def test_a_reused_result_and_its_transfer_are_one_card_though_nothing_was_submitted(
    rows: Rows, session: Session
) -> None:
    rows.execute(
        "DELETE FROM xcom WHERE run_id = :run_id AND task_id = 'shots.picture' AND key LIKE 'wiro_%'"
    )
    rows.xcoms(RUN, "return_value", [(1, {**SUMMARY, "wiro_task_id": ["no", "id"]})])

    found = page(reading.run_gallery(session, DAG_ID, rows.run_id))

    assert [card.id for card in found.cards] == [f"{RUN}[0]", f"{RUN}[1]", f"{RUN}[2]", f"{LAND}[1]"]
    assert [card.media[0].url is not None for card in found.cards if card.media] == [True, True, True]


def test_only_the_results_of_one_page_are_read(
    rows: Rows, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_thousand(rows)
    read: list[str] = []
    original = values.read_json
    monkeypatch.setattr(values, "read_json", lambda stored: read.append(stored) or original(stored))

    reading.run_gallery(session, DAG_ID, rows.run_id)

    assert sum("return_value" in one or "total_bytes" in one for one in read) <= 60
    assert len(read) <= 60 * 8


@pytest.mark.parametrize(
    "at", ["item-0", "item--1", "item-99999999", "item-1e3", "b5", "' OR 1=1", "item-" + "9" * 400]
)
def test_a_page_that_isn_t_there_is_one_that_is(rows: Rows, session: Session, at: str) -> None:
    found = page(reading.run_gallery(session, DAG_ID, rows.run_id, at))

    assert 1 <= len(found.cards) <= 3


def test_what_is_on_its_way_is_counted_and_asked_for_again(rows: Rows, session: Session) -> None:
    rows.copy_instance(RUN, range(3, 5), state="running")
    rows.copy_instance(RUN, range(5, 6), state="scheduled", next_method="execute_complete")
    rows.copy_instance(RUN, range(6, 8), state="queued")
    rows.copy_instance(RUN, range(8, 9), state="failed")
    rows.copy_instance(RUN, range(9, 10), state=None)
    rows.execute("UPDATE dag_run SET state = 'running' WHERE run_id = :run_id")

    gallery = reading.run_gallery(session, DAG_ID, rows.run_id)

    section = page(gallery)
    assert gallery.refresh_seconds == 2
    assert section.progress is not None
    counts = section.progress
    assert (counts.total, counts.queued, counts.running, counts.done, counts.failed) == (10, 3, 3, 3, 1)
    assert [card.state for card in section.cards[3:]] == [CardState.RUNNING] * 3 + [CardState.QUEUED] * 2 + [
        CardState.FAILED,
        CardState.QUEUED,
    ]
    one = reading.task_gallery(session, DAG_ID, rows.run_id, RUN, 3)
    assert one.refresh_seconds == 2
    over = reading.task_gallery(session, DAG_ID, rows.run_id, RUN, 0)
    assert over.refresh_seconds is None


DEEP: Any = []
for _ in range(200):
    DEEP = [DEEP]

HOSTILE = [
    None,
    7,
    "a text",
    "s3://elsewhere/x",
    [],
    DEEP,
    {},
    {"wiro_task_id": "2221"},
    {"wiro_task_id": {"a": 1}, "files": [], "outputs": [], "state": "x"},
    {
        "wiro_task_id": "1",
        "files": [None, 7, {"uri": 7}, {"uri": "javascript:alert(1)"}, {"uri": "x" * 9_000}],
    },
    {
        **SUMMARY,
        "outputs": DEEP,
        "text": DEEP,
        "cost_usd": "1e999999",
        "elapsed_seconds": "nan",
        "label": DEEP,
    },
    {**SUMMARY, "text": "\ud800\0<img src=x onerror=alert(1)>", "label": "\ud800"},
    {**SUMMARY, "reuse": {"landed": [{**FILE, "uri": "file:///etc/passwd"}]}, "reused": True},
    {"manifest_uri": "file:///etc/passwd", "total": 3},
    {"__classname__": "subprocess.Popen", "__version__": 1, "__data__": [["touch", "x"]]},
]


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("task_id", [RUN, LAND])
def test_an_xcom_of_any_form_is_no_error_page(rows: Rows, session: Session, task_id: str, value: Any) -> None:
    rows.xcoms(task_id, "return_value", [(0, value)])
    for key in ("wiro_task_url", "wiro_error", "progress", "wiro_s3_url"):
        rows.xcoms(task_id, key, [(0, value)])

    section = page(reading.run_gallery(session, DAG_ID, rows.run_id))

    assert 3 <= len(section.cards) <= 4
    page(reading.dag_gallery(session, DAG_ID))
    links = (url for card in section.cards for url in (card.links or {}).values())
    assert all(url.startswith(("/dags/", "http://127.0.0.1")) for url in links)


@pytest.mark.parametrize(
    "stored", ["[" * 50_000, '{"a":' * 50_000, "NaN", '{"wiro_task_id": NaN}', '"\\ud800"']
)
def test_a_value_that_is_no_json_is_no_error_page(rows: Rows, session: Session, stored: str) -> None:
    for table, column in (("xcom", "value"), ("rendered_task_instance_fields", "rendered_fields")):
        rows.execute(
            f"UPDATE {table} SET {column} = :stored WHERE run_id = :run_id AND map_index = 0",  # noqa: S608
            stored=stored,
        )

    assert len(page(reading.run_gallery(session, DAG_ID, rows.run_id)).cards) >= 3


def test_values_that_are_too_large_are_named_and_not_read(
    rows: Rows, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "LONGEST", 20_000)
    rows.xcoms(RUN, "return_value", [(1, {**SUMMARY, "text": "x" * 30_000})])

    found = {card.map_index: card for card in page(reading.run_gallery(session, DAG_ID, rows.run_id)).cards}

    assert str(found[1].error).startswith("The result of shots.picture[1] can't be shown. It has 30,")
    assert found[0].error is None


def test_all_values_of_a_page_have_an_end_too(
    rows: Rows, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "_MOST_BYTES", 50_000)
    rows.xcoms(RUN, "return_value", [(index, {**SUMMARY, "text": "x" * 30_000}) for index in range(3)])

    found = page(reading.run_gallery(session, DAG_ID, rows.run_id)).cards

    assert all("can't be shown. It has 30," in str(card.error) for card in found)


def test_rendered_fields_that_are_gone_leave_the_media_and_no_prompt(rows: Rows, session: Session) -> None:
    rows.execute("DELETE FROM rendered_task_instance_fields WHERE run_id = :run_id")

    card: Card = page(reading.run_gallery(session, DAG_ID, rows.run_id)).cards[0]

    assert (card.prompt, card.code, card.model) == (None, None, "retroAIx/Retro-Cartoons")
    assert card.media[0].url is not None
    output = reading.find_output(session, DAG_ID, rows.run_id, LAND, 0, "-", 0)
    assert output.aws_conn_id == "aws_default"  # the operator's default, as the stored DAG has it


def test_a_dag_of_ten_thousand_runs_has_a_page_of_its_latest_with_results(
    rows: Rows, session: Session
) -> None:
    run_ids = rows.copy_runs(10_000)
    with_results = [run_ids[number] for number in (0, 1, 2, *range(300, 312), 9_900)]
    rows.instances_for(with_results, RUN)
    for run_id in with_results:
        rows.xcoms(RUN, "return_value", [(0, SUMMARY)], run_id=run_id)

    with statements(session) as sent:
        first = reading.dag_gallery(session, DAG_ID)
    assert len(sent) <= 22, sent  # two for each window of DAG runs, and what else a page takes
    assert [run.run_id for run in first.runs] == [rows.run_id, rows.base, *with_results[:8]]
    assert first.next is not None

    second = reading.dag_gallery(session, DAG_ID, first.next)
    assert [run.run_id for run in second.runs] == with_results[8:15]
    # The rest is far: pages may be empty, and the last one says that nothing follows.
    found, at = [], second.next
    for _ in range(20):
        if at is None:
            break
        later = reading.dag_gallery(session, DAG_ID, at)
        found += [run.run_id for run in later.runs]
        at = later.next
    assert at is None
    assert found == with_results[15:]
    assert reading.dag_gallery(session, DAG_ID, "999999999").runs == ()
    assert reading.dag_gallery(session, DAG_ID, "x' OR 1=1").runs == ()


def test_a_dag_s_page_shows_the_first_cards_of_each_run_and_how_many_there_are(
    rows: Rows, session: Session
) -> None:
    make_thousand(rows)

    with statements(session) as sent:
        section = page(reading.dag_gallery(session, DAG_ID))

    assert len(sent) < 15, sent
    assert (len(section.cards), section.total, section.next) == (12, 1_000, None)


def test_a_dag_without_tasks_of_this_provider_shows_nothing(session: Session) -> None:
    assert reading.dag_gallery(session, "no such DAG").runs == ()


def test_no_connection_of_the_database_is_held_while_s3_is_asked(
    rows: Rows, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def origin_of(uri: str, conn_id: str | None) -> str:
        asked.append(session.in_transaction())
        return f"https://{uri.split('/')[2]}.example.com"

    monkeypatch.setattr(page_parts, "origin_of", origin_of)

    found = reading.run_gallery(session, DAG_ID, rows.run_id)
    reading.task_gallery(session, DAG_ID, rows.run_id, LAND, 0)
    reading.dag_gallery(session, DAG_ID)

    assert found.origins == ("https://outputs.example.com",)
    assert asked
    assert not any(asked)
    reading.find_output(session, DAG_ID, rows.run_id, LAND, 0, "-", 0)
    assert not session.in_transaction()


def test_a_page_knows_where_media_will_come_from_before_anything_has_landed(
    rows: Rows, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        page_parts, "origin_of", lambda uri, conn_id: f"https://{uri.split('/')[2]}.{conn_id}"
    )
    for table in ("xcom", "rendered_task_instance_fields"):
        rows.execute(f"DELETE FROM {table} WHERE run_id = :run_id")  # noqa: S608
    rows.execute("UPDATE task_instance SET state = NULL WHERE run_id = :run_id")

    for of in ((rows.run_id,), (rows.run_id, RUN, 0), (rows.run_id, LAND, -1), ()):
        assert reading.media_origins(session, DAG_ID, *of) == ("https://outputs.aws_default",)


def test_a_page_whose_media_are_all_streamed_is_not_read_twice(
    rows: Rows, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__GALLERY_MEDIA", "streamed")
    for of in ((rows.run_id,), (rows.run_id, LAND, 0), ()):
        with statements(session) as sent:
            assert reading.media_origins(session, DAG_ID, *of) == ()
        assert len(sent) <= 3, sent
    for of in (("nothing",), (rows.run_id, "nothing", -1)):
        with pytest.raises(LookupError):
            reading.media_origins(session, DAG_ID, *of)
