"""All items are compared with the model's schema before anything is paid for, and what is sent completed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro.batch.inputs.items import Inputs
from airflow_provider_wiro.batch.inputs.sources import InputSource
from airflow_provider_wiro.batch.preflight import item_checks
from airflow_provider_wiro.batch.preflight.item_checks import ItemFindings
from airflow_provider_wiro.batch.preflight.model_rules import ModelRules
from airflow_provider_wiro.catalog import model_cache
from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.exceptions import WiroConnectionError
from airflow_provider_wiro.hooks.wiro import WiroHook
from tests.operators.fakes import RETRO

if TYPE_CHECKING:
    from pathlib import Path

    from tests.batch.batch_work import BatchWork

IMAGE_EDIT = "wiro/image-edit-general"
SEEDANCE = "ByteDance/seedance-pro-v1.5"
FILM = {"resolution": "720p", "duration": "5", "ratio": "16:9"}
CONTINUE = {"on_item_failure": "continue"}


def mistyped(count: int) -> list[dict[str, Any]]:
    return [{"prompt": f"robot {number}", "steps": "many"} for number in range(count)]


def runs(work: BatchWork) -> int:
    return work.wiro.counts.requests["Run"]


def test_every_items_problems_are_in_one_message_and_nothing_is_sent(work: BatchWork) -> None:
    items = [{"prompt": "fine"}, *mistyped(7), {}]

    with pytest.raises(AirflowFailException) as refusal:
        work.run(items)

    message = str(refusal.value)
    assert message.startswith("8 of 9 items can't be right. Nothing was submitted; check_parameters='off'")
    assert ": Item 1: Parameter 'steps'" in message
    assert message.endswith(" And 3 more.")
    assert message.count("Item ") == item_checks.MOST_NAMED
    assert runs(work) == 0


@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
def test_where_the_batch_continues_such_an_item_fails_and_the_others_run(
    work: BatchWork, deferrable: bool
) -> None:
    summary = work.run([{"prompt": "a"}, *mistyped(2), {"prompt": "b"}], deferrable=deferrable, **CONTINUE)

    assert (summary["succeeded"], summary["failed"]) == (2, 2)
    assert work.statuses == ["succeeded", "failed", "failed", "succeeded"]
    assert "Parameter 'steps'" in work.manifest[1]["error"]
    assert "2 of 4 items can't be right, and will fail: Item 1: Parameter 'steps'" in work.log
    assert sorted(work.started) == ["a", "b"]


def test_the_same_warning_about_many_items_is_one_line(work: BatchWork) -> None:
    work.run([{"prompt": f"robot {number}", "sampels": 1} for number in range(30)])

    lines = [line for line in work.log.lines if "sampels" in line]
    assert len(lines) == 1
    assert lines[0].startswith("Item 0 and 29 more: ")
    assert "'samples'" in lines[0]


def test_warnings_that_all_differ_are_logged_up_to_a_number(work: BatchWork) -> None:
    work.run([{"prompt": "robot", f"sampels{number}": 1} for number in range(30)])

    assert len([line for line in work.log.lines if "sampels" in line]) == item_checks.MOST_LINES
    assert "Further notes about parameters are not logged one by one: 10." in work.log


def test_strict_refuses_what_warn_warns_of_and_off_asks_for_no_schema(work: BatchWork) -> None:
    items = [{"prompt": "robot", "sampels": 1}]
    with pytest.raises(AirflowFailException, match="sampels"):
        work.run(items, check_parameters="strict")
    assert runs(work) == 0

    asked = work.wiro.counts.requests["Tool/Detail"]
    assert work.run(items, check_parameters="off")["succeeded"] == 1
    assert work.wiro.counts.requests["Tool/Detail"] == asked
    assert "sampels" not in work.log


def test_the_schema_is_asked_for_once_for_all_items_and_deferrals(work: BatchWork) -> None:
    work.run([{"prompt": f"robot {number}"} for number in range(20)], deferrable=True, max_active=3)

    assert work.wiro.counts.requests["Tool/Detail"] == 1


def test_without_a_schema_the_batch_runs_and_says_that_nothing_was_checked(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_cache, "LONGEST_ASKING_SECONDS", 0.3)
    work.wiro.inject(Fault("api_error", endpoint="Tool/Detail", times=50))

    summary = work.run([{"prompt": "robot", "sampels": 1}])

    assert summary["succeeded"] == 1
    assert "So the items are sent as they are given: not checked" in work.log


def test_who_may_run_a_model_but_not_read_its_schema_runs_a_batch(work: BatchWork, tmp_path: Path) -> None:
    work.wiro.inject(Fault("server_error", endpoint="Tool/Detail", status=401, times=None))
    picture = tmp_path / "a.png"
    picture.write_bytes(b"\x89PNG")

    summary = work.run(
        [{"prompt": "robot"}, {"prompt": "teapot"}], model=IMAGE_EDIT, parameters={},
        files={"inputImage": str(picture)},
    )  # fmt: skip

    assert summary["succeeded"] == 2
    assert "So the items are sent as they are given: not checked" in work.log
    assert work.wiro.counts.requests["Tool/Detail"] == 2  # before the batch, and before the first upload


def test_without_prices_a_batch_that_has_to_know_them_fails_and_may_be_tried_again(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_cache, "LONGEST_ASKING_SECONDS", 0.3)
    work.wiro.inject(Fault("api_error", endpoint="Tool/Detail", times=50))
    settings = {"max_cost_usd": 1, "on_unknown_price": "refuse"}

    with pytest.raises(WiroConnectionError, match="no price is known"):
        work.run([{"prompt": "robot"}], **settings)
    assert runs(work) == 0


def test_defaults_are_sent_and_the_journal_keeps_what_was_given(work: BatchWork) -> None:
    """So a schema that changes later lets no retry pay again."""
    inputs = [{"prompt": "film", "resolution": "480p"}]
    work.run(inputs, model=SEEDANCE, parameters={}, fill_defaults=True)
    sent = work.wiro.tasks[0].parameters
    assert (sent["resolution"], sent["duration"], sent["ratio"]) == ("480p", "5", "16:9")
    assert "Item 0: Parameter 'duration' is not given, and is sent with its default" in work.log

    given = Inputs(InputSource(inputs), model=SEEDANCE, parameters={}, files={}, project_id=None)
    kept = [entry["fingerprint"] for entry in work.entries if entry["what"] == "intent"]
    assert kept == list(given.fingerprints())


def test_a_lost_run_with_defaults_is_found_again(work: BatchWork) -> None:
    work.wiro.inject(Fault("drop_after", endpoint="Run", times=1))

    summary = work.run([{"prompt": "film"}], model=SEEDANCE, parameters={}, fill_defaults=True)

    assert summary["succeeded"] == 1
    assert len(work.wiro.tasks) == 1


def test_a_schema_that_changes_between_two_tries_refuses_nothing_that_was_sent(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = [{"prompt": f"robot {number}"} for number in range(3)]
    work.run(inputs, max_active=3)
    work.leave_journal(work.journal_lines[: [entry["what"] for entry in work.entries].index("id") + 1])

    def refuse(*_: Any) -> None:
        raise AssertionError("checked again")

    monkeypatch.setattr(ModelRules, "check", refuse)

    assert work.run(inputs, max_active=3)["succeeded"] == 3
    assert len(work.wiro.tasks) == 3


def test_a_training_is_refused_unless_it_is_allowed(work: BatchWork, monkeypatch: pytest.MonkeyPatch) -> None:
    get_model = WiroHook.cached_model

    def of_category_training(hook: WiroHook, model: str) -> Any:
        from dataclasses import replace

        found = get_model(hook, model)
        assert found is not None
        return replace(found, categories=("training",))

    monkeypatch.setattr(WiroHook, "cached_model", of_category_training)
    with pytest.raises(AirflowFailException, match="allow_categories"):
        work.run([{"prompt": "robot"}], **CONTINUE)
    assert runs(work) == 0

    assert work.run([{"prompt": "robot"}], allow_categories=["training"])["succeeded"] == 1


def test_thousands_of_items_are_checked_and_priced_in_seconds(work: BatchWork) -> None:
    items = [{"prompt": f"film {number}", **FILM} for number in range(3_000)]
    inputs = Inputs(InputSource(items), model=SEEDANCE, parameters={}, files={}, project_id=None)
    rules = ModelRules(WiroHook().get_model(SEEDANCE), mode="strict", fill_defaults=True)
    settings = work.operator([])._settings(work.context, 1, None)

    began = time.process_time()
    found = ItemFindings(inputs, rules, settings)

    assert time.process_time() - began < 3  # some 0.6 s on an idle machine
    assert found.sum.to_json(SEEDANCE, len(inputs))["max_usd"] == "390"


# The estimate of a batch.


def estimated(work: BatchWork, inputs: Any, **settings: Any) -> Any:
    own = {"model": SEEDANCE, "parameters": {"ratio": "16:9"}, "estimate_only": True, "state_path": None}
    return work.run(inputs, **{**own, **settings})


@pytest.mark.parametrize("deferrable", [False, True])
def test_an_estimate_runs_nothing_and_keeps_nothing(work: BatchWork, deferrable: bool) -> None:
    found = estimated(
        work,
        [
            {"prompt": "small", "resolution": "480p", "duration": "5"},
            {"prompt": "large", "resolution": "1080p", "duration": 10},
        ],
        deferrable=deferrable,
    )

    assert found == {
        "model": SEEDANCE,
        "total": 2,
        "unknown": 0,
        "refused": 0,
        "min_usd": "0.64",
        "max_usd": "0.64",
        "known_max_usd": "0.64",
        "item_min_usd": "0.06",
        "item_max_usd": "0.58",
        "assumed": {},
        "notes": [],
    }
    assert runs(work) == 0
    assert list(work.folder.iterdir()) == []
    assert work.store.values == {}


def test_an_estimate_says_what_it_does_not_know(work: BatchWork) -> None:
    found = estimated(
        work,
        [
            {"prompt": "odd", "resolution": "720p", "duration": "7"},
            {"prompt": "usual", "resolution": "720p"},
            {"resolution": "720p", "duration": "5"},
        ],
        fill_defaults=True,
    )

    assert (found["total"], found["unknown"], found["refused"]) == (3, 1, 1)
    assert (found["min_usd"], found["max_usd"], found["known_max_usd"]) == ("0.13", None, "0.13")
    assert len(found["notes"]) == 1
    assert "1 of 3 items can't be right: Item 2: The required parameter 'prompt' is missing." in work.log


def test_an_estimate_names_the_defaults_that_it_assumes(work: BatchWork) -> None:
    found = estimated(work, [{"prompt": "film", "resolution": "720p"}], check_parameters="off")

    assert (found["max_usd"], found["assumed"]) == ("0.13", {"duration": "5"})


def test_an_estimate_of_nothing_known(work: BatchWork) -> None:
    found = estimated(work, [{"prompt": "robot"}], model=RETRO, parameters={"samples": 1})

    assert (found["unknown"], found["min_usd"]) == (1, "0")
    assert (found["max_usd"], found["item_min_usd"]) == (None, None)
    assert "Estimated cost of the batch: not known for 1 items. Nothing was run." in work.log
