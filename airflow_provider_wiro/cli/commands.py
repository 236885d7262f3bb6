"""The table of commands: their names, arguments and handlers, for argparse and for Airflow's own CLI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Argument:
    """
    An argument, as argparse's ``add_argument`` takes it.

    :ivar flags: its name, or its options.
    :ivar settings: the keyword arguments.
    """

    flags: tuple[str, ...]
    settings: dict[str, Any]


@dataclass(frozen=True)
class Command:
    """
    A command.

    :ivar handler: ``module:function`` below :mod:`airflow_provider_wiro.cli`, imported when it is called. It
        takes a hook and the parsed arguments, and returns a
        :class:`~airflow_provider_wiro.cli.report.Report`.
    """

    name: str
    help: str
    handler: str
    arguments: tuple[Argument, ...]


def _argument(*flags: str, **settings: Any) -> Argument:
    return Argument(flags, settings)


_MODEL = _argument("model", metavar="OWNER/NAME", help="the model, such as retroAIx/Retro-Cartoons")
_TASK = _argument("wiro_task_id", metavar="ID", help="the id of the Wiro task, such as 2221")
_GIVEN = _argument(
    "parameters",
    nargs="*",
    metavar="KEY=VALUE",
    help="a parameter of the model; repeat a file parameter for each of several files",
)
_OF_EACH = (
    _argument(
        "--conn-id",
        default="wiro_default",
        help="the Airflow connection, of type wiro (default: %(default)s)",
    ),
    _argument("--json", action="store_true", help="print JSON in place of tables"),
)

COMMANDS = (
    Command(
        "models",
        "Find models of Wiro's catalogue.",
        "catalogue:list_models",
        (
            _argument("--search", metavar="TEXT", help="words to search for"),
            _argument(
                "--category",
                action="append",
                default=[],
                help="only models of this category, such as text-to-image; can be repeated",
            ),
            _argument(
                "--limit", type=int, default=20, help="how many models, 1 to 1000 (default: %(default)s)"
            ),
            *_OF_EACH,
        ),
    ),
    Command(
        "model",
        "Show a model: its parameters, their types, defaults and ranges, and its prices.",
        "catalogue:show_model",
        (_MODEL, *_OF_EACH),
    ),
    Command(
        "estimate",
        "Check parameters against the model's schema, and estimate the price of a run. Nothing is run.",
        "estimates:estimate_run",
        (_MODEL, _GIVEN, *_OF_EACH),
    ),
    Command(
        "snippet",
        "Print a complete DAG that runs the model.",
        "catalogue:print_snippet",
        (
            _MODEL,
            _argument("--bucket", metavar="NAME", help="land the outputs in this S3 bucket"),
            *_OF_EACH,
        ),
    ),
    Command("task", "Show a Wiro task.", "tasks:show_task", (_TASK, *_OF_EACH)),
    Command(
        "stop",
        "Stop a Wiro task: cancel it, or kill it if it runs. What was used of it can be billed.",
        "tasks:stop_task",
        (_TASK, *_OF_EACH),
    ),
    Command(
        "spend",
        "Sum up what the project's runs cost, by Wiro's own books.",
        "spending:show_spend",
        (
            _argument(
                "--since",
                required=True,
                help="from when on: an age such as 24h or 7d, or an ISO time such as 2026-11-01 (UTC)",
            ),
            _argument("--until", help="up to when; default: now"),
            _argument("--model", metavar="OWNER/NAME", help="only runs of this model"),
            *_OF_EACH,
        ),
    ),
)
