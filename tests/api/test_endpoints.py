from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.api import endpoints
from airflow_provider_wiro.api.models import Task
from airflow_provider_wiro.api.parameters import Body, FileContent
from airflow_provider_wiro.exceptions import WiroNotFoundError, WiroResponseError, WiroUsageError
from tests.api.fake_transport import TOKEN

if TYPE_CHECKING:
    from airflow_provider_wiro.api.endpoints import ApiCall

FILE = FileContent("cat.png", "image/png", 3, lambda: io.BytesIO(b"cat"))
TASK = {"id": "2221", "status": "task_start", "socketaccesstoken": TOKEN}
CAT_URL = "https://cdn1.wiro.ai/cat.png"


def _sent(call: ApiCall[Any]) -> tuple[str, Any]:
    assert call.body.form == ()
    return call.path, json.loads(call.body.json or "")


def test_a_run_is_sent_to_the_models_path_and_is_the_one_call_that_is_not_repeatable() -> None:
    run = endpoints.run_model("wiro/Animated Logo", {"prompt": "x", "steps": 60, "seed": None}, {})

    assert _sent(run) == ("Run/wiro/Animated%20Logo", {"prompt": "x", "steps": 60})
    assert not run.is_repeatable


def test_a_run_can_name_a_callback_and_a_project() -> None:
    run = endpoints.run_model(
        "a/b", {"callbackUrl": "old"}, {}, callback_url="https://me.example", project_id="p1"
    )
    assert _sent(run) == ("Run/a/b", {"callbackUrl": "https://me.example", "projectid": "p1"})
    assert _sent(endpoints.run_model("a/b", {}, {}, callback_url="", project_id=None)) == ("Run/a/b", {})


@pytest.mark.parametrize("taskid", ["2221", 2221, " 2221 "])
def test_a_started_run_has_the_tasks_id_and_its_token(taskid: object) -> None:
    started = endpoints.run_model("a/b", {}, {}).read({"taskid": taskid, "socketaccesstoken": TOKEN})
    assert (started.wiro_task_id, started.token) == ("2221", TOKEN)


def test_a_started_run_may_have_no_token() -> None:
    assert endpoints.run_model("a/b", {}, {}).read({"taskid": "2221"}).token is None


@pytest.mark.parametrize("taskid", [None, "", [], {}, True, "a b", "x" * 201, "\x1b[2J"])
def test_a_run_without_a_usable_task_id_is_no_started_run(taskid: object) -> None:
    for envelope in ({"taskid": taskid}, {}):
        with pytest.raises(WiroResponseError, match="no usable task id"):
            endpoints.run_model("a/b", {}, {}).read(envelope)


def test_detail_asks_for_one_task_by_its_id_and_can_be_repeated() -> None:
    call = endpoints.get_task(" 2221 ")

    assert _sent(call) == ("Task/Detail", {"taskid": "2221"})
    assert call.is_repeatable
    assert call.read({"total": "1", "tasklist": [TASK]}) == Task(
        "2221", "task_start", token=TOKEN, shows_parameters=False
    )


def test_a_detail_without_an_id_is_accepted() -> None:
    for nameless in ({"status": "task_start"}, {"id": None, "status": "task_start"}):
        assert endpoints.get_task("2221").read({"tasklist": [nameless]}) == Task(
            "2221", "task_start", shows_parameters=False
        )


def test_a_detail_about_another_task_is_refused() -> None:
    with pytest.raises(
        WiroResponseError, match="Asked for Wiro task 2221, the response was about another one"
    ):
        endpoints.get_task("2221").read({"tasklist": [{**TASK, "id": "2222"}]})


@pytest.mark.parametrize("tasklist", [None, [], {}, "x", [None], [[]]])
def test_a_detail_without_a_task_is_an_error(tasklist: object) -> None:
    for envelope in ({"tasklist": tasklist}, {}):
        with pytest.raises(WiroResponseError, match="Asked for Wiro task 2221, the response held no task"):
            endpoints.get_task("2221").read(envelope)


@pytest.mark.parametrize("bad", ["", " ", None, "None", True, [], {"id": 1}, "a b", "a\nb", "x" * 201])
def test_an_invalid_task_id_is_not_sent(bad: Any) -> None:
    for endpoint in (endpoints.get_task, endpoints.cancel_task, endpoints.kill_task):
        with pytest.raises(WiroUsageError, match="Expected the id of a Wiro task"):
            endpoint(bad)


def test_list_asks_for_the_latest_tasks() -> None:
    assert _sent(endpoints.list_tasks()) == (
        "Task/List",
        {"type": "model", "sort": "id", "order": "DESC", "start": "0", "limit": "20"},
    )
    assert _sent(endpoints.list_tasks(start=100, limit=100, model_name="Retro"))[1] == {
        "type": "model",
        "sort": "id",
        "order": "DESC",
        "start": "100",
        "limit": "100",
        "modelName": "Retro",
    }


