"""
The media type of a file by its first bytes.

Only formats with an unmistakable signature are recognized, and of text formats only SVG. Formats that share a
container are distinguished by what its beginning shows: the brands of ISO media, Office files in a ZIP, the
codecs in Ogg.
"""

from __future__ import annotations

import re
import zlib

from airflow_provider_wiro.media_types.suffixes import OFFICE

#: How many first bytes of a file are needed.
HEAD_BYTES = 4096

#: Signatures at the very beginning.
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"8BPS\0\1", "image/vnd.adobe.photoshop"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"MThd\0\0\0\6", "audio/midi"),
    (b"%PDF-", "application/pdf"),
    (b"glTF\1\0\0\0", "model/gltf-binary"),
    (b"glTF\2\0\0\0", "model/gltf-binary"),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
)
_RIFF = {b"WAVE": "audio/wav", b"WEBP": "image/webp", b"AVI ": "video/x-msvideo"}
_IFF = {b"AIFF": "audio/aiff", b"AIFC": "audio/aiff"}
#: Brands of ISO media (ISO/IEC 14496-12), the more specific ones first. Any other brand is MP4.
_BRANDS: tuple[tuple[frozenset[bytes], str], ...] = (
    (frozenset({b"avif", b"avis"}), "image/avif"),
    (frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}), "image/heic"),
    (frozenset({b"mif1", b"msf1"}), "image/heif"),
    (frozenset({b"qt  "}), "video/quicktime"),
    (frozenset({b"M4A ", b"M4B ", b"M4P "}), "audio/mp4"),
    (frozenset({b"3gp4", b"3gp5", b"3gp6", b"3gp7"}), "video/3gpp"),
)
#: Office files: a word in their list of parts, and the folder of their parts.
OFFICE_PARTS: tuple[tuple[bytes, bytes, str], ...] = (
    (b"wordprocessingml", b"word/", f"{OFFICE}.wordprocessingml.document"),
    (b"spreadsheetml", b"xl/", f"{OFFICE}.spreadsheetml.sheet"),
    (b"presentationml", b"ppt/", f"{OFFICE}.presentationml.presentation"),
)
#: Sizes of the second header of a bitmap.
_BITMAP_HEADERS = frozenset({12, 40, 52, 56, 64, 108, 124})
_OPEN_DOCUMENT = re.compile(rb"application/vnd\.oasis\.opendocument\.(text|spreadsheet|presentation)(?=PK)")
_SVG = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<!--.{0,1000}?-->\s*)*"
    rb"(?:<!DOCTYPE\s+svg[^>]{0,500}>\s*)?<svg[\s>]",
    re.S,
)


def type_of_bytes(head: bytes) -> str | None:
    """
    Return the media type if the bytes leave no doubt, else None.

    :param head: the first ``HEAD_BYTES``, or the whole of a shorter file.
    """
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    if head[:4] == b"FORM":
        return _IFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _of_iso_media(head)
    if head[:4] == b"\x1aE\xdf\xa3":
        return _of_matroska(head)
    if head[:4] == b"OggS":
        return _of_ogg(head)
    if head[:4] == b"PK\3\4":
        return _of_zip(head)
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return "image/bmp" if int.from_bytes(head[14:18], "little") in _BITMAP_HEADERS else None
    return _of_frames(head) or ("image/svg+xml" if _SVG.match(head) else None)


def _of_iso_media(head: bytes) -> str:
    end = min(int.from_bytes(head[:4], "big"), len(head))
    major, compatible = head[8:12], {head[at : at + 4] for at in range(16, end - 3, 4)}
    for brands, kind in _BRANDS:
        if major in brands:
            # "mif1" only says that it is a picture; the other brands say of which kind.
            specific = (other for names, other in _BRANDS[:2] if names & compatible)
            return next(specific, kind) if kind == "image/heif" else kind
    return "video/mp4"


def _of_matroska(head: bytes) -> str | None:
    if b"webm" in head[:64]:
        return "video/webm"
    return "video/x-matroska" if b"matroska" in head[:64] else None


def _of_ogg(head: bytes) -> str:
    if head[28:36] == b"OpusHead":
        return "audio/opus"
    return "video/ogg" if head[28:35] == b"\x80theora" else "audio/ogg"


def _of_zip(head: bytes) -> str:
    names_end = 30 + int.from_bytes(head[26:28], "little")
    name = head[30:names_end]
    body = head[names_end + int.from_bytes(head[28:30], "little") :]
    if name == b"mimetype":
        if body.startswith(b"application/epub+zip"):
            return "application/epub+zip"
        found = _OPEN_DOCUMENT.match(body)
        return found[0].decode("ascii") if found else "application/zip"
    if name.endswith((b".usdc", b".usda", b".usd")):
        return "model/vnd.usdz+zip"
    listed = _inflated(body) if head[8:10] == b"\x08\0" else body
    for word, folder, kind in OFFICE_PARTS:
        if name == b"[Content_Types].xml" and word in listed:
            return kind
        if name.startswith(folder):
            return kind
    return "application/zip"


def _inflated(body: bytes) -> bytes:
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(body, 64 * 1024)
    except zlib.error:
        return b""


def _of_frames(head: bytes) -> str | None:
    """Recognize MPEG audio without a tag by the fields of its first frame header."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0xF6 == 0xF0:  # ADTS: its layer is always 0
        return "audio/aac" if (head[2] >> 2) & 0xF < 13 else None
    version, layer = (head[1] >> 3) & 3, (head[1] >> 1) & 3
    bitrate, sample_rate = head[2] >> 4, (head[2] >> 2) & 3
    return "audio/mpeg" if version != 1 and layer == 1 and 0 < bitrate < 15 and sample_rate != 3 else None
