"""Airflow's API server with the gallery, for the tests of its routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import airflow
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.airflow_home import AirflowHome
    from tests.gallery.routes.api_server import ApiServer

#: Before Airflow 3.1 there are no tabs of plugins, so there is no gallery, nor all that these tests import.
if tuple(int(part) for part in airflow.__version__.split(".")[:2]) < (3, 1):
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="package")
def api(airflow_home: AirflowHome) -> Iterator[ApiServer]:
    from tests.gallery.routes.api_server import airflow_api_server

    with airflow_api_server() as server:
        yield server
