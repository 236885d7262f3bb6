"""Foreign values as texts and numbers that a page can show: of bounded length, and always JSON-safe."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from airflow_provider_wiro.api.decoding.fields import money, number
from airflow_provider_wiro.api.decoding.fields import text as as_text
from airflow_provider_wiro.redaction.plain_text import plain

#: Characters.
LONGEST_ANSWER = 100_000
LONGEST_PROMPT = 10_000
LONGEST_ERROR = 10_000
LONGEST_PARAMETER = 300
LONGEST_TITLE = 200
LONGEST_URI = 4_096
_ELLIPSIS = "…"


def text(value: object, most: int = LONGEST_PARAMETER) -> str | None:
    """Return a text, truncated; None if the value is no text, or an empty one."""
    if not isinstance(value, str) or not value:
        return None
    return truncated(as_text(value), most) or None


def line(value: object, most: int = LONGEST_PARAMETER) -> str | None:
    """
    Return a name, a type or another word in one line, without marks that turn the direction of writing.

    This provider's own results have them so; who writes an XCom could let ``gnp.exe`` look like a picture.
    """
    found = text(value, most)
    return None if found is None else plain(found)


def truncated(value: str, most: int) -> str:
    """Return the beginning of a text, with an ellipsis if it is longer."""
    return value if len(value) <= most else f"{value[: most - 1]}{_ELLIPSIS}"


def shown(value: object, most: int = LONGEST_PARAMETER) -> str:
    """Return any JSON value as a short text."""
    if isinstance(value, str):
        return truncated(as_text(value[: 2 * most]), most)
    try:
        return truncated(as_text(json.dumps(value, ensure_ascii=False, default=str)), most)
    except (ValueError, RecursionError):
        return _ELLIPSIS


def whole(value: object) -> int | None:
    """Return a count or a size; None if it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def seconds(value: object) -> float | None:
    """Return a duration; None if it is none."""
    found = None if isinstance(value, bool) else number(value)
    return found if found is not None and 0 <= found < 1e12 and math.isfinite(found) else None


def usd(value: object) -> str | None:
    """Return an amount as text for ``decimal.Decimal``; None if it is none."""
    return money(value) if isinstance(value, str | int | float) and len(str(value)[:50]) < 50 else None


def mapping(value: object) -> Mapping[str, Any]:
    """Return an object; an empty one if the value is none."""
    return value if isinstance(value, Mapping) else {}


def items(value: object, most: int) -> list[Any]:
    """Return the first items of a list; none if the value is no list."""
    return value[:most] if isinstance(value, list) else []
