"""The token of an earlier task, with which an LLM goes on with a conversation, is shown nowhere."""

from __future__ import annotations

import asyncio
import base64
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException

from airflow_provider_wiro import version_compat
from airflow_provider_wiro.emulator import Fault, WiroEmulator
from airflow_provider_wiro.hooks.wiro import WiroAsyncHook, WiroHook
from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator
from tests.operators.fakes import GPT, FakeTi

if TYPE_CHECKING:
    from tests.operators.fakes import Work

PREVIOUS, OTHER = "tok-previous-5f2e9d1c", "tok-other-77aa01b2"
SIGNED = "https://b.s3.test/k.png?X-Amz-Expires=60&X-Amz-Signature=5igned0123456789"
PARAMETERS = {"prompt": "and then?", "previousTaskToken": PREVIOUS}


@pytest.fixture
def masked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what Airflow is asked to mask."""
    found: list[str] = []

    async def mask_secret_async(secret: str) -> None:
        found.append(secret)

    monkeypatch.setattr(version_compat, "mask_secret", found.append)
    monkeypatch.setattr(version_compat, "mask_secret_async", mask_secret_async)
    return found


def context(**more: Any) -> Any:
    return {"ti": FakeTi(map_index=0), "run_id": "r", "params": {"token": PREVIOUS}, **more}


@pytest.mark.parametrize("parameters", [PARAMETERS, {"previousTaskToken": "{{ params.token }}"}])
def test_it_is_masked_as_soon_as_it_is_rendered(masked: list[str], parameters: dict[str, Any]) -> None:
    one = WiroRunOperator(task_id="ask", model=GPT, parameters=parameters)

    one.render_template_fields(context())

    assert masked == [PREVIOUS]


def test_it_is_masked_in_a_mapped_task(masked: list[str]) -> None:
    with DAG("chats", schedule=None) as dag:
        mapped = WiroRunOperator.partial(task_id="ask", model=GPT).expand(parameters=[PARAMETERS])

    mapped.render_template_fields(context(dag=dag, dag_run=SimpleNamespace(conf={})))

    assert masked == [PREVIOUS]


def test_it_is_masked_in_the_items_of_a_batch(masked: list[str]) -> None:
    other = {"prompt": "why?", "previousTaskToken": OTHER}
    one = WiroBatchRunOperator(
        task_id="ask",
        model=GPT,
        inputs=[PARAMETERS, {"parameters": other, "files": {}}, PARAMETERS],
        parameters={"previousTaskToken": None},
    )

    one.render_template_fields(context())

    assert masked == [PREVIOUS, OTHER]


def test_airflow_shows_no_secret_of_any_kind_among_the_rendered_fields() -> None:
    """With Airflow's own code, as its task runner calls it."""
    runner = pytest.importorskip("airflow.sdk.execution_time.task_runner", reason="Airflow 2.11")
    masker = pytest.importorskip("airflow.sdk._shared.secrets_masker", reason="Airflow 3.0")
    basic = base64.b64encode(b"robert:Basic-pass-1").decode()
    inputs: list[Any] = [
        {"password": 918273, "pin": 837261, "apiKeys": ["Plural-key-1"], "max_tokens": 4096, "seed": 918274},
        {"parameters": {"config": json.dumps({"apiKey": "Json-key-12"})}, "files": {"a": SIGNED}},
        {
            "headers": {"Authorization": f"Basic {basic}"},
            "credentials": {"user": "robert", "p": "Nested-pass-1"},
        },
        {"hook": "https://hooks.slack.com/services/T01/B02/Slack-path-1"},
    ]
    one = WiroRunOperator(
        task_id="one",
        model=GPT,
        parameters={str(number): item for number, item in enumerate(inputs)},
        files={"inputImage": SIGNED},
        callback_url="https://robert:Callback-pass-1@hook.test/in?token=Callback-token-1",
    )
    batch = WiroBatchRunOperator(task_id="batch", model=GPT, inputs=inputs, files={"inputImage": SIGNED})
    try:
        for operator in (one, batch):
            operator.render_template_fields(context())
            shown = repr(runner._serialize_rendered_fields(operator))
            for secret in ("918273", "837261", "-key-1", "-pass-1", basic, "-path-1", "-token-1", "5igned"):
                assert secret not in shown
            for kept in ("4096", "918274", "robert", "b.s3.test/k.png"):
                assert kept in shown
    finally:
        masker.reset_secrets_masker()


def test_many_items_do_not_have_airflow_compile_its_pattern_for_each(masked: list[str]) -> None:
    items = [{"previousTaskToken": f"tok-{number:010}"} for number in range(10_000)]

    WiroBatchRunOperator(task_id="ask", model=GPT, inputs=items).render_template_fields(context())

    assert len(masked) == 100


@pytest.mark.parametrize("parameters", [None, "{{ 1 }}", {"previousTaskToken": ""}, {"previousTaskToken": 5}])
def test_where_there_is_none_nothing_is_masked(masked: list[str], parameters: Any) -> None:
    WiroRunOperator(task_id="ask", model=GPT, parameters=parameters).render_template_fields(context())

    assert masked == []


def test_the_hooks_mask_it_too(wiro: WiroEmulator, masked: list[str]) -> None:
    async def run() -> None:
        async with WiroAsyncHook() as hook:
            await hook.run_model(GPT, PARAMETERS)

    with WiroHook() as hook:
        hook.run_model(GPT, PARAMETERS)
    assert masked.count(PREVIOUS) == 1
    asyncio.run(run())
    assert masked.count(PREVIOUS) == 2


@pytest.mark.parametrize("deferrable", [False, True])
def test_it_is_sent_and_kept_nowhere(wiro: WiroEmulator, work: Work, deferrable: bool) -> None:
    summary = work.run(model=GPT, parameters=PARAMETERS, deferrable=deferrable)

    [task] = wiro.tasks
    assert task.parameters["previousTaskToken"] == PREVIOUS
    assert PREVIOUS not in json.dumps(summary)
    assert PREVIOUS not in work.kept_text()


def test_an_error_that_echoes_it_does_not_show_it(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("api_error", "Run", code=0, message=f"Token {PREVIOUS} is not of this session."))

    with pytest.raises(AirflowFailException, match=r"Token \*\*\* is not of this session"):
        work.run(model=GPT, parameters=PARAMETERS)
    assert PREVIOUS not in work.kept_text()
