from __future__ import annotations

import pytest

from airflow_provider_wiro.emulator.media.h264 import Bits, H264Encoder, escape


@pytest.mark.parametrize(
    ("value", "bits"), [(0, "1"), (1, "010"), (2, "011"), (3, "00100"), (7, "0001000"), (25, "000011010")]
)
def test_exp_golomb_codes_are_the_standards(value: int, bits: str) -> None:
    padded = (bits + "1").ljust(-(-(len(bits) + 1) // 8) * 8, "0")
    assert Bits().unsigned(value).finish() == int(padded, 2).to_bytes(len(padded) // 8, "big")


@pytest.mark.parametrize(
    ("payload", "escaped"),
    [
        (b"\x00\x00\x01", b"\x00\x00\x03\x01"),
        (b"\x00\x00\x00\x00", b"\x00\x00\x03\x00\x00"),
        (b"\x00\x00\x04", b"\x00\x00\x04"),
        (b"\x00\x01\x00", b"\x00\x01\x00"),
    ],
)
def test_no_payload_contains_a_start_code(payload: bytes, escaped: bytes) -> None:
    assert escape(payload) == escaped


def test_a_film_that_is_not_made_of_whole_macroblocks_is_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 16"):
        H264Encoder(100, 64)
