"""OpenLineage learns which model and files went in, which objects came out, and what the run cost."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator
from tests.transfers.s3 import BUCKET
from tests.transfers.staging import PNG
from tests.transfers.watching import TASK_INSTANCE

if TYPE_CHECKING:
    from tests.transfers.s3 import S3
    from tests.transfers.staging import Wiro

EXTRACTORS = "airflow.providers.openlineage.extractors"
FACET = "airflow.providers.common.compat.openlineage.facet"
PARAMETERS = {"prompt": "p", "inputImage": "https://u:pw@cdn.test:8443/in/1.png?sig=secret"}

try:
    import airflow.providers.openlineage.extractors  # type: ignore[import-not-found]  # noqa: F401

    HAS_OPENLINEAGE = True
except ImportError:
    HAS_OPENLINEAGE = False


@pytest.fixture
def openlineage(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenLineage, or where it isn't installed something of its shape."""
    if HAS_OPENLINEAGE:
        return

    class Fields(SimpleNamespace):
        pass

    extractors, facet = ModuleType(EXTRACTORS), ModuleType(FACET)
    extractors.OperatorLineage = Fields  # type: ignore[attr-defined]
    facet.Dataset = facet.OutputDataset = Fields  # type: ignore[attr-defined]
    facet.OutputStatisticsOutputDatasetFacet = Fields  # type: ignore[attr-defined]
    facet.RunFacet = type("RunFacet", (), {})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, EXTRACTORS, extractors)
    monkeypatch.setitem(sys.modules, FACET, facet)
    monkeypatch.setattr("airflow.providers.common.compat.openlineage.facet", facet, raising=False)


def landed(wiro: Wiro, **arguments: Any) -> WiroToS3Operator:
    wiro.shows(wiro.file(PNG), parameters=PARAMETERS, elapsedseconds="6.0000", createtime="1734513807")
    operator = WiroToS3Operator(task_id="land", wiro_task_id="2221", s3_bucket=BUCKET, **arguments)
    operator.execute({"ti": TASK_INSTANCE})  # type: ignore[typeddict-item]
    return operator


@pytest.mark.usefixtures("connect", "openlineage")
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
    assert (facet.wiroTaskId, facet.costUsd, facet.elapsedSeconds) == ("2221", "0.003510000000", 6.0)
    assert facet.createdAt == "2024-12-18T09:23:27+00:00"
    assert facet.endedAt is None
    assert (facet.totalBytes, facet.files) == (len(PNG), 1)


@pytest.mark.skipif(not HAS_OPENLINEAGE, reason="apache-airflow-providers-openlineage is not installed")
@pytest.mark.usefixtures("connect")
def test_what_it_learns_can_be_sent(wiro: Wiro, s3: S3) -> None:
    from openlineage.client.serde import Serde  # type: ignore[import-not-found]

    lineage = landed(wiro).get_openlineage_facets_on_complete(None)
    sent = Serde.to_json(lineage.run_facets["wiro"])
    assert '"wiroTaskId": "2221"' in sent
    assert '"_producer"' in sent
    assert "secret" not in Serde.to_json(lineage.inputs[1])


@pytest.mark.skipif(HAS_OPENLINEAGE, reason="OpenLineage is installed")
@pytest.mark.usefixtures("connect")
def test_without_openlineage_there_is_nothing_to_say(wiro: Wiro, s3: S3) -> None:
    assert landed(wiro).get_openlineage_facets_on_complete(None) is None


@pytest.mark.usefixtures("openlineage")
def test_before_anything_has_landed_there_is_nothing_to_say() -> None:
    operator = WiroToS3Operator(task_id="land", wiro_task_id="2221", s3_bucket=BUCKET)
    assert operator.get_openlineage_facets_on_complete(None) is None
