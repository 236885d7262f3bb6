"""What an export says beside its result: events for other DAGs, links, lines in the log, OpenLineage."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import Asset, AssetAlias

from airflow_provider_wiro.exceptions import WiroOutputUnavailableError
from tests.contract.scripts import respond
from tests.transfers.fake_project import body_of
from tests.transfers.s3 import BUCKET
from tests.transfers.test_assets import Events

if TYPE_CHECKING:
    from tests.transfers.fake_project import Exports, Project

pytestmark = pytest.mark.usefixtures("connect")

ALIAS = AssetAlias("wiro-project")
FOLDER = f"s3://{BUCKET}/wiro"


def run(exports: Exports, **arguments: Any) -> tuple[Any, Events, Any]:
    """Run an export; return its operator, the events of its outlets, and its task instance."""
    operator, events, ti = exports.operator(**arguments), Events(), exports.next_ti()
    operator.execute({**ti.context, "outlet_events": events})  # type: ignore[typeddict-item]
    return operator, events, ti


def test_a_run_has_one_event_whose_asset_is_the_folder_of_the_export(
    project: Project, exports: Exports
) -> None:
    project.add(1)
    project.add(2, project.file(2, 0, respond(b"", 404)))
    _, events, _ = run(exports, outlets=[ALIAS])
    ((uri, extra),) = events[ALIAS].added
    assert uri == FOLDER
    assert (extra["tasks"], extra["dead_links"], extra["file_count"]) == (1, 1, 1)
    assert (extra["total_bytes"], extra["cost_usd"]) == (len(body_of(1)), "0.02")
    assert extra["manifest_uri"].endswith("/export.jsonl")
    (file,) = json.loads(extra["files"])
    assert file["uri"] == f"{FOLDER}/2026/03/01/1/0-0.png"
    assert not any(isinstance(value, list | dict) for value in extra.values())  # Airflow 2.11 takes none


def test_an_asset_gets_the_same_as_its_extra(project: Project, exports: Exports) -> None:
    project.add(1)
    asset = Asset("s3://outputs/wiro")
    _, events, _ = run(exports, outlets=[asset])
    assert events[asset].extra["files"][0]["name"] == "0.png"


def test_a_run_that_landed_nothing_has_no_event(project: Project, exports: Exports) -> None:
    _, events, _ = run(exports, outlets=[ALIAS])
    assert events[ALIAS].added == []


def test_each_object_can_have_an_event_with_its_share_of_the_cost(project: Project, exports: Exports) -> None:
    project.add(1, project.file(1, 0), project.file(1, 1))
    project.add(2)
    _, events, _ = run(exports, outlets=[ALIAS], asset_events="each")
    found = [(uri, extra["wiro_task_id"], extra["cost_usd"]) for uri, extra in events[ALIAS].added]
    assert found == [
        (f"{FOLDER}/2026/03/01/1/0-0.png", "1", "0.005"),
        (f"{FOLDER}/2026/03/01/1/1-1.png", "1", "0.005"),
        (f"{FOLDER}/2026/03/01/2/0-0.png", "2", "0.01"),
    ]


def test_what_has_landed_is_reported_though_the_task_fails_for_the_rest(
    project: Project, exports: Exports
) -> None:
    project.add(1)
    project.add(2, project.file(2, 0, respond(b"", 503)))
    operator, events, ti = exports.operator(outlets=[ALIAS]), Events(), exports.next_ti()
    with pytest.raises(WiroOutputUnavailableError):
        operator.execute({**ti.context, "outlet_events": events})  # type: ignore[typeddict-item]
    assert operator.get_openlineage_facets_on_failure(None) is not None


def test_the_buttons_lead_to_the_first_output_the_folder_and_the_manifest(
    project: Project, exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = "https://console.test/{bucket}/{key}"
    monkeypatch.setenv("AIRFLOW__WIRO__S3_CONSOLE_URL", template)
    project.add(1)
    _, _, ti = run(exports)
    console = f"https://console.test/{BUCKET}/wiro"
    assert ti.xcoms["wiro_first_output_url"] == f"{console}/2026/03/01/1/0-0.png"
    assert ti.xcoms["wiro_s3_url"] == f"{console}/"
    assert ti.xcoms["wiro_manifest_url"].startswith(f"{console}/_wiro_export/manifests/")


def test_the_places_of_the_outputs_are_logged_if_asked(
    project: Project, exports: Exports, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    project.add(1)
    run(exports, log_links=True)
    shown = caplog.text + capsys.readouterr().out
    assert f"Output: {FOLDER}/2026/03/01/1/0-0.png" in shown
    assert project.cdn.origin not in shown


def test_openlineage_learns_where_all_of_it_is(project: Project, exports: Exports) -> None:
    pytest.importorskip("airflow.providers.openlineage.extractors")
    project.add(1)
    operator, _, _ = run(exports, model="wiro/painter")
    lineage = operator.get_openlineage_facets_on_complete(None)
    assert [(one.namespace, one.name) for one in lineage.inputs] == [("wiro://models", "wiro/painter")]
    folder, manifest = lineage.outputs
    assert (folder.namespace, folder.name) == (f"s3://{BUCKET}", "wiro")
    assert manifest.name.startswith("wiro/_wiro_export/manifests/")
    facet = lineage.run_facets["wiro"]
    assert (facet.tasks, facet.files, facet.costUsd) == (1, 1, "0.01")


def test_openlineage_learns_nothing_of_a_run_that_has_not_ended(exports: Exports) -> None:
    assert exports.operator().get_openlineage_facets_on_complete(None) is None
