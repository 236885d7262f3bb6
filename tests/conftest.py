"""Isolates Airflow before it is imported; fixtures for several folders of tests."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.airflow_home import AirflowHome, isolate_airflow
from tests.storage.object_stores.fixtures import azurite, google, google_storage, object_store

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from tests.input_files.object_storage import Bucket

__all__ = ["azurite", "google", "google_storage", "object_store"]

# At import and not in a fixture: test modules import Airflow, and Airflow reads AIRFLOW_HOME when imported.
_HOME = isolate_airflow()

_COUNT = itertools.count()

#: Airflow's secrets maskers from 3.2 on: the one of its core and the one of the Task SDK.
_MASKERS = (
    "airflow._shared.secrets_masker.secrets_masker",
    "airflow.sdk._shared.secrets_masker.secrets_masker",
)

# A slow run says something about the machine, not about the promise.
settings.register_profile(
    "untimed", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while Airflow and all tests are read: nearly nothing of it is any."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Keep the garbage collector from visiting the half million objects of Airflow and all tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _forget_masked_secrets() -> Iterator[None]:
    """
    Reset Airflow's masker, which keeps every secret of a process and compiles all into one pattern again and
    again.

    Thousands of tests add some each, and would get slower and slower.
    """
    yield
    for name in _MASKERS:
        if name in sys.modules:
            sys.modules[name]._secrets_masker().reset_masker()


@pytest.fixture(autouse=True)
def _own_model_cache() -> None:
    """Keep models' descriptions for one test only: the next one's server can have the same address."""
    _forget_models()


@pytest.fixture
def an_hour_later() -> Callable[[], None]:
    """Let Wiro be asked for its models again."""
    return _forget_models


def _forget_models() -> None:
    os.environ["AIRFLOW__WIRO__MODEL_CACHE_PATH"] = str(_HOME / f"models-{next(_COUNT)}")


def pytest_unconfigure() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    In tests that run a whole Airflow, allow Airflow's own warnings, but none of this package.

    Five Airflows with their libraries raise hundreds of warnings that this project can't fix.
    """
    for item in items:
        if item.get_closest_marker("airflow"):
            # First in the list of marks is last in effect: a test may still turn a warning into an error.
            item.add_marker(
                pytest.mark.filterwarnings("ignore", "error:::airflow_provider_wiro"), append=False
            )


@pytest.fixture(scope="session")
def airflow_home() -> AirflowHome:
    """Return this session's Airflow with a migrated database (3 to 10 s, once, and only if used)."""
    home = AirflowHome(_HOME)
    home.migrate()
    return home


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """An empty bucket on moto, as Airflow's object storage opens it over ``aws_default``."""
    from tests.input_files.object_storage import serve_s3

    yield from serve_s3(monkeypatch)
