"""
Manifests of batches and exports, page by page: the lines of a page are found by ranges of bytes.

The entry is :func:`open_manifest`.
"""

from __future__ import annotations

from airflow_provider_wiro.gallery.manifests.manifest import Manifest, open_manifest
from airflow_provider_wiro.gallery.manifests.page import (
    ManifestLine,
    ManifestPage,
    UnreadableManifestError,
)

__all__ = ["Manifest", "ManifestLine", "ManifestPage", "UnreadableManifestError", "open_manifest"]
