"""Airflow learns of each object that landed, and of nothing that did not."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from airflow.providers.common.compat.sdk import Asset, AssetAlias

from airflow_provider_wiro.emulator import WiroEmulator
from airflow_provider_wiro.transfers import assets
from tests.airflow_home import _dag_bag
from tests.transfers.s3 import BUCKET
from tests.transfers.staging import PNG
from tests.transfers.watching import TASK_INSTANCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.airflow_home import AirflowHome, FinishedRun
    from tests.transfers.s3 import S3
    from tests.transfers.staging import Wiro

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


def report(outlets: list[Any], files: list[dict[str, Any]]) -> Events:
    events = Events()
    assets.report({"outlet_events": events}, outlets, files, FACTS)  # type: ignore[typeddict-item]
    return events


def test_an_alias_has_an_event_for_each_object_with_its_facts() -> None:
    events = report([AssetAlias("pictures")], [file("a.png"), file("b.png")])
    assert [uri for uri, _ in events.of["pictures"].added] == ["s3://b/a.png", "s3://b/b.png"]
    assert events.of["pictures"].added[0][1] == {
        **FACTS,
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
    events = report(["a name", object(), AssetAlias("pictures")], [file("x" * 2000), file("b.png")])
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
    assert (extra["size"], extra["model"]) == (len(PNG), "retroAIx/Retro-Cartoons")


@pytest.mark.usefixtures("connect")
def test_the_operator_reports_what_landed_to_its_outlets(wiro: Wiro, s3: S3) -> None:
    from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator

    wiro.shows(wiro.file(PNG), wiro.file(PNG))
    operator = WiroToS3Operator(
        task_id="land", wiro_task_id="2221", s3_bucket=BUCKET, outlets=[AssetAlias("pictures")]
    )
    events = Events()
    landed = operator.execute({"ti": TASK_INSTANCE, "outlet_events": events})  # type: ignore[typeddict-item]
    assert [uri for uri, _ in events.of["pictures"].added] == [file["uri"] for file in landed["files"]]
    assert events.of["pictures"].added[0][1]["model"] == "retroAIx/Retro-Cartoons"
    assert events.of["pictures"].added[0][1]["cost_usd"] == "0.003510000000"


# -- on a real Airflow


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[WiroEmulator]:
    with WiroEmulator(speed=20) as running:
        monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", running.connection)
        yield running


def recorded_events(run_id: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the URI and the extra of each event of a run, out of Airflow's own tables."""
    from airflow import settings
    from sqlalchemy import inspect, text

    with settings.Session() as session:  # type: ignore[misc]
        kind = "asset" if inspect(session.get_bind()).has_table("asset_event") else "dataset"
        found = session.execute(
            text(
                f"SELECT {kind}.uri, {kind}_event.extra FROM {kind}_event JOIN {kind}"  # noqa: S608
                f" ON {kind}.id = {kind}_event.{kind}_id WHERE source_run_id = :run_id"
                f" ORDER BY {kind}_event.id"
            ),
            {"run_id": run_id},
        ).all()
    return [(uri, json.loads(extra)) for uri, extra in found]


def run(airflow_home: AirflowHome, dag_id: str) -> FinishedRun:
    if version("apache-airflow").startswith("2."):
        _dag_bag(DAG_FILE.parent).sync_to_db()  # there an alias has to be known before it has an event
    finished = airflow_home.run_dag(DAG_FILE, dag_id)
    assert finished.state == "success"
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
    finished = run(airflow_home, "landed_in_alias")

    landed = finished.returned("land")
    events = dict(recorded_events(finished.run_id))
    assert len(landed["files"]) == 2
    assert set(events) == {assets.asset_uri(file["uri"]) for file in landed["files"]}
    for landed_file in landed["files"]:
        extra = events[assets.asset_uri(landed_file["uri"])]
        assert (extra["sha256"], extra["size"]) == (landed_file["sha256"], landed_file["size"])
        assert (extra["wiro_task_id"], extra["cost_usd"]) == (landed["wiro_task_id"], landed["cost_usd"])
    manifest = json.loads(s3.get(landed["manifest"].removeprefix(f"s3://{BUCKET}/")))
    assert manifest["airflow"]["dag_id"] == "landed_in_alias"
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

    [(uri, extra)] = recorded_events(finished.run_id)
    assert uri == f"s3://{BUCKET}/pictures"
    assert [file["uri"] for file in extra["files"]] == [
        file["uri"] for file in finished.returned("land")["files"]
    ]
