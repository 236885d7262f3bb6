"""FewLines: a log that says the like about many items only a few times."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_wiro.redaction.loggers import Log

#: How many lines of one kind are logged.
_MOST = 5


class FewLines:
    """
    Passes the first lines of each kind, and counts the others. A kind is a line's text before its values.

    Usable from several threads: a count that is off by one does no harm.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._counts: Counter[str] = Counter()

    def info(self, message: str, /, *args: object) -> None:
        """Log an information."""
        if self._is_wanted(message):
            self._log.info(message, *args)

    def error(self, message: str, /, *args: object) -> None:
        """Log an error, however often."""
        self._log.error(message, *args)

    def exception(self, message: str, /, *args: object) -> None:
        """Log an exception, however often."""
        self._log.exception(message, *args)

    def warning(self, message: str, /, *args: object) -> None:
        """Log a warning."""
        if self._is_wanted(message):
            self._log.warning(message, *args)

    def _is_wanted(self, message: str) -> bool:
        self._counts[message] += 1
        return self._counts[message] <= _MOST

    def sum_up(self) -> None:
        """Say how many lines were left out."""
        left_out = sum(count - _MOST for count in self._counts.values() if count > _MOST)
        if left_out:
            self._log.warning("%s more lines like these about results were left out.", f"{left_out:,}")
        self._counts.clear()
