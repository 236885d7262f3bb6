"""A page of a manifest, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class UnreadableManifestError(Exception):
    """A manifest, or a part of it, that can't be shown. Its text is a sentence for the page."""


@dataclass(frozen=True)
class ManifestLine:
    """
    One line.

    :ivar place: what names it in the URL of its media: the item's number from 0, or ``b`` and the byte at
        which it begins.
    :ivar value: the parsed line; None if it can't be shown.
    :ivar note: why there is no ``value``, a sentence; empty if there is one.
    """

    place: str
    value: Mapping[str, Any] | None
    note: str = ""


@dataclass(frozen=True)
class ManifestPage:
    """
    Some lines of a manifest, at most :data:`~airflow_provider_wiro.gallery.page.PAGE_SIZE`.

    :ivar here: the ``at`` of this page; the empty text is the beginning.
    :ivar previous: the ``at`` of the page before; None if this is the first.
    :ivar next: the ``at`` of the page after; None if this is the last.
    :ivar first: the number of the first line, from 1; None if it isn't known, as in an export.
    :ivar total: how many lines there are; None if that isn't known.
    :ivar jumps: whether ``at`` can also be ``item-`` and the number of an item, from 1.
    :ivar note: a sentence about the whole page; empty if there is nothing to say.
    """

    lines: tuple[ManifestLine, ...]
    here: str = ""
    previous: str | None = None
    next: str | None = None
    first: int | None = None
    total: int | None = None
    jumps: bool = False
    note: str = ""
