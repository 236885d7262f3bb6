"""What the operators' helpers use of Airflow's logger."""

from __future__ import annotations

from typing import Protocol


class Log(Protocol):
    """Airflow's logger, whose class differs by version."""

    def info(self, message: str, /, *args: object) -> object: ...
    def warning(self, message: str, /, *args: object) -> object: ...
    def error(self, message: str, /, *args: object) -> object: ...
    def exception(self, message: str, /, *args: object) -> object: ...
