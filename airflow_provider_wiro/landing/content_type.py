"""
The content type to store: the announced one, unless a file's first bytes contradict it.

A picture that was announced as PNG and is a JPEG is stored as ``image/jpeg``, and logged; a web page in place
of a picture is refused.
"""

from __future__ import annotations

import re

from airflow_provider_wiro.exceptions import WiroOutputRefusedError
from airflow_provider_wiro.media_types.signatures import HEAD_BYTES as HEAD_BYTES
from airflow_provider_wiro.media_types.signatures import type_of_bytes

#: The types that are distinguished, with their other names. Types of one container share an entry: the brands
#: of ISO media (MP4, MOV, M4A, HEIC) and Office files in a ZIP are not distinguished from each other.
_FAMILIES: tuple[frozenset[str], ...] = tuple(
    frozenset(names.split())
    for names in (
        "image/png image/x-png image/apng image/vnd.mozilla.apng",
        "image/jpeg image/jpg image/pjpeg",
        "image/gif",
        "image/webp",
        "image/tiff",
        "image/bmp image/x-ms-bmp image/x-bmp",
        "video/mp4 audio/mp4 application/mp4 video/quicktime video/x-m4v audio/x-m4a audio/m4a audio/aac "
        "video/3gpp video/3gpp2 audio/3gpp image/avif image/heic image/heif",
        "video/webm audio/webm video/x-matroska audio/x-matroska application/x-matroska",
        "video/x-msvideo video/avi video/msvideo video/vnd.avi",
        "audio/wav audio/x-wav audio/wave audio/vnd.wave",
        "audio/mpeg audio/mp3 audio/x-mp3 audio/mpeg3 audio/x-mpeg",
        "audio/ogg video/ogg application/ogg audio/opus audio/vorbis",
        "audio/flac audio/x-flac",
        "application/pdf application/x-pdf",
        "model/gltf-binary",
        "application/zip application/x-zip-compressed application/epub+zip model/vnd.usdz+zip "
        "application/vnd.oasis.opendocument.text application/vnd.oasis.opendocument.spreadsheet "
        "application/vnd.oasis.opendocument.presentation "
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document "
        "application/vnd.openxmlformats-officedocument.presentationml.presentation "
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    )
)
#: Types that are named when nothing better is known.
_SAYS_NOTHING = frozenset({"application/octet-stream", "binary/octet-stream"})

_WEB_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<!--.{0,1000}?-->\s*)?<(?:!doctype\s+html|html)[\s>]", re.I | re.S
)


def settled_content_type(announced: str, head: bytes, what: str, *, given: str | None = None) -> str:
    """
    Return the content type to store: the announced one, or that of the bytes where they contradict it.

    A type that the user gave is stored as it is; a web page is refused all the same.

    :param announced: the type Wiro announced, or its name suggests.
    :param head: the first bytes, ``HEAD_BYTES`` if there are as many.
    :param what: the output in words, for the message.
    :param given: the type that the user gave, if any.
    :raises WiroOutputRefusedError: a web page came in place of a picture, a sound, a film or a document.
    """
    plain = _plain(announced)
    if given is not None and plain in _SAYS_NOTHING:
        announced, plain = given, _plain(given)
    family = _family(plain)
    if family is not None and _WEB_PAGE.match(head):
        raise WiroOutputRefusedError(
            f"Expected {announced} for {what}, found a web page in its bytes; nothing was kept."
        )
    if given is not None:
        return given
    if family is None and plain not in _SAYS_NOTHING:
        return announced  # a type without a known signature: formats are built upon formats
    found = _found(head)
    return announced if found is None or found in (family or ()) else found


def _plain(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _family(content_type: str) -> frozenset[str] | None:
    return next((family for family in _FAMILIES if content_type in family), None)


def _found(head: bytes) -> str | None:
    """Return the type that the bytes certainly have, None if it isn't known or isn't compared."""
    found = type_of_bytes(head)
    return found if found is not None and _family(found) is not None else None
