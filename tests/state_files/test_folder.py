"""Which folder holds state files."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator
from airflow_provider_wiro.recovery.record_store import (
    open_record_store,
)
from airflow_provider_wiro.state_files.folder import StateFolder, find_state_folder
from tests.recovery.records import RECORD, context


@pytest.mark.parametrize(
    ("executor", "is_kept"),
    [
        ("LocalExecutor", True),
        ("SequentialExecutor", True),
        ("CeleryExecutor", False),
        ("KubernetesExecutor", False),
        ("LocalExecutor,CeleryExecutor", False),
        ("my.own.Executor", False),
    ],
)
def test_a_local_folder_is_the_default_only_where_every_try_sees_the_same_disk(
    monkeypatch: pytest.MonkeyPatch, executor: str, is_kept: bool
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    monkeypatch.delenv("AIRFLOW__WIRO__STATE_PATH", raising=False)

    assumed = StateFolder(f"{os.environ['AIRFLOW_HOME']}/wiro_runs", is_assumed=True)
    assert find_state_folder() == (assumed if is_kept else None)
    assert (open_record_store(context()) is not None) is is_kept


@pytest.mark.parametrize("variable", ["AIRFLOW_IS_K8S_EXECUTOR_POD", "KUBERNETES_SERVICE_HOST"])
def test_a_pod_in_kubernetes_has_no_local_folder_though_its_template_says_local_executor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "LocalExecutor")
    monkeypatch.setenv(variable, "True")

    assert find_state_folder() is None
    assert find_state_folder(str(tmp_path)) == StateFolder(str(tmp_path))
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", str(tmp_path))
    assert find_state_folder() == StateFolder(str(tmp_path))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("~/wiro", "/home/somebody/wiro"),
        ("~", "/home/somebody"),
        ("file://~/wiro", "file:///home/somebody/wiro"),
        ("/var/wiro/", "/var/wiro"),
        ("file:///var/wiro", "file:///var/wiro"),
        ("s3://aws_default@bucket/~/x", "s3://aws_default@bucket/~/x"),
    ],
)
def test_the_home_directory_is_meant_by_a_tilde(
    monkeypatch: pytest.MonkeyPatch, given: str, found: str
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", given)

    assert find_state_folder() == find_state_folder(given) == StateFolder(found)


RELATIVE = pytest.mark.parametrize(
    "relative",
    ["wiro", "./wiro", "../wiro", "file://wiro", "file://localhost/var/wiro", "~nobody-here/x", "s3:/b"],
)


@RELATIVE
def test_a_relative_state_path_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, relative: str
) -> None:
    with pytest.raises(WiroUsageError, match="Expected state_path as an absolute path or a URI"):
        find_state_folder(relative)
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", relative)
    with pytest.raises(WiroUsageError, match=r"Expected \[wiro\] state_path as an absolute path"):
        open_record_store(context())


@RELATIVE
@pytest.mark.parametrize("kind", [WiroRunOperator, WiroBatchRunOperator])
def test_a_relative_state_path_fails_the_dag_file(kind: Any, relative: str) -> None:
    inputs = {"inputs": []} if kind is WiroBatchRunOperator else {}
    with pytest.raises(WiroUsageError, match="Expected state_path as an absolute path"):
        kind(task_id="t", model="a/b", state_path=relative, **inputs)


@pytest.mark.parametrize("climbing", ["/a/../b", "file:///a/../b", "/a/%2e%2e/b", "s3://c@bucket/a/../b"])
def test_a_state_path_that_climbs_is_refused_for_runs_and_batches_alike(
    monkeypatch: pytest.MonkeyPatch, climbing: str
) -> None:
    for kind, inputs in ((WiroRunOperator, {}), (WiroBatchRunOperator, {"inputs": []})):
        with pytest.raises(WiroUsageError, match=r"Expected state_path without '\.\.'"):
            kind(task_id="t", model="a/b", state_path=climbing, **inputs)
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", climbing)
    with pytest.raises(WiroUsageError, match=r"Expected \[wiro\] state_path without '\.\.'"):
        find_state_folder()


@pytest.mark.parametrize(
    ("given", "folder"), [("file:///a/b/", "file:///a/b"), ("FILE:///a", "file:///a"), ("file:///", "")]
)
def test_a_local_state_path_is_a_path(given: str, folder: str) -> None:
    assert find_state_folder(given) == StateFolder(folder)


def test_two_environments_with_one_bucket_do_not_meet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", str(tmp_path))
    stores = {}
    for environment in ("", "dev", "prod", "a/b", ".."):
        monkeypatch.setenv("AIRFLOW__WIRO__ENVIRONMENT", environment)
        opened = open_record_store(context())
        assert opened is not None
        assert opened.read() is None
        opened.write(replace(RECORD, fingerprint=environment))
        stores[environment] = opened

    for environment, opened in stores.items():
        assert opened.read() == replace(RECORD, fingerprint=environment)
    assert all(path.resolve().is_relative_to(tmp_path) for path in tmp_path.rglob("*"))


def test_the_configured_path_is_used_whatever_the_executor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", str(tmp_path))
    opened = open_record_store(context())
    assert opened is not None

    opened.write(RECORD)

    [file] = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert file.relative_to(tmp_path) == Path("dag/manual__2026-11-23/generate/-1.json")
