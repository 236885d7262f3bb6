"""Waiting for what another thread or server does, and patches of waiting that these don't see."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def only_in_this_thread(fake: Callable[..., Any], real: Callable[..., Any]) -> Callable[..., Any]:
    """
    Return a stand-in for a function of the whole process, such as `asyncio.sleep`.

    Other threads, in which the tests' servers work, get the real one.
    """
    own = threading.get_ident()

    def called(*args: Any, **kwargs: Any) -> Any:
        return (fake if threading.get_ident() == own else real)(*args, **kwargs)

    return called


async def until(is_so: Callable[[], Any], seconds: float = 20.0) -> None:
    """Return once something is so; fail after some time."""
    async with asyncio.timeout(seconds):
        while not is_so():  # noqa: ASYNC110  it happens in another thread
            await asyncio.sleep(0.005)
