"""A run's first output has a button on its task's page, and with log_links its outputs are in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.run.shown_outputs import show_outputs
from tests.operators.fakes import SMALL

if TYPE_CHECKING:
    from tests.operators.fakes import Work

KEY = "wiro_first_output_url"


def output_lines(work: Work) -> list[str]:
    return [line for line in work.log.lines if line.startswith("Output: ")]


@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
def test_a_run_shows_its_first_output_and_logs_none_unless_asked_to(work: Work, deferrable: bool) -> None:
    summary = work.run(deferrable=deferrable, parameters={**SMALL, "samples": 2})

    assert work.ti.xcoms[KEY] == summary["outputs"][0]["url"]
    assert output_lines(work) == []


@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
def test_all_outputs_are_logged_if_asked_for(work: Work, deferrable: bool) -> None:
    summary = work.run(deferrable=deferrable, log_links=True, parameters={**SMALL, "samples": 2})

    assert output_lines(work) == [f"Output: {output['url']}" for output in summary["outputs"]]
    assert len(summary["outputs"]) == 2


def test_a_failed_run_shows_none(work: Work) -> None:
    work.wiro.inject(Fault("exit_code", times=1))

    with pytest.raises(Exception, match="failed"):
        work.run(log_links=True)

    assert KEY not in work.ti.xcoms
    assert output_lines(work) == []


def test_a_run_that_nobody_waits_for_and_an_estimate_show_none(work: Work) -> None:
    work.run(wait_for_completion=False, log_links=True)
    work.run(estimate_only=True, log_links=True)

    assert KEY not in work.ti.xcoms
    assert output_lines(work) == []


def test_a_signed_url_is_neither_shown_nor_logged(work: Work) -> None:
    signed = "https://cdn1.wiro.ai/0.png?Expires=9&Signature=keep-me-out"
    operator = work.operator()
    summary = {"outputs": [{"name": "0.png", "url": signed}]}

    assert show_outputs(operator, work.context, summary, logs_links=True) == summary

    assert KEY not in work.ti.xcoms
    assert "keep-me-out" not in work.log
    assert output_lines(work) == [
        "Output: 0.png. Its link is not logged: it has a signature or another secret in it."
    ]


def test_log_links_is_true_or_false(work: Work) -> None:
    with pytest.raises(WiroUsageError, match="log_links"):
        work.operator(log_links="yes")
