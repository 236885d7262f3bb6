"""Which media types a page shows, and as what: a fixed table. Everything else is a file."""

from __future__ import annotations

from airflow_provider_wiro.gallery.page import MediaKind
from airflow_provider_wiro.media_types.suffixes import OCTET_STREAM, plain_type, says_nothing, type_of_name

#: What browsers show without running anything of it → the type that they are sent. No SVG, HTML, XML, PDF.
_SHOWN = {
    "image/png": "image/png",
    "image/apng": "image/apng",
    "image/jpeg": "image/jpeg",
    "image/webp": "image/webp",
    "image/gif": "image/gif",
    "image/bmp": "image/bmp",
    "image/avif": "image/avif",
    "video/mp4": "video/mp4",
    "video/webm": "video/webm",
    "video/ogg": "video/ogg",
    "video/quicktime": "video/mp4",  # the same container; Chromium refuses the type, not the film
    "video/3gpp": "video/3gpp",
    "audio/mpeg": "audio/mpeg",
    "audio/wav": "audio/wav",
    "audio/mp4": "audio/mp4",
    "audio/aac": "audio/aac",
    "audio/ogg": "audio/ogg",
    "audio/opus": "audio/ogg",
    "audio/flac": "audio/flac",
    "audio/webm": "audio/webm",
}


def kind_of(content_type: str | None, name: str) -> MediaKind:
    """
    Return how an output is shown.

    :param content_type: as its result has it.
    :param name: decides if the type says nothing.
    """
    shown = _SHOWN.get(_type_of(content_type, name))
    return MediaKind.FILE if shown is None else MediaKind(shown.partition("/")[0])


def sent_type(content_type: str | None, name: str) -> tuple[str, bool]:
    """Return the media type that a browser is sent, and whether it may show the bytes."""
    shown = _SHOWN.get(_type_of(content_type, name))
    return (OCTET_STREAM, False) if shown is None else (shown, True)


def _type_of(content_type: str | None, name: str) -> str:
    if says_nothing(content_type):
        return type_of_name(name) or ""
    return plain_type(content_type)
