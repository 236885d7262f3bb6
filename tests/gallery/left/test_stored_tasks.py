"""Which tasks of a stored DAG are of this provider, and what their arguments are."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from airflow_provider_wiro.gallery.left.rows import Kind
from airflow_provider_wiro.gallery.left.stored_tasks import kind_of_class, tasks_in

RUN = ["model", "parameters", "aws_conn_id", "run_label"]
LAND = ["wiro_task_id", "s3_bucket", "s3_key", "aws_conn_id"]


def stored(*tasks: dict[str, Any]) -> dict[str, Any]:
    return {"__version": 3, "dag": {"tasks": [{"__var": task, "__type": "operator"} for task in tasks]}}


def task(task_id: str, fields: list[str], **more: Any) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "template_fields": fields,
        "_task_module": "airflow_provider_wiro.operators.wiro",
        **more,
    }


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        (RUN, Kind.RUN),
        (["op_args", "op_kwargs", *RUN], Kind.RUN),
        (["wiro_task_id", "wiro_conn_id"], Kind.SENSOR),
        (LAND, Kind.TRANSFER),
        (["wiro_task_id", "path", "metadata"], Kind.TRANSFER),
        (["model", "inputs", "parameters", "manifest_uri", "s3_key"], Kind.BATCH),
        (["since", "s3_key", "manifest_uri"], Kind.EXPORT),
        (["files", "folder_id", "wiro_conn_id", "aws_conn_id"], None),
        (["since", "until", "model", "limit_usd"], None),
        ([], None),
    ],
)
def test_a_task_is_what_its_template_fields_say(fields: list[str], kind: Kind | None) -> None:
    found = tasks_in(stored(task("a", fields)))

    assert {one.kind for one in found.values()} == ({kind} if kind else set())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("operators.wiro.WiroRunOperator", Kind.RUN),
        ("decorators.run_operator.WiroDecoratedRunOperator", Kind.RUN),
        ("sensors.wiro.WiroTaskSensor", Kind.SENSOR),
        ("transfers.wiro_to_s3.WiroToS3Operator", Kind.TRANSFER),
        ("transfers.wiro_to_object_storage.WiroToObjectStorageOperator", Kind.TRANSFER),
        ("operators.wiro_batch.WiroBatchRunOperator", Kind.BATCH),
        ("decorators.batch_operator.WiroDecoratedBatchOperator", Kind.BATCH),
        ("transfers.wiro_project_to_s3.WiroProjectToS3Operator", Kind.EXPORT),
        ("operators.wiro_upload.WiroUploadOperator", None),
        ("operators.wiro_spend.WiroSpendOperator", None),
    ],
)
def test_each_operator_of_this_provider_is_what_it_is_by_its_name_and_by_its_fields(
    name: str, kind: Kind | None
) -> None:
    module, _, class_name = name.rpartition(".")
    operator = getattr(import_module(f"airflow_provider_wiro.{module}"), class_name)

    found = tasks_in(stored(task("a", list(operator.template_fields))))

    assert {one.kind for one in found.values()} == ({kind} if kind else set())
    assert kind_of_class(class_name) is kind


def test_a_subclass_of_a_project_s_own_is_recognized_by_the_links_that_it_inherits() -> None:
    links = {"Wiro task": "wiro_task_url"}
    own = task("a", RUN, _task_module="shop.operators", _operator_extra_links=links)

    assert tasks_in(stored(own))["a"].kind is Kind.RUN
    assert tasks_in(stored(task("a", RUN, _task_module="shop.operators"))) == {}


def test_arguments_are_those_that_the_dag_file_fixes() -> None:
    one = task(
        "a", LAND, aws_conn_id="to_s3", s3_bucket="{{ params.bucket }}", s3_key="{wiro_task_id}/{name}"
    )

    assert tasks_in(stored(one))["a"].arguments == {"aws_conn_id": "to_s3", "s3_key": "{wiro_task_id}/{name}"}


def test_an_argument_that_isn_t_stored_is_none() -> None:
    assert tasks_in(stored(task("a", LAND)))["a"].arguments["aws_conn_id"] is None


def mapped(value: dict[str, Any], partial: dict[str, Any], **more: Any) -> dict[str, Any]:
    return task(
        "a",
        LAND,
        _is_mapped=True,
        _expand_input_attr="expand_input",
        expand_input={"type": "dict-of-lists", "value": {"__var": value, "__type": "dict"}},
        partial_kwargs=partial,
        **more,
    )


def test_a_mapped_task_s_arguments_are_those_that_all_of_it_has() -> None:
    expanded = {"wiro_task_id": []}

    found = tasks_in(stored(mapped(expanded, {"aws_conn_id": "to_s3"})))["a"]
    default = tasks_in(stored(mapped(expanded, {})))["a"]
    own = tasks_in(
        stored(mapped(expanded, {}, _task_module="shop", _operator_extra_links={"Wiro": "wiro_task_url"}))
    )["a"]
    varying = tasks_in(stored(mapped({"aws_conn_id": []}, {})))["a"]
    unknown = stored({**mapped({}, {"aws_conn_id": "to_s3"}), "expand_input": {"type": "list-of-dicts"}})

    assert found.arguments == {"aws_conn_id": "to_s3"}
    assert default.arguments == {"aws_conn_id": "aws_default"}
    assert own.arguments == {}  # a subclass may have another default
    assert varying.arguments == {}
    assert tasks_in(unknown)["a"].arguments == {}


def test_a_mapped_task_has_the_dag_s_default_args_which_airflow_adds_only_when_it_runs() -> None:
    def found(defaults: dict[str, Any], partial: dict[str, Any] | None = None) -> dict[str, Any]:
        dag = stored(mapped({"wiro_task_id": []}, partial or {}))
        dag["dag"]["default_args"] = {"__var": defaults, "__type": "dict"}
        return dict(tasks_in(dag)["a"].arguments)

    assert found({"aws_conn_id": "prod", "s3_bucket": "b"}) == {"aws_conn_id": "prod", "s3_bucket": "b"}
    assert found({"aws_conn_id": "prod"}, {"aws_conn_id": "own"}) == {"aws_conn_id": "own"}
    assert found({"aws_conn_id": None}) == {"aws_conn_id": None}
    assert found({"aws_conn_id": "{{ var.value.conn }}"}) == {}
    assert found({"retries": 3}) == {"aws_conn_id": "aws_default"}


def test_a_task_that_comes_after_another_is_known_as_such() -> None:
    found = tasks_in(
        stored(
            task("a", RUN, downstream_task_ids=["between"]),
            {"task_id": "between", "downstream_task_ids": ["b", "a"]},
            task("b", LAND),
            task("c", LAND),
        )
    )

    assert {name: one.follows for name, one in found.items()} == {"a": True, "b": True, "c": False}
    assert [one.order for one in found.values()] == [0, 2, 3]


@pytest.mark.parametrize(
    "data", [None, [], {}, {"dag": []}, {"dag": {"tasks": {}}}, {"dag": {"tasks": [None, 7, {}]}}]
)
def test_a_dag_of_another_form_has_no_tasks(data: Any) -> None:
    assert tasks_in(data) == {}


def test_task_instances_of_a_dag_that_is_gone_are_recognized_by_the_operator_s_name() -> None:
    assert kind_of_class("WiroToS3Operator") is Kind.TRANSFER
    assert kind_of_class("WiroDecoratedBatchOperator") is Kind.BATCH
    assert kind_of_class("BashOperator") is None
    assert kind_of_class(None) is None
