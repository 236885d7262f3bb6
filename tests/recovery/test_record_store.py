"""Where a run's record is kept, by which key, and that "could not read" is never "no record"."""

from __future__ import annotations

import json
import os
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.api.models import Task
from airflow_provider_wiro.api.parameters import FileContent, FileUrl
from airflow_provider_wiro.exceptions import WiroOrphanedRunError, WiroRecordError, WiroUsageError
from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator
from airflow_provider_wiro.recovery.fingerprint import Match, conceal, fingerprint, match_task
from airflow_provider_wiro.recovery.record_store import (
    FileRecordStore,
    TaskStateRecordStore,
    open_record_store,
)
from airflow_provider_wiro.recovery.run_record import RecordStore, RunRecord
from airflow_provider_wiro.recovery.sending import Loss, Sending
from airflow_provider_wiro.state_files.folder import StateFolder, find_state_folder
from airflow_provider_wiro.state_files.retention import SpentState
from tests.input_files.object_storage import Bucket, serve_s3
from tests.operators.fakes import DictStore, FakeTi

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORD = RunRecord(
    fingerprint="f" * 64,
    sending=Sending(1795420800.25, "2220"),
    max_tries=2,
    try_number=1,
    wiro_task_id="2221",
    earlier_task_ids=("7", "8"),
    clears=1,
    run_started_at=1795420700.5,
)


def context(ti: FakeTi | None = None, store: DictStore | None = None) -> Any:
    return {"ti": ti or FakeTi(), **({} if store is None else {"task_state_store": store})}


@pytest.fixture(params=["state store", "path", "file://", "memory://"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RecordStore:
    if request.param == "state store":
        opened = open_record_store(context(store=DictStore()))
    else:
        places = {
            "path": str(tmp_path),
            "file://": f"file://{tmp_path}",
            "memory://": f"memory://{uuid.uuid4()}",
        }
        opened = open_record_store(context(), state_path=places[request.param])
    assert opened is not None
    return opened


def test_a_record_comes_back_as_it_was_kept(store: RecordStore) -> None:
    assert store.read() is None
    for kept in (RECORD, RunRecord("other", Sending(1.0), 0, 1)):
        store.write(kept)
        assert store.read() == kept
    store.clear()
    assert store.read() is None
    store.clear()  # once more is no error


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    yield from serve_s3(monkeypatch)


@pytest.mark.airflow  # Before Airflow 3.2 an object-storage path is a Path as well.
def test_a_record_in_s3_comes_back_as_it_was_kept_on_every_airflow(bucket: Bucket) -> None:
    opened = open_record_store(context(), state_path=bucket.uri("wiro-runs"))
    assert opened is not None

    assert opened.read() is None
    opened.write(RECORD)
    assert opened.read() == RECORD
    assert bucket.keys == ["wiro-runs/dag/manual__2026-11-23/generate/-1.json"]
    opened.clear()
    assert opened.read() is None


def test_a_record_is_small_and_json_and_says_its_version() -> None:
    kept = json.dumps(RECORD.to_json())

    assert RunRecord.from_json(json.loads(kept)) == RECORD
    assert json.loads(kept)["version"] == 1
    assert len(kept) < 400


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 2},
        {"version": None},
        {"fingerprint": None},
        {"intended_at": "soon"},
        {"intended_at": float("nan")},
        {"intended_at": 1e300},
        {"lifetime": None},
        {"try_number": "1"},
        {"earlier_task_ids": None},
        {"wiro_task_id": 2221},
        {"newest_before": 2220},
        {"clears": "1"},
        {"run_started_at": "noon"},
    ],
)
def test_a_damaged_record_says_what_to_do(damage: dict[str, Any]) -> None:
    with pytest.raises(WiroOrphanedRunError, match="then delete the record"):
        RunRecord.from_json({**RECORD.to_json(), **damage})


def test_a_record_without_the_dag_runs_start_is_read() -> None:
    new = {"clears", "run_started_at"}
    before = {name: value for name, value in RECORD.to_json().items() if name not in new}

    assert RunRecord.from_json(before) == replace(RECORD, clears=None, run_started_at=None)


