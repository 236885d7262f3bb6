"""A `data:` URI is decoded as in browsers, or refused with a readable message."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.input_files.data_uris import DataUri, decode_data_uri, is_data_uri
from tests.api.fake_transport import quick

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
BASE64 = base64.b64encode(PNG).decode()
MOST = 100_000_000


@pytest.mark.parametrize(
    "uri",
    [
        f"data:image/png;base64,{BASE64}",
        f"DATA:Image/PNG;BASE64,{BASE64}",
        f"  data:image/x-png;name=a.png;base64,{BASE64}\n",
        f"data:image/png;base64,{BASE64.rstrip('=')}",
        f"data:image/png;base64,{base64.urlsafe_b64encode(PNG).decode()}",
        f"data:image/png;base64,{BASE64.replace('+', '%2B').replace('=', '%3D')}",
        "data:image/png;base64," + "\n".join(BASE64[at : at + 76] for at in range(0, len(BASE64), 76)),
    ],
)
def test_base64_is_read_in_each_of_its_forms(uri: str) -> None:
    assert is_data_uri(uri)
    assert decode_data_uri(uri, MOST) == DataUri("image/png", PNG)


@pytest.mark.parametrize(
    ("uri", "kind", "content"),
    [
        ("data:,a%20b", "", b"a b"),
        ("data:text/plain;charset=utf-8,g%C3%BCn", "text/plain", "gün".encode()),
        ("data:text/csv,a,b,c", "text/csv", b"a,b,c"),
        ("data:;base64,YQ==", "", b"a"),
        ("data:image/svg+xml;utf8,<svg/>", "image/svg+xml", b"<svg/>"),
        ("data:what is this;base64,YQ==", "", b"a"),
        ("data:a\r\nX: y/z;base64,YQ==", "", b"a"),
    ],
)
def test_text_and_missing_types_are_read_too(uri: str, kind: str, content: bytes) -> None:
    assert decode_data_uri(uri, MOST) == DataUri(kind, content)


@pytest.mark.parametrize(
    "uri",
    [
        "data:image/png;base64",
        "data:",
        "data:image/png;base64" + "x" * 4_000_000,
        "data:image/png;base64,Y",
        "data:image/png;base64,####",
        "data:image/png;base64," + "A" * 4_000_001,
        f"data:image/png;base64,{BASE64[:50]}…(cut)",
    ],
)
def test_an_undecodable_uri_is_refused_in_few_words(uri: str) -> None:
    with pytest.raises(WiroUsageError, match="data:") as caught:
        decode_data_uri(uri, MOST)
    assert len(str(caught.value)) < 200


def test_a_uri_with_too_many_bytes_is_refused() -> None:
    with pytest.raises(WiroUsageError, match="has more") as caught:
        decode_data_uri(f"data:image/png;base64,{BASE64}", len(PNG) - 1)
    assert len(str(caught.value)) < 200
    assert decode_data_uri(f"data:image/png;base64,{BASE64}", len(PNG)).content == PNG


@pytest.mark.parametrize("value", ["", "database", "/data:x", "https://x.test/data:", None, b"data:,x", 7])
def test_other_values_are_no_data_uris(value: object) -> None:
    assert not is_data_uri(value)


@quick
@given(st.binary(max_size=200))
def test_what_was_encoded_is_decoded(content: bytes) -> None:
    assert decode_data_uri(f"data:;base64,{base64.b64encode(content).decode()}", MOST).content == content
