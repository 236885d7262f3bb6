"""
A JSON parser without recursion, for bodies nested more deeply than Python's stack allows.

Python's own parser recurses, so the depth that it can read depends on its caller's stack:
some 900 levels in an operator, fewer in a test. A response about a paid run has to be read all the same.
"""

from __future__ import annotations

import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]  # public in use, not in typeshed
from json.scanner import NUMBER_RE
from typing import Any

_BLANKS = re.compile(r"[ \t\n\r]*")
_WORD = re.compile("true|false|null|NaN|-?Infinity")
_CLOSING = {list: "]", dict: "}"}


def loads(body: bytes) -> Any:
    """
    Return a body's JSON, nested to any depth.

    :raises ValueError: it is not JSON.
    """
    try:
        return json.loads(body)
    except RecursionError:
        return _Parser(body.decode(json.detect_encoding(body), "surrogatepass")).value()


class _Parser:
    """Parses one text, with a list of open containers instead of recursion."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._root: list[Any] = []
        self._open: list[list[Any] | dict[str, Any]] = [self._root]
        #: For each open object the name of its next value; empty for lists.
        self._names: list[str] = [""]

    def value(self) -> Any:
        while not self._root or len(self._open) > 1:
            if not self._opens():
                self._add(self._scalar())
            self._close()
        if self._next():
            raise self._wrong()
        return self._root[0]

    def _next(self) -> str:
        """Return the next character that isn't blank, empty at the end."""
        blanks = _BLANKS.match(self._text, self._at)
        self._at = self._at if blanks is None else blanks.end()
        return self._text[self._at : self._at + 1]

    def _opens(self) -> bool:
        """
        Enter the container that starts here, and those nested at its start; return whether one is empty.
        """
        while (char := self._next()) in {"[", "{"}:
            self._at += 1
            container: list[Any] | dict[str, Any] = [] if char == "[" else {}
            self._add(container)
            self._open.append(container)
            self._names.append("")
            if self._next() == _CLOSING[type(container)]:
                return True
            self._read_name()
        return False

    def _close(self) -> None:
        """Leave the containers that end here; move to the next value of the one that doesn't."""
        while len(self._open) > 1:
            char = self._next()
            self._at += 1
            if char == _CLOSING[type(self._open[-1])]:
                self._open.pop()
                self._names.pop()
            elif char == ",":
                self._read_name()
                return
            else:
                raise self._wrong()

    def _read_name(self) -> None:
        if isinstance(self._open[-1], list):
            return
        if self._next() != '"':
            raise self._wrong()
        self._names[-1], self._at = scanstring(self._text, self._at + 1, True)
        if self._next() != ":":
            raise self._wrong()
        self._at += 1

    def _add(self, value: Any) -> None:
        container = self._open[-1]
        if isinstance(container, list):
            container.append(value)
        else:
            container[self._names[-1]] = value

    def _scalar(self) -> Any:
        if self._next() == '"':
            found, self._at = scanstring(self._text, self._at + 1, True)
            return found
        match = _WORD.match(self._text, self._at) or NUMBER_RE.match(self._text, self._at)
        if match is None:
            raise self._wrong()
        self._at = match.end()
        return json.loads(match.group())

    def _wrong(self) -> ValueError:
        return json.JSONDecodeError("Expected other JSON", self._text, self._at)
