"""Airflow learns of each object that landed, and of nothing that did not."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from airflow.providers.common.compat.sdk import Asset, AssetAlias

from airflow_provider_wiro.emulator import WiroEmulator
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.transfers import assets
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator
from tests.airflow_home import _dag_bag
from tests.transfers.fake_wiro import PNG
from tests.transfers.s3 import BUCKET
from tests.transfers.s3_calls import TASK_INSTANCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.airflow_home import AirflowHome, FinishedRun
    from tests.transfers.fake_wiro import Wiro
    from tests.transfers.s3 import S3

DAG_FILE = Path(__file__).parent / "dags" / "landed_assets.py"
FACTS = {"wiro_task_id": "2221", "model": "wiro/x", "cost_usd": "0.01"}


def file(name: str) -> dict[str, Any]:
    return {
        "uri": f"s3://b/{name}",
        "name": name,
        "size": 3,
        "sha256": "abc",
        "content_type": "image/png",
        "etag": "e",
        "skipped": False,
    }


class Accessor:
    def __init__(self) -> None:
        self.extra: dict[str, Any] = {}
        self.added: list[tuple[str, dict[str, Any]]] = []

    def add(self, asset: Any, extra: dict[str, Any]) -> None:
        json.dumps(extra)
        self.added.append((asset.uri, extra))


class Events:
    """Airflow's accessors, by the outlet's name: outlets are not hashable everywhere."""

    def __init__(self) -> None:
        self.of: dict[str, Accessor] = {}

    def __getitem__(self, outlet: Any) -> Accessor:
        return self.of.setdefault(getattr(outlet, "name", None) or outlet.uri, Accessor())


def report(outlets: list[Any], files: list[dict[str, Any]], asset_events: str = "one") -> Events:
    events = Events()
    context: Any = {"outlet_events": events}
    assets.report(context, outlets, files, FACTS, asset_events=asset_events)
    return events


def test_an_alias_has_one_event_for_the_whole_transfer() -> None:
    events = report([AssetAlias("pictures")], [file("2221/a.png"), file("2221/b.png")])
    [(uri, extra)] = events.of["pictures"].added
    assert uri == "s3://b/2221"
    assert extra["cost_usd"] == "0.01"
    assert (extra["file_count"], extra["total_bytes"]) == (2, 6)
    assert all(isinstance(value, str | int) for value in extra.values())  # Airflow 2.11 and 3.0 hash them
    listed = json.loads(extra["files"])
    assert [file["uri"] for file in listed] == ["s3://b/2221/a.png", "s3://b/2221/b.png"]


def test_without_objects_there_is_no_event() -> None:
    events = report([AssetAlias("pictures"), Asset(uri="s3://b/pictures")], [])
    assert events.of == {}


@pytest.mark.parametrize(
    ("uris", "common"),
    [
        (["s3://b/a/0.png"], "s3://b/a/0.png"),
        (["s3://b/a/0.png", "s3://b/a/1.png"], "s3://b/a"),
        (["s3://b/a/0/x", "s3://b/a/1/x"], "s3://b/a"),
        (["s3://b/a/0", "s3://b/a/c/1"], "s3://b/a"),
        (["s3://b/ab/0", "s3://b/ac/0"], "s3://b"),
        (["s3://b/0", "s3://b/1"], "s3://b"),
        (["file:///tmp/a/0", "file:///tmp/a/1"], "file:///tmp/a"),
    ],
)
def test_the_asset_of_several_objects_is_their_folder(uris: list[str], common: str) -> None:
    assert assets.common_uri(uris) == common


@pytest.mark.parametrize(
    ("cost", "shares"),
    [
        ("0.01", ["0.003333333334", "0.003333333333", "0.003333333333"]),
        ("0.000000000001", ["0.000000000001", "0", "0"]),
        ("3", ["1", "1", "1"]),
        (None, [None, None, None]),
    ],
)
def test_the_shares_of_a_cost_are_the_cost(cost: str | None, shares: list[str | None]) -> None:
    assert assets.shares(cost, 3) == shares
    if cost is not None:
        assert sum(Decimal(share or "") for share in shares) == Decimal(cost)


def test_what_asset_events_can_be_is_said_when_the_dag_is_parsed() -> None:
    with pytest.raises(WiroUsageError, match=r"'one'.*'each'.*found 'all'"):
        WiroToS3Operator(task_id="land", wiro_task_id="1", s3_bucket="b", asset_events="all")  # type: ignore[arg-type]


def test_an_alias_can_have_an_event_for_each_object_with_its_facts_and_its_share_of_the_cost() -> None:
    events = report([AssetAlias("pictures")], [file("a.png"), file("b.png")], "each")
    assert [uri for uri, _ in events.of["pictures"].added] == ["s3://b/a.png", "s3://b/b.png"]
    assert events.of["pictures"].added[0][1] == {
        **FACTS,
        "cost_usd": "0.005",
        "name": "a.png",
        "size": 3,
        "sha256": "abc",
        "content_type": "image/png",
        "etag": "e",
        "skipped": False,
    }


def test_an_asset_has_one_event_that_lists_them() -> None:
    asset = Asset(uri="s3://b/pictures")
    files = [file(f"{number}.png") for number in range(assets.MAX_LISTED + 5)]
    (accessor,) = report([asset], files).of.values()
    assert accessor.extra["file_count"] == assets.MAX_LISTED + 5
    assert accessor.extra["total_bytes"] == 3 * (assets.MAX_LISTED + 5)
    assert len(accessor.extra["files"]) == assets.MAX_LISTED
    assert accessor.extra["files"][0]["uri"] == "s3://b/0.png"
    assert accessor.extra["wiro_task_id"] == "2221"


def test_what_airflow_takes_no_event_for_fails_nothing(caplog: pytest.LogCaptureFixture) -> None:
    outlets = ["a name", object(), AssetAlias("pictures")]
    events = report(outlets, [file("x" * 2000), file("b.png")], "each")
    assert [uri for uri, _ in events.of["pictures"].added] == ["s3://b/b.png"]
    assert "Airflow takes no event" in caplog.text


def test_without_outlets_nothing_of_airflow_is_touched() -> None:
    assets.report({}, [], [file("a.png")], FACTS)  # type: ignore[typeddict-item]
    assets.report({}, [AssetAlias("pictures")], [file("a.png")], FACTS)  # type: ignore[typeddict-item]


def test_a_uri_is_ascii_on_every_database() -> None:
    assert assets.asset_uri("s3://b/gün doğdu/0%.png") == f"s3://b/{quote('gün doğdu')}/0%25.png"
    assert assets.asset_uri("s3://b/wiro/2221/0-0.png") == "s3://b/wiro/2221/0-0.png"


def test_a_uri_names_no_connection() -> None:
    assert assets.asset_uri("gs://google_cloud_default@b/a@b.png") == "gs://b/a@b.png"
    assert assets.asset_uri("file:///tmp/a@b/0.png") == "file:///tmp/a@b/0.png"


@pytest.mark.usefixtures("connect")
def test_the_operator_for_any_store_reports_what_landed_too(wiro: Wiro, tmp_path: Path) -> None:
    from airflow_provider_wiro.transfers.wiro_to_object_storage import WiroToObjectStorageOperator

    wiro.shows(wiro.file(PNG))
    operator = WiroToObjectStorageOperator(
        task_id="land",
        wiro_task_id="2221",
        path=f"{tmp_path}/{{index}}-{{name}}",
        outlets=[AssetAlias("pictures")],
    )
    events = Events()
    operator.execute({"ti": TASK_INSTANCE, "outlet_events": events})  # type: ignore[typeddict-item]
    [(uri, extra)] = events.of["pictures"].added
    assert uri == f"file://{tmp_path}/0-0.png"
    assert (extra["total_bytes"], extra["model"]) == (len(PNG), "retroAIx/Retro-Cartoons")


@pytest.mark.usefixtures("connect")
def test_the_operator_reports_what_landed_to_its_outlets(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG), wiro.file(PNG))
    operator = WiroToS3Operator(
        task_id="land", wiro_task_id="2221", s3_bucket=BUCKET, outlets=[AssetAlias("pictures")]
    )
    events = Events()
    landed = operator.execute({"ti": TASK_INSTANCE, "outlet_events": events})  # type: ignore[typeddict-item]
    [(uri, extra)] = events.of["pictures"].added
    assert uri == f"s3://{BUCKET}/wiro/2221"
    assert [listed["uri"] for listed in json.loads(extra["files"])] == [
        file["uri"] for file in landed["files"]
    ]
    assert (extra["model"], extra["cost_usd"]) == ("retroAIx/Retro-Cartoons", "0.00351")


# -- on a real Airflow


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[WiroEmulator]:
    with WiroEmulator(speed=20) as running:
        monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", running.connection)
        yield running


def recorded_events(run_id: str, dag_id: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the URI and the extra of each event of a run, out of Airflow's own tables."""
    from airflow import settings
    from sqlalchemy import inspect, text

    with settings.Session() as session:  # type: ignore[misc]
        kind = "asset" if inspect(session.get_bind()).has_table("asset_event") else "dataset"
        found = session.execute(
            text(
                f"SELECT {kind}.uri, {kind}_event.extra FROM {kind}_event JOIN {kind}"  # noqa: S608
                f" ON {kind}.id = {kind}_event.{kind}_id"
                " WHERE source_run_id = :run_id AND source_dag_id = :dag_id"
                f" ORDER BY {kind}_event.id"
            ),
            {"run_id": run_id, "dag_id": dag_id},
        ).all()
    return [(uri, json.loads(extra)) for uri, extra in found]


