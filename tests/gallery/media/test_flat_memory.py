"""A film of a gibibyte takes a few mebibytes of the API server's memory."""

from __future__ import annotations

import tracemalloc
from typing import Any

import anyio
import pytest

from airflow_provider_wiro.gallery.media.streamed import PIECE_BYTES, streamed
from airflow_provider_wiro.gallery.ranged.ranged_object import StoredFacts, UnreadableObjectError
from tests.gallery.media.outputs import an_output

GIB = 1024**3


class Film:
    """A film that is made when it is read."""

    identity = ("film",)

    def __init__(self) -> None:
        self.most_asked = 0

    def facts(self) -> StoredFacts:
        return StoredFacts(GIB, '"v1"')

    def read(self, start: int, stop: int, version: str | None = None) -> tuple[bytes, StoredFacts]:
        assert version in {None, '"v1"'}
        self.most_asked = max(self.most_asked, stop - start)
        return bytes(min(stop, GIB) - start), self.facts()

    def read_tail(self, size: int) -> tuple[bytes, StoredFacts]:
        return bytes(size), self.facts()


async def _received(response: Any) -> int:
    received = 0
    async for piece in response.body_iterator:
        received += len(piece)
    return received


def test_a_film_takes_no_more_memory_than_its_pieces() -> None:
    film = Film()
    response = streamed(an_output(), film, {"range": "bytes=0-"}, "GET", lambda _: None)
    tracemalloc.start()
    try:
        received = anyio.run(_received, response)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert received == GIB
    assert film.most_asked == PIECE_BYTES
    assert peak < 8 * PIECE_BYTES


def test_a_store_that_fails_in_the_middle_ends_the_answer_early() -> None:
    class Failing(Film):
        def read(self, start: int, stop: int, version: str | None = None) -> tuple[bytes, StoredFacts]:
            if start >= 5 * PIECE_BYTES:
                raise UnreadableObjectError("Its store is out.")
            return super().read(start, stop, version)

    response = streamed(an_output(), Failing(), {}, "GET", lambda _: None)
    assert response.headers["content-length"] == str(GIB)
    assert anyio.run(_received, response) == 5 * PIECE_BYTES


def test_what_isnt_the_output_is_not_read_on() -> None:
    class RefusedError(Exception):
        pass

    def refuse(_: StoredFacts) -> None:
        raise RefusedError

    with pytest.raises(RefusedError):
        streamed(an_output(), Film(), {}, "GET", refuse)
