"""Items that come as data name URLs and objects; nothing of the worker's unless the DAG allows it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, BaseOperator

from airflow_provider_wiro.batch.inputs.data_trust import DataTrust
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator
from airflow_provider_wiro.version_compat import is_mapped_instance
from tests.batch.batch_work import TINY
from tests.operators.fakes import RETRO

if TYPE_CHECKING:
    from pathlib import Path

    from tests.batch.batch_work import BatchWork

URL = "https://example.com/cat.png"


def check(source: Any, **allowed: Any) -> None:
    DataTrust(**allowed).check({}, {"inputImage": source})


@pytest.mark.parametrize(
    "source",
    [
        "/opt/airflow/airflow.cfg",
        "/allowed/../opt/airflow/airflow.cfg",
        "/allowedtoo/x.png",
        "/allowed",
        "file:///opt/airflow/airflow.cfg",
        "FILE:///opt/airflow/airflow.cfg",
        "local:///opt/airflow/airflow.cfg",
        " file:///opt/airflow/airflow.cfg",
        "file://localhost/opt/airflow/airflow.cfg",
        "file:/opt/airflow/airflow.cfg",
        "airflow.cfg",
        "~/airflow.cfg",
        "",
        "/allowed/x\0",
        "s3://other@bucket/key",
        "s3://other@aws_default@bucket/key",
        "S3://other@bucket/key",
        "gs://bucket/key",
        "gs://google@bucket/key",
        "gs://aws_default@bucket/key",
        "sftp://aws_default@host/etc/passwd",
        "simplecache::s3://aws_default@bucket/key",
        "zip://x::file:///etc/a.zip",
        "github://user:repo@main/x",
        [URL, ["/etc/passwd"]],
        {"uri": "file:///etc/passwd"},
        {"url": "/etc/passwd"},
        {"files": [{"uri": "s3://other@bucket/key"}]},
        {"files": ["/etc/passwd"]},
        {"outputs": [{"url": URL}, {"url": "/etc/passwd"}]},
    ],
)
def test_what_is_the_workers_is_refused(source: Any) -> None:
    with pytest.raises(WiroUsageError) as refused:
        check(source, local_paths=["/allowed"])
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize(
    "source",
    [
        URL,
        " HTTP://example.com/cat.png",
        "data:image/png;base64,AAAA",
        "s3://bucket/key",
        "s3://aws_default@bucket/key",
        "gs://google@bucket/key",
        "/allowed/cat.png",
        "file:///allowed/sub/cat.png",
        {"url": URL, "name": "cat.png"},
        {"files": [{"uri": "s3://bucket/key"}]},
        None,
        [URL, None],
    ],
)
def test_urls_objects_and_what_the_dag_allows_are_taken(source: Any) -> None:
    check(source, local_paths=["/allowed"], connections=["google"])


def test_an_allowed_folder_is_not_left_by_a_symbolic_link(tmp_path: Path) -> None:
    allowed, secret = tmp_path / "allowed", tmp_path / "secret"
    allowed.mkdir()
    secret.write_bytes(b"secret")
    (allowed / "link.png").symlink_to(secret)
    with pytest.raises(WiroUsageError, match="allowed_local_paths"):
        check(str(allowed / "link.png"), local_paths=[str(allowed)])


@pytest.mark.parametrize("name", ["callbackUrl", "callbackurl", "callback_url", "projectid", "projectId"])
def test_data_says_neither_who_is_billed_nor_who_gets_the_result(name: str) -> None:
    with pytest.raises(WiroUsageError, match="allowed_item_parameters"):
        DataTrust().check({name: "777"}, {})
    DataTrust(parameters=["callbackUrl", "projectid"]).check({name: "777"}, {})


@pytest.mark.parametrize("name", ["callback", "callbackUrl", "call_back", "projectid", "projectidUrl"])
@pytest.mark.parametrize("source", [URL, "data:image/png;base64,AAAA"])
def test_nor_does_a_file_that_is_sent_under_such_a_name(name: str, source: str) -> None:
    """A URL for the file parameter `callback` is sent as `callbackUrl`."""
    with pytest.raises(WiroUsageError, match="allowed_item_parameters"):
        DataTrust().check({}, {name: source})
    DataTrust(parameters=["callbackUrl", "projectid"]).check({}, {name: source})


# -- a batch


def lines(tmp_path: Path, *items: Any) -> str:
    path = tmp_path / "inputs.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return str(path)


@pytest.fixture
def secret(tmp_path: Path) -> str:
    path = tmp_path / "airflow.cfg"
    path.write_bytes(b"fernet_key = x")
    return str(path)


def bad_items(secret: str) -> list[dict[str, Any]]:
    return [
        {"parameters": {"prompt": "a"}, "files": {"inputImage": secret}},
        {"parameters": {"prompt": "a", "callbackUrl": "https://evil.example"}, "files": {}},
        {"prompt": "a", "projectid": "777"},
    ]


@pytest.mark.parametrize("number", range(3))
def test_a_data_file_that_names_more_than_it_may_is_refused_before_the_first_run(
    work: BatchWork, tmp_path: Path, secret: str, number: int
) -> None:
    inputs = lines(tmp_path, {"prompt": "fine"}, bad_items(secret)[number])
    with pytest.raises(AirflowFailException, match=r"Item 1 \(line 2\) of inputs: .*allowed_"):
        work.run(inputs)
    assert not work.wiro.tasks


def test_what_the_dag_allows_is_sent(work: BatchWork, tmp_path: Path) -> None:
    inputs = lines(tmp_path, {"prompt": "a", "projectid": "777"})
    assert work.run(inputs, allowed_item_parameters=["projectid"])["succeeded"] == 1


@pytest.mark.parametrize("number", range(3))
def test_items_that_the_dag_file_lists_are_its_authors_word(
    work: BatchWork, tmp_path: Path, secret: str, number: int
) -> None:
    from airflow_provider_wiro.batch.inputs.items import Inputs

    operator = work.operator([bad_items(secret)[number]])
    assert operator._lists_inputs
    given: dict[str, Any] = {"model": RETRO, "parameters": None, "files": None, "project_id": None}
    with Inputs(operator.inputs, **given, trust=None) as inputs:
        inputs.check_files()


class Upstream:
    """What another task returns, as a DAG file has it."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def resolve(self, context: Any) -> Any:
        return self.value

    def iter_references(self) -> Any:
        return iter(())


