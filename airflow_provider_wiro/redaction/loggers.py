"""
Loggers that keep every record on one line, whatever foreign text it quotes (log injection, CWE-117).

Every line is escaped here, so callers need not know which values a server wrote. An error that is logged with
its traceback is escaped in place, with its causes: the last lines of a traceback quote a server's text.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_wiro.redaction.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Longer lines are truncated: they help nobody, and log views show them badly.
MAX_LINE = 100_000


class Log(Protocol):
    """The methods used of Airflow's logger, whose class depends on the version."""

    def info(self, message: str, /, *args: object) -> None: ...
    def warning(self, message: str, /, *args: object) -> None: ...
    def error(self, message: str, /, *args: object) -> None: ...
    def exception(self, message: str, /, *args: object) -> None: ...


def plain_logger(name: str) -> logging.Logger:
    """Return a module's logger, which writes plain lines."""
    return _with_filter(logging.getLogger(name))  # noqa: TID251  the one place


class PlainLogs:
    """Mixin: makes the lines plain that an operator, sensor or trigger writes to Airflow's ``self.log``."""

    _log: Any = None

    @property
    def log(self) -> Any:
        """Return Airflow's logger."""
        if self._log is None:
            given = super().log  # type: ignore[misc]  # of Airflow's class, which is mixed in beside this
            self._log = _plain_airflow_logger(given, type(self))
        return self._log


def make_plain(error: BaseException) -> None:
    """Make the text of an error and of its causes plain: what its traceback shows."""
    for cause in _chain(error):
        # Some classes compute their text, and don't let their arguments be set: theirs stays as it is.
        try:
            cause.args = tuple(plain(value) if isinstance(value, str) else value for value in cause.args)
            _make_attributes_plain(cause)
        except (AttributeError, TypeError):
            continue


#: Attributes in which errors of the system, aiohttp and boto3 keep text.
_TEXTS = ("strerror", "filename", "filename2", "message", "reason", "msg")


def _make_attributes_plain(error: BaseException) -> None:
    for name in _TEXTS:
        value = getattr(error, name, None)
        if isinstance(value, str) and (shown := plain(value)) != value:
            setattr(error, name, shown)
    notes = getattr(error, "__notes__", None)
    if isinstance(notes, list):
        notes[:] = [plain(note) if isinstance(note, str) else note for note in notes]


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        cause = waiting.pop()
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [cause.__cause__, cause.__context__]
        if isinstance(cause, BaseExceptionGroup):
            waiting += cause.exceptions


class _Filter(logging.Filter):
    """Makes a record plain before any handler gets it; in 2.11 and 3.0 also those of ``self.log``."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Make the record plain, and let it pass."""
        record.msg, record.args = plain(record.getMessage(), MAX_LINE), None
        if record.exc_info and record.exc_info[1] is not None:
            make_plain(record.exc_info[1])
        return True


_FILTER = _Filter()


def _with_filter(logger: logging.Logger) -> logging.Logger:
    logger.addFilter(_FILTER)  # once, however often it is added
    return logger


def _plain_airflow_logger(logger: Any, owner: type) -> Any:
    if isinstance(logger, logging.Logger):
        return _with_filter(logger)
    import structlog

    # As Airflow names it: levels are set by name.
    prefix = getattr(owner, "_log_config_logger_name", None)
    own = getattr(owner, "_logger_name", None)
    name = f"{owner.__module__}.{owner.__name__}" if own is None else own
    full = ".".join(part for part in (prefix, name) if part)
    return structlog.wrap_logger(None, processors=_Processors(), logger_factory_args=(full,))


class _Processors:
    """
    The processor of this package, and then those that Airflow has configured when a line is written.

    An iterable, and not one processor that calls the others: a log shows the file and line of the first frame
    outside of structlog.
    """

    def __iter__(self) -> Iterator[Any]:
        import structlog

        yield _plain_event
        yield from structlog.get_config()["processors"]


def _plain_event(_: Any, __: str, event: Any) -> Any:
    """Make a log event's text plain; later processors render values of other types."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = plain(value, MAX_LINE)
    arguments = event.get("positional_args")
    if arguments:
        event["event"] = plain(str(event["event"]) % arguments, MAX_LINE)
        del event["positional_args"]
    shown = event.get("exc_info")
    if isinstance(shown, tuple):
        shown = shown[1]
    elif shown is True or shown == 1:
        shown = sys.exc_info()[1]
    if isinstance(shown, BaseException):
        make_plain(shown)
    return event
