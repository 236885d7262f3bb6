"""
Whether a file's first bytes are what Wiro announced.

What Wiro says wins unless the bytes contradict it: a picture that was announced as PNG and is a JPEG lands
as ``image/jpeg``, said in the log; a web page in place of a picture is refused. puremagic finds many types by
two or three bytes, so only those are believed that have a signature nobody writes by accident.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroOutputRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: As much of a file as is looked at.
HEAD_BYTES = 4096

#: The types that are told apart, with the other names they go by. What shares a container shares a line: the
#: brands of ISO media (MP4, MOV, M4A, HEIC) and Office files in a ZIP are not told apart from each other.
_FAMILIES: tuple[frozenset[str], ...] = tuple(
    frozenset(names.split())
    for names in (
        "image/png image/x-png image/apng image/vnd.mozilla.apng",
        "image/jpeg image/jpg image/pjpeg",
        "image/gif",
        "image/webp",
        "image/tiff",
        "video/mp4 audio/mp4 application/mp4 video/quicktime video/x-m4v audio/x-m4a audio/m4a audio/aac "
        "video/3gpp video/3gpp2 audio/3gpp image/avif image/heic image/heif",
        "video/webm audio/webm video/x-matroska audio/x-matroska application/x-matroska",
        "audio/wav audio/x-wav audio/wave audio/vnd.wave",
        "audio/mpeg audio/mp3 audio/x-mp3 audio/mpeg3 audio/x-mpeg",
        "audio/ogg video/ogg application/ogg audio/opus audio/vorbis",
        "audio/flac audio/x-flac",
        "application/pdf application/x-pdf",
        "application/zip application/x-zip-compressed application/epub+zip model/vnd.usdz+zip "
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document "
        "application/vnd.openxmlformats-officedocument.presentationml.presentation "
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    )
)
#: Types by which a file is called when nothing better is known.
_SAYS_NOTHING = frozenset({"application/octet-stream", "binary/octet-stream"})
#: What a family's files are called when the bytes say no more: for ZIP, puremagic's first guess is Word.
_PLAIN_NAMES: Mapping[str, str] = {"application/zip": "application/zip", "audio/wave": "audio/wav"}
#: Below this, puremagic goes by one or two bytes.
_LEAST_CONFIDENCE = 0.3

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
        return announced  # a type without a signature that we know: formats are built upon formats
    found = _found(head)
    return announced if found is None or found in (family or ()) else found


def _plain(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _family(content_type: str) -> frozenset[str] | None:
    return next((family for family in _FAMILIES if content_type in family), None)


def _found(head: bytes) -> str | None:
    """Return the type of which the bytes leave no doubt, None if there is none."""
    if not head:
        return None
    import puremagic

    try:
        matches = puremagic.magic_string(head)
    except puremagic.PureError:  # 1.x says so that it knows none; 2.x returns an empty list
        return None
    names = [match.mime_type for match in matches if match.confidence >= _LEAST_CONFIDENCE]
    known = [name for name in names if _family(name) is not None]
    if not known:
        return None
    family = _family(known[0]) or frozenset()
    # Of ISO media puremagic says "video/mp4" first and the brand later, of a ZIP all that may be in it.
    brand = next((name for name in known if name.startswith("image/") and name in family), None)
    return brand or next((_PLAIN_NAMES[name] for name in family if name in _PLAIN_NAMES), known[0])
