"""JSON as Airflow's database has it, read into plain values whatever is in it. Pure."""

from __future__ import annotations

import json
from typing import Any


def read_json(stored: object) -> Any:
    """
    Return the value of an XCom, or of rendered fields; None where it can't be read.

    Airflow stores a value as JSON, or as JSON inside of a text that is JSON. What its serializer wraps into
    the name of a class stays the dict that it is: no class is ever imported for a value. Numbers that JSON
    doesn't have (NaN) become None.

    :param stored: the column as text.
    """
    value = _decoded(stored)
    return _decoded(value) if isinstance(value, str) and value[:1] in {"{", "[", '"'} else value


def _decoded(text: object) -> Any:
    if not isinstance(text, str | bytes):
        return text
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return text if isinstance(text, str) else None