def test_a_list_omits_items_that_are_no_tasks() -> None:
    read = endpoints.list_tasks().read
    assert read({"tasklist": [TASK, None, "x", {}]}) == (
        Task("2221", "task_start", token=TOKEN, shows_parameters=False),
        Task("", "", shows_parameters=False),
    )
    assert read({"tasklist": None}) == read({}) == ()


@pytest.mark.parametrize(("start", "limit"), [(-1, 20), (0, 0), (0, 101)])
def test_a_page_beyond_what_wiro_lists_is_refused(start: int, limit: int) -> None:
    for endpoint in (endpoints.list_tasks, endpoints.list_models):
        with pytest.raises(WiroUsageError, match=f"limit from 1 to 100, found {start} and {limit}"):
            endpoint(start=start, limit=limit)


@pytest.mark.parametrize(
    ("endpoint", "path"), [(endpoints.cancel_task, "Task/Cancel"), (endpoints.kill_task, "Task/Kill")]
)
def test_a_stop_sends_the_id_and_returns_the_task_if_it_is_shown(endpoint: Any, path: str) -> None:
    call = endpoint("2221")

    assert _sent(call) == (path, {"taskid": "2221"})
    assert call.is_repeatable
    assert call.read({"tasklist": [{"id": "2221", "status": "task_cancel"}]}).is_cancelled
    assert call.read({"tasklist": []}) is call.read({}) is None


def test_deleting_a_tasks_files_sends_its_token_and_never_shows_it() -> None:
    call = endpoints.delete_task_files(TOKEN)

    assert _sent(call) == ("Task/InputOutputDelete", {"tasktoken": TOKEN})
    assert call.read({}) is None
    assert call.secrets == (TOKEN,)
    assert TOKEN not in repr(call)


def test_a_file_is_uploaded_as_a_form() -> None:
    assert endpoints.upload_file(FILE).path == "File/Upload"
    assert endpoints.upload_file(FILE).body == Body(form=(("file", FILE),))
    assert endpoints.upload_file(FILE, folder_id="7").body == Body(form=(("folderid", "7"), ("file", FILE)))


def test_an_uploaded_file_has_a_url() -> None:
    item = {"id": 7, "name": "cat.png", "contenttype": "image/png", "size": "3", "url": CAT_URL}
    found = endpoints.upload_file(FILE).read({"list": [item]})
    assert (found.id, found.name, found.content_type, found.size, found.url) == (
        "7",
        "cat.png",
        "image/png",
        3,
        CAT_URL,
    )


@pytest.mark.parametrize("files", [None, [], [{}], [{"url": None}], ["x"]])
def test_an_upload_without_a_url_is_an_error(files: object) -> None:
    with pytest.raises(WiroResponseError, match="no URL for it"):
        endpoints.upload_file(FILE).read({"list": files})


def test_a_model_is_asked_for_by_owner_and_name() -> None:
    call = endpoints.get_model(" wiro/Animated Logo ")

    assert _sent(call) == ("Tool/Detail", {"slugowner": "wiro", "slugproject": "Animated Logo"})
    tool = {"slugowner": "wiro", "slugproject": "Animated Logo", "parameters": None}
    assert call.read({"tool": [tool]}).slug == "wiro/Animated Logo"


@pytest.mark.parametrize("tool", [None, [], "x", [None]])
def test_a_model_that_is_not_there_is_not_found(tool: object) -> None:
    with pytest.raises(WiroNotFoundError, match="Wiro has no model wiro/logo"):
        endpoints.get_model("wiro/logo").read({"tool": tool})


def test_the_catalogue_is_asked_for_in_pages() -> None:
    assert _sent(endpoints.list_models()) == (
        "Tool/List",
        {"start": "0", "limit": "20", "hideworkflows": True, "summary": True},
    )
    assert _sent(endpoints.list_models(search="möbel \ud800", categories=("lora-sdxl",), start=40, limit=5))[
        1
    ] == {
        "start": "40",
        "limit": "5",
        "hideworkflows": True,
        "summary": True,
        "search": "möbel \ud800",
        "sort": "relevance",
        "categories": ["lora-sdxl"],
    }


def test_any_search_text_gives_a_body_that_can_be_sent() -> None:
    body = endpoints.list_models(search="\ud800\0ü").body.json
    assert body is not None
    assert body.isascii()


def test_a_page_of_the_catalogue_omits_items_that_are_no_models() -> None:
    read = endpoints.list_models().read
    assert [model.title for model in read({"tool": [{"title": "Retro"}, None]})] == ["Retro"]
    assert read({}) == ()
