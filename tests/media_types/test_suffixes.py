"""A file's type is the same on every machine, and a type's suffix is the usual one."""

from __future__ import annotations

import mimetypes
from typing import Any

import pytest

from airflow_provider_wiro.media_types import suffixes
from airflow_provider_wiro.media_types.suffixes import (
    has_suffix,
    plain_type,
    says_nothing,
    suffix_of_type,
    type_of_name,
)

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


@pytest.fixture(autouse=True)
def another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose Python and /etc/mime.types know other types."""

    def unknown(*_: Any, **__: Any) -> tuple[None, None]:
        return None, None

    monkeypatch.setattr(mimetypes, "guess_type", unknown)
    monkeypatch.setattr(mimetypes, "guess_extension", lambda *_, **__: None)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.png", "image/png"),
        ("A.JPG", "image/jpeg"),
        ("a.webp", "image/webp"),
        ("a.gif", "image/gif"),
        ("a.bmp", "image/bmp"),
        ("a.tif", "image/tiff"),
        ("a.avif", "image/avif"),
        ("a.heic", "image/heic"),
        ("a.svg", "image/svg+xml"),
        ("a.mp3", "audio/mpeg"),
        ("a.wav", "audio/wav"),
        ("a.m4a", "audio/mp4"),
        ("a.aac", "audio/aac"),
        ("a.ogg", "audio/ogg"),
        ("a.opus", "audio/opus"),
        ("a.flac", "audio/flac"),
        ("a.mp4", "video/mp4"),
        ("a.mov", "video/quicktime"),
        ("a.webm", "video/webm"),
        ("a.mkv", "video/x-matroska"),
        ("a.avi", "video/x-msvideo"),
        ("a.pdf", "application/pdf"),
        ("a.docx", WORD),
        ("a.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ("a.pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
        ("a.txt", "text/plain"),
        ("a.md", "text/markdown"),
        ("a.csv", "text/csv"),
        ("a.json", "application/json"),
        ("a.html", "text/html"),
        ("a.epub", "application/epub+zip"),
        ("a.glb", "model/gltf-binary"),
        ("a.gltf", "model/gltf+json"),
        ("a.obj", "model/obj"),
        ("a.stl", "model/stl"),
        ("a.usdz", "model/vnd.usdz+zip"),
        ("a.zip", "application/zip"),
        ("a.safetensors", "application/octet-stream"),
    ],
)
def test_a_suffix_stands_for_one_type_on_every_machine(name: str, kind: str) -> None:
    assert type_of_name(name) == kind


@pytest.mark.parametrize("name", ["", "png", ".png", "a.", "a.png.", "a.nosuchthing", "v1.5"])
def test_a_name_without_a_known_suffix_says_nothing(name: str) -> None:
    assert type_of_name(name) is None


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        ("image/jpeg", ".jpg"),
        ("image/jpg", ".jpg"),
        ("Image/PNG; charset=binary", ".png"),
        ("audio/x-wav", ".wav"),
        ("audio/mp3", ".mp3"),
        ("video/mp4", ".mp4"),
        ("text/plain; charset=utf-8", ".txt"),
        ("application/x-zip-compressed", ".zip"),
        ("model/gltf-binary", ".glb"),
        (WORD, ".docx"),
        ("application/octet-stream", ""),
        ("binary/octet-stream", ""),
        ("", ""),
        (None, ""),
        ("raw", ""),
        ("application/x-nobody-knows", ""),
        ("../../etc", ""),
    ],
)
def test_a_type_has_one_usual_suffix(kind: str | None, suffix: str) -> None:
    assert suffix_of_type(kind) == suffix


def test_each_suffix_leads_to_a_type_and_each_type_back_to_a_suffix_of_its_own() -> None:
    for kind, names in suffixes._SUFFIXES.items():
        for suffix in names:
            assert type_of_name(f"a.{suffix}") == kind  # no suffix appears twice
        assert says_nothing(kind) or suffix_of_type(kind) == f".{names[0]}"
        assert plain_type(kind) == kind  # a usual spelling is no alias
    for other, kind in suffixes._OTHER_NAMES.items():
        assert suffix_of_type(other) == suffix_of_type(kind) != ""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.png", True),
        ("a.kra", True),
        ("a.tar.gz", True),
        ("a.7z", True),
        ("a.3mf", True),
        ("output", False),
        ("v1.5", False),
        ("2026.11", False),
        ("robot.in.the.style-of-x", False),
        ("dr.miyazaki-san", False),
    ],
)
def test_a_suffix_is_distinguished_from_a_dot_in_a_name(name: str, expected: bool) -> None:
    assert has_suffix(name) is expected
