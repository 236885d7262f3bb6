"""Manifest: the lines of a batch's or an export's manifest, page by page, read by ranges of bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_wiro.gallery.manifests.blocks import BlockCache, BlockFile
from airflow_provider_wiro.gallery.manifests.item_search import find_item, last_item
from airflow_provider_wiro.gallery.manifests.line_forms import is_manifest_line
from airflow_provider_wiro.gallery.manifests.lines import (
    FARTHEST,
    item_of,
    line_at,
    next_start,
    parsed,
    starts_before,
)
from airflow_provider_wiro.gallery.manifests.page import ManifestLine, ManifestPage, UnreadableManifestError
from airflow_provider_wiro.gallery.manifests.places import manifest_object, without_connection
from airflow_provider_wiro.gallery.page import PAGE_SIZE
from airflow_provider_wiro.gallery.ranged.ranged_object import ReplacedObjectError, UnreadableObjectError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_wiro.gallery.manifests.lines import Line
    from airflow_provider_wiro.gallery.ranged.ranged_object import RangedObject

T = TypeVar("T")

#: A page of long lines ends early, after this many bytes.
PAGE_BYTES = 4 * 1024 * 1024
_AT = re.compile(r"(?P<item>item-)?(?P<way>[be])?(?P<number>\d{1,15})", re.ASCII)
_PLACE = re.compile(r"(?P<way>b)?(?P<number>\d{1,15})", re.ASCII)
#: How often it is begun again when the manifest is replaced meanwhile.
_MOST_TRIES = 3

_LONG = "Here is the middle of a very long line of the manifest. The next page is further on."

_cache = BlockCache()


class Manifest:
    """
    One manifest. Nothing is read before a page, or a line, is asked for.

    :param shown: where it is, for notes.
    """

    def __init__(self, source: RangedObject, shown: str, cache: BlockCache) -> None:
        self._source = source
        self._shown = shown
        self._cache = cache

    def page(self, at: str = "") -> ManifestPage:
        """
        Return a page.

        :param at: empty: the first; ``b`` and a byte: from the next line's beginning on; ``e`` and a byte:
            the lines before it; ``item-`` and the number of an item, from 1. Anything else is the first.
        :raises UnreadableManifestError: there is none, or it can't be read.
        """
        return self._read(lambda file: _page(file, at))

    def line(self, place: str) -> Mapping[str, Any]:
        """
        Return one line.

        :param place: as :attr:`ManifestLine.place` names it.
        :raises LookupError: there is no such line.
        :raises UnreadableManifestError: the manifest can't be read.
        """
        asked = _PLACE.fullmatch(place)
        if asked is None:
            raise LookupError("No such place in a manifest.")
        by_byte, number = bool(asked["way"]), int(asked["number"])
        found = self._read(lambda file: _line_at(file, number) if by_byte else _line_of(file, number))
        if found is None:
            raise LookupError(f"The manifest {self._shown} has no line {place}.")
        return found

    def _read(self, read: Callable[[BlockFile], T]) -> T:
        """Read, from the beginning again where the manifest is replaced meanwhile."""
        for tries_left in reversed(range(_MOST_TRIES)):
            file = BlockFile(self._source, self._cache)
            try:
                return read(file)
            except UnreadableObjectError as error:
                file.forget()
                if not (tries_left and isinstance(error, ReplacedObjectError)):
                    raise UnreadableManifestError(
                        f"The manifest {self._shown} can't be shown. {error}"
                    ) from None
        raise LookupError(self._shown)  # not reached: the last try returns or raises


def open_manifest(uri: str, aws_conn_id: str | None) -> Manifest:
    """
    Return a manifest: in S3, or below ``[wiro] state_path``.

    :param uri: where it is. A connection in it is used for nothing.
    :param aws_conn_id: reads ``s3://``, from the task's own arguments; None: boto3's own credentials.
    :raises UnreadableManifestError: it is elsewhere.
    """
    return Manifest(manifest_object(uri, aws_conn_id), without_connection(uri), _cache)


def _page(file: BlockFile, at: str) -> ManifestPage:
    asked = _AT.fullmatch(at)
    number = int(asked["number"]) if asked else 0
    if asked and asked["item"] and not asked["way"]:
        return _page_of_item(file, number)
    if asked and asked["way"] and not asked["item"]:
        start = next_start(file, number, FARTHEST)
        if start is None:
            beyond = number + FARTHEST
            return ManifestPage((), f"b{number}", f"e{number}", f"b{beyond}", note=_LONG)
        return _page_from(file, start) if asked["way"] == "b" else _page_before(file, start)
    return _page_from(file, 0)


def _page_of_item(file: BlockFile, number: int) -> ManifestPage:
    last = last_item(file)
    if last is None:
        return _page_from(file, 0)
    total = last + 1
    # Beyond the end: the last page.
    item = number - 1 if number <= total else max(0, total - PAGE_SIZE)
    start = find_item(file, max(0, item), last)
    return _page_from(file, start or 0, total=total)


def _page_before(file: BlockFile, stop: int) -> ManifestPage:
    starts = starts_before(file, stop, PAGE_SIZE, PAGE_BYTES)
    start = next((start for start in starts[:-1] if stop - start <= PAGE_BYTES), starts[-1] if starts else 0)
    return _page_from(file, start, stop=stop) if start else _page_from(file, 0)


def _page_from(
    file: BlockFile, start: int, *, stop: int | None = None, total: int | None = None
) -> ManifestPage:
    """Return the page that begins with the line at ``start``, and ends before ``stop``."""
    lines: list[ManifestLine] = []
    items: list[int | None] = []
    position = start
    while len(lines) < PAGE_SIZE and position - start < PAGE_BYTES and position != stop:
        line = line_at(file, position)
        if line is None:
            break
        if position > start and line.stop - start > PAGE_BYTES:
            break
        position = line.stop
        if line.is_blank:
            continue
        shown, item = _shown(line)
        if item is not None:
            file.note_place(item, line.start)
        lines.append(shown)
        items.append(item)
    is_batch = any(item is not None for item in items)
    first = items[0] + 1 if items and items[0] is not None else None
    return ManifestPage(
        tuple(lines),
        here="" if not start else f"item-{first}" if first is not None else f"b{start}",
        previous=f"e{start}" if start else None,
        next=f"b{position}" if position < file.size else None,
        first=first,
        total=total,
        jumps=is_batch,
        note=_note(lines, start),
    )


def _shown(line: Line) -> tuple[ManifestLine, int | None]:
    """Return a line for the page, and the number of its item."""
    item, value = item_of(line), parsed(line)
    place = f"b{line.start}" if item is None else str(item)
    if value is not None and is_manifest_line(value):
        return ManifestLine(place, value), item
    if not line.is_whole:
        size = (line.stop - line.start) / 1024**2
        more = "" if line.is_ended else "more than "
        note = f"Its line in the manifest has {more}{size:.1f} MiB, which is too long to be shown here."
    elif not line.is_ended:
        note = "Its line in the manifest is cut off."
    else:
        note = "This line of the file is no line of a manifest."
    return ManifestLine(place, None, note), item


def _note(lines: list[ManifestLine], start: int) -> str:
    if not lines:
        return "The manifest has no lines here." if start else "The manifest is empty."
    if all(line.value is None for line in lines) and not any(line.place.isdigit() for line in lines):
        return "This file is no manifest of a batch or an export: none of these lines is a line of one."
    return ""


def _line_of(file: BlockFile, item: int) -> Mapping[str, Any] | None:
    start = file.noted_place(item)
    if start is None:
        last = last_item(file)
        start = None if last is None else find_item(file, item, last)
    return None if start is None else _line_at(file, start)


def _line_at(file: BlockFile, start: int) -> Mapping[str, Any] | None:
    if start and file.read(start - 1, start) != b"\n":
        return None
    line = line_at(file, start)
    value = None if line is None else parsed(line)
    return value if value is not None and is_manifest_line(value) else None
