"""OpenLineage is given what each attempt of a run cost, also of one that failed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, TaskDeferred

from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.exceptions import WiroTaskFailedError, WiroTaskTimeoutError, WiroTooFewOutputsError
from tests.operators.fakes import GPT, RETRO, fire

if TYPE_CHECKING:
    from airflow_provider_wiro.operators.wiro import WiroRunOperator
    from tests.operators.fakes import Work


def extracted(operator: Any, method: str) -> Any:
    """Return the operator's lineage as the OpenLineage provider asks for it."""
    from airflow.providers.openlineage.extractors.base import DefaultExtractor

    return getattr(DefaultExtractor(operator), method)(None)


def on_failure(work: Work, operator: WiroRunOperator, error: type[BaseException] = AirflowException) -> Any:
    """Run a try that fails, and return its run facet."""
    with pytest.raises(error):
        operator.execute(work.context)
    return extracted(operator, "extract_on_failure").run_facets["wiro"]


def test_a_run_says_its_model_its_task_and_its_cost(work: Work) -> None:
    operator = work.operator()
    summary = operator.execute(work.context)

    lineage = extracted(operator, "extract_on_complete")

    assert [(one.namespace, one.name) for one in lineage.inputs] == [("wiro://models", RETRO)]
    facet = lineage.run_facets["wiro"]
    assert (facet.wiroTaskId, facet.model, facet.state) == (summary["wiro_task_id"], RETRO, "succeeded")
    assert (facet.costUsd, facet.elapsedSeconds) == (summary["cost_usd"], summary["elapsed_seconds"])
    assert facet.createdAt <= facet.endedAt


def test_after_a_deferral_the_resumed_process_says_it(work: Work) -> None:
    deferred = work.defer()
    operator = work.operator(deferrable=True)
    summary = operator.execute_complete(work.context, event=fire(deferred), **deferred.kwargs)
    assert extracted(operator, "extract_on_complete").run_facets["wiro"].costUsd == summary["cost_usd"]


def test_a_failed_attempt_says_that_it_cost_nothing(work: Work) -> None:
    work.wiro.inject(Fault("exit_code"))
    facet = on_failure(work, work.operator(), WiroTaskFailedError)
    assert (facet.state, facet.costUsd) == ("failed", "0")


def test_an_attempt_with_too_few_outputs_says_what_it_cost(work: Work) -> None:
    work.wiro.inject(Fault("no_outputs"))
    facet = on_failure(work, work.operator(min_outputs=1), WiroTooFewOutputsError)
    assert facet.state == "succeeded"
    assert float(facet.costUsd) > 0


def test_a_killed_attempt_says_what_wiro_charged_for_it(work: Work) -> None:
    work.wiro.inject(Fault("stuck_running"))
    work.wiro.inject(Fault("billed_kill"))
    operator = work.operator()
    operator.hook.pause = lambda _: (  # type: ignore[method-assign,assign]
        operator.on_kill() if "task_output" in work.statuses else None,
        operator._stopper.check(),
    )
    facet = on_failure(work, operator)
    assert (facet.wiroTaskId, facet.state) == (work.wiro.tasks[0].id, "cancelled")
    assert float(facet.costUsd) > 0


def test_an_attempt_that_is_stopped_at_its_timeout_says_which_task_it_was(work: Work) -> None:
    work.wiro.inject(Fault("stuck_in_queue"))
    facet = on_failure(work, work.operator(timeout=0.2), WiroTaskTimeoutError)
    assert (facet.wiroTaskId, facet.state, facet.costUsd) == (work.wiro.tasks[0].id, "cancelled", "0")


def test_a_run_that_is_not_waited_for_says_its_task(work: Work) -> None:
    operator = work.operator(wait_for_completion=False)
    summary = operator.execute(work.context)
    facet = extracted(operator, "extract_on_complete").run_facets["wiro"]
    assert (facet.wiroTaskId, facet.costUsd) == (summary["wiro_task_id"], None)


def test_an_attempt_that_has_started_nothing_says_nothing(work: Work) -> None:
    operator = work.operator(model="no/such")
    with pytest.raises(AirflowException):
        operator.execute(work.context)
    assert extracted(operator, "extract_on_failure") is None
    assert extracted(work.operator(), "extract_on_complete") is None


def test_secrets_and_prompts_are_not_in_it(work: Work) -> None:
    from openlineage.client.serde import Serde  # type: ignore[import-not-found]

    operator = work.operator(model=GPT, parameters={"prompt": "the plan for spring"})
    operator.execute(work.context)
    sent = Serde.to_json(extracted(operator, "extract_on_complete").run_facets["wiro"])
    assert '"costUsd"' in sent
    assert "the plan for spring" not in sent
    assert work.wiro.tasks[0].token not in sent


def test_without_openlineage_there_is_nothing_to_say(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = work.operator()
    operator.execute(work.context)
    monkeypatch.setitem(sys.modules, "airflow.providers.openlineage.extractors", None)
    assert operator.get_openlineage_facets_on_complete(None) is None
    assert operator.get_openlineage_facets_on_failure(None) is None


def test_a_try_that_defers_says_nothing_yet(work: Work) -> None:
    operator = work.operator(deferrable=True)
    work.wiro.inject(Fault("stuck_running"))
    with pytest.raises(TaskDeferred):
        operator.execute(work.context)
    assert extracted(operator, "extract_on_complete") is None
