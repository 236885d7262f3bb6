from __future__ import annotations

import asyncio
import dataclasses
import json
import signal
import sys

import pytest

from airflow_provider_wiro.emulator import WiroEmulator
from airflow_provider_wiro.emulator.__main__ import parse_arguments, settings_of
from airflow_provider_wiro.emulator.settings import Settings


def test_the_command_needs_two_options_to_listen_beyond_this_machine(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["--host", "0.0.0.0"])  # noqa: S104 - that is the test
    assert "--allow-remote" in capsys.readouterr().err
    assert parse_arguments(["--host", "0.0.0.0", "--allow-remote"]).allow_remote  # noqa: S104
    assert parse_arguments(["--host", "::1"]).port == 8900


def test_the_command_lines_defaults_are_the_settings() -> None:
    options = vars(parse_arguments([]))
    defaults = {item.name: item.default for item in dataclasses.fields(Settings)}
    shared = defaults.keys() & options.keys()
    assert {"nonces", "socket_dialect", "kill_from", "teammates", "task_fields"} <= shared
    assert {name: options[name] for name in shared} == {name: defaults[name] for name in shared}
    assert settings_of(parse_arguments([])) == Settings()
    assert settings_of(parse_arguments(["--key-only", "--balance", "5"])) == Settings(
        api_secret=None, balance_usd=5
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_command_prints_its_address_and_stops_cleanly(number: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "airflow_provider_wiro.emulator", "--port", "0", "--key-only", "--speed", "50",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(20):
        first, second = (await process.stdout.readline()).decode(), (await process.stdout.readline()).decode()
        url = first.removeprefix("Wiro emulator listening on ").strip()
        assert url.startswith("http://127.0.0.1:")
        name, _, value = second.strip().partition("=")
        assert name == "AIRFLOW_CONN_WIRO_DEFAULT"
        assert json.loads(value.strip("'"))["host"] == url
        process.send_signal(number)
        rest, _ = await process.communicate()
    assert process.returncode == 0
    assert rest.decode().endswith("Wiro emulator stopped.\n")


async def test_the_command_reports_in_one_line_that_its_port_is_taken() -> None:
    async with WiroEmulator() as emulator:
        port = emulator.url.split(":")[2].split("/")[0]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "airflow_provider_wiro.emulator", "--port", port,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors.decode().splitlines()[-1].startswith(f"the emulator can't listen on 127.0.0.1:{port}: ")


async def test_the_emulator_needs_no_airflow() -> None:
    code = (
        "import sys; import airflow_provider_wiro.emulator, airflow_provider_wiro.emulator.__main__; "
        "print([name for name in sys.modules if name.split('.')[0] in {'airflow', 'requests', 'boto3'}])"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert output == b"[]\n"
