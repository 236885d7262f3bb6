from __future__ import annotations

import io
import struct
import wave
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.emulator.catalog import MODELS, find_model
from airflow_provider_wiro.emulator.generation.inputs import Inputs, RequestBody
from airflow_provider_wiro.emulator.generation.rendering import render
from airflow_provider_wiro.emulator.media.font import glyph_rows

if TYPE_CHECKING:
    from collections.abc import Iterator


def rendered(slug: str, **fields: Any) -> list[tuple[str, str, bytes]]:
    model = find_model(*slug.split("/"))
    assert model is not None
    files = render(Inputs(model, RequestBody(fields))).files
    return [(file.name, file.content_type, file.draw()) for file in files]


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at = 8
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length) == (zlib.crc32(kind + body),)
        yield kind, body
        at += 12 + length


def boxes(data: bytes) -> dict[bytes, bytes]:
    """Return the boxes of an MP4, those inside the containers too."""
    found, at = {}, 0
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        assert 8 <= length <= len(data) - at
        found[kind] = data[at + 8 : at + length]
        if kind in {b"moov", b"trak", b"mdia", b"minf", b"stbl"}:
            found |= boxes(found[kind])
        at += length
    return found


@pytest.mark.parametrize(("width", "height"), [(64, 64), (320, 200), (1024, 1024)])
def test_a_picture_is_a_valid_png_of_the_size_asked_for(width: int, height: int) -> None:
    ((name, content_type, data),) = rendered(
        "retroAIx/Retro-Cartoons", prompt="hello", samples="1", width=width, height=str(height)
    )
    assert (name, content_type) == ("0.png", "image/png")
    chunks = dict(png_chunks(data))
    assert list(chunks) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", chunks[b"IHDR"]) == (width, height, 8, 3, 0, 0, 0)
    assert len(zlib.decompress(chunks[b"IDAT"])) == (width + 1) * height


def test_there_are_as_many_pictures_as_samples_and_no_two_alike() -> None:
    pictures = rendered("retroAIx/Retro-Cartoons", prompt="x", width=64, height=64)
    assert [name for name, _, _ in pictures] == ["0.png", "1.png", "2.png", "3.png"]
    assert len({data for _, _, data in pictures}) == 4


@pytest.mark.parametrize(
    "change", [{"prompt": "y"}, {"seed": "2"}, {"steps": 20}, {"scheduler": "DDIMScheduler"}]
)
def test_every_parameter_changes_the_picture(change: dict[str, Any]) -> None:
    fields = {"prompt": "x", "samples": 1, "width": 64, "height": 64}
    one, same = (rendered("retroAIx/Retro-Cartoons", **fields) for _ in range(2))
    assert one == same
    assert one != rendered("retroAIx/Retro-Cartoons", **fields | change)


def test_the_prompt_can_be_read_in_the_picture() -> None:
    ((_, _, data),) = rendered("retroAIx/Retro-Cartoons", prompt="HI", samples=1, width=200, height=200)
    pixels = zlib.decompress(dict(png_chunks(data))[b"IDAT"])
    rows = [pixels[y * 201 + 1 : (y + 1) * 201] for y in range(200)]
    # At this width a pixel of the font is a pixel of the picture: look for ink (0) on paper (1).
    letters = [
        bytes(1 - (bits >> (4 - x) & 1) for x in range(5)) + b"\x01"
        for bits in (*glyph_rows("H"), *glyph_rows("I"))
    ]
    wanted = [letters[line] + letters[7 + line][:5] for line in range(7)]
    left = (200 - 11) // 2
    found = [top for top in range(193) if [row[left : left + 11] for row in rows[top : top + 7]] == wanted]
    assert len(found) == 1


def test_a_tune_is_a_valid_wav_as_long_as_its_text() -> None:
    ((name, content_type, data),) = rendered("resemble-ai/chatterbox-turbo", prompt="la la la")
    assert (name, content_type) == ("0.wav", "audio/wav")
    with wave.open(io.BytesIO(data)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 16_000)
        assert sound.getnframes() == 8 * 2240
        frames = sound.readframes(2240 * 3)
    assert any(frames[: 2240 * 4])
    assert not any(frames[2240 * 4 :])  # the third character is a space


@pytest.mark.parametrize(("ratio", "size"), [("16:9", (256, 144)), ("9:16", (144, 256)), ("1:1", (160, 160))])
def test_a_film_is_a_valid_mp4_with_every_frame_where_the_index_says(
    ratio: str, size: tuple[int, int]
) -> None:
    ((_, content_type, data),) = rendered(
        "ByteDance/seedance-pro-v1.5", prompt="x", ratio=ratio, duration="5"
    )
    found = boxes(data)
    assert content_type == "video/mp4"
    assert data[4:8] == b"ftyp"
    assert struct.unpack(">2I", found[b"tkhd"][-8:]) == (size[0] << 16, size[1] << 16)
    timescale, duration = struct.unpack_from(">2I", found[b"mdhd"], 12)
    assert duration / timescale == 5
    (count,) = struct.unpack_from(">I", found[b"stsz"], 8)
    sizes = struct.unpack_from(f">{count}I", found[b"stsz"], 12)
    (offset,) = struct.unpack_from(">I", found[b"stco"], 8)
    assert count == 10
    assert sum(sizes) == len(found[b"mdat"])
    for length in sizes:
        nal_length, nal_header = struct.unpack_from(">IB", data, offset)
        assert (nal_length, nal_header) == (length - 4, 0x65)  # one IDR slice, its length before it
        offset += length
    assert offset == len(data)


def test_a_table_of_documents_can_be_csv() -> None:
    ((name, content_type, data),) = rendered(
        "wiro/AI-Resume-CV-Parser", inputDocumentMultipleUrl="https://a.example/1.pdf", outputType="csv"
    )
    assert (name, content_type) == ("0.csv", "text/csv")
    assert data.decode().splitlines()[1].startswith("0,url,https://a.example/1.pdf,")


def test_every_model_of_the_catalogue_has_an_output() -> None:
    for model in MODELS:
        body = RequestBody({"prompt": "x", "inputDocumentMultiple": "https://a.example/1.pdf"})
        rendering = render(Inputs(model, body))
        assert rendering.answer or rendering.files
