"""Google Cloud Storage and Azure on loopback, with an empty bucket for each test."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.programs.stores.azure import Azurite
    from tests.programs.stores.google import GoogleStorage, OtherGoogleStorage
    from tests.storage.object_stores.object_store import GoogleStore, Store


@pytest.fixture(scope="session")
def google_storage(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[GoogleStorage | OtherGoogleStorage]:
    pytest.importorskip("gcsfs")
    from tests.programs.stores.google import GoogleStorage, OtherGoogleStorage

    if url := os.environ.get("TEST_GOOGLE_STORAGE_URL"):  # such as that of Google's own storage-testbench
        yield OtherGoogleStorage(url)
        return
    with GoogleStorage(tmp_path_factory.mktemp("google") / "log") as server:
        yield server


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    pytest.importorskip("adlfs")
    from tests.programs.stores.azure import Azurite

    with Azurite(tmp_path_factory.mktemp("azure") / "log") as server:
        yield server


@pytest.fixture(params=["google", pytest.param("azure", marks=pytest.mark.stores)])
def object_store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty bucket in a store, attached to Airflow."""
    from tests.storage.object_stores.object_store import AzureStore

    if request.param == "google":
        yield request.getfixturevalue("google")
        return
    from tests.input_files.object_storage import forget_stores

    server = request.getfixturevalue("azurite")
    forget_stores()
    one = AzureStore(server, f"b{uuid.uuid4().hex}")
    yield one
    one.close()
    forget_stores()


@pytest.fixture
def google(google_storage: GoogleStorage | OtherGoogleStorage) -> Iterator[GoogleStore]:
    """An empty bucket of Google Cloud Storage, attached to Airflow."""
    from tests.input_files.object_storage import forget_stores
    from tests.storage.object_stores.object_store import GoogleStore

    forget_stores()
    one = GoogleStore(google_storage, f"b{uuid.uuid4().hex}")
    yield one
    one.close()
    forget_stores()
