from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tests.emulator.conftest import RETRO, SMALL

if TYPE_CHECKING:
    from tests.emulator.conftest import Client


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", "text/plain"])
async def test_json_text_is_read_under_any_content_type(wiro: Client, content_type: str) -> None:
    headers = wiro.headers() | {"Content-Type": content_type}
    await wiro(f"Run/{RETRO}", data=json.dumps(SMALL), headers=headers)
    assert wiro.emulator.tasks[0].parameters == SMALL


async def test_a_body_that_is_no_json_is_a_400(wiro: Client) -> None:
    status, response = await wiro.post(f"Run/{RETRO}", data="{not json")
    assert (status, response["result"]) == (400, False)


async def test_a_file_arrives_with_its_name_type_and_bytes(wiro: Client) -> None:
    form = aiohttp.FormData({"prompt": "warmer", "inputImageUrl": ""})
    form.add_field("inputImage", b"\x89PNG...", filename="in.png", content_type="image/png")
    await wiro.run("wiro/image-edit-general", data=form)
    (task,) = wiro.emulator.tasks
    (file,) = task.files
    assert (file.field, file.name, file.content_type, file.size) == ("inputImage", "in.png", "image/png", 7)
    assert file.sha256 == hashlib.sha256(b"\x89PNG...").hexdigest()
    assert task.parameters == {"prompt": "warmer", "inputImageUrl": ""}


async def test_an_upload_above_100_mb_is_refused(wiro: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_wiro.emulator.http.request_body.MAX_FILE_BYTES", 1000)
    form = aiohttp.FormData()
    form.add_field("file", bytes(1001), filename="big.png")
    status, response = await wiro.post("File/Upload", data=form)
    assert (status, response["errors"][0]["message"]) == (413, "File size must be at most 100 MB")
