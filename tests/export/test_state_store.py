"""The state is changed as it is at that moment, or not at all; and is never taken for none."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.exceptions import (
    WiroRecordError,
    WiroStorageRefusedError,
    WiroUsageError,
)
from airflow_provider_wiro.export.state import ExportState
from airflow_provider_wiro.storage.local_folder import LocalFolder
from airflow_provider_wiro.storage.object_storage_folder import ObjectStorageFolder
from airflow_provider_wiro.storage.open_folder import open_folder
from airflow_provider_wiro.storage.s3.put_object import OwnObjects
from tests.export.exports import IDENTITY, store_in
from tests.transfers.gateway import (
    denies_missing,
    knows_no_conditions,
    knows_no_conditions_as_b2,
    refuses,
)
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_wiro.storage.folder import Folder
    from tests.transfers.gateway import Gateway, Refusal, Request
    from tests.transfers.s3 import S3

URI = f"s3://aws_default@{BUCKET}/wiro/_export"
NAME = f"{IDENTITY.digest}.json"


@pytest.fixture(params=["local", "moto", "seaweedfs"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    if request.param == "local":
        return LocalFolder(str(tmp_path))
    request.getfixturevalue("s3" if request.param == "moto" else "bucket")
    return open_folder(URI)


def adding(number: int) -> Callable[[ExportState], tuple[ExportState, int]]:
    """Return the change that adds a pending task, and returns how many there are then."""

    def change(state: ExportState) -> tuple[ExportState, int]:
        pending = tuple(sorted({*state.pending, number}))
        return replace(state, pending=pending), len(pending)

    return change


def test_an_export_that_has_not_begun_has_an_empty_state(folder: Folder) -> None:
    assert store_in(folder).load() == ExportState()


def test_a_change_is_read_by_others(folder: Folder) -> None:
    assert store_in(folder).update(adding(1)) == 1
    assert store_in(folder).update(adding(2)) == 2
    assert store_in(folder).load().pending == (1, 2)


def test_a_change_is_made_to_what_others_have_written_meanwhile(folder: Folder) -> None:
    one, other = store_in(folder), store_in(folder)
    one.update(adding(1))
    other.update(adding(2))
    assert one.update(adding(3)) == 3


def test_changes_of_many_at_once_are_all_made(folder: Folder) -> None:
    stores = [store_in(folder) for _ in range(4)]
    threads = [
        threading.Thread(
            target=lambda store=store, at=at: [store.update(adding(10 * at + n)) for n in range(5)]
        )
        for at, store in enumerate(stores)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store_in(folder).load().pending) == 20


def test_what_changes_nothing_is_not_written(tmp_path: Path) -> None:
    store_in(LocalFolder(str(tmp_path))).update(lambda state: (state, None))
    assert list(tmp_path.iterdir()) == []


def test_that_nothing_changes_is_decided_by_what_is_there_now(tmp_path: Path) -> None:
    one, other = store_in(LocalFolder(str(tmp_path))), store_in(LocalFolder(str(tmp_path)))
    one.update(adding(1))
    other.update(adding(2))
    assert one.update(lambda state: (state, state.pending)) == (1, 2)


def test_an_error_of_the_change_leaves_the_state_as_it_is(tmp_path: Path) -> None:
    def fail(state: ExportState) -> tuple[ExportState, None]:
        raise ZeroDivisionError

    store = store_in(LocalFolder(str(tmp_path)))
    store.update(adding(1))
    with pytest.raises(ZeroDivisionError):
        store.update(fail)
    assert store.update(adding(2)) == 2


class Contended(LocalFolder):
    """A folder whose files others change before each write."""

    def compare_and_swap(self, name: str, body: bytes, expected: bytes | None) -> bool:
        return False


def test_a_state_that_others_keep_writing_is_an_error_in_the_end(tmp_path: Path) -> None:
    pauses: list[float] = []
    store = store_in(Contended(str(tmp_path)))
    store._pause = pauses.append
    with pytest.raises(WiroRecordError, match="was changed by others at each of 30 tries"):
        store.update(adding(1))
    assert pauses[0] == 0.05
    assert max(pauses) == 2.5
    assert sum(pauses) < 90


# What can't be read.


@pytest.mark.parametrize(
    "text", [b"", b"no", b"[]", b"\xff\xfe", b'{"version": "1"}', b'{"version": 1}', b"null"]
)
def test_what_is_no_state_is_not_taken_for_none(tmp_path: Path, text: bytes) -> None:
    (tmp_path / NAME).write_bytes(text)
    store = store_in(LocalFolder(str(tmp_path)))
    for act in (store.load, lambda: store.update(adding(1))):
        with pytest.raises(
            WiroUsageError, match=r"Expected the state of an export at .*Put an earlier version"
        ):
            act()
    assert (tmp_path / NAME).read_bytes() == text


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(
        WiroRecordError, match=r"can't be read: IsADirectoryError.*Nothing is exported without it"
    ):
        store_in(LocalFolder(str(tmp_path))).load()


def test_a_store_that_fails_now_is_an_error_that_a_retry_may_mend(store: Gateway) -> None:
    store.rules.append(refuses("GET", 400, "RequestTimeout", "too slow"))
    with pytest.raises(WiroRecordError, match="can't be read"):
        store_in(open_folder(URI)).load()


def test_after_a_write_that_failed_the_state_is_read_again(store: Gateway) -> None:
    """The write may have been done."""
    one = store_in(open_folder(URI))
    one.update(adding(1))
    store.rules.append(refuses("PUT", 400, "RequestTimeout", "too slow"))
    with pytest.raises(WiroRecordError, match="can't be written"):
        one.update(adding(2))
    store.rules.clear()
    store_in(open_folder(URI)).update(adding(3))
    assert one.update(adding(4)) == 3


def test_a_role_that_may_not_list_is_said_what_it_needs(store: Gateway) -> None:
    store.rules.append(denies_missing)
    with pytest.raises(WiroStorageRefusedError, match="s3:ListBucket: without that, S3 doesn't say whether"):
        store_in(open_folder(URI)).load()


def test_a_missing_bucket_is_refused_at_once(s3: S3) -> None:
    with pytest.raises(WiroStorageRefusedError, match="Correct the bucket, or create it"):
        store_in(open_folder("s3://aws_default@no-such-bucket/wiro")).load()


# Stores without conditional writes.


def knows_no_condition_at_all(request: Request) -> Refusal | None:
    if {"if-none-match", "if-match"} & request.headers.keys():
        return 501, "NotImplemented", "A header you provided implies functionality that is not implemented"
    return None


def knows_no_match_as_b2(request: Request) -> Refusal | None:
    if "if-match" in request.headers:
        return 400, "InvalidArgument", "Unsupported header 'if-match' received for this API call."
    return None


@pytest.mark.parametrize(
    "rules",
    [[knows_no_conditions], [knows_no_condition_at_all], [knows_no_conditions_as_b2, knows_no_match_as_b2]],
)
def test_a_store_without_conditional_writes_is_used_and_says_so_once(
    store: Gateway, caplog: pytest.LogCaptureFixture, rules: list[Callable[[Request], Refusal | None]]
) -> None:
    store.rules += rules
    one = store_in(open_folder(URI))
    with caplog.at_level(logging.WARNING):
        for number in (1, 2, 3):
            assert one.update(adding(number)) == number
    warnings = [record.getMessage() for record in caplog.records if "conditional" in record.getMessage()]
    assert len(warnings) == 1
    assert f"{URI}/{NAME} knows no conditional writes" in warnings[0]
    assert store_in(open_folder(URI)).load().pending == (1, 2, 3)


def test_another_store_of_airflows_says_so_as_well(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    one = store_in(ObjectStorageFolder(f"file://{tmp_path}/state"))
    one.update(adding(1))
    assert one.update(adding(2)) == 2
    assert "knows no conditional writes" in caplog.text


def test_a_store_with_conditional_writes_warns_of_nothing(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    store_in(folder).update(adding(1))
    store_in(folder).update(adding(2))
    assert "conditional" not in caplog.text


# How it is put.


def test_it_is_put_as_the_exports_own_objects_are(s3: S3) -> None:
    own = OwnObjects({"ServerSideEncryption": "AES256", "StorageClass": "GLACIER"}, bucket=BUCKET)
    store_in(open_folder(URI, own)).update(adding(1))
    found: dict[str, Any] = s3.head(f"wiro/_export/{NAME}")
    assert found["ServerSideEncryption"] == "AES256"
    assert found["ContentType"] == "application/json"
    assert "StorageClass" not in found, "it has to be read again"
