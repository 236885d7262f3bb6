"""The "Wiro task" button: where it leads, and that nothing a server sends can lead it elsewhere."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_provider_wiro.exceptions import WiroMissingConnectionError
from airflow_provider_wiro.links import wiro as links
from airflow_provider_wiro.links.wiro import WiroTaskLink, begin_without_url, push_task_url, task_url
from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator
from airflow_provider_wiro.sensors.wiro import WiroTaskSensor
from tests.operators.fakes import FakeTi

REAL = "https://api.wiro.ai/v1"


def test_a_task_of_the_real_wiro_is_shown_on_its_models_page() -> None:
    url = task_url(REAL, "retroAIx/Retro-Cartoons", "2221")

    assert url == "https://wiro.ai/models/retroAIx/Retro-Cartoons#task-2221"


def test_the_link_of_a_model_with_spaces_and_of_no_model() -> None:
    assert task_url(REAL, " wiro/Animated Logo ", "7") == "https://wiro.ai/models/wiro/Animated%20Logo#task-7"
    assert task_url(REAL, None, "7") == "https://wiro.ai/#task-7"


@pytest.mark.parametrize("model", [None, "retroAIx/Retro-Cartoons"])
def test_a_task_of_an_emulator_is_shown_on_its_front_page(model: str | None) -> None:
    assert task_url("http://127.0.0.1:8900/v1", model, "7") == "http://127.0.0.1:8900/#task-7"


@pytest.mark.parametrize("hostile", ["1/../../evil", "1?x=y", "1#a", "<script>", '"onclick="x', "ü", "%2e"])
@pytest.mark.parametrize("base_url", [REAL, "http://127.0.0.1:8900/v1"])
def test_a_hostile_id_stays_in_the_fragment(hostile: str, base_url: str) -> None:
    harmless, found = (urlsplit(task_url(base_url, None, wiro_task_id)) for wiro_task_id in ("1", hostile))

    assert found[:4] == harmless[:4]
    assert found.fragment.startswith("task-")
    assert not set(found.fragment) & set("/?#<>\"'")
    assert found.geturl().isascii()


def test_what_is_pushed_is_what_the_button_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    ti = FakeTi()
    operator = WiroRunOperator(task_id="generate", model="a/b")
    begin_without_url(operator)
    push_task_url(operator, {"ti": ti}, base_url=REAL, model=None, wiro_task_id="7")

    class Stored:
        @staticmethod
        def get_value(*, key: str, ti_key: Any) -> Any:
            assert ti_key == "the task instance"
            return ti.xcoms.get(key)

    monkeypatch.setattr(links, "XCom", Stored)
    link = WiroTaskLink()

    assert ti.xcoms == {link.xcom_key: "https://wiro.ai/#task-7"}
    assert link.get_link(operator, ti_key="the task instance") == "https://wiro.ai/#task-7"  # type: ignore[arg-type]
    ti.xcoms.clear()
    assert link.get_link(operator, ti_key="the task instance") == ""  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "operator",
    [
        WiroRunOperator(task_id="run", model="a/b", wiro_conn_id="not_there"),
        WiroBatchRunOperator(
            task_id="batch", model="a/b", inputs=[{"prompt": "x"}], wiro_conn_id="not_there"
        ),
        WiroTaskSensor(task_id="wait", wiro_task_id="7", wiro_conn_id="not_there"),
    ],
)
def test_a_try_that_submits_nothing_reads_no_missing_xcom(
    operator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Missing:
        @staticmethod
        def get_value(*, key: str, ti_key: Any) -> Any:
            raise AssertionError(f"asked for {key}, which Airflow logs as an error")

    monkeypatch.setattr(links, "XCom", Missing)
    with pytest.raises(WiroMissingConnectionError, match="not_there"):
        operator.execute({"ti": FakeTi()})

    assert WiroTaskLink().get_link(operator, ti_key=FakeTi()) == ""  # type: ignore[arg-type]


def test_the_operator_and_the_sensor_have_the_button() -> None:
    for kind in (WiroRunOperator, WiroTaskSensor):
        link = kind.operator_extra_links[0]
        assert isinstance(link, WiroTaskLink)
        assert link.name == "Wiro task"
