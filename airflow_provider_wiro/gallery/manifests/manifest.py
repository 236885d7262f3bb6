"""Manifest: the lines of a batch's or an export's manifest, page by page, read by ranges of bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.gallery.manifests.page import ManifestPage, UnreadableManifestError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Manifest:
    """One manifest. Nothing is read before a page, or a line, is asked for."""

    def __init__(self, uri: str, aws_conn_id: str | None) -> None:
        self._uri = uri
        self._aws_conn_id = aws_conn_id

    def page(self, at: str = "") -> ManifestPage:
        """
        Return a page.

        :param at: empty: the first; ``b`` and a byte: from the next line's beginning on; ``e`` and a byte:
            the lines before it; ``item-`` and the number of an item, from 1. Anything else is the first.
        :raises UnreadableManifestError: there is none, or it can't be read.
        """
        raise UnreadableManifestError(f"The manifest {self._uri} was not read (page {at!r}).")

    def line(self, place: str) -> Mapping[str, Any]:
        """
        Return one line.

        :param place: as :attr:`ManifestLine.place` names it.
        :raises LookupError: there is no such line.
        :raises UnreadableManifestError: the manifest can't be read.
        """
        raise LookupError(f"{self._uri} has no line {place!r}.")


def open_manifest(uri: str, aws_conn_id: str | None) -> Manifest:
    """
    Return a manifest: in S3, or below ``[wiro] state_path``.

    :param uri: where it is. A connection in it is used for nothing.
    :param aws_conn_id: reads ``s3://``, from the task's own arguments; None: boto3's own credentials.
    :raises UnreadableManifestError: it is elsewhere.
    """
    return Manifest(uri, aws_conn_id)
