from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from airflow_provider_wiro.cli.program import main
from airflow_provider_wiro.emulator import WiroEmulator


@dataclass(frozen=True)
class Printed:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


Run = Callable[..., Printed]


@pytest.fixture
def wiro(monkeypatch: pytest.MonkeyPatch) -> Iterator[WiroEmulator]:
    with WiroEmulator(speed=1000) as emulator:
        monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", emulator.connection)
        yield emulator


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")  # main sets it for its process

    def run_it(*arguments: Any) -> Printed:
        capfd.readouterr()
        try:
            code = main([*map(str, arguments)])
        except SystemExit as error:  # argparse
            code = error.code if isinstance(error.code, int) else 1
        out, err = capfd.readouterr()
        return Printed(code, out, err)

    return run_it