@pytest.mark.parametrize("stored", [None, 7, "x", [], {}, b""])
def test_what_is_no_record_at_all_is_damaged(stored: object) -> None:
    with pytest.raises(WiroOrphanedRunError):
        RunRecord.from_json(stored)


# Which place.


def test_airflows_own_store_is_preferred_and_a_path_of_the_operator_beats_it(tmp_path: Path) -> None:
    assert isinstance(open_record_store(context(store=DictStore())), TaskStateRecordStore)
    given = open_record_store(context(store=DictStore()), state_path=str(tmp_path))
    assert isinstance(given, FileRecordStore)


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


# Which key.


@pytest.mark.parametrize(
    "other",
    [
        {"dag_id": "dag2"},
        {"run_id": "run2"},
        {"task_id": "group.generate"},
        {"map_index": 0},
        {"map_index": 1},
        {"run_id": ".."},
        {"run_id": "a/b"},
        {"dag_id": "dag/manual__2026-11-23"},
        {"task_id": "ü" * 250},
    ],
)
def test_no_task_instance_sees_the_record_of_another(tmp_path: Path, other: dict[str, Any]) -> None:
    state_path = str(tmp_path / "records")
    mine = open_record_store(context(), state_path=state_path)
    theirs = open_record_store(context(FakeTi(**other)), state_path=state_path)
    assert mine is not None
    assert theirs is not None

    theirs.write(RECORD)

    assert mine.read() is None
    assert theirs.read() == RECORD
    assert [path.name for path in tmp_path.iterdir()] == ["records"]  # and nothing outside
    assert len(list((tmp_path / "records").iterdir())) == 1


def test_long_keys_with_equal_beginnings_are_distinguished(tmp_path: Path) -> None:
    stores = [
        open_record_store(context(FakeTi(task_id="ü" * 240 + end)), state_path=str(tmp_path)) for end in "ab"
    ]
    assert stores[0] is not None
    assert stores[1] is not None

    stores[0].write(RECORD)

    assert stores[1].read() is None


def test_the_same_task_instance_finds_its_record_in_another_try(tmp_path: Path) -> None:
    first, second = (
        open_record_store(context(FakeTi(try_number=number)), state_path=str(tmp_path)) for number in (1, 2)
    )
    assert first is not None
    assert second is not None

    first.write(RECORD)

    assert second.read() == RECORD


# Trouble.


def test_a_store_that_fails_is_retryable_and_says_that_nothing_was_started() -> None:
    state = DictStore()
    opened = TaskStateRecordStore(state)
    state.fails = {"get", "set", "delete"}

    with pytest.raises(WiroRecordError, match="Nothing was started"):
        opened.read()
    with pytest.raises(WiroRecordError, match="Can't write"):
        opened.write(RECORD)
    with pytest.raises(WiroRecordError, match="Can't write"):
        opened.clear()


def test_a_place_that_cannot_be_read_is_not_an_empty_one(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")

    with pytest.raises(WiroRecordError):
        FileRecordStore(f"{blocked}/record.json").read()
    with pytest.raises(WiroRecordError):
        FileRecordStore(f"{blocked}/record.json").write(RECORD)
    with pytest.raises(WiroRecordError):
        FileRecordStore("nosuchscheme://bucket/record.json").read()


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b"\xff\xfe\x00", b"{}"])
def test_a_file_that_was_damaged_is_for_a_person(tmp_path: Path, body: bytes) -> None:
    file = tmp_path / "record.json"
    file.write_bytes(body)

    with pytest.raises(WiroOrphanedRunError, match="delete the record"):
        FileRecordStore(str(file)).read()


