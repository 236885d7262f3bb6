"""Results are reused from cards and outputs in Google Cloud Storage or Azure; records are kept there, too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.transfers.wiro_to_object_storage import WiroToObjectStorageOperator
from tests.operators.fakes import GPT, SMALL
from tests.transfers.fake_wiro import TaskInstance

if TYPE_CHECKING:
    from tests.operators.fakes import Work
    from tests.storage.object_stores.object_store import Store

TWO = {**SMALL, "samples": 2}


def land(summary: Any, path: str, **arguments: Any) -> list[dict[str, Any]]:
    operator = WiroToObjectStorageOperator(task_id="land", wiro_task_id=summary, path=path, **arguments)
    files: list[dict[str, Any]] = operator.execute({"ti": TaskInstance()})["files"]  # type: ignore[typeddict-item]
    return files


@pytest.fixture
def settings(work: Work, object_store: Store) -> dict[str, Any]:
    work.settings = {"reuse_results": object_store.uri("wiro")}
    return work.settings


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("run", [{"parameters": TWO}, {"model": GPT, "parameters": {"prompt": "Hi"}}])
def test_a_run_whose_outputs_have_landed_is_reused(
    work: Work, object_store: Store, run: dict[str, Any]
) -> None:
    first = work.run(**run)
    landed = land(first, object_store.uri("wiro/{wiro_task_id}/{index}-{name}"))
    work.clear()
    again = work.run(**run)
    assert work.started == 1
    assert (again["reused"], again["cost_usd"]) == (True, "0")
    assert land(again, object_store.uri("wiro/{wiro_task_id}/{index}-{name}")) == [
        {**file, "skipped": True} for file in landed
    ]


@pytest.mark.usefixtures("settings")
def test_a_reused_result_is_copied_to_where_it_is_wanted(work: Work, object_store: Store) -> None:
    landed = land(work.run(parameters=TWO), object_store.uri("wiro/{index}-{name}"))
    work.clear()
    copied = land(work.run(parameters=TWO), object_store.uri("copies/{index}-{name}"), manifest=True)
    assert work.started == 1
    assert [file["sha256"] for file in copied] == [file["sha256"] for file in landed]
    for file in copied:
        key = file["uri"].removeprefix(object_store.uri(""))
        seen = object_store.get(key)
        assert (seen.content_type, seen.metadata["sha256"]) == ("image/png", file["sha256"])
    assert json.loads(object_store.get("copies/manifest.json").body)["outputs"]


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("change", ["gone", "changed"])
def test_a_result_that_is_no_longer_what_landed_is_not_reused(
    work: Work, object_store: Store, change: str
) -> None:
    [file] = land(work.run(parameters=SMALL), object_store.uri("wiro/{index}-{name}"))
    key = file["uri"].removeprefix(object_store.uri(""))
    if change == "gone":
        object_store.delete(key)
    else:
        object_store.put(key, b"another")
    work.clear()
    assert not work.run(parameters=SMALL).get("reused")
    assert work.started == 2


@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
def test_another_try_finds_the_record_of_the_run_and_sends_nothing(
    work: Work, object_store: Store, monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", object_store.uri("records"))
    work.has_state_store = False

    def die(**_: Any) -> None:
        raise SystemExit("SIGKILL")

    work.ti.xcom_push = die  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        work.run()
    del work.ti.xcom_push
    assert [key for key in object_store.keys if key.startswith("records/")]
    work.retry()
    assert work.run(deferrable=deferrable)["status"] == "task_postprocess_end"
    assert work.started == 1
