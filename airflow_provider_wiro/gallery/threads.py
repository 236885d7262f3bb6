"""
Threads of the gallery's own, in which its routes ask the database and stores.

Airflow's API server answers its own requests in a pool of 40 threads. What waits for a store that is out, or
for its turn, would take all of them: a browser behind HTTP/2 asks for all 60 pictures of a page at once. Here
it waits without a thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

#: For files. All of them can wait for stores, and pages are still read.
_MEDIA = 16
_PAGES = 8

_media: RunVar[CapacityLimiter] = RunVar("wiro_gallery_media")
_pages: RunVar[CapacityLimiter] = RunVar("wiro_gallery_pages")


async def in_media_thread(work: Callable[[], T]) -> T:
    """Return what a function returns that asks for an output's bytes."""
    return await _in_thread(work, _media, _MEDIA)


async def in_page_thread(work: Callable[[], T]) -> T:
    """Return what a function returns that reads a page."""
    return await _in_thread(work, _pages, _PAGES)


async def _in_thread(work: Callable[[], T], limiters: RunVar[CapacityLimiter], most: int) -> T:
    limiter = limiters.get(None)
    if limiter is None:
        limiter = CapacityLimiter(most)
        limiters.set(limiter)
    return await to_thread.run_sync(work, limiter=limiter)