def test_a_crash_while_writing_leaves_the_record_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "record.json"
    opened = FileRecordStore(str(file))
    opened.write(RECORD)

    def crash(descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", crash)
    with pytest.raises(WiroRecordError, match="no space left"):
        opened.write(RunRecord("other", Sending(1.0), 0, 1))

    assert opened.read() == RECORD


# Telling runs apart.


def content(identity: str, name: str = "a.png") -> FileContent:
    return FileContent(name, "image/png", 3, lambda: None, identity=identity)  # type: ignore[arg-type, return-value]


def test_a_fingerprint_is_the_same_for_what_is_the_same_to_wiro() -> None:
    whole = fingerprint("a/b", {"x": 1, "y": None}, {"image": [content("sha256:1", "a.png")]})

    assert whole == fingerprint(" a / b ", {"x": 1}, {"image": [content("sha256:1", "renamed.png")]})
    assert len(whole) == 64


@pytest.mark.parametrize(
    "other",
    [
        ("a/c", {"x": 1}, {"image": [FileUrl("https://a")]}, None),
        ("a/b", {"x": 2}, {"image": [FileUrl("https://a")]}, None),
        ("a/b", {"x": 1}, {"image": [FileUrl("https://b")]}, None),
        ("a/b", {"x": 1}, {"other": [FileUrl("https://a")]}, None),
        ("a/b", {"x": 1}, {"image": [content("sha256:1")]}, None),
        ("a/b", {"x": 1}, {}, None),
        ("a/b", {"x": 1}, {"image": [FileUrl("https://a")]}, "7"),
    ],
)
def test_a_fingerprint_differs_for_runs_that_differ_to_wiro(other: Any) -> None:
    assert fingerprint("a/b", {"x": 1}, {"image": [FileUrl("https://a")]}) != fingerprint(*other)


def compared(task: Task, model: str, sent: dict[str, Any]) -> Match:
    """Compare a task with a run, also with what a trigger knows of the run: that tells the same."""
    verdict = match_task(task, model, sent)
    host = "api.wiro.ai"
    noted = {name: conceal(value) for name, value in sent.items()}
    assert match_task(task, model, noted) is verdict
    assert match_task(task, model, noted, host) is match_task(task, model, sent, host)
    return verdict


def shown(model: str | None = "a/b", **parameters: Any) -> Task:
    return Task(id="1", status="task_queue", model=model, parameters=parameters)


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ({"n": 4}, {"n": "4"}),
        ({"n": 4.0}, {"n": "4"}),
        ({"n": "0.80"}, {"n": 0.8}),
        ({"n": 1}, {"n": 1, "more": 2}),
        ({"b": True}, {"b": "true"}),
        ({"b": True}, {"b": "1"}),
        ({"b": True}, {"b": True}),
        ({"b": True}, {"b": 1}),
        ({"b": False}, {"b": "false"}),
        ({"b": False}, {"b": "0"}),
        ({"b": False}, {"b": ""}),
        ({"b": False}, {"b": None}),
        ({"t": "a\nb"}, {"t": "a\r\nb"}),
        ({"t": " a  b "}, {"t": "a b"}),
        ({"t": ""}, {"t": None}),
        ({"t": ""}, {}),
        ({"t": None}, {}),
        ({}, {}),
        ({"l": ["a", "b"]}, {"l": ["a", "b"]}),
        ({"l": ["a", "b"]}, {"l": "a,b"}),
        ({"l": ["a"]}, {"l": "a"}),
        ({"l": ["a", "b"]}, {"l": '["a", "b"]'}),
        ({"l": [1, 2]}, {"l": ["1", "2"]}),
        ({"l": ["a,b", "c"]}, {"l": '["a,b","c"]'}),
        ({"o": {"x": 1, "y": 2}}, {"o": {"y": 2, "x": 1}}),
        ({"o": {"x": 1}}, {"o": '{"x": 1}'}),
        ({"l": [{"x": 1}, {"y": "é"}]}, {"l": '[{"x":1},{"y":"\\u00e9"}]'}),
        ({"l": [{"x": 1}]}, {"l": ['{"x": 1}']}),
        ({"l": '[{"x": 1}]'}, {"l": [{"x": 1}]}),
        ({"o": '{"x": 1, "y": 2}'}, {"o": {"y": 2, "x": 1}}),
    ],
)
def test_a_task_is_recognised_by_its_parameters_in_any_form_that_wiro_shows(sent: Any, seen: Any) -> None:
    assert compared(shown(**seen), "a/b", sent) is Match.SAME


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ({"n": 4}, {"n": "5"}),
        ({"t": "a"}, {"t": "b"}),
        ({"t": "a"}, {"t": ""}),
        ({"t": ""}, {"t": "a"}),
        ({"b": True}, {"b": "false"}),
        ({"b": False}, {"b": "true"}),
        ({"l": ["a", "b"]}, {"l": ["b", "a"]}),
        ({"l": ["a"]}, {"l": ["a", "b"]}),
        ({"o": {"x": 1}}, {"o": {"x": 2}}),
        ({"o": {"x": 1}}, {"o": "x"}),
        ({"o": '{"x": 1}'}, {"o": {"x": 2}}),
        ({"l": "a"}, {"l": ["b"]}),
        ({"l": [{"x": 1}]}, {"l": '[{"x": 1}, {"x": 1}]'}),
        ({"n": 4, "t": "a"}, {"n": 4, "t": "b"}),
    ],
)
def test_a_task_with_another_value_is_another_one(sent: Any, seen: Any) -> None:
    assert compared(shown(**seen), "a/b", sent) is Match.OTHER


