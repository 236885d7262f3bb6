"""A resumable upload sends Google all bytes in order, whatever Google keeps of them and whoever is first."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import threading
from typing import Any

import pytest

from airflow_provider_wiro.exceptions import WiroOutputUnavailableError
from airflow_provider_wiro.storage.object_stores.google import UNIT_BYTES, GoogleObject
from airflow_provider_wiro.storage.object_stores.store_object import IF_ABSENT, Described

PNG = Described("image/png", {"wiro-task-id": "1"})
PART = bytes(range(256)) * (2 * UNIT_BYTES // 256)


class FakeGoogle:
    """Google's side of one upload, as gcsfs reports it: `keeps` says how much of each request it keeps."""

    base = "https://storage.googleapis.com/storage/v1/"

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.kept = bytearray()
        self.keeps: list[int] = []
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.md5: str | None = None

    async def _call(self, method: str, path: str, *args: str, **more: Any) -> Any:
        self.calls.append((method, path, more))
        if method == "POST":
            return {"Location": "https://session"}, b""
        if method == "PATCH":
            return self.resource(more["json"]["metadata"])
        if method == "DELETE":
            return {}, b""
        found = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", more["headers"]["Content-Range"])
        assert found
        body = more["data"].read()
        if found[1] is not None:
            assert int(found[1]) == len(self.kept)
            assert int(found[2]) == len(self.kept) + len(body) - 1
        keeps = self.keeps.pop(0) if self.keeps else len(body)
        self.kept += body[:keeps]
        if found[3] == str(len(self.kept)):
            return {}, json.dumps(self.resource({"wiro-task-id": "1"})).encode()
        assert found[3] != "*" or keeps % UNIT_BYTES == 0
        return ({"Range": f"bytes=0-{len(self.kept) - 1}"} if self.kept else {}), b""

    def resource(self, metadata: dict[str, str]) -> dict[str, Any]:
        md5 = base64.b64encode(hashlib.md5(self.kept, usedforsecurity=False).digest()).decode()
        return {
            "size": str(len(self.kept)),
            "generation": "7",
            "contentType": "image/png",
            "metadata": metadata,
            "md5Hash": self.md5 or md5,
        }

    def made(self, method: str) -> list[dict[str, Any]]:
        return [more for made, _, more in self.calls if made == method]


@pytest.fixture
def google() -> Any:
    one = FakeGoogle()
    yield one
    one.loop.call_soon_threadsafe(one.loop.stop)
    one.thread.join()
    one.loop.close()


def begin(google: FakeGoogle) -> Any:
    return GoogleObject(google, "gs://b/k", "b", "k").begin(PNG, IF_ABSENT)


@pytest.mark.parametrize(
    "last", [b"", b"end", PART + b"end"], ids=["whole parts", "a rest", "a part and a rest"]
)
def test_all_bytes_arrive_and_the_end_is_said_with_the_last(google: FakeGoogle, last: bytes) -> None:
    parts = begin(google)
    parts.put(1, bytearray(PART))
    parts.put(2, bytearray(last) if last else bytearray(PART))
    facts = parts.complete(PNG)
    assert google.kept == PART + (last or PART)
    assert (facts.size, facts.version, facts.md5) == (
        len(google.kept),
        "7",
        hashlib.md5(google.kept, usedforsecurity=False).hexdigest(),
    )
    assert google.made("PATCH") == []


def test_parts_that_come_early_wait_their_turn(google: FakeGoogle) -> None:
    parts = begin(google)
    bodies = [bytes([number]) * UNIT_BYTES for number in range(6)]
    threads = [
        threading.Thread(target=parts.put, args=(number + 1, bytearray(bodies[number])))
        for number in reversed(range(6))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    parts.complete(PNG)
    assert google.kept == b"".join(bodies)


@pytest.mark.parametrize("keeps", [[UNIT_BYTES], [0, 0], [0, UNIT_BYTES, 0]])
def test_what_google_does_not_keep_is_sent_again(google: FakeGoogle, keeps: list[int]) -> None:
    google.keeps = list(keeps)
    parts = begin(google)
    parts.put(1, bytearray(PART))
    parts.put(2, bytearray(b"end"))
    parts.complete(PNG)
    assert google.kept == PART + b"end"


def test_google_keeping_nothing_is_no_endless_loop(google: FakeGoogle) -> None:
    google.keeps = [0] * 100
    parts = begin(google)
    with pytest.raises(WiroOutputUnavailableError, match="keeps nothing"):
        parts.put(1, bytearray(PART))


def test_the_digest_is_added_when_it_is_known_to_this_very_object(google: FakeGoogle) -> None:
    parts = begin(google)
    parts.put(1, bytearray(PART))
    facts = parts.complete(Described("image/png", {"wiro-task-id": "1", "sha256": "abc"}))
    [patch] = google.made("PATCH")
    assert patch["ifGenerationMatch"] == "7"
    assert facts.metadata["sha256"] == "abc"


def test_an_object_that_is_not_what_was_sent_is_deleted(google: FakeGoogle) -> None:
    google.md5 = base64.b64encode(b"0" * 16).decode()
    parts = begin(google)
    parts.put(1, bytearray(PART))
    with pytest.raises(WiroOutputUnavailableError, match="Nothing was kept"):
        parts.complete(PNG)
    [deleted] = google.made("DELETE")
    assert deleted["ifGenerationMatch"] == "7"


def test_an_upload_that_is_given_up_is_ended_once(google: FakeGoogle) -> None:
    parts = begin(google)
    parts.put(1, bytearray(PART))
    parts.abort()
    parts.abort()
    assert len(google.made("DELETE")) == 1
    assert google.made("POST")[0]["ifGenerationMatch"] == "0"
