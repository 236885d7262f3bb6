"""``data:`` URIs (RFC 2397): a file's bytes inside text."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.media_types.suffixes import plain_type

#: How many characters of a URI's beginning a message quotes.
_QUOTED = 40

_SCHEME = re.compile(r"\s*data:", re.IGNORECASE)
_MEDIA_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}", re.ASCII)


@dataclass(frozen=True)
class DataUri:
    """
    A decoded URI.

    :ivar media_type: without parameters; empty where the URI has none that is well-formed.
    """

    media_type: str
    content: bytes = field(repr=False)


def is_data_uri(value: object) -> bool:
    """Whether a value is text that starts like a ``data:`` URI."""
    return isinstance(value, str) and _SCHEME.match(value) is not None


def shown_data_uri(uri: str) -> str:
    """Return a URI for a message: its header and its length."""
    head = uri.strip().partition(",")[0][:_QUOTED]
    return f"{head},… ({len(uri):,} characters)"


def decode_data_uri(uri: str, max_bytes: int) -> DataUri:
    """
    Return the media type and the bytes of a URI.

    Base64 is read in both alphabets, with or without padding, percent-encoded or not.

    :param max_bytes: a URI with more is refused, if possible before it is decoded.
    :raises WiroUsageError: it is truncated, badly encoded, or too long.
    """
    head, comma, data = uri.strip().partition(",")
    if not comma:
        raise WiroUsageError(
            f"Expected a data: URI as data:image/png;base64,…, found no comma: {shown_data_uri(uri)}"
        )
    media_type, *options = (part.strip() for part in head.partition(":")[2].split(";"))
    if _fewest_bytes(data) > max_bytes:
        raise _too_long(uri, max_bytes)
    raw = unquote_to_bytes(data) if "%" in data else data.encode("utf-8", "surrogatepass")
    if any(option.lower() == "base64" for option in options):
        raw = _from_base64(raw, uri)
    if len(raw) > max_bytes:
        raise _too_long(uri, max_bytes)
    well_formed = _MEDIA_TYPE.fullmatch(media_type)
    return DataUri(plain_type(media_type) if well_formed else "", raw)


def _fewest_bytes(data: str) -> int:
    """Return the fewest bytes that a text can encode: as percent-encoded base64."""
    return len(data) // 4 - 2


def _from_base64(encoded: bytes, uri: str) -> bytes:
    packed = b"".join(encoded.split()).translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    try:
        return base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError):  # their messages are long, and about padding
        raise WiroUsageError(
            f"The base64 of this data: URI can't be decoded; is it truncated? {shown_data_uri(uri)}"
        ) from None


def _too_long(uri: str, max_bytes: int) -> WiroUsageError:
    return WiroUsageError(
        f"Wiro takes files of 1 to {max_bytes} bytes, and this data: URI has more: {shown_data_uri(uri)}"
    )
