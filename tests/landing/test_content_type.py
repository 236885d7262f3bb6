"""An object's content type is what Wiro announced, unless its own bytes say otherwise without doubt."""

from __future__ import annotations

import pytest

from airflow_provider_wiro.exceptions import WiroOutputRefusedError
from airflow_provider_wiro.landing.content_type import settled_content_type

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"pixels" * 50
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1" + b"x" * 500
GIF = b"GIF89a" + b"x" * 100
WEBP = b"RIFF\x24\0\0\0WEBPVP8 " + b"x" * 100
AVIF = b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + b"x" * 50
MP4 = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + b"x" * 100
M4A = b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42isom" + b"x" * 100
MOV = b"\0\0\0\x14ftypqt  \0\0\2\0qt  " + b"x" * 100
WEBM = b"\x1aE\xdf\xa3\x9fB\x86\x81\1B\xf7\x81\1B\xf2\x81\4B\xf3\x81\x08B\x82\x84webm" + b"x" * 100
MP3 = b"ID3\3\0\0\0\0\0\x0f" + b"x" * 100
WAV = b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 100
FLAC = b"fLaC\0\0\0\x22" + b"\0" * 100
OGG = b"OggS\0\2" + b"\0" * 100
PDF = b"%PDF-1.7\n" + b"x" * 100
ZIP = b"PK\3\4\x14\0\0\0\x08\0" + b"x" * 100


@pytest.mark.parametrize(
    ("announced", "head"),
    [
        ("image/png", PNG),
        ("image/jpg", JPEG),
        ("IMAGE/PNG", PNG),
        ("image/webp", WEBP),
        ("image/avif", AVIF),
        ("video/mp4", MP4),
        ("video/quicktime", MP4),
        ("video/mp4", MOV),
        ("audio/x-m4a", M4A),
        ("video/webm", WEBM),
        ("video/x-matroska", WEBM),
        ("audio/mpeg", MP3),
        ("audio/mpeg", b"\xff\xfb\x90\x64" + b"\0" * 100),
        ("audio/x-wav", WAV),
        ("audio/flac", FLAC),
        ("audio/opus", OGG),
        ("application/pdf", PDF),
        ("application/epub+zip", ZIP),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", ZIP),
    ],
)
def test_what_is_what_it_says_stays_so(announced: str, head: bytes) -> None:
    assert settled_content_type(announced, head, "output 0") == announced


@pytest.mark.parametrize(
    "announced",
    ["image/png", "video/mp4", "text/plain; charset=utf-8", "application/octet-stream", "model/gltf-binary"],
)
@pytest.mark.parametrize(
    "head",
    [b"", b"x", b"\0" * 4096, b"\xff" * 4096, bytes(range(256)) * 16, b"text text text", b"# Blender\nv 0 0"],
)
def test_bytes_that_say_nothing_contradict_nothing(announced: str, head: bytes) -> None:
    assert settled_content_type(announced, head, "output 0") == announced


@pytest.mark.parametrize(
    ("announced", "head", "found"),
    [
        ("image/png", JPEG, "image/jpeg"),
        ("image/jpeg", PNG, "image/png"),
        ("image/jpeg", WEBP, "image/webp"),
        ("image/png", AVIF, "image/avif"),
        ("image/png", GIF, "image/gif"),
        ("image/png", MP4, "video/mp4"),
        ("video/mp4", WEBM, "video/webm"),
        ("audio/wav", MP3, "audio/mpeg"),
        ("audio/mpeg", WAV, "audio/wav"),
        ("video/mp4", ZIP, "application/zip"),
        ("application/octet-stream", MOV, "video/quicktime"),
        ("application/octet-stream", M4A, "audio/mp4"),
        ("application/octet-stream", PDF, "application/pdf"),
    ],
)
def test_bytes_that_leave_no_doubt_win(announced: str, head: bytes, found: str) -> None:
    assert settled_content_type(announced, head, "output 0") == found


PAGES = [
    b"<!DOCTYPE html>\n<html><body>expired</body></html>",
    b"<html><head></head>",
    b"\n\n <!doctype HTML><html lang=en>",
    b"\xef\xbb\xbf<HTML>",
    b"<!-- cache miss --><html>",
]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("announced", ["image/png", "video/mp4", "application/pdf", "application/zip"])
def test_a_web_page_in_place_of_a_file_is_refused(announced: str, page: bytes) -> None:
    with pytest.raises(WiroOutputRefusedError, match="found a web page"):
        settled_content_type(announced, page, "output 0 ('0.png')")


@pytest.mark.parametrize(
    ("announced", "given"),
    [
        ("image/png", "image/png"),
        ("image/png", "application/x-mine"),
        ("image/png", "text/html"),
        ("application/octet-stream", "image/png"),
    ],
)
def test_a_type_of_the_users_excuses_no_web_page(announced: str, given: str) -> None:
    with pytest.raises(WiroOutputRefusedError, match="found a web page"):
        settled_content_type(announced, PAGES[0], "output 0", given=given)


@pytest.mark.parametrize(
    ("announced", "head"), [("text/html", PAGES[0]), ("image/png", JPEG), ("image/png", b"")]
)
def test_a_type_of_the_users_is_not_corrected(announced: str, head: bytes) -> None:
    assert settled_content_type(announced, head, "output 0", given="image/png") == "image/png"


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    "announced", ["text/html", "text/plain; charset=utf-8", "image/svg+xml", "application/octet-stream"]
)
def test_a_web_page_never_becomes_one_that_was_not_announced(announced: str, page: bytes) -> None:
    """A bucket that serves it as ``text/html`` would run its scripts."""
    assert settled_content_type(announced, page, "output 0") == announced
