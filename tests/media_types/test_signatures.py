"""A file's media type is detected from its first bytes where they leave no doubt."""

from __future__ import annotations

import io
import zipfile

import pytest

from airflow_provider_wiro.media_types.signatures import HEAD_BYTES, type_of_bytes

OFFICE = "application/vnd.openxmlformats-officedocument"


def iso(major: bytes, *compatible: bytes) -> bytes:
    body = b"ftyp" + major + bytes(4) + b"".join(compatible)
    return (len(body) + 4).to_bytes(4, "big") + body + b"\0\0\0\x08free" + bytes(100)


def packed(*entries: tuple[str, str], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, text in entries:
            archive.writestr(name, text)
    return buffer.getvalue()[:HEAD_BYTES]


def office(kind: str, folder: str) -> bytes:
    """An Office file as Word writes it: first the compressed list of its parts, the parts far behind."""
    parts = f'<Types><Override ContentType="{OFFICE}.{kind}.main+xml"/></Types>'
    filler = "".join(f"{number:08x}" for number in range(7919, 79190, 7))
    return packed(("[Content_Types].xml", parts), ("_rels/.rels", filler), (f"{folder}/x.xml", "x"))


EBML = b"\x1aE\xdf\xa3\xa3B\x86\x81\1B\xf7\x81\1B\xf2\x81\4B\xf3\x81\x08B\x82\x88"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
        (b"\xff\xd8\xff\xe1\0\x18Exif", "image/jpeg"),
        (b"GIF89a\1\0\1\0", "image/gif"),
        (b"RIFF\x24\0\0\0WEBPVP8X", "image/webp"),
        (b"BM\x36\0\x0c\0\0\0\0\0\x36\0\0\0\x28\0\0\0", "image/bmp"),
        (b"II*\0\x08\0\0\0", "image/tiff"),
        (b"MM\0*\0\0\0\x08", "image/tiff"),
        (iso(b"avif", b"avif", b"mif1"), "image/avif"),
        (iso(b"mif1", b"mif1", b"avif", b"miaf"), "image/avif"),
        (iso(b"heic", b"mif1", b"heic"), "image/heic"),
        (iso(b"mif1", b"mif1", b"heic"), "image/heic"),
        (iso(b"mif1", b"mif1"), "image/heif"),
        (b'<svg xmlns="http://www.w3.org/2000/svg">', "image/svg+xml"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- by hand -->\n<svg\n width="1">', "image/svg+xml"),
        (b"ID3\4\0\0", "audio/mpeg"),
        (b"\xff\xfb\x90\x64\0\0", "audio/mpeg"),
        (b"\xff\xf3\x40\xc0\0\0", "audio/mpeg"),
        (b"\xff\xf1\x50\x80\x2e\x7f", "audio/aac"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav"),
        (iso(b"M4A ", b"M4A ", b"mp42"), "audio/mp4"),
        (b"OggS\0\2" + bytes(22) + b"\1vorbis", "audio/ogg"),
        (b"OggS\0\2" + bytes(22) + b"OpusHead", "audio/opus"),
        (b"OggS\0\2" + bytes(22) + b"\x80theora", "video/ogg"),
        (b"fLaC\0\0\0\x22", "audio/flac"),
        (b"FORM\0\0\0\x2eAIFFCOMM", "audio/aiff"),
        (iso(b"isom", b"isom", b"avc1"), "video/mp4"),
        (iso(b"mp42"), "video/mp4"),
        (iso(b"qt  ", b"qt  "), "video/quicktime"),
        (EBML + b"webmB\x87\x81\4", "video/webm"),
        (EBML + b"matroskaB\x87\x81\4", "video/x-matroska"),
        (b"RIFF\x24\0\0\0AVI LIST", "video/x-msvideo"),
        (b"%PDF-1.7\n", "application/pdf"),
        (office("wordprocessingml.document", "word"), f"{OFFICE}.wordprocessingml.document"),
        (office("spreadsheetml.sheet", "xl"), f"{OFFICE}.spreadsheetml.sheet"),
        (office("presentationml.presentation", "ppt"), f"{OFFICE}.presentationml.presentation"),
        (packed(("word/document.xml", "x")), f"{OFFICE}.wordprocessingml.document"),
        (
            packed(("mimetype", "application/epub+zip"), compression=zipfile.ZIP_STORED),
            "application/epub+zip",
        ),
        (packed(("scene.usdc", "x"), compression=zipfile.ZIP_STORED), "model/vnd.usdz+zip"),
        (packed(("0.png", "x"), ("1.png", "y")), "application/zip"),
        (b"PK\3\4" + b"\x14\0\0\0\x08\0" + b"\xff" * 300, "application/zip"),
        (b"glTF\2\0\0\0\x10\0\0\0", "model/gltf-binary"),
        (b"\x1f\x8b\x08\0", "application/gzip"),
    ],
)
def test_a_files_type_is_that_of_its_first_bytes(head: bytes, kind: str) -> None:
    assert type_of_bytes(head) == kind
    assert type_of_bytes((head + bytes(HEAD_BYTES))[:HEAD_BYTES]) == kind


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"P",
        b"plain text, and some more of it",
        b"# A title\n\nand text",
        b'{"a": 1}',
        b"a,b,c\n1,2,3\n",
        b"<html><body><svg></svg></body></html>",
        b"\xff\xfeU\0T\0F\0",
        b"\xff" * 100,
        bytes(100),
        b"BM, he said, is short for something",
        b"RIFF\x24\0\0\0XXXX",
        b"\x1aE\xdf\xa3",
        b"gltf",
        bytes(range(256)) * 16,
    ],
)
def test_ambiguous_bytes_have_no_type(head: bytes) -> None:
    assert type_of_bytes(head) is None


def test_a_file_truncated_anywhere_raises_nothing() -> None:
    for head in (
        office("wordprocessingml.document", "word"),
        iso(b"mif1", b"avif"),
        b"OggS" + bytes(40),
        EBML,
    ):
        for length in range(min(len(head), 300)):
            type_of_bytes(head[:length])
