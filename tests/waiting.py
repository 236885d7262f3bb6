"""Waiting for what another thread or server does, as long as a loaded machine needs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


async def until(is_so: Callable[[], Any], seconds: float = 20.0) -> None:
    """Return once something is so; fail after some time."""
    async with asyncio.timeout(seconds):
        while not is_so():  # noqa: ASYNC110  it happens in another thread
            await asyncio.sleep(0.005)
