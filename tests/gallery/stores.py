"""What the gallery keeps of stores. The stores themselves are the fixtures of ``tests/transfers``."""

from __future__ import annotations

import pytest

from airflow_provider_wiro.gallery.manifests import manifest as manifests
from airflow_provider_wiro.gallery.media import presigned, response
from airflow_provider_wiro.gallery.ranged import s3_clients, store_calls, store_object


@pytest.fixture(autouse=True)
def as_a_new_process() -> None:
    """Forget what the last test has left: each one has another store behind the same connection."""
    for cache in (
        s3_clients._clients,
        response._facts,
        presigned._origins,
        store_object._facts,
        store_calls.calls._out,
        manifests._cache.versions,
        manifests._cache.blocks,
        manifests._cache.places,
    ):
        cache.clear()
