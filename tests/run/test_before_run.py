"""What can be known before a run is known before it is paid for. Counted at Wiro."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.recovery.fingerprint import fingerprint
from tests.operators.fakes import GPT, RETRO, SMALL, Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.api.catalog import Model
    from airflow_provider_wiro.emulator import WiroEmulator

BOTH = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
KLING = "klingai/kling-v3"
SEEDANCE = "ByteDance/seedance-pro-v1.5"
TRAINING = "wiro/train-flux-lora-portrait"
TYPO = {**SMALL, "sampels": 1}
FILM = {"prompt": "a robot", "resolution": "480p", "duration": "5", "ratio": "16:9"}


def nothing_was_paid(work: Work) -> bool:
    """Whether no Run was sent, and no record or XCom is left that says one was."""
    requests = work.wiro.counts.requests
    return (requests["Run"], work.store.writes, work.ti.xcoms.get("wiro_task_id")) == (0, [], None)


def described(monkeypatch: pytest.MonkeyPatch, change: Callable[[Model], Model | None]) -> None:
    """Have Wiro describe its models otherwise."""
    real = WiroHook.get_model

    def cached_model(hook: WiroHook, model: str) -> Model | None:
        return change(real(hook, model))

    monkeypatch.setattr(WiroHook, "cached_model", cached_model)


# The schema.


@BOTH
@pytest.mark.parametrize(
    ("mode", "parameters", "words"),
    [
        ("warn", {**SMALL, "prompt": None}, "prompt"),
        ("warn", {**SMALL, "steps": "many"}, "steps"),
        ("warn", {**SMALL, "samples": 99}, "samples"),
        ("strict", TYPO, "did you mean 'samples'"),
        ("strict", {**SMALL, "scheduler": "Euler"}, "scheduler"),
    ],
)
def test_a_run_that_can_not_be_right_is_refused_before_it_is_paid_for(
    work: Work, deferrable: bool, mode: str, parameters: Any, words: str
) -> None:
    with pytest.raises(AirflowFailException, match="nothing is paid for") as refused:
        work.run(parameters=parameters, check_parameters=mode, deferrable=deferrable)
    assert words in str(refused.value).replace("Did", "did")
    assert nothing_was_paid(work)


def test_all_that_is_wrong_is_one_error(work: Work) -> None:
    with pytest.raises(AirflowFailException) as refused:
        work.run(parameters={"steps": "many", "samples": 99})
    assert all(name in str(refused.value) for name in ("prompt", "steps", "samples"))
    assert nothing_was_paid(work)


@BOTH
def test_what_is_probably_not_meant_is_a_warning_and_runs(work: Work, deferrable: bool) -> None:
    work.run(parameters=TYPO, deferrable=deferrable)
    warnings = [line for line in work.log.lines if "sampels" in line]
    assert len(warnings) == 1
    assert "samples" in warnings[0]
    assert work.started == 1


def test_off_compares_nothing_and_asks_for_no_schema(wiro: WiroEmulator, work: Work) -> None:
    work.run(parameters={**SMALL, "sampels": "many"}, check_parameters="off")
    assert (work.started, wiro.counts.requests["Tool/Detail"]) == (1, 0)


def test_the_schema_is_asked_for_once_by_all_runs_of_a_machine(wiro: WiroEmulator, work: Work) -> None:
    for _ in range(3):
        work.run(files={"inputImage": "https://a.example/1.png"}, model="wiro/image-edit-general",
                 parameters={"prompt": "x"})  # fmt: skip
        work.clear()
    assert (work.started, wiro.counts.requests["Tool/Detail"]) == (3, 1)


@pytest.mark.parametrize("mode", ["warn", "strict"])
def test_without_a_schema_the_run_goes_on_and_one_line_says_that_it_was_not_checked(
    wiro: WiroEmulator, work: Work, no_patience: None, mode: str
) -> None:
    wiro.inject(Fault("server_error", endpoint="Tool/Detail", times=None))
    work.run(parameters=TYPO, check_parameters=mode)
    assert work.started == 1
    assert [line for line in work.log.lines if "not compared" in line] == [
        f"The run of {RETRO} is not compared with its schema."
    ]
    assert wiro.counts.requests["Tool/Detail"] == 1


def test_who_may_run_a_model_but_not_read_its_schema_runs_it(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("server_error", endpoint="Tool/Detail", status=401, times=None))
    work.run()
    assert work.started == 1
    assert "can't be had: Wiro refused the call" in work.log
    assert f"The run of {RETRO} is not compared with its schema." in work.log


def test_a_model_without_a_schema_runs_and_one_line_says_so(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    described(monkeypatch, lambda model: replace(model, parameters=()))
    work.run(parameters=TYPO, check_parameters="strict")
    assert work.started == 1
    assert f"Wiro lists no parameters of {RETRO}" in work.log


# Categories.


@BOTH
def test_a_training_is_refused_unless_it_is_allowed(work: Work, deferrable: bool) -> None:
    inputs = {"inputImages": ["https://a.example/1.zip"]}
    with pytest.raises(AirflowFailException, match="allow_categories") as refused:
        work.run(model=TRAINING, parameters={}, files=inputs, deferrable=deferrable)
    assert "training" in str(refused.value)
    assert nothing_was_paid(work)


def test_a_realtime_model_is_refused_unless_it_is_allowed(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    described(monkeypatch, lambda model: replace(model, categories=("realtime",)))
    with pytest.raises(AirflowFailException, match="allow_categories"):
        work.run()
    assert nothing_was_paid(work)

    work.run(allow_categories=["realtime"])
    assert work.started == 1


# Defaults.


@BOTH
def test_fill_defaults_runs_a_model_that_wants_every_parameter(work: Work, deferrable: bool) -> None:
    given = {"prompt": "a robot", "duration": "5", "ratio": "16:9"}
    with pytest.raises(AirflowFailException, match="required"):
        work.run(model=KLING, parameters=given, deferrable=deferrable)
    work.clear()

    work.run(model=KLING, parameters=given, fill_defaults=True, deferrable=deferrable)
    [task] = work.wiro.tasks
    assert task.parameters["multiPrompt"] == ""
    assert task.parameters["multiShot"] == "false"
    assert "'multiShot' is not given, and is sent with its default" in work.log


def test_the_record_keeps_what_was_given_so_that_another_schema_is_no_other_run(work: Work) -> None:
    given = {"prompt": "a robot", "duration": "5", "ratio": "16:9"}
    work.run(model=KLING, parameters=given, fill_defaults=True)
    assert work.store.record is not None
    assert work.store.record["fingerprint"] == fingerprint(KLING, given, {})


def test_fill_defaults_without_a_schema_sends_what_was_given_and_says_so(
    wiro: WiroEmulator, work: Work, no_patience: None
) -> None:
    wiro.inject(Fault("server_error", endpoint="Tool/Detail", times=None))
    work.run(fill_defaults=True)
    [task] = work.wiro.tasks
    assert task.parameters == SMALL
    assert "sent without the defaults that fill_defaults asks for" in work.log


# The price.


@BOTH
@pytest.mark.parametrize("limit", [0.01, "0.059", Decimal("0.05")])
def test_a_run_that_may_cost_more_is_refused_with_the_numbers(
    work: Work, deferrable: bool, limit: Any
) -> None:
    with pytest.raises(AirflowFailException, match="nothing is paid for") as refused:
        work.run(model=SEEDANCE, parameters=FILM, max_cost_usd=limit, deferrable=deferrable)
    assert f"costs 0.06 USD (cpr), more than max_cost_usd={limit} allows" in str(refused.value)
    assert nothing_was_paid(work)


@pytest.mark.parametrize("limit", [0.06, "0.06", 1])
def test_a_run_that_costs_no_more_runs_and_its_estimate_is_logged(work: Work, limit: Any) -> None:
    work.run(model=SEEDANCE, parameters=FILM, max_cost_usd=limit)
    assert work.started == 1
    assert "Estimated cost of this run: 0.06 USD (cpr)." in work.log.lines


def test_the_upper_end_of_a_range_counts(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    prices = ({"price": 0.03}, {"price": 0.09})
    described(monkeypatch, lambda model: replace(model, prices=prices, cps=None))
    with pytest.raises(AirflowFailException, match=r"may cost 0.03 to 0.09 USD"):
        work.run(max_cost_usd=0.05)
    assert nothing_was_paid(work)


def test_the_lower_end_counts_where_the_upper_one_is_not_known(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = ({"price": 0.5, "priceMethod": "cpo"},)
    described(monkeypatch, lambda model: replace(model, prices=prices, parameters=()))
    with pytest.raises(AirflowFailException, match=r"more than max_cost_usd=0\.05"):
        work.run(parameters={"prompt": "x"}, max_cost_usd=0.05)
    assert nothing_was_paid(work)


@BOTH
def test_a_price_that_is_not_known_is_refused_only_if_that_is_asked_for(work: Work, deferrable: bool) -> None:
    settings = {"model": GPT, "parameters": {"prompt": "x"}, "max_cost_usd": 1, "deferrable": deferrable}
    with pytest.raises(AirflowFailException, match="on_unknown_price='run' runs it anyway"):
        work.run(on_unknown_price="refuse", **settings)
    assert nothing_was_paid(work)

    work.run(**settings)
    assert work.started == 1


def test_without_a_price_list_a_run_is_refused_only_if_that_is_asked_for(
    wiro: WiroEmulator, work: Work, no_patience: None
) -> None:
    wiro.inject(Fault("server_error", endpoint="Tool/Detail", times=None))
    with pytest.raises(AirflowFailException, match="price isn't known"):
        work.run(max_cost_usd=1, on_unknown_price="refuse")
    assert nothing_was_paid(work)

    work.run(max_cost_usd=1)
    assert "not compared with its schema, not compared with max_cost_usd" in work.log


def test_the_limit_holds_with_the_schema_check_off(work: Work) -> None:
    with pytest.raises(AirflowFailException, match="more than max_cost_usd"):
        work.run(model=SEEDANCE, parameters=FILM, check_parameters="off", max_cost_usd=0.01)
    assert nothing_was_paid(work)


@pytest.mark.parametrize("limit", [0, -1, "cheap", "nan", True, "None"])
def test_a_limit_that_is_no_amount_is_refused(work: Work, limit: Any) -> None:
    with pytest.raises(WiroUsageError, match="max_cost_usd"):
        work.operator(max_cost_usd=limit)


def test_a_template_that_gives_no_amount_is_refused_before_anything_is_asked(
    wiro: WiroEmulator, work: Work
) -> None:
    operator = work.operator(max_cost_usd="{{ params.limit }}")
    operator.max_cost_usd = "cheap"  # rendered
    with pytest.raises(AirflowFailException, match="max_cost_usd"):
        operator.execute(work.context)
    assert nothing_was_paid(work)
    assert wiro.counts.requests["Tool/Detail"] == 0


# An estimate alone.


@BOTH
def test_estimate_only_returns_the_estimate_and_does_nothing_else(
    wiro: WiroEmulator, work: Work, deferrable: bool
) -> None:
    found = work.run(model=SEEDANCE, parameters=FILM, estimate_only=True, deferrable=deferrable)
    assert json.loads(json.dumps(found)) == found
    assert (found["model"], found["kind"], found["max_usd"], found["method"]) == (
        SEEDANCE, "exact", "0.06", "cpr",
    )  # fmt: skip
    assert nothing_was_paid(work)
    assert {name for name, count in wiro.counts.requests.items() if count} == {"Tool/Detail"}
    assert "Nothing was run" in work.log


def test_estimate_only_reads_no_file_and_needs_no_limit(work: Work) -> None:
    files = {"inputImageHuman": "/not/there.png", "inputImageClothes": ["/a.png"]}
    found = work.run(
        model="wiro/Virtual Try-On", parameters={}, files=files, estimate_only=True, max_cost_usd=0.01
    )
    assert (found["kind"], found["min_usd"], found["max_usd"]) == ("range", "0.09", "0.18")


def test_estimate_only_says_what_a_run_would_be_refused_for(work: Work) -> None:
    work.run(parameters=TYPO, estimate_only=True)
    assert "This run would be refused, or is probably not meant: " in work.log


def test_estimate_only_without_a_price_list_is_not_known(
    wiro: WiroEmulator, work: Work, no_patience: None
) -> None:
    wiro.inject(Fault("server_error", endpoint="Tool/Detail", times=None))
    assert work.run(estimate_only=True)["kind"] == "unknown"
    assert nothing_was_paid(work)


# Before a new run, and never after.


@BOTH
def test_a_retry_that_resumes_a_run_checks_nothing(
    wiro: WiroEmulator, work: Work, deferrable: bool, an_hour_later: Callable[[], None]
) -> None:
    wiro.inject(Fault("stuck_running"))
    with pytest.raises(Exception, match="did not end"):
        work.run(timeout=0.1, cancel_on_timeout=False)
    asked = wiro.counts.requests["Tool/Detail"]
    wiro.clear_faults()
    work.retry()
    an_hour_later()
    work.log.lines.clear()

    # A user has lowered the limit since; the run is paid for.
    with pytest.raises(Exception, match="did not end"):
        work.run(timeout=0.1, cancel_on_timeout=False, max_cost_usd=0.0001, on_unknown_price="refuse",
                 deferrable=False)  # fmt: skip
    assert work.started == 1
    assert wiro.counts.requests["Tool/Detail"] == asked
    assert "Estimated" not in work.log


def test_after_the_trigger_nothing_is_checked(wiro: WiroEmulator, work: Work) -> None:
    deferred = work.defer()
    asked = wiro.counts.requests["Tool/Detail"]
    work.resume(deferred, max_cost_usd=0.0001, on_unknown_price="refuse")
    assert wiro.counts.requests["Tool/Detail"] == asked == 1
    assert sum("Estimated" in line for line in work.log.lines) == 1


@pytest.fixture
def _slots_are_free_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_wiro.run.pauses.slot_pause_seconds", lambda *_: 0.05)


@pytest.mark.usefixtures("_slots_are_free_soon")
def test_a_run_that_waits_for_a_slot_is_checked_once(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("api_error", endpoint="Run", code=96, message="limit", times=2))
    work.run(deferrable=True, parameters=TYPO)
    assert work.started == 1
    assert sum("sampels" in line for line in work.log.lines) == 1
    assert sum("Estimated" in line for line in work.log.lines) == 1


@BOTH
@pytest.mark.usefixtures("_slots_are_free_soon")
def test_a_run_that_waited_for_a_slot_is_sent_with_its_defaults(
    wiro: WiroEmulator, work: Work, deferrable: bool
) -> None:
    wiro.inject(Fault("api_error", endpoint="Run", code=96, message="limit"))
    given = {"prompt": "a robot", "duration": "5", "ratio": "16:9"}
    work.run(model=KLING, parameters=given, fill_defaults=True, deferrable=deferrable)
    assert work.wiro.tasks[0].parameters["multiPrompt"] == ""


# A lost response.


@BOTH
def test_a_lost_run_is_found_by_what_was_given(wiro: WiroEmulator, work: Work, deferrable: bool) -> None:
    wiro.inject(Fault("drop_after", endpoint="Run"))
    given = {"prompt": "a robot", "duration": 5, "ratio": "16:9", "multiShot": False}
    summary = work.run(model=KLING, parameters=given, fill_defaults=True, deferrable=deferrable)
    assert work.started == 1
    assert wiro.tasks[0].parameters["duration"] == "5"
    assert summary["wiro_task_id"] == wiro.tasks[0].id


def test_a_schema_that_has_changed_since_does_not_hide_a_lost_run(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"prompt": "a robot", "duration": 5, "ratio": "16:9"}
    settings = {"model": KLING, "parameters": given, "fill_defaults": True}
    wiro.inject(Fault("drop_after", endpoint="Run"))
    wiro.inject(Fault("server_error", endpoint="Task/List", skip=1, times=None))
    monkeypatch.setenv("AIRFLOW__WIRO__LOST_RUN_PATIENCE", "600")
    with monkeypatch.context() as short:
        short.setattr("airflow_provider_wiro.recovery.durable_run.DurableRun._resolve", _die)
        with pytest.raises(SystemExit):
            work.run(**settings)
    wiro.clear_faults()
    work.retry()

    described(
        monkeypatch,
        lambda model: replace(
            model,
            parameters=tuple(
                replace(one, default="another", options=("another",)) for one in model.parameters[:3]
            ),
        ),
    )
    summary = work.run(**settings)
    assert (work.started, summary["wiro_task_id"]) == (1, wiro.tasks[0].id)


def _die(*_: Any, **__: Any) -> None:
    raise SystemExit("SIGKILL")


def test_a_retry_whose_lost_run_was_never_started_is_checked_like_a_new_one(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiro.inject(Fault("drop_before", endpoint="Run"))
    with monkeypatch.context() as short:
        short.setattr("airflow_provider_wiro.recovery.durable_run.DurableRun._resolve", _die)
        with pytest.raises(SystemExit):
            work.run()
    work.retry()
    with pytest.raises(AirflowFailException, match="nothing is paid for"):
        work.run(max_cost_usd=0.0001, on_unknown_price="refuse")
    assert work.started == 0


# The label.


@BOTH
def test_the_label_is_in_the_run_summary(work: Work, deferrable: bool) -> None:
    assert work.run(deferrable=deferrable, label=" SKU-001 ")["label"] == "SKU-001"


@pytest.mark.parametrize(("given", "label"), [(7, "7"), ("", None), (" ", None), (None, None)])
def test_a_label_is_text_or_none(work: Work, given: Any, label: str | None) -> None:
    assert work.run(label=given)["label"] == label


@pytest.mark.parametrize("label", [["SKU"], {"a": 1}, True, "x" * 201])
def test_what_is_no_label_is_refused(work: Work, label: Any) -> None:
    with pytest.raises(WiroUsageError, match="label"):
        work.operator(label=label)


def test_a_run_that_returns_at_once_has_its_label(work: Work) -> None:
    summary = work.run(wait_for_completion=False, label="SKU-001")
    assert (summary["label"], summary["reused"]) == ("SKU-001", False)


def test_another_label_is_the_same_run(work: Work) -> None:
    with pytest.MonkeyPatch.context() as short:
        short.setattr(work.ti, "xcom_push", _die, raising=False)
        with pytest.raises(SystemExit):
            work.run(label="one")
    work.retry()
    assert work.run(label="two")["label"] == "two"
    assert work.started == 1
