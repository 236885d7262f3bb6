"""
Escapes foreign text for a log line, an error message or an XCom.

A model's last lines, a server's error or a file's name may hold a line break that starts a log line of its
own, an escape sequence that recolours a terminal or hides what stands before it, a mark that turns the
direction of writing, or a command that folds Airflow's log view. Here each becomes visible.

The one place for that. Data stays as it was received: an LLM's answer, a file's bytes, a run's parameters.
"""

from __future__ import annotations

import re
from typing import Any

#: Control, format (among them the marks of direction), surrogate, and the two separators of lines.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
#: Format characters that are a part of words (Persian, Hindi) and of emoji.
_JOINERS = "\u200c\u200d"
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
#: With these words, wherever they stand in a line, Airflow's log view folds what follows, or drops the line.
_FOLDING = re.compile(r"::(?=(?:end)?group)|##(?=\[)", re.IGNORECASE)


def plain(text: str, most: int | None = None) -> str:
    r"""
    Return a text in one line, with what can't be seen written as ``\n``, ``\x1b`` or ``\u202e``.

    Doing it twice changes nothing: a backslash stays one.

    :param most: truncate to this many characters, and say how many there were.
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
    """Return a value of JSON's kinds with all text in it plain, names included."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {plain_values(name): plain_values(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(part) for part in value]
    return value
