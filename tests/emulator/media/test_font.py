from __future__ import annotations

from airflow_provider_wiro.emulator.media.font import legible, wrap


def test_words_are_wrapped_and_too_long_a_text_ends_in_dots() -> None:
    assert wrap("one two three", 7, 4) == ["ONE TWO", "THREE"]
    assert wrap("abcdefghij kl", 4, 4) == ["ABCD", "EFGH", "IJ", "KL"]
    assert wrap("one two three four", 5, 2) == ["ONE", "TW..."]
    assert legible("K\N{LATIN SMALL LETTER DOTLESS I}sa  Şehir\nçöl") == "KISA SEHIR COL"
