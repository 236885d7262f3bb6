"""Every method of both hooks: what is sent, and how the response is read."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.exceptions import (
    WiroModelNotFoundError,
    WiroNotFoundError,
    WiroNotStoppableError,
    WiroTaskTimeoutError,
    WiroUsageError,
)
from airflow_provider_wiro.hooks import flow_context
from airflow_provider_wiro.hooks.wiro import WiroAsyncHook, WiroHook
from tests.contract.scripts import refuse, reset, respond, success

if TYPE_CHECKING:
    from tests.contract.fixtures import Connect
    from tests.contract.hostile import HostileServer
    from tests.contract.twins import Twin

DETAIL, CANCEL, KILL = "/v1/Task/Detail", "/v1/Task/Cancel", "/v1/Task/Kill"
OUTPUT = {
    "name": "0.png",
    "contenttype": "image/png",
    "size": "202472",
    "url": "https://cdn1.wiro.ai/x/0.png",
}


def task(status: str, **more: Any) -> dict[str, Any]:
    return {"id": "2221", "status": status, "socketaccesstoken": "tok-1", **more}


DONE = task("task_postprocess_end", pexit="0", outputs=[OUTPUT], totalcost="0.0035", elapsedseconds="6.0000")


def test_both_hooks_have_the_same_methods() -> None:
    def methods(hook: type) -> set[str]:
        return {name for name, value in vars(hook).items() if callable(value) and not name.startswith("_")}

    forms = {"get_ui_field_behaviour", "get_connection_form_widgets"}
    only_blocking = forms | {"get_conn", "for_stopping", "for_thread", "interrupted_by"}
    only_async = {"get_session", "get_wiro_connection"}
    assert methods(WiroHook) - only_blocking == methods(WiroAsyncHook) - only_async


@pytest.mark.parametrize(
    ("slug", "path"),
    [
        ("retroAIx/Retro-Cartoons", "/v1/Run/retroAIx/Retro-Cartoons"),
        (" wiro / Animated Logo ", "/v1/Run/wiro/Animated%20Logo"),
        ("wiro/ünïcode+&=", "/v1/Run/wiro/%C3%BCn%C3%AFcode%2B%26%3D"),
        ("wiro/a@b;c", "/v1/Run/wiro/a%40b%3Bc"),
    ],
)
def test_run_model_posts_json_to_the_encoded_slug(
    server: HostileServer, twin: Twin, slug: str, path: str
) -> None:
    server.on(path, success(taskid=2221, socketaccesstoken="tok-1"))
    started = twin.run_model(
        slug,
        {"prompt": "çizgi", "samples": 4, "scale": "4", "seed": None},
        callback_url="https://me/x",
        project_id="p",
    )
    (request,) = server.requests
    assert (started.wiro_task_id, started.token) == ("2221", "tok-1")
    assert request.headers["content-type"] == "application/json"
    assert request.json == {
        "prompt": "çizgi", "samples": 4, "scale": "4", "callbackUrl": "https://me/x", "projectid": "p"
    }  # fmt: skip
    assert "tok-1" not in repr(started)


def test_a_prompt_of_three_megabytes_is_sent_without_a_warning(server: HostileServer, twin: Twin) -> None:
    server.on("/v1/Run/o/m", success(taskid="1"))
    twin.run_model("o/m", {"prompt": "ş" * 1_500_000})
    assert server.requests[0].json == {"prompt": "ş" * 1_500_000}


@pytest.mark.parametrize(
    "slug", ["", "one", "a/b/c", "a/..", "../b", "https://wiro.ai/a/b", "a/b?x=1", "a/b#c", None]
)
def test_a_bad_slug_is_refused_before_anything_is_sent(server: HostileServer, twin: Twin, slug: Any) -> None:
    with pytest.raises(WiroUsageError, match="owner/model"):
        twin.run_model(slug, {})
    assert server.connections == 0


def test_the_connections_project_is_billed_unless_another_is_named(
    server: HostileServer, connect: Connect, twin: Twin
) -> None:
    connect(project_id="from-connection")
    server.on("/v1/Run/o/m", success(taskid="1"))
    twin.run_model("o/m")
    twin.run_model("o/m", project_id="named")
    assert [request.json for request in server.requests] == [
        {"projectid": "from-connection"},
        {"projectid": "named"},
    ]


def test_get_task_reads_what_the_contract_shows(server: HostileServer, twin: Twin) -> None:
    server.on(DETAIL, success(total="1", tasklist=[DONE]))
    found = twin.get_task(" 2221 ")
    assert server.requests[0].json == {"taskid": "2221"}
    assert (found.id, found.has_succeeded, found.cost_usd, found.elapsed_seconds) == (
        "2221",
        True,
        "0.0035",
        6.0,
    )
    assert (found.outputs[0].size, found.outputs[0].url) == (202472, OUTPUT["url"])
    assert "tok-1" not in repr(found)


def test_get_task_says_when_there_is_none(server: HostileServer, twin: Twin) -> None:
    server.on(DETAIL, refuse(1, "There is no task yet."))
    with pytest.raises(WiroNotFoundError, match="Wiro doesn't know task "):
        twin.get_task("5")


def test_list_tasks_asks_for_the_latest(server: HostileServer, twin: Twin) -> None:
    server.on("/v1/Task/List", success(tasklist=[task("task_start"), {"id": "1"}, None, "junk"]))
    found = twin.list_tasks(limit=2, model_name="m")
    assert server.requests[0].json == {
        "type": "model", "sort": "id", "order": "DESC", "start": "0", "limit": "2", "modelName": "m"
    }  # fmt: skip
    assert [one.id for one in found] == ["2221", "1"]


def test_wait_for_task_follows_it_through_faults_and_unknown_statuses(
    server: HostileServer, twin: Twin
) -> None:
    server.on(
        DETAIL,
        success(tasklist=[task("task_queue")]),
        reset,
        success(tasklist=[task("task_of_the_future")]),
        respond(b"<html>", 502),
        success(tasklist=[task("task_end")]),
        success(tasklist=[DONE]),
    )
    seen: list[str] = []
    ended = twin.wait_for_task("2221", poll_interval=0.005, observe=lambda one: seen.append(one.status))
    assert ended.has_succeeded
    assert seen == ["task_queue", "task_of_the_future", "task_end", "task_postprocess_end"]


def test_wait_for_task_gives_up_at_its_deadline(server: HostileServer, twin: Twin) -> None:
    server.on(DETAIL, success(tasklist=[task("task_start")]))
    with pytest.raises(WiroTaskTimeoutError, match="task_start"):
        twin.wait_for_task("2221", timeout=0.05, poll_interval=0.01)
    with pytest.raises(WiroTaskTimeoutError):
        twin.wait_for_task("2221", deadline=datetime(2020, 1, 1, tzinfo=UTC))


def test_wait_for_task_has_a_default_deadline(
    server: HostileServer, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert flow_context.DEFAULT_TIMEOUT_SECONDS == 3600
    monkeypatch.setattr(flow_context, "DEFAULT_TIMEOUT_SECONDS", 0.05)
    server.on(DETAIL, success(tasklist=[task("task_start")]))
    with pytest.raises(WiroTaskTimeoutError, match="task_start"):
        twin.wait_for_task("2221", poll_interval=0.01)


@pytest.mark.parametrize("patience", ["soon", "-1", "nan", "inf"])
def test_an_invalid_patience_starts_nothing_and_still_lets_tasks_be_stopped(
    server: HostileServer, twin: Twin, monkeypatch: pytest.MonkeyPatch, patience: str
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__POLL_PATIENCE", patience)
    for _ in range(2):
        with pytest.raises(WiroUsageError, match="poll_patience"):
            twin.run_model("wiro/model", {})
    assert server.requests == []

    server.on(CANCEL, success(tasklist=[task("task_cancel")]))
    assert twin.cancel_task("2221").is_cancelled


@pytest.mark.parametrize(("method", "path"), [("cancel_task", CANCEL), ("kill_task", KILL)])
def test_cancel_and_kill_send_the_id(server: HostileServer, twin: Twin, method: str, path: str) -> None:
    server.on(path, success(tasklist=[task("task_cancel")]))
    assert getattr(twin, method)("2221").is_cancelled
    assert server.requests[0].json == {"taskid": "2221"}


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("cancel_task", CANCEL, "Task is not in a cancellable state."),
        ("kill_task", KILL, "Task could not be killed: not running"),
    ],
)
def test_a_task_that_cannot_be_stopped_this_way_is_an_error(
    server: HostileServer, twin: Twin, method: str, path: str, words: str
) -> None:
    server.on(path, refuse(1, words))
    with pytest.raises(WiroNotStoppableError):
        getattr(twin, method)("2221")


def test_stop_task_kills_what_it_cannot_cancel(server: HostileServer, twin: Twin) -> None:
    server.on(CANCEL, refuse(1, "Task is not in a cancellable state.")).on(
        KILL, success(tasklist=[task("task_cancel")])
    )
    assert twin.stop_task("2221").is_cancelled
    assert [request.path for request in server.requests] == [CANCEL, KILL]


def test_stop_task_leaves_one_that_has_ended_as_it_is(server: HostileServer, twin: Twin) -> None:
    server.on(CANCEL, refuse(1, "Task is not in a cancellable state."))
    server.on(KILL, refuse(1, "Task could not be killed: ended")).on(DETAIL, success(tasklist=[DONE]))
    assert twin.stop_task("2221").has_succeeded


def test_stop_task_is_retried_while_the_task_changes_its_state(server: HostileServer, twin: Twin) -> None:
    server.on(CANCEL, refuse(1, "Task is not in a cancellable state."))
    server.on(KILL, refuse(1, "Task could not be killed: no worker"), success(tasklist=[task("task_cancel")]))
    server.on(DETAIL, success(tasklist=[task("task_assign")]))
    assert twin.stop_task("2221").is_cancelled


def test_delete_task_files_sends_the_token_that_detail_shows(server: HostileServer, twin: Twin) -> None:
    server.on(DETAIL, success(tasklist=[DONE])).on("/v1/Task/InputOutputDelete", success())
    twin.delete_task_files("2221")
    assert server.to("/v1/Task/InputOutputDelete")[0].json == {"tasktoken": "tok-1"}


MODEL = {
    "slugowner": "retroAIx",
    "slugproject": "Retro-Cartoons",
    "cleanslugowner": "retroaix",
    "cleanslugproject": "retro-cartoons",
    "parameters": [
        {"title": "x", "items": [{"id": "inputImage", "type": "fileinput", "required": True}]},
        None,
    ],
    "dynamicprice": json.dumps([{"inputs": {}, "price": 0.13, "priceMethod": "cpr"}]),
    "categories": '["lora-sdxl"]',
}


def test_get_model_reads_parameters_and_prices(server: HostileServer, twin: Twin) -> None:
    server.on("/v1/Tool/Detail", success(tool=[MODEL]))
    model = twin.get_model("retroAIx/Retro-Cartoons")
    assert server.requests[0].json == {"slugowner": "retroAIx", "slugproject": "Retro-Cartoons"}
    assert [(one.id, one.kind, one.required) for one in model.parameters] == [
        ("inputImage", "fileinput", True)
    ]
    assert (model.prices[0]["price"], model.categories) == (0.13, ("lora-sdxl",))


def test_an_estimate_is_the_list_price_and_asks_for_nothing_but_the_model(
    server: HostileServer, twin: Twin
) -> None:
    server.on("/v1/Tool/Detail", success(tool=[MODEL]))
    estimate = twin.estimate("retroAIx/Retro-Cartoons", {"prompt": "x"}, {"inputImage": "/no/such/file.png"})
    assert (estimate.is_exact, estimate.maximum_usd) == (True, Decimal("0.13"))
    assert twin.estimate("retroAIx/Retro-Cartoons", {"prompt": "y"}) == estimate
    assert [request.path for request in server.requests] == ["/v1/Tool/Detail"]


@pytest.mark.parametrize(("files", "usd"), [
    ({"inputImage": "/no/such/file.png"}, "0.09"),
    ({"inputImage": ["s3://bucket/no.png", "https://a.example/1.png"]}, "0.14"),
    ({"inputImageUrl": "https://a.example/1.png"}, "0.09"),
    ({"inputImage": [["/1.png"], ["/2.png", None]]}, "0.14"),
    ({"inputImage": {"wiro_task_id": "1", "outputs": [{"url": "https://a.example/1"}] * 2}}, "0.14"),
    ({"inputImage": []}, None), ({"inputImage": ["/1", "/2", "/3"]}, None), (None, None),
])  # fmt: skip
def test_an_estimate_counts_files_without_opening_them(
    server: HostileServer, twin: Twin, files: Any, usd: str | None
) -> None:
    rows = [
        {"inputs": {"inputImage": f"QUANTITY:{n}"}, "price": price} for n, price in ((1, 0.09), (2, 0.14))
    ]
    server.on("/v1/Tool/Detail", success(tool=[{**MODEL, "dynamicprice": json.dumps(rows)}]))
    assert twin.estimate("retroAIx/Retro-Cartoons", files=files).to_json()["max_usd"] == usd


@pytest.mark.parametrize(("arguments", "message"), [
    ({"parameters": ["a"]}, "Expected `parameters` as a dict"),
    ({"parameters": {"prompt": object()}}, "Parameter 'prompt' can't be sent"),
    ({"files": ["a.png"]}, "Expected `files` as a dict of file parameter to file, found list"),
])  # fmt: skip
def test_an_estimate_of_what_no_run_takes_is_refused_before_anything_is_asked(
    server: HostileServer, twin: Twin, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(WiroUsageError, match=re.escape(message)):
        twin.estimate("retroAIx/Retro-Cartoons", **arguments)
    assert not server.requests


def test_an_estimate_of_no_model_names_the_nearest(server: HostileServer, twin: Twin) -> None:
    server.on("/v1/Tool/Detail", refuse(1, "tool-not-accessible"))
    server.on("/v1/Tool/List", success(total=1, tool=[MODEL]))
    with pytest.raises(WiroModelNotFoundError, match="did you mean 'retroAIx/Retro-Cartoons'"):
        twin.estimate("retroAIx/Retro-Cartoonz")


def test_list_models_asks_for_a_page(server: HostileServer, twin: Twin) -> None:
    server.on("/v1/Tool/List", success(total=1, tool=[MODEL]))
    (model,) = twin.list_models(search="cartoon", categories=["lora-sdxl"], start=20, limit=10)
    sent = server.requests[0].json
    assert (sent["search"], sent["categories"], sent["start"], sent["limit"]) == (
        "cartoon",
        ["lora-sdxl"],
        "20",
        "10",
    )
    assert model.clean_slug == "retroaix/retro-cartoons"


@pytest.mark.parametrize("script", [success(tasklist=[]), refuse(1, "There is no task yet.")])
def test_test_connection_makes_one_free_call_and_names_the_mode(
    server: HostileServer, connect: Connect, twin: Twin, script: Any
) -> None:
    server.on("/v1/Task/List", script)
    assert twin.test_connection() == (True, "Wiro accepts the connection (signature mode).")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (refuse(0, "Project authorization is not valid.", 401), "Project authorization is not valid"),
        (respond(b"<!DOCTYPE html><p>hello", 200), "web page"),
        (reset, "No response"),
    ],
)
def test_test_connection_says_what_is_wrong(
    server: HostileServer, twin: Twin, script: Any, words: str
) -> None:
    server.on("/v1/Task/List", script)
    works, message = twin.test_connection()
    assert not works
    assert words in message
    assert len(server.requests) == 1


def test_test_connection_of_a_connection_without_a_key_says_so(connect: Connect, twin: Twin) -> None:
    connect(login="", password="")
    works, message = twin.test_connection()
    assert not works
    assert "no API key" in message


@pytest.mark.parametrize("wiro_task_id", ["", " ", "a b", None, "x" * 300, "a\nb", {"id": 1}])
def test_a_bad_task_id_is_refused_before_anything_is_sent(
    server: HostileServer, twin: Twin, wiro_task_id: Any
) -> None:
    with pytest.raises(WiroUsageError):
        twin.get_task(wiro_task_id)
    assert server.connections == 0


def test_a_detail_of_another_task_is_refused(server: HostileServer, twin: Twin, no_repeats: None) -> None:
    server.on(DETAIL, success(tasklist=[{**DONE, "id": "9"}]))
    with pytest.raises(Exception, match="another one"):
        twin.get_task("2221")


def test_a_closed_hook_opens_again(server: HostileServer, twin: Twin) -> None:
    server.on(DETAIL, success(tasklist=[DONE]))
    twin.get_task("2221")
    if twin.kind == "blocking":
        twin.hook.close()
    else:
        twin._runner.run(twin.hook.close())  # type: ignore[attr-defined]
    assert twin.get_task("2221").id == "2221"
    assert server.connections == 2
