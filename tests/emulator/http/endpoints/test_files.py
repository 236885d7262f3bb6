from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest

if TYPE_CHECKING:
    from tests.emulator.conftest import Client


async def test_an_upload_returns_its_address(wiro: Client) -> None:
    folder = (await wiro("File/FolderCreate", {"name": "training-data_1"}))["list"][0]["id"]
    form = aiohttp.FormData({"folderid": folder}, quote_fields=False)
    form.add_field("file", b"a,b\n1,2\n", filename="../data set.csv", content_type="text/csv")
    (stored,) = (await wiro("File/Upload", data=form))["list"]
    assert (stored["name"], stored["size"], stored["parentid"]) == ("data_set.csv", "8", folder)
    assert stored["contenttype"] == "text/csv"
    assert (await wiro.fetch(stored["url"]))[2] == b"a,b\n1,2\n"


async def test_a_zip_is_kept_as_it_is(wiro: Client) -> None:
    form = aiohttp.FormData()
    form.add_field("file", b"PK\x05\x06" + bytes(18), filename="set.ZIP")
    assert (await wiro("File/Upload", data=form))["list"][0]["size"] == "22"


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("virus.exe", {}, "File type [exe] is not supported"),
        ("noextension", {}, "File type [] is not supported"),
        ("a.png", {"folderid": "nowhere"}, "folder-not-exist"),
    ],
)
async def test_an_upload_that_wiro_would_not_take_is_refused(
    wiro: Client, name: str, fields: dict[str, str], message: str
) -> None:
    form = aiohttp.FormData(fields)
    form.add_field("file", b"x", filename=name)
    assert (await wiro("File/Upload", data=form))["errors"][0]["message"] == message


async def test_an_upload_without_a_file_is_refused(wiro: Client) -> None:
    assert (await wiro("File/Upload", {}))["errors"][0]["message"] == "Request files [file] required"


@pytest.mark.parametrize("name", ["", "a b", "../x", "a.b"])
async def test_a_folder_has_a_plain_name(wiro: Client, name: str) -> None:
    assert (await wiro("File/FolderCreate", {"name": name}))["result"] is False
