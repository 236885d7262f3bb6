"""The commands as Airflow 3.2+ adds them to its own CLI: ``airflow wiro …``."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_wiro.cli.commands import COMMANDS, Command

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow.cli.cli_config import CLICommand


def get_wiro_cli_commands() -> list[CLICommand]:
    """Return the group ``wiro``. Airflow calls this at each start of its CLI, so it imports nothing heavy."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand

    return [
        GroupCommand(
            name="wiro",
            help="Wiro's catalogue, prices, tasks and spend",
            subcommands=tuple(
                ActionCommand(
                    name=command.name,
                    help=command.help,
                    func=partial(_run, command),
                    args=tuple(
                        Arg(argument.flags, **argument.settings)  # type: ignore[no-untyped-call]
                        for argument in command.arguments
                    ),
                )
                for command in COMMANDS
            ),
        )
    ]


def _run(command: Command, options: Namespace) -> None:
    from airflow_provider_wiro.cli.program import run_command

    exit_code = run_command(command, options)
    if exit_code:
        sys.exit(exit_code)
