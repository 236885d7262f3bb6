"""A file on a disk is there as a whole or not at all, and replaces nothing of another process."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.landing.object_metadata import ObjectMetadata
from airflow_provider_wiro.landing.object_storage.disk_upload import DiskUpload
from airflow_provider_wiro.storage.conditions import ObjectExistsError

if TYPE_CHECKING:
    from pathlib import Path

PARTS = [bytearray(bytes([number]) * 1000) for number in range(5)] + [bytearray(b"end")]
BODY = b"".join(PARTS)


def upload(path: Path, *, only_if_absent: bool = True) -> DiskUpload:
    metadata = ObjectMetadata("application/octet-stream", {})
    return DiskUpload(path, metadata, lambda: None, is_private=False, only_if_absent=only_if_absent)


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def test_parts_in_any_order_become_the_file_when_all_are_there(tmp_path: Path) -> None:
    path = tmp_path / "new" / "0.bin"
    one = upload(path)
    one.begin(PARTS[0])
    threads = [
        threading.Thread(target=one.put_part, args=(number + 1, PARTS[number]))
        for number in (5, 2, 0, 4, 1, 3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not path.exists()
    one.complete(len(BODY), sha256(BODY))
    assert path.read_bytes() == BODY
    assert [found.name for found in path.parent.iterdir()] == ["0.bin"]


def test_one_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    one = upload(tmp_path / "0.bin")
    one.begin(PARTS[0])
    one.put_part(1, PARTS[0])
    one.abort()
    one.abort()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("in_parts", [False, True])
@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_replaced_unless_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_parts: bool, has_links: bool
) -> None:
    def refused(*_: Any) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    if not has_links:
        monkeypatch.setattr(os, "link", refused)
    path = tmp_path / "0.bin"
    for only_if_absent in (True, False):
        path.write_bytes(b"another's")
        if only_if_absent:
            with pytest.raises(ObjectExistsError):
                write(upload(path), in_parts=in_parts)
            assert path.read_bytes() == b"another's"
        else:
            write(upload(path, only_if_absent=False), in_parts=in_parts)
            assert path.read_bytes() == BODY
        assert list(tmp_path.iterdir()) == [path]


def test_where_there_are_no_hard_links_a_new_file_lands_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise OSError(errno.ENOTSUP, "no hard links here")

    monkeypatch.setattr(os, "link", refused)
    write(upload(tmp_path / "0.bin"), in_parts=True)
    assert (tmp_path / "0.bin").read_bytes() == BODY
    assert len(list(tmp_path.iterdir())) == 1


def write(one: DiskUpload, *, in_parts: bool) -> None:
    if not in_parts:
        one.put(BODY, sha256(BODY))
        return
    one.begin(PARTS[0])
    for number, part in enumerate(PARTS, start=1):
        one.put_part(number, part)
    one.complete(len(BODY), sha256(BODY))
