"""What a newcomer writes by mistake is refused when the DAG is parsed, or before anything is paid for."""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro.exceptions import WiroMissingConnectionError, WiroUsageError
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator
from airflow_provider_wiro.operators.wiro_upload import WiroUploadOperator
from airflow_provider_wiro.sensors.wiro import WiroTaskSensor
from airflow_provider_wiro.transfers.wiro_project_to_s3 import WiroProjectToS3Operator
from airflow_provider_wiro.transfers.wiro_to_object_storage import WiroToObjectStorageOperator
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator
from tests.operators.fakes import RETRO, SMALL, FakeTi

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_wiro.emulator import WiroEmulator

MAKERS: dict[str, Callable[..., Any]] = {
    "run": lambda **given: WiroRunOperator(**{"task_id": "t", "model": RETRO, "parameters": SMALL} | given),
    "batch": lambda **given: WiroBatchRunOperator(
        **{"task_id": "t", "model": RETRO, "inputs": [SMALL, SMALL]} | given
    ),
    "upload": lambda **given: WiroUploadOperator(**{"task_id": "t", "files": "/data/a.png"} | given),
    "sensor": lambda **given: WiroTaskSensor(**{"task_id": "t", "wiro_task_id": "5"} | given),
    "s3": lambda **given: WiroToS3Operator(
        **{"task_id": "t", "wiro_task_id": "5", "s3_bucket": "pictures"} | given
    ),
    "store": lambda **given: WiroToObjectStorageOperator(
        **{"task_id": "t", "wiro_task_id": "5", "path": "/data/{name}"} | given
    ),
    "export": lambda **given: WiroProjectToS3Operator(**{"task_id": "t", "s3_bucket": "pictures"} | given),
}

AT_PARSE: list[tuple[str, dict[str, Any], str]] = [
    ("s3", {"replace": "false"}, "replace as True or False, found 'false'"),
    ("s3", {"delete_after": "{{ params.delete }}"}, "delete_after as True or False.* no template field"),
    ("s3", {"require_size": None}, "require_size as True or False, found None"),
    ("store", {"replace": "no"}, "replace as True or False, found 'no'"),
    ("run", {"wait_for_completion": "no"}, "wait_for_completion as True or False, found 'no'"),
    ("run", {"deferrable": "yes"}, "deferrable as True or False"),
    ("sensor", {"deferrable": "yes"}, "deferrable as True or False"),
    ("batch", {"include_links": "no"}, "include_links as True or False"),
    ("run", {"model": "{params.owner}/x"}, "two braces on each side"),
    ("run", {"files": {"inputImage": "data/a.png"}}, "'inputImage': .*absolute path.*'data/a.png'"),
    ("run", {"files": {"inputImage": ["~/a.png"]}}, "absolute path.*found '~/a.png'"),
    ("run", {"files": {"inputImage": b"\x89PNG"}}, "'inputImage'.*found bytes"),
    ("run", {"callback_url": "example.com/hook"}, "http\\(s\\) URL for `callback_url`"),
    ("batch", {"inputs": ["a cat", "a dog"]}, "Item 0 of inputs: .*\"a teapot\".*found 'a cat'"),
    ("batch", {"inputs": "tonight.jsonl"}, "inputs as an absolute path"),
    ("batch", {"manifest_uri": "out/m.jsonl"}, "manifest_uri as an absolute path"),
    ("batch", {"s3_bucket": "pictures", "s3_key": "x/{name}"}, "\\{item\\} or \\{wiro_task_id\\} in s3_key"),
    ("s3", {"tags": ["nightly"]}, "tags as True, False or a dict"),
    ("store", {"path": "out/{name}"}, "path as an absolute local path"),
    ("store", {"path": "/data/"}, "names a folder"),
    ("store", {"path": "/data/{filename}"}, "Unknown placeholder \\{filename\\}"),
    ("store", {"path": "/data/../{name}"}, "without '..'"),
    ("upload", {"files": None}, "`files` as the path or URI of a file"),
    ("upload", {"files": ["a.png"]}, "File 0 of `files`: .*absolute path"),
    ("sensor", {"wiro_task_id": ["5", "6"]}, "expand\\(wiro_task_id=run.output\\)"),
    ("sensor", {"wiro_task_id": None}, "returned nothing .*or isn't upstream"),
    ("run", {"parameters": {"prompt": {"wiro_task_id": "5", "outputs": []}}}, "output\\['text'\\]"),
]


