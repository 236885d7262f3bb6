"""An answer that is reused by its text lands without its run, and nothing at Wiro is deleted for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.operators.fakes import GPT
from tests.transfers.s3 import BUCKET
from tests.transfers.s3_calls import land

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.operators.fakes import Work
    from tests.transfers.s3 import S3

QUESTION = {"prompt": "why?"}
SECRET = "sk-9f2b7c4d5e6f7a8b9c0d"


def answered(work: Work) -> dict[str, Any]:
    """Return the run summary of an answer that a run of yesterday gave, and nobody landed."""
    work.run(model=GPT, parameters=QUESTION)
    work.clear()
    again: dict[str, Any] = work.run(model=GPT, parameters=QUESTION)
    assert again["reused"] is True
    return again


def test_it_deletes_nothing_of_the_run_that_gave_it_and_costs_nothing(
    work: Work, s3: S3, wiro: WiroEmulator
) -> None:
    again = answered(work)
    landed = land(again, delete_after=True)
    assert landed["cost_usd"] == "0"
    assert wiro.counts.requests["Task/InputOutputDelete"] == 0
    assert len(land(again, s3_key="later/{name}")["files"]) == 2


@pytest.mark.parametrize("is_known", [True, False], ids=["deleted", "unknown"])
def test_it_lands_though_wiro_has_it_no_longer(
    work: Work, s3: S3, monkeypatch: pytest.MonkeyPatch, is_known: bool
) -> None:
    from airflow_provider_wiro.exceptions import WiroTaskNotFoundError
    from airflow_provider_wiro.hooks.wiro import WiroHook

    first = work.run(model=GPT, parameters=QUESTION)
    land(first, delete_after=True)
    work.clear()
    for key in s3.keys:
        if not key.startswith("cards/"):
            s3.client.delete_object(Bucket=BUCKET, Key=key)
    again = work.run(model=GPT, parameters=QUESTION)
    assert again["reused"] is True

    def unknown(*_: object, **__: object) -> None:
        raise WiroTaskNotFoundError("There is no task yet.")

    if not is_known:
        monkeypatch.setattr(WiroHook, "get_task", unknown)
    files = {file["name"]: file["uri"].partition(f"{BUCKET}/")[2] for file in land(again)["files"]}
    assert s3.get(files["answer.txt"]).decode().strip() == first["text"].strip()
    assert json.loads(s3.get(files["answer.json"]))["answer"] == [first["text"]]
    assert work.started == 1


@pytest.mark.parametrize("waits", [True, False], ids=["waits", "accepted only"])
def test_no_card_quotes_a_secret_that_wiro_does_not_show(
    work: Work, s3: S3, monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    from airflow_provider_wiro.api.models import Task

    real = Task.from_wire.__func__  # type: ignore[attr-defined]

    def hiding(cls: type[Task], item: Mapping[str, Any]) -> Task:
        answer = {"contenttype": "raw", "content": {"answer": [f"You said {SECRET}."]}}
        found: Task = real(cls, {**item, "parameters": {}, "outputs": [answer]})
        return found

    monkeypatch.setattr(Task, "from_wire", classmethod(hiding))
    given = {"prompt": f"repeat {SECRET}", "apiKey": SECRET}
    summary = work.run(model=GPT, parameters=given, wait_for_completion=waits)
    if not waits:
        from airflow_provider_wiro.sensors.wiro import WiroTaskSensor

        sensor = WiroTaskSensor(task_id="wait", wiro_task_id=summary, poke_interval=0.01)
        summary = sensor.execute(work.context)
    land(summary)
    stored = "".join(s3.get(key).decode() for key in s3.keys if key.startswith("cards/"))
    assert SECRET not in stored
    assert "No result card is kept" in work.log
