"""The name by which a triggerer finds a trigger's class again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger


def class_path(trigger: BaseTrigger) -> str:
    """Return the first half of what a trigger's ``serialize`` returns, also for a subclass."""
    return f"{type(trigger).__module__}.{type(trigger).__qualname__}"
