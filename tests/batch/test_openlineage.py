"""OpenLineage is given what a batch has cost, over all its tries, also when it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_wiro.emulator import Fault
from tests.batch.batch_work import prompts
from tests.operators.fakes import RETRO
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from tests.batch.batch_work import BatchWork
    from tests.transfers.s3 import S3


@pytest.fixture(autouse=True)
def _openlineage() -> None:
    """It is in the group `dev`, and not in the environments of `make test-matrix`."""
    pytest.importorskip("airflow.providers.openlineage.extractors")


def test_a_batch_says_its_cost_its_model_and_its_manifest(work: BatchWork) -> None:
    operator = work.operator(prompts(3))
    assert operator.get_openlineage_facets_on_complete(None) is None
    summary = operator.execute(work.context)

    lineage = operator.get_openlineage_facets_on_complete(None)

    facet = lineage.run_facets["wiro"]
    assert (facet.costUsd, facet.unknownCosts, facet.model) == (summary["cost_usd"], 0, RETRO)
    assert (facet.total, facet.succeeded, facet.failed) == (3, 3, 0)
    assert [(one.namespace, one.name) for one in lineage.inputs] == [("wiro://models", RETRO)]
    [manifest] = lineage.outputs
    assert (manifest.namespace, manifest.name) == ("file", summary["manifest_uri"])


def test_a_failed_batch_says_what_it_has_cost_by_then_and_its_retry_says_all(work: BatchWork) -> None:
    work.wiro.inject(Fault("exit_code"))
    settings = {"max_item_retries": 0, "max_active": 1}
    failed = work.operator(prompts(3), **settings)
    with pytest.raises(AirflowException):
        failed.execute(work.context)
    lineage = failed.get_openlineage_facets_on_failure(None)
    facet = lineage.run_facets["wiro"]
    assert (facet.failed, facet.costUsd, lineage.outputs) == (1, "0", [])

    work.retry()
    retried = work.operator(prompts(3), **settings)
    summary = retried.execute(work.context)

    assert retried.get_openlineage_facets_on_complete(None).run_facets["wiro"].costUsd == summary["cost_usd"]


def test_a_batch_that_could_not_begin_says_nothing(work: BatchWork) -> None:
    operator = work.operator(str(work.folder / "missing.jsonl"))
    with pytest.raises(AirflowException):
        operator.execute(work.context)
    assert operator.get_openlineage_facets_on_failure(None) is None


def test_a_batch_says_its_inputs_file_and_where_its_outputs_are(work: BatchWork, s3: S3) -> None:
    path = work.folder / "items.jsonl"
    path.write_text('{"prompt": "a"}\n{"prompt": "b"}\n')
    manifest = f"s3://aws_default@{BUCKET}/m.jsonl"
    work.wiro.inject(Fault("exit_code", times=1))
    operator = work.operator(
        str(path),
        manifest_uri=manifest,
        s3_bucket=BUCKET,
        s3_key="night/shots/{item}-{name}",
        on_item_failure="continue",
        max_item_retries=0,
    )
    summary = operator.execute(work.context)

    lineage = operator.get_openlineage_facets_on_complete(None)

    assert [(one.namespace, one.name) for one in lineage.inputs] == [
        ("wiro://models", RETRO),
        ("file", str(path)),
    ]
    assert [(one.namespace, one.name) for one in lineage.outputs] == [
        (f"s3://{BUCKET}", "m.jsonl"),
        (f"s3://{BUCKET}", "m.jsonl.failed.jsonl"),
        (f"s3://{BUCKET}", "night/shots"),
    ]
    assert lineage.outputs[2].outputFacets["outputStatistics"].size == summary["total_bytes"]
