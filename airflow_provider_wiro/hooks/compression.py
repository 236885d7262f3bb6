"""A compressed API answer, though nobody asked for one: some proxies do that, and some bodies are bombs."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.responses import MAX_BODY_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping


def decompressed(body: bytes, headers: Mapping[str, str]) -> bytes:
    """
    Return the body, decompressed to at most one byte more than an answer may have.

    The HTTP libraries would do it too, but those of Airflow 3.0's time without any limit.

    :param headers: names in lower case.
    """
    if headers.get("content-encoding", "").strip().lower() not in {"gzip", "x-gzip", "deflate"}:
        return body
    try:
        # 32: tell gzip from zlib by the header
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error:
        return body  # which is no JSON, as whoever reads it will say