@pytest.mark.parametrize(("kind", "given", "said"), AT_PARSE)
def test_what_a_dag_file_has_wrong_is_refused_when_it_is_parsed(
    kind: str, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(WiroUsageError) as caught:
        MAKERS[kind](**given)

    assert re.search(said, str(caught.value))
    assert len(str(caught.value)) < 450


@pytest.mark.parametrize("kind", MAKERS)
def test_no_flag_takes_a_text_which_would_be_true_whatever_it_says(kind: str) -> None:
    arguments = inspect.signature(type(MAKERS[kind]()).__init__).parameters.values()
    flags = [argument.name for argument in arguments if argument.annotation == "bool"]
    for flag in flags:
        with pytest.raises(WiroUsageError, match=f"Expected {flag} as True"):
            MAKERS[kind](**{"s3_bucket": "pictures"} if kind == "batch" else {}, **{flag: "false"})

    assert flags or kind == "upload"


def test_a_task_function_that_is_not_called_is_refused() -> None:
    sdk = pytest.importorskip("airflow.sdk")

    @sdk.task
    def words() -> dict[str, str]:
        return {"prompt": "a dog"}

    with pytest.raises(WiroUsageError, match=r"found the @task function 'words'. Call it: `words\(\)`"):
        MAKERS["run"](parameters=words)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("run", {"files": {"inputImage": "{{ params.picture }}"}, "callback_url": "{{ var.value.hook }}"}),
        (
            "run",
            {"files": {"inputImage": ["s3://shop/a.png", "data:image/png;base64,aGk="]}},
        ),
        ("batch", {"inputs": "{{ params.tonight }}", "s3_key": "s3://shop/x/{name}"}),
        ("batch", {"inputs": [SMALL], "s3_bucket": "shop", "s3_key": "x/{name}"}),
        ("store", {"path": "{{ params.folder }}/{name}", "replace": True}),
        ("s3", {"tags": {"team": "{{ params.team }}"}, "delete_after": True}),
        ("upload", {"files": ["s3://shop/a.png", "/data/a.png"]}),
    ],
)
def test_what_is_right_or_known_only_later_is_not(kind: str, given: dict[str, Any]) -> None:
    MAKERS[kind](**given)


def fails(operator: Any) -> str:
    with pytest.raises(AirflowFailException) as caught:
        operator.execute({"ti": FakeTi(task_id=operator.task_id)})
    return str(caught.value)


def test_a_files_path_among_the_parameters_is_refused_before_it_is_paid_for(
    wiro: WiroEmulator, tmp_path: Path
) -> None:
    picture = tmp_path / "cat.png"
    picture.write_bytes(b"\x89PNG")

    said = fails(MAKERS["run"](parameters={**SMALL, "inputImage": str(picture)}, durable=False))

    assert "Parameter 'inputImage' is the path of a file" in said
    assert "`files`" in said
    assert wiro.counts.tasks_started == 0


def test_parameters_of_a_task_that_returned_nothing_are_refused(wiro: WiroEmulator) -> None:
    operator = MAKERS["run"](parameters="{{ ti.xcom_pull('words') }}", durable=False)
    operator.parameters = None  # as it is rendered

    assert "found None: the task or template" in fails(operator)
    assert wiro.counts.tasks_started == 0


@pytest.mark.parametrize(
    "item",
    [
        {"params": {"prompt": "x"}},
        {"parameters": {"prompt": "x"}, "file": {}},
        {"prompt": "x", "files": {"inputImage": "https://x.test/a.png"}},
    ],
)
def test_an_item_in_a_form_of_its_own_is_refused_before_the_batch_is_paid_for(
    wiro: WiroEmulator, tmp_path: Path, item: dict[str, Any]
) -> None:
    said = fails(MAKERS["batch"](inputs=[item], state_path=str(tmp_path)))

    assert re.match("Item 0 of inputs: found '(params|parameters|files)'", said)
    assert 'exactly {"parameters": {…}, "files": {…}}' in said
    assert wiro.counts.tasks_started == 0


def test_an_item_may_name_its_parameters_alone(wiro: WiroEmulator, tmp_path: Path) -> None:
    MAKERS["batch"](inputs=[{"parameters": SMALL}], state_path=str(tmp_path), deferrable=False).execute(
        {"ti": FakeTi(task_id="t")}
    )

    assert [task.parameters["prompt"] for task in wiro.tasks] == [SMALL["prompt"]]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            json.dumps([{"prompt": "a"}], indent=1),
            "A JSON array is a list: write each",
        ),
        ("prompt,samples\ncat,1\n", "found 'prompt,samples'"),
    ],
)
@pytest.mark.usefixtures("wiro")
def test_a_file_that_is_no_json_lines_shows_what_they_are(tmp_path: Path, body: str, said: str) -> None:
    inputs = tmp_path / "inputs"
    inputs.write_text(body)

    found = fails(MAKERS["batch"](inputs=str(inputs), state_path=str(tmp_path)))

    assert said in found
    assert '{"prompt": "a teapot"}' in found


@pytest.mark.usefixtures("wiro")
def test_a_folder_is_no_file(tmp_path: Path) -> None:
    run = MAKERS["run"](files={"inputImage": str(tmp_path)}, durable=False)

    assert fails(run) == f"File parameter 'inputImage': Expected a file at {tmp_path}, found a folder."


@pytest.mark.usefixtures("wiro")
def test_a_connection_in_a_uri_that_airflow_lacks_is_named_before_another_is_used() -> None:
    run = MAKERS["run"](files={"inputImage": "s3://my_s3@shop/a.png"}, durable=False)

    with pytest.raises(WiroMissingConnectionError, match=r"'inputImage'.*Airflow has no connection 'my_s3'"):
        run.execute({"ti": FakeTi(task_id="t")})


def test_an_unreadable_connection_in_the_environment_is_not_called_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SLOPPY", "{'conn_type': 'wiro', 'password': 'very-secret'}")

    with pytest.raises(WiroMissingConnectionError) as caught:
        _ = WiroHook("sloppy").connection

    assert "can't read connection 'sloppy' from the environment variable AIRFLOW_CONN_SLOPPY" in str(
        caught.value
    )
    assert "very-secret" not in str(caught.value)