def test_a_slug_is_compared_in_its_clean_form_and_a_missing_field_is_no_proof() -> None:
    assert compared(shown("wiro/animated-logo"), "wiro/Animated Logo", {}) is Match.SAME
    assert compared(shown("wiro/another"), "wiro/Animated Logo", {}) is Match.OTHER
    assert compared(shown(None, n="1"), "a/b", {"n": 1}) is Match.UNCLEAR
    assert compared(shown(), "a/b", {"n": 1}) is Match.UNCLEAR
    assert compared(shown(None, n="2"), "a/b", {"n": 1}) is Match.OTHER


def test_a_slug_is_the_same_in_its_clean_form_whatever_that_drops() -> None:
    assert compared(shown("bytedance/seedance-pro-v1-5"), "ByteDance/seedance-pro-v1.5", {}) is Match.SAME


def test_an_input_that_wiro_shows_under_its_own_host_is_a_doubt_and_no_other_run() -> None:
    sent = {"inputImageUrl": "https://example.com/1.png"}
    assert compared(shown(inputImageUrl="https://cdn1.wiro.ai/x/1.png"), "a/b", sent) is Match.UNCLEAR
    assert compared(shown(inputImageUrl="https://example.com/2.png"), "a/b", sent) is Match.OTHER
    assert compared(shown(inputImageUrl="none"), "a/b", sent) is Match.OTHER
    assert compared(shown(inputImageUrl="http://["), "a/b", sent) is Match.OTHER


# A record of the version before, and of this one.


def test_a_record_of_the_version_before_is_read() -> None:
    stored = {
        "version": 1,
        "fingerprint": "f" * 64,
        "intended_at": 1795420800.25,
        "lifetime": 2,
        "try_number": 1,
        "newest_before": "2220",
        "wiro_task_id": None,
        "is_spent": False,
        "earlier_task_ids": ["7"],
    }

    record = RunRecord.from_json(stored)

    assert record.sending == Sending(1795420800.25, "2220")
    assert (record.writer, record.references, record.files, record.lost_sendings) == (None, None, {}, ())


def test_a_record_keeps_how_its_run_was_lost_and_all_earlier_sendings() -> None:
    lost = RunRecord(
        "f" * 64,
        Sending(1795420800.25, "2220", 1795420860.0, Loss.CUT_OFF, 3.5),
        2,
        1,
        writer="a1b2",
        references="r" * 64,
        files={"inputImage": ["c" * 64, None]},
        lost_sendings=(Sending(1795420100.0, "", None, Loss.TIMEOUT, 60.0), Sending(1795420200.0)),
    )

    assert RunRecord.from_json(json.loads(json.dumps(lost.to_json()))) == lost
    assert len(lost.sendings_before_next) == 3