def test_items_of_another_task_are_data(work: BatchWork, secret: str) -> None:
    operator = work.operator(Upstream(bad_items(secret)))
    operator.inputs = operator.inputs.value  # as Airflow sets what it has rendered
    with pytest.raises(AirflowFailException, match=r"Item 0 of inputs: .*allowed_local_paths"):
        operator.execute(work.context)
    assert not work.wiro.tasks


def test_items_of_a_template_are_data(work: BatchWork, secret: str) -> None:
    operator = work.operator("{{ params.items }}")
    operator.inputs = bad_items(secret)
    with pytest.raises(AirflowFailException, match="allowed_local_paths"):
        operator.execute(work.context)


def test_items_of_a_mapped_task_are_data(work: BatchWork, secret: str) -> None:
    """Airflow makes such an operator with what it has resolved, so that a list can be another task's."""
    operator = WiroBatchRunOperator(
        task_id="generate",
        model=RETRO,
        inputs=bad_items(secret),
        parameters=TINY,
        state_path=str(work.folder),
        _airflow_from_mapped=True,
    )
    with pytest.raises(AirflowFailException, match="allowed_local_paths"):
        operator.execute(work.context)
    assert not work.wiro.tasks


def test_airflow_shows_which_items_its_dag_file_lists() -> None:
    """Another task's output within a listed item is the author's choice, as in `files` of any operator."""
    with DAG("batches", schedule=None):
        upstream = BaseOperator(task_id="upstream")
        given = {
            "listed": [{"prompt": "a"}],
            "with_an_output": [{"parameters": {}, "files": {"inputImage": upstream.output}}],
            "an_output": upstream.output,
            "an_output_as_an_item": [{"prompt": "a"}, upstream.output],
            "a_template_as_an_item": ["{{ params.item }}"],
            "a_path": "s3://bucket/inputs.jsonl",
        }
        found = {
            name: WiroBatchRunOperator(task_id=name, model=RETRO, inputs=inputs)
            for name, inputs in given.items()
        }
        mapped = WiroBatchRunOperator.partial(task_id="mapped", model=RETRO).expand(inputs=[[{"a": 1}]])
    listed = {name for name, operator in found.items() if operator._lists_inputs}
    assert listed == {"listed", "with_an_output"}
    assert not any(map(is_mapped_instance, found.values()))
    assert is_mapped_instance(mapped.unmap({"inputs": [{"a": 1}]}))


@pytest.mark.parametrize(
    "arguments",
    [
        {"allowed_local_paths": "/data"},
        {"allowed_local_paths": ["data"]},
        {"allowed_connections": "aws_default"},
        {"allowed_item_parameters": [7]},
    ],
)
def test_a_list_that_makes_no_sense_is_refused_where_the_dag_is_parsed(arguments: dict[str, Any]) -> None:
    with pytest.raises(WiroUsageError, match=f"Expected {next(iter(arguments))} as a list"):
        WiroBatchRunOperator(task_id="t", model=RETRO, inputs=[], **arguments)
