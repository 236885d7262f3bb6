from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp

from airflow_provider_wiro.emulator import Fault, WiroEmulator
from tests.emulator.conftest import NANO, RETRO, SMALL

if TYPE_CHECKING:
    from tests.emulator.conftest import Client


async def test_the_page_identifies_the_emulator_and_shows_the_outputs(wiro: Client) -> None:
    task = await wiro.finish(body=SMALL | {"prompt": "<script>alert(1)</script>"})
    await wiro.finish(NANO, {"prompt": "gloves"})
    await wiro.finish("resemble-ai/chatterbox-turbo", {"prompt": "la"})
    wiro.emulator.inject(Fault("big_output", bytes=100))
    await wiro.finish()
    status, headers, data = await wiro.fetch(wiro.root + "/")
    html = data.decode()
    assert (status, headers["Server"]) == (200, "wiro-emulator")
    assert "local emulator of the Wiro API" in html
    assert f'<img src="/cdn/{task["outputs"][0]["accesskey"]}/0.png"' in html
    assert "<script>" not in html
    assert "<audio" in html
    assert "(100 bytes)" in html


async def test_every_task_has_an_anchor_on_the_page() -> None:
    with WiroEmulator(api_secret=None) as emulator:
        root = emulator.url.removesuffix("/v1")
        many = {"model": RETRO, "parameters": SMALL, "seconds": [60.0] * 120}
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{root}/__emulator__/tasks", json=many) as started:
                assert started.status == 200
            async with session.get(root) as response:
                page = await response.text()
        ids = [task.id for task in emulator.tasks]
        assert len(ids) == 120
        for task_id in ids:
            assert page.count(f'id="task-{task_id}"') == 1
