"""
Escapes foreign text for a log line, an error message or an XCom.

A model's last lines, a server's error or a file's name may hold a line break that forges a log line, an
escape sequence that recolours a terminal or hides text, a mark that reverses the writing direction, or a
command that folds Airflow's log view. Each becomes visible here, and nowhere else.

Data stays as it was received: an LLM's answer, a file's bytes, a run's parameters.
"""

from __future__ import annotations

import re
from typing import Any

#: Unicode categories: control, format (with the direction marks), surrogate, line and paragraph separator.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
#: Format characters that are part of words (Persian, Hindi) and of emoji.
_JOINERS = "\u200c\u200d"
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
#: Anywhere in a line, these make Airflow's log view fold what follows, or drop the line.
_FOLDING = re.compile(r"::(?=(?:end)?group)|##(?=\[)", re.IGNORECASE)


def plain(text: str, most: int | None = None) -> str:
    r"""
    Return a text in one line, with invisible characters written as ``\n``, ``\x1b`` or ``\u202e``.

    Idempotent: a backslash stays as it is.

    :param most: truncate to this many characters, and append how many there were.
    """
    length = len(text)
    shown = text if most is None else text[:most]
    # Escaping only lengthens, so truncating first loses nothing that fits.
    if not shown.isprintable():
        shown = "".join(map(_visible, shown))
    shown = _FOLDING.sub(lambda found: rf"{found[0][0]}\x{ord(found[0][1]):02x}", shown)
    if most is None or (length <= most and len(shown) <= most):
        return shown
    return f"{shown[:most]}… ({length:,} characters)"


def _visible(character: str) -> str:
    import unicodedata

    if character.isprintable() or character in _JOINERS or unicodedata.category(character) not in _INVISIBLE:
        return character
    if short := _SHORT.get(character):
        return short
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def plain_values(value: Any) -> Any:
    """Return a JSON value with all text in it plain, names included."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {plain_values(name): plain_values(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(part) for part in value]
    return value
