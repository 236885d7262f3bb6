"""A 5 x 7 bitmap font, drawn for the emulator, with which pictures show their prompt."""

from __future__ import annotations

import unicodedata

GLYPH_WIDTH = 5
GLYPH_HEIGHT = 7

# Seven rows of five pixels each, top to bottom, two hexadecimal digits a row; the highest of five bits is the
# left one.
_GLYPHS = {
    "A": "0E11111F111111",
    "B": "1E11111E11111E",
    "C": "0E11101010110E",
    "D": "1E11111111111E",
    "E": "1F10101E10101F",
    "F": "1F10101E101010",
    "G": "0E11101711110F",
    "H": "1111111F111111",
    "I": "0E04040404040E",
    "J": "0702020202120C",
    "K": "11121418141211",
    "L": "1010101010101F",
    "M": "111B1515111111",
    "N": "11191513111111",
    "O": "0E11111111110E",
    "P": "1E11111E101010",
    "Q": "0E11111115120D",
    "R": "1E11111E141211",
    "S": "0F10100E01011E",
    "T": "1F040404040404",
    "U": "1111111111110E",
    "V": "11111111110A04",
    "W": "11111115151B11",
    "X": "11110A040A1111",
    "Y": "11110A04040404",
    "Z": "1F01020408101F",
    "0": "0E11131519110E",
    "1": "040C040404040E",
    "2": "0E11010608101F",
    "3": "1F02040201110E",
    "4": "02060A121F0202",
    "5": "1F101E0101110E",
    "6": "0608101E11110E",
    "7": "1F010204080808",
    "8": "0E11110E11110E",
    "9": "0E11110F01020C",
    " ": "00000000000000",
    ".": "00000000000C0C",
    ",": "000000000C0408",
    "!": "04040404040004",
    "?": "0E110102040004",
    "-": "0000001F000000",
    "_": "0000000000001F",
    "'": "04040800000000",
    '"': "0A0A0A00000000",
    ":": "000C0C000C0C00",
    ";": "000C0C000C0408",
    "#": "0A0A1F0A1F0A0A",
    "/": "01010204081010",
    "(": "02040808080402",
    ")": "08040202020408",
    "&": "0C12140815120D",
    "%": "18190204081303",
    "+": "0004041F040400",
    "=": "00001F001F0000",
}


def glyph_rows(character: str) -> tuple[int, ...]:
    """Return the seven rows of a character, of a question mark if the font doesn't have it."""
    hexadecimal = _GLYPHS.get(character, _GLYPHS["?"])
    return tuple(bytes.fromhex(hexadecimal))


def legible(text: str) -> str:
    """Return `text` in the font's capitals: accents are removed, line breaks become spaces."""
    # Unicode decomposes neither; the first one is frequent in Turkish, the language of many users of Wiro.
    plain = text.replace("\N{LATIN SMALL LETTER DOTLESS I}", "i").replace("ø", "o")
    decomposed = unicodedata.normalize("NFKD", plain)
    letters = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join(letters.upper().split())


def wrap(text: str, columns: int, lines: int) -> list[str]:
    """Break `text` into at most `lines` lines of at most `columns` characters; three dots mark the rest."""
    wrapped: list[str] = [""]
    for word in legible(text).split(" "):
        candidate = f"{wrapped[-1]} {word}".strip()
        if len(candidate) <= columns:
            wrapped[-1] = candidate
            continue
        pieces = [word[at : at + columns] for at in range(0, len(word), columns)]
        wrapped.extend(pieces if wrapped[-1] else [])
        if not wrapped[0]:
            wrapped = pieces
    if len(wrapped) > lines:
        wrapped = wrapped[:lines]
        wrapped[-1] = wrapped[-1][: max(0, columns - 3)].rstrip() + "..."
    return wrapped