@pytest.mark.parametrize(
    "damage",
    [
        {"loss": "somehow"},
        {"lost_after": "long"},
        {"wiro_at": []},
        {"writer": 7},
        {"files": ["x"]},
        {"files": {"a": "x"}},
        {"lost_sendings": [{}]},
        {"lost_sendings": 7},
    ],
)
def test_damage_in_a_later_field_is_damage_too(damage: dict[str, Any]) -> None:
    with pytest.raises(WiroOrphanedRunError, match="then delete the record"):
        RunRecord.from_json({**RECORD.to_json(), **damage})


# A record whose result was returned.


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


class Clock:
    """A time that tests set; `random` says that each move looks for what has expired."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1795420800.0
        monkeypatch.setitem(SpentState.__init__.__kwdefaults__, "now", lambda: self.now)
        monkeypatch.setitem(SpentState.__init__.__kwdefaults__, "random", lambda: 0.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


SPENT = replace(RECORD, is_consumed=True)


@pytest.mark.parametrize("scheme", ["{path}", "file://{path}", "memory://spent-{name}"])
def test_a_retry_finds_a_consumed_record_and_a_new_dag_run_does_not(tmp_path: Path, scheme: str) -> None:
    state_path = scheme.format(path=tmp_path, name=uuid.uuid4())
    first, retry, other = (
        open_record_store(context(ti), state_path=state_path)
        for ti in (FakeTi(), FakeTi(try_number=2), FakeTi(try_number=2, map_index=1))
    )
    assert first is not None
    assert retry is not None
    assert other is not None

    first.write(RECORD)
    first.write(SPENT)

    assert retry.read() == SPENT
    assert first.read() is None
    assert other.read() is None


def test_a_consumed_record_leaves_no_file_and_no_folder_of_its_own(tmp_path: Path, clock: Clock) -> None:
    store = open_record_store(context(), state_path=str(tmp_path))
    assert store is not None
    store.write(RECORD)
    store.write(SPENT)

    assert [path.name for path in tmp_path.iterdir()] == ["~spent"]
    assert len(files(tmp_path)) == 1


def test_a_consumed_record_is_kept_for_four_hours_and_the_retry_delay(tmp_path: Path, clock: Clock) -> None:
    class Task:
        retry_delay = timedelta(hours=6)

    ti = FakeTi()
    store = open_record_store({**context(ti), "task": Task()}, state_path=str(tmp_path))
    assert store is not None
    store.write(SPENT)
    ti.try_number = 2
    retry = open_record_store({**context(ti), "task": Task()}, state_path=str(tmp_path))
    assert retry is not None

    clock.now += 10 * 3600
    assert retry.read() == SPENT


def test_consumed_records_are_removed_by_later_runs(tmp_path: Path, clock: Clock) -> None:
    for day in range(3):
        for run in range(50):
            ti = FakeTi(run_id=f"day {day}, run {run}")
            store = open_record_store(context(ti), state_path=str(tmp_path))
            assert store is not None
            store.write(replace(SPENT, fingerprint=f"{day}"))
        assert len(files(tmp_path)) == 50
        clock.now += 24 * 3600


def test_a_folder_that_cannot_be_cleaned_fails_no_run(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise PermissionError("no listing")

    monkeypatch.setattr("airflow_provider_wiro.storage.local_folder.LocalFolder.names", fail)
    store = open_record_store(context(), state_path=str(tmp_path))
    assert store is not None
    store.write(SPENT)


def test_a_folder_that_is_removed_while_another_task_writes_there_is_made_again(tmp_path: Path) -> None:
    """Tasks of one DAG run come and go in one folder."""
    stop = threading.Event()

    def come_and_go() -> None:
        store = open_record_store(context(FakeTi(map_index=1)), state_path=str(tmp_path))
        assert store is not None
        while not stop.is_set():
            store.write(RECORD)
            store.clear()

    store = open_record_store(context(), state_path=str(tmp_path))
    assert store is not None
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(come_and_go)
        try:
            for _ in range(50):
                store.write(RECORD)
                assert store.read() == RECORD
                store.clear()
        finally:
            stop.set()
        other.result()
