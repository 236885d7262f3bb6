"""The command `python -m airflow_provider_wiro.emulator`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import shlex
import signal
from dataclasses import fields
from typing import TYPE_CHECKING

from airflow_provider_wiro.emulator.http.same_origin import is_loopback
from airflow_provider_wiro.emulator.server import EmulatorServer
from airflow_provider_wiro.emulator.settings import CHOICES, DEFAULT_API_KEY, DEFAULT_API_SECRET, Settings
from airflow_provider_wiro.emulator.state.clock import ManualClock, WallClock

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; it must ask twice for a host that other machines can reach."""
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_wiro.emulator",
        description="A local emulator of the Wiro API. No model runs, nothing is billed.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=8900, help="port, 0 for a free one (default: %(default)s)"
    )
    parser.add_argument("--allow-remote", action="store_true", help="let --host be more than loopback")
    parser.add_argument("--key-only", action="store_true", help="a project without secret and signatures")
    parser.add_argument(
        "--clock-offset",
        type=float,
        default=0.0,
        help="seconds by which its clock is ahead of this machine's",
    )
    parser.add_argument(
        "--manual-clock", action="store_true", help="time stands still until /__emulator__/clock"
    )
    _add_settings(parser)
    options = parser.parse_args(arguments)
    if not is_loopback(options.host) and not options.allow_remote:
        parser.error(
            f"--host {options.host} can be reached from other machines; add --allow-remote to mean it"
        )
    return options


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """Add the options that are fields of `Settings`, under the names of the fields."""
    add = parser.add_argument
    add("--api-key", default=DEFAULT_API_KEY, help="the project's key (default: %(default)s)")
    add("--api-secret", default=DEFAULT_API_SECRET, help="its secret (default: %(default)s)")
    add("--speed", type=float, default=1.0, help="how many times faster tasks run (default: 1)")
    add("--max-active", type=int, help="code 96 above this many active tasks (default: no limit)")
    add(
        "--balance",
        type=float,
        dest="balance_usd",
        help="USD at first; code 97 below $0.50 (default: unlimited)",
    )
    add("--output-bytes", type=int, help="make every output one file of this many bytes")
    add(
        "--link-lifetime",
        type=float,
        dest="link_lifetime_seconds",
        default=24 * 3600.0,
        help="seconds until an output's URL expires",
    )
    group = parser.add_argument_group("what Wiro may do one way or another (the default comes first)")
    for name, help_text in (
        ("nonces", "refuse a repeated nonce, or accept it, as the official Node client needs"),
        ("socket_dialect", "form of the WebSocket's messages"),
        (
            "socket_registrations",
            "tasks whose messages a WebSocket connection sends: many, one (the last), or the first",
        ),
        ("kill_from", "status from which a kill works"),
        ("task_fields", "a task's id and outputs, or, as the kits read them, taskid and output"),
        ("list_fields", "what Task/List shows of a task: as much as is known, or its id and status"),
        ("price_row", "row of the price list that is billed if several fit"),
    ):
        choices = CHOICES[name]
        group.add_argument(f"--{name.replace('_', '-')}", choices=choices, default=choices[0], help=help_text)
    for name, help_text in (
        ("require_user_agent", "refuse requests without a User-Agent other than their library's"),
        ("bill_killed", "charge tasks that are killed while they run"),
        ("parameters_as_text", "show a task's parameters as JSON text"),
    ):
        group.add_argument(f"--{name.replace('_', '-')}", action="store_true", help=help_text)
    group.add_argument(
        "--late-cost-seconds", type=float, default=0.0, help="seconds until an ended task's cost is known"
    )
    group.add_argument(
        "--teammates", type=int, default=0, help="other members of the team who start every run, too"
    )


def settings_of(options: argparse.Namespace) -> Settings:
    """Return the settings of a command line."""
    given = {item.name: getattr(options, item.name) for item in fields(Settings)}
    if options.key_only:
        given["api_secret"] = None
    return Settings(**given)


async def serve(options: argparse.Namespace) -> None:
    """Serve until SIGINT or SIGTERM."""
    clock = ManualClock() if options.manual_clock else WallClock(options.clock_offset)
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    server = EmulatorServer(settings_of(options), host=options.host, port=options.port, clock=clock)
    try:
        await server.start()
    except OSError as error:
        await server.stop()
        where = f"{options.host}:{options.port}"
        raise SystemExit(f"the emulator can't listen on {where}: {error.strerror}") from error
    _print(f"Wiro emulator listening on {server.url}")
    _print(f"AIRFLOW_CONN_WIRO_DEFAULT={shlex.quote(server.connection)}")
    _print(
        f"This is an emulator: no model runs, nothing is billed. Its page is {server.world.base_url}/ "
        f"(WebSocket {server.websocket_url}). Stop it with Ctrl-C."
    )
    if not is_loopback(options.host):
        log.warning("%s can be reached from other machines", options.host)
    await stopping.wait()
    await server.stop()
    _print("Wiro emulator stopped.")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    asyncio.run(serve(parse_arguments(arguments)))


def _print(line: str) -> None:
    # Flushed, because scripts wait for the line.
    print(line, flush=True)  # noqa: T201 - a command's own output


if __name__ == "__main__":
    main()
