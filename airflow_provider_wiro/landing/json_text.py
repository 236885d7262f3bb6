"""
JSON for people to read, as long as that doesn't make it larger.

Each line of indented JSON starts with blanks for every level it is nested in: 1 MB that is nested 900
deep would have 900 MB.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

#: Line breaks and indentation may have as many bytes; what would have more is written in one line.
MAX_INDENTATION_BYTES = 64 * 1024
_INDENT = 2


def json_text(value: Any, *, sort_keys: bool = False) -> str:
    """
    Return a value as JSON: indented if that adds at most ``MAX_INDENTATION_BYTES``, else in one line.

    :param value: what came from JSON, nested however deeply: dicts with text as keys, lists, texts, numbers.
    """
    indent = _INDENT if _fits_indented(value) else None
    try:
        return json.dumps(value, ensure_ascii=False, indent=indent, sort_keys=sort_keys)
    except RecursionError:
        return "".join(_pieces(value, sort_keys=sort_keys))


def _fits_indented(value: Any) -> bool:
    """Count what indentation would add, without writing it."""
    added = 0
    waiting: list[tuple[Any, int]] = [(value, 0)]
    while waiting:
        container, depth = waiting.pop()
        if not isinstance(container, dict | list | tuple) or not container:
            continue
        # A line for each item, one for the closing bracket; the blank behind each comma goes.
        inner = _INDENT * (depth + 1)
        added += len(container) * (1 + inner) + 1 + _INDENT * depth - (len(container) - 1)
        if added > MAX_INDENTATION_BYTES:
            return False
        items = container.values() if isinstance(container, dict) else container
        waiting.extend((item, depth + 1) for item in items if isinstance(item, dict | list | tuple))
    return True


def _pieces(value: Any, *, sort_keys: bool) -> Iterator[str]:
    """Yield JSON in one line, without recursion: the interpreter's limit is no limit of the data."""
    open_brackets: list[tuple[Iterator[tuple[str, Any]], str]] = [(iter([("", value)]), "")]
    separator = ""
    while open_brackets:
        items, closing = open_brackets[-1]
        name, item = next(items, (None, None))
        if name is None:
            open_brackets.pop()
            yield closing
            separator = ", "
            continue
        yield separator + name
        if isinstance(item, Mapping):
            pairs = sorted(item.items()) if sort_keys else item.items()
            open_brackets.append((((f"{_scalar(key)}: ", inner) for key, inner in pairs), "}"))
            yield "{"
            separator = ""
        elif isinstance(item, list | tuple):
            open_brackets.append(((("", inner) for inner in item), "]"))
            yield "["
            separator = ""
        else:
            yield _scalar(item)
            separator = ", "


def _scalar(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
