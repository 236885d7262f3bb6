"""OpenLineage learns which model and files went in, which objects came out, and what the run cost."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_wiro.transfers.wiro_to_object_storage import WiroToObjectStorageOperator
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator
from tests.transfers.fake_wiro import PNG
from tests.transfers.s3 import BUCKET
from tests.transfers.s3_calls import TASK_INSTANCE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.transfers.fake_wiro import Wiro
    from tests.transfers.s3 import S3

EXTRACTORS = "airflow.providers.openlineage.extractors"
PARAMETERS = {"prompt": "p", "inputImage": "https://u:pw@cdn.test:8443/in/1.png?sig=secret"}


@pytest.fixture
def _openlineage() -> None:
    """It is in the group `dev`, and not in the environments of `make test-matrix`."""
    pytest.importorskip(EXTRACTORS)


def landed(wiro: Wiro, **arguments: Any) -> WiroToS3Operator:
    wiro.shows(wiro.file(PNG), parameters=PARAMETERS, elapsedseconds="6.0000", createtime="1734513807")
    operator = WiroToS3Operator(task_id="land", wiro_task_id="2221", s3_bucket=BUCKET, **arguments)
    operator.execute({"ti": TASK_INSTANCE})  # type: ignore[typeddict-item]
    return operator


@pytest.mark.usefixtures("connect", "_openlineage")
def test_it_learns_what_went_in_what_came_out_and_what_it_cost(wiro: Wiro, s3: S3) -> None:
    lineage = landed(wiro).get_openlineage_facets_on_complete(None)
    assert [(dataset.namespace, dataset.name) for dataset in lineage.inputs] == [
        ("wiro://models", "retroAIx/Retro-Cartoons"),
        ("https://cdn.test:8443", "/in/1.png"),
    ]
    (output,) = lineage.outputs
    assert (output.namespace, output.name) == (f"s3://{BUCKET}", "wiro/2221/0-0.png")
    assert output.outputFacets["outputStatistics"].size == len(PNG)
    facet = lineage.run_facets["wiro"]
    assert (facet.wiroTaskId, facet.costUsd, facet.elapsedSeconds) == ("2221", "0.00351", 6.0)
    assert facet.createdAt == "2024-12-18T09:23:27+00:00"
    assert facet.endedAt is None
    assert (facet.totalBytes, facet.files) == (len(PNG), 1)


@pytest.mark.usefixtures("connect", "_openlineage")
def test_a_local_file_is_named_as_openlineage_names_files(wiro: Wiro, tmp_path: Path) -> None:
    wiro.shows(wiro.file(PNG))
    operator = WiroToObjectStorageOperator(task_id="land", wiro_task_id="2221", path=f"{tmp_path}/{{name}}")
    assert operator.get_openlineage_facets_on_complete(None) is None
    operator.execute({"ti": TASK_INSTANCE})  # type: ignore[typeddict-item]
    (output,) = operator.get_openlineage_facets_on_complete(None).outputs
    assert (output.namespace, output.name) == ("file", f"{tmp_path}/0.png")


@pytest.mark.usefixtures("connect", "_openlineage")
def test_what_it_learns_can_be_sent(wiro: Wiro, s3: S3) -> None:
    from openlineage.client.serde import Serde  # type: ignore[import-not-found]

    lineage = landed(wiro).get_openlineage_facets_on_complete(None)
    sent = Serde.to_json(lineage.run_facets["wiro"])
    assert '"wiroTaskId": "2221"' in sent
    assert '"_producer"' in sent
    assert "secret" not in Serde.to_json(lineage.inputs[1])


@pytest.mark.usefixtures("connect")
def test_without_openlineage_there_is_nothing_to_say(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, EXTRACTORS, None)
    assert landed(wiro).get_openlineage_facets_on_complete(None) is None


@pytest.mark.usefixtures("_openlineage")
def test_before_anything_has_landed_there_is_nothing_to_say() -> None:
    operator = WiroToS3Operator(task_id="land", wiro_task_id="2221", s3_bucket=BUCKET)
    assert operator.get_openlineage_facets_on_complete(None) is None


@pytest.mark.usefixtures("connect", "_openlineage")
def test_a_transfer_that_fails_says_what_the_run_has_cost(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG, size=str(len(PNG) + 1)), totalcost="0.00351")
    operator = WiroToS3Operator(task_id="land", wiro_task_id="2221", s3_bucket=BUCKET)
    with pytest.raises(AirflowException):
        operator.execute({"ti": TASK_INSTANCE})  # type: ignore[typeddict-item]
    assert operator.get_openlineage_facets_on_complete(None) is None
    lineage = operator.get_openlineage_facets_on_failure(None)
    facet = lineage.run_facets["wiro"]
    assert (facet.wiroTaskId, facet.costUsd, facet.state) == ("2221", "0.00351", "succeeded")
    assert (lineage.outputs, facet.files) == ([], None)
