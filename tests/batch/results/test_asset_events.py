"""A batch reports to Airflow what it has made: one event, or one for each item if that is asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, Asset, AssetAlias

from airflow_provider_wiro.batch.results import asset_events
from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.exceptions import WiroConnectionError, WiroUsageError
from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator
from tests.batch.batch_work import prompts
from tests.operators.fakes import RETRO
from tests.transfers.s3 import BUCKET
from tests.transfers.test_assets import Events

if TYPE_CHECKING:
    from tests.batch.batch_work import BatchWork
    from tests.transfers.s3 import S3

LANDS = {"s3_bucket": BUCKET, "s3_key": "night/{item}/{name}"}
MANIFEST = f"s3://aws_default@{BUCKET}/manifests/tonight.jsonl"


def run(work: BatchWork, inputs: Any, outlets: list[Any], **settings: Any) -> tuple[dict[str, Any], Events]:
    events = Events()
    context: Any = {**work.context, "outlet_events": events}
    summary = work.operator(inputs, outlets=outlets, **settings).execute(context)
    return summary, events


def test_an_alias_and_an_asset_have_one_event_with_the_manifest_and_the_counts(
    work: BatchWork, s3: S3
) -> None:
    outlets = [AssetAlias("batches"), Asset(name="catalog", uri="s3://outputs/catalog")]
    work.wiro.inject(Fault("exit_code", times=1))

    summary, events = run(
        work,
        prompts(4),
        outlets,
        manifest_uri=MANIFEST,
        on_item_failure="continue",
        max_item_retries=0,
        **LANDS,
    )

    [(uri, extra)] = events.of["batches"].added
    assert uri == f"s3://{BUCKET}/manifests/tonight.jsonl"
    assert extra == {**summary, "not_run": 0, "reused": 0}
    assert (extra["succeeded"], extra["failed"], extra["model"]) == (3, 1, RETRO)
    assert extra["failed_uri"] == f"{MANIFEST}.failed.jsonl"
    assert extra["total_bytes"] > 0
    assert not [value for value in extra.values() if isinstance(value, list | dict)]  # Airflow 2.11
    assert events.of["catalog"].extra == extra


def test_a_batch_that_lands_nothing_has_one_too(work: BatchWork) -> None:
    _, events = run(work, prompts(1), [AssetAlias("batches")])
    [(uri, extra)] = events.of["batches"].added
    assert uri == f"file://{work.folder}/manifest.jsonl"
    assert (extra["total_bytes"], extra["failed_uri"]) == (None, None)


def test_each_item_that_has_landed_has_one_if_that_is_asked_for(work: BatchWork, s3: S3) -> None:
    work.wiro.inject(Fault("exit_code", times=1))
    inputs = [{"id": f"SKU-{n}", "parameters": {"prompt": f"robot {n}"}} for n in range(3)]
    settings = {"on_item_failure": "continue", "max_item_retries": 0, "max_active": 1, **LANDS}

    _, events = run(
        work,
        inputs,
        [AssetAlias("items"), Asset(name="whole", uri="s3://outputs/whole")],
        asset_events="each",
        **settings,
    )

    assert [uri for uri, _ in events.of["items"].added] == [f"s3://{BUCKET}/night/{n}/0.png" for n in (1, 2)]
    for line, (_, extra) in zip(work.manifest[1:], events.of["items"].added, strict=True):
        assert json.loads(extra["files"])[0]["sha256"] == line["files"][0]["sha256"]
        for name in ("item", "id", "status", "wiro_task_id", "cost_usd"):
            assert extra[name] == line[name]
        assert extra["manifest_uri"] == str(work.folder / "manifest.jsonl")
    assert events.of["whole"].extra["succeeded"] == 2


def test_more_items_than_airflow_can_record_are_refused_before_anything_is_paid(
    work: BatchWork, s3: S3
) -> None:
    inputs = prompts(asset_events.MOST_EVENTS + 1)
    with pytest.raises(AirflowFailException, match="asset_events='each' takes up to 100 items, found 101"):
        run(work, inputs, [AssetAlias("items")], asset_events="each", **LANDS)
    assert not work.wiro.tasks


def test_a_batch_that_fails_reports_nothing(work: BatchWork) -> None:
    work.wiro.inject(Fault("exit_code", times=1))
    events = Events()
    context: Any = {**work.context, "outlet_events": events}
    with pytest.raises(AirflowException):
        work.operator(prompts(2), outlets=[AssetAlias("batches")], max_item_retries=0).execute(context)
    assert events.of == {}


def test_a_retry_of_a_success_that_airflow_missed_reports_it(work: BatchWork, s3: S3) -> None:
    """The worker died after the last entry of the journal, and before Airflow knew."""
    for wanted in ("one", "each"):
        _, first = run(work, prompts(2), [AssetAlias("batches")], asset_events=wanted, **LANDS)
        work.retry()
        _, again = run(work, prompts(2), [AssetAlias("batches")], asset_events=wanted, **LANDS)
        assert again.of["batches"].added == first.of["batches"].added
    assert work.started_once(prompts(2))


def test_events_for_each_item_that_cannot_be_had_are_left_to_a_retry(
    work: BatchWork, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise WiroConnectionError("Can't read the manifest.")

    with monkeypatch.context() as down:
        down.setattr(asset_events, "fetched", unreachable)
        with pytest.raises(WiroConnectionError):
            run(work, prompts(2), [AssetAlias("items")], asset_events="each", **LANDS)
    work.retry()
    _, events = run(work, prompts(2), [AssetAlias("items")], asset_events="each", **LANDS)
    assert len(events.of["items"].added) == 2
    assert work.started_once(prompts(2))


def test_any_other_wish_fails_the_dag_file() -> None:
    with pytest.raises(WiroUsageError, match=r"'one' .an event for the whole batch. or 'each'"):
        WiroBatchRunOperator(task_id="t", model="a/b", inputs=[], asset_events="all")  # type: ignore[arg-type]
