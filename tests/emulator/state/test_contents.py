from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.emulator.state.contents import CHUNK_BYTES, GeneratedContent


def test_a_gigabyte_is_described_without_being_generated() -> None:
    content = GeneratedContent(1024**3, "seed")
    assert content.size == 1024**3
    assert next(content.chunks(1024**3 - 5, 1024**3)) == b"".join(content.chunks(1024**3 - 5, 1024**3))


@given(st.integers(0, 3 * CHUNK_BYTES), st.integers(0, 3 * CHUNK_BYTES))
def test_any_part_of_generated_bytes_is_that_part_of_the_whole(one: int, other: int) -> None:
    start, stop = sorted((one, other))
    content = GeneratedContent(3 * CHUNK_BYTES, "seed")
    whole = b"".join(content.chunks(0, content.size))
    assert b"".join(content.chunks(start, stop)) == whole[start:stop]