def run(
    airflow_home: AirflowHome, dag_id: str, *, ends: str = "success", day: int | None = None
) -> FinishedRun:
    if version("apache-airflow").startswith("2."):
        _dag_bag(DAG_FILE.parent).sync_to_db()  # there an alias has to be known before it has an event
    date = None if day is None else datetime(2026, 3, day, tzinfo=UTC)
    finished = airflow_home.run_dag(DAG_FILE, dag_id, date=date)
    assert finished.state == ends
    return finished


@pytest.fixture
def _outside(emulator: WiroEmulator, s3: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WIRO_EXAMPLE_BUCKET", BUCKET)
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", str(tmp_path / "records"))


@pytest.mark.airflow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("_outside")
def test_airflow_records_an_event_for_each_object(
    airflow_home: AirflowHome, emulator: WiroEmulator, s3: S3
) -> None:
    finished = run(airflow_home, "landed_in_alias_each")

    landed = finished.returned("land")
    events = dict(recorded_events(finished.run_id, "landed_in_alias_each"))
    assert len(landed["files"]) == 2
    assert set(events) == {assets.asset_uri(file["uri"]) for file in landed["files"]}
    for landed_file in landed["files"]:
        extra = events[assets.asset_uri(landed_file["uri"])]
        assert (extra["sha256"], extra["size"]) == (landed_file["sha256"], landed_file["size"])
        assert extra["wiro_task_id"] == landed["wiro_task_id"]
    assert sum(Decimal(extra["cost_usd"]) for extra in events.values()) == Decimal(landed["cost_usd"])
    manifest = json.loads(s3.get(landed["manifest"].removeprefix(f"s3://{BUCKET}/")))
    assert manifest["airflow"]["dag_id"] == "landed_in_alias_each"
    assert manifest["airflow"]["run_id"] == finished.run_id
    assert manifest["parameters"]["prompt"] == "a robot"
    assert emulator.counts.requests["Task/InputOutputDelete"] == 1


@pytest.mark.airflow
@pytest.mark.timeout(300)
@pytest.mark.skipif(
    version("apache-airflow").startswith("3.0."),
    reason="dag.test() of Airflow 3.0 takes an asset that no scheduler has seen for an inactive one",
)
@pytest.mark.usefixtures("_outside")
def test_airflow_records_one_event_of_an_asset(airflow_home: AirflowHome) -> None:
    finished = run(airflow_home, "landed_in_asset")

    [(uri, extra)] = recorded_events(finished.run_id, "landed_in_asset")
    assert uri == f"s3://{BUCKET}/pictures"
    assert [file["uri"] for file in extra["files"]] == [
        file["uri"] for file in finished.returned("land")["files"]
    ]


@pytest.mark.airflow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("_outside")
def test_a_days_rerun_replaces_the_days_objects_and_reports_the_same_asset(
    airflow_home: AirflowHome, s3: S3
) -> None:
    first = run(airflow_home, "landed_by_day", day=2)
    [(uri, before)] = recorded_events(first.run_id, "landed_by_day")
    second = run(airflow_home, "landed_by_day", day=2)
    [*_, (uri_again, after)] = recorded_events(second.run_id, "landed_by_day")
    other = run(airflow_home, "landed_by_day", day=3)
    [(uri_of_other_day, _)] = recorded_events(other.run_id, "landed_by_day")

    assert uri == uri_again == f"s3://{BUCKET}/landed_by_day/2026-03-02"
    assert uri_of_other_day == f"s3://{BUCKET}/landed_by_day/2026-03-03"
    assert before["wiro_task_id"] != after["wiro_task_id"]
    files_before, files_after = json.loads(before["files"]), json.loads(after["files"])
    assert [file["uri"] for file in files_before] == [file["uri"] for file in files_after]
    for file in files_after:
        body = s3.get(file["uri"].removeprefix(f"s3://{BUCKET}/"))
        assert hashlib.sha256(body).hexdigest() == file["sha256"]


@pytest.mark.airflow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("_outside")
def test_without_replace_a_days_rerun_fails_and_leaves_the_days_objects(
    airflow_home: AirflowHome, s3: S3
) -> None:
    first = run(airflow_home, "landed_by_day_kept", day=2)
    again = run(airflow_home, "landed_by_day_kept", day=2, ends="failed")

    assert again.task_states == {"generate": "success", "land": "failed"}
    for file in first.returned("land")["files"]:
        body = s3.get(file["uri"].removeprefix(f"s3://{BUCKET}/"))
        assert hashlib.sha256(body).hexdigest() == file["sha256"]
