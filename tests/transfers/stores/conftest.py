"""Google Cloud Storage and Azure on loopback, with an empty bucket for each test."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.input_files.object_storage import forget_stores
from tests.transfers.stores.object_store import AzureStore, GoogleStore, Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.programs.stores.azure import Azurite
    from tests.programs.stores.google import GoogleStorage


@pytest.fixture(scope="session")
def google_storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoogleStorage]:
    pytest.importorskip("gcsfs")
    from tests.programs.stores.google import GoogleStorage

    with GoogleStorage(tmp_path_factory.mktemp("google") / "log") as server:
        yield server


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    pytest.importorskip("adlfs")
    from tests.programs.stores.azure import Azurite

    with Azurite(tmp_path_factory.mktemp("azure") / "log") as server:
        yield server


@pytest.fixture(params=["google", pytest.param("azure", marks=pytest.mark.stores)])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty bucket in a store, attached to Airflow."""
    name = f"b{uuid.uuid4().hex}"
    forget_stores()
    if request.param == "google":
        one: Store = GoogleStore(request.getfixturevalue("google_storage"), name)
    else:
        one = AzureStore(request.getfixturevalue("azurite"), name)
    yield one
    one.close()
    forget_stores()


@pytest.fixture
def google(google_storage: GoogleStorage) -> Iterator[GoogleStore]:
    forget_stores()
    one = GoogleStore(google_storage, f"b{uuid.uuid4().hex}")
    yield one
    one.close()
    forget_stores()
