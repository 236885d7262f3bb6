"""A manifest in memory, and what is asked of it."""

from __future__ import annotations

import json
import random
from typing import Any

from airflow_provider_wiro.gallery.ranged.ranged_object import (
    BeyondEndError,
    MissingObjectError,
    ReplacedObjectError,
    StoredFacts,
)


class StoredLines:
    """An object, as a RangedObject; each call counts as one request."""

    def __init__(self, body: bytes | None, name: str = "s3://b/m.jsonl") -> None:
        self.body = body
        self.version = "v1"
        self.requests: list[tuple[int, int]] = []
        self.identity = (name,)

    def replace(self, body: bytes) -> None:
        self.body = body
        self.version = f"{self.version}+"

    def facts(self) -> StoredFacts:
        body = self._there()
        self.requests.append((0, 0))
        return StoredFacts(len(body), self.version)

    def read(self, start: int, stop: int, version: str | None = None) -> tuple[bytes, StoredFacts]:
        body = self._there()
        self.requests.append((start, stop))
        if version not in {None, self.version}:
            raise ReplacedObjectError("It was replaced while it was read.")
        if start >= len(body):
            raise BeyondEndError("It ends before these bytes.")
        return body[start:stop], StoredFacts(len(body), self.version)

    def read_tail(self, size: int) -> tuple[bytes, StoredFacts]:
        body = self._there()
        self.requests.append((max(0, len(body) - size), len(body)))
        return body[-size:], StoredFacts(len(body), self.version)

    def _there(self) -> bytes:
        if self.body is None:
            raise MissingObjectError("It is not in its bucket any more.")
        return self.body


def batch_line(item: int, padding: int = 0, **more: Any) -> bytes:
    """Return a line of a batch's manifest, with as many characters of an answer."""
    line = {
        "item": item,
        "status": "succeeded",
        "wiro_task_id": str(100_000 + item),
        "outputs": [],
        "text": "x" * padding,
        "files": [{"uri": f"s3://outputs/{item}.png", "name": f"{item}.png", "size": 1}],
        **more,
    }
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def batch(items: int, seed: int = 1, longest: int = 900) -> bytes:
    """Return a batch's manifest whose lines differ in length."""
    chance = random.Random(seed)
    return b"".join(batch_line(item, chance.randint(0, longest)) for item in range(items))


def export_line(number: int, padding: int = 0) -> bytes:
    """Return a line of an export's manifest."""
    line = {
        "wiro_task_id": str(number),
        "model": "owner/model",
        "status": "task_postprocess_end",
        "state": "succeeded",
        "files": [],
        "text": "y" * padding,
    }
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"
