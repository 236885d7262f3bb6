"""Runs a command: reads its arguments, opens the connection, prints the report, and returns an exit code."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from airflow_provider_wiro.cli.commands import COMMANDS, Command
from airflow_provider_wiro.exceptions import WiroError, WiroUsageError
from airflow_provider_wiro.redaction.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TextIO

    from airflow_provider_wiro.cli.report import Report
    from airflow_provider_wiro.hooks.wiro import WiroHook

#: As shells report a program that Ctrl-C ended.
_INTERRUPTED = 130
_FAILED = 1
_USAGE = 2
#: File descriptors.
_STDOUT, _STDERR = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command that the arguments name.

    :return: the exit code: 0; 1 if Wiro, the connection or the network refused; 2 if the arguments are wrong;
        130 after Ctrl-C.
    """
    options = parser().parse_args(arguments)
    return run_command(options.command, options)


def run_command(command: Command, options: argparse.Namespace) -> int:
    """Run a command whose arguments are parsed, see :func:`main`."""
    # As Airflow's own `airflow connections get` does: connections of the metadata database count too, and
    # not only those of the environment.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    try:
        with _output() as output:
            report = _call(command, options)
            for warning in report.warnings:
                sys.stderr.write(f"Warning: {plain(warning)}\n")
            report.write(output, as_json=options.json)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # `… | head` has read enough
        return 0
    except WiroError as error:
        from airflow_provider_wiro.failures import explain

        sys.stderr.write(f"Error: {plain(explain(error))}\n")
        return _USAGE if isinstance(error, WiroUsageError) else _FAILED
    return 0


@contextmanager
def _output() -> Iterator[TextIO]:
    """
    Open standard output for the report alone: what is logged meanwhile goes to standard error.

    Airflow's loggers keep the stream that they found first, so the file descriptor is exchanged.
    """
    sys.stdout.flush()
    kept = os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)
    # Warnings, such as a call that is repeated, are for people; that a connection was read is not.
    logging.disable(logging.INFO)
    try:
        with os.fdopen(os.dup(kept), "w", encoding="utf-8", errors="backslashreplace") as output:
            yield output
    finally:
        logging.disable(logging.NOTSET)
        os.dup2(kept, _STDOUT)
        os.close(kept)


def _call(command: Command, options: argparse.Namespace) -> Report:
    from airflow_provider_wiro.hooks.wiro import WiroHook

    module, _, name = command.handler.partition(":")
    handler: Callable[[WiroHook, argparse.Namespace], Report] = getattr(
        import_module(f"airflow_provider_wiro.cli.{module}"), name
    )
    with WiroHook(options.conn_id) as hook:
        _read_connection(hook)
        return handler(hook, options)


def _read_connection(hook: WiroHook) -> None:
    try:
        _ = hook.connection
    except WiroError:
        raise
    except Exception as error:
        # The places that Airflow looks at are the deployment's own: its database may be missing, its secrets
        # backend may fail in any way.
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise WiroError(
            f"Airflow can't read connection {hook.wiro_conn_id!r}: {lines[0]:.300} Set it as the environment "
            f"variable AIRFLOW_CONN_{hook.wiro_conn_id.upper()}='wiro://KEY:SECRET@', or run this where "
            "`airflow connections list` works."
        ) from None


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    whole = argparse.ArgumentParser(
        prog="python -m airflow_provider_wiro",
        description="Wiro's catalogue, prices, tasks and spend, by an Airflow connection.",
    )
    commands = whole.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for command in COMMANDS:
        one = commands.add_parser(command.name, help=command.help, description=command.help)
        for argument in command.arguments:
            one.add_argument(*argument.flags, **argument.settings)
        one.set_defaults(command=command)
    return whole
