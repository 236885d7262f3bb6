"""The names of their own that items have: an id, unique in the batch, and data kept beside the result."""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from array import array
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from airflow_provider_wiro.api.parameters import described
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.redaction.masking import without
from airflow_provider_wiro.redaction.secret_values import secret_values

#: Characters of an id: an article number, not a description.
MAX_ID_CHARACTERS = 200
#: Bytes of an item's data as JSON; a million items have as many of them in the manifest.
MAX_DATA_BYTES = 64 * 1024
_DIGEST_BYTES = 8
_FEWEST_PLACES = 1024


def checked_id(value: Any) -> str:
    """
    Return an item's id as text: a text as it is, a whole number by its digits.

    :raises WiroUsageError: it is something else, is empty, or can't be shown in one line.
    """
    found = value if isinstance(value, str) else _digits(value)
    if found is None:
        is_long = isinstance(value, int) and not isinstance(value, bool)  # Python refuses to write it out
        shown = f"one of more than {MAX_ID_CHARACTERS} digits" if is_long else described(value)
        raise WiroUsageError(f"Expected its id as text or a whole number, found {shown}.")
    if not found.strip():
        raise WiroUsageError("Expected its id as text, found an empty one.")
    if len(found) > MAX_ID_CHARACTERS:
        raise WiroUsageError(
            f"Expected its id with at most {MAX_ID_CHARACTERS} characters, found {len(found)}: "
            f"{found[:50]!r}…"
        )
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in found):
        raise WiroUsageError(
            f"Expected its id without line breaks and other control characters, found {found[:100]!r}."
        )
    return found


def _digits(value: Any) -> str | None:
    """Return a whole number as text; None for anything else, and for one with more digits than an id has."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    if not (math.isfinite(value) if isinstance(value, float) else Decimal(value).is_finite()):
        return None
    is_whole = abs(value) < 10**MAX_ID_CHARACTERS and value == int(value)
    return str(int(value)) if is_whole else None


def checked_data(given: Any) -> Mapping[str, Any]:
    """
    Return an item's data as given.

    :raises WiroUsageError: it is no dict, JSON lacks one of its values, or it is too large.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise WiroUsageError(f"Expected its `data` as a dict, found {type(given).__name__}.")
    try:
        size = len(json.dumps(given, allow_nan=False, ensure_ascii=False).encode())
    except (TypeError, ValueError, RecursionError) as error:  # UnicodeEncodeError is a ValueError
        raise WiroUsageError(
            f"Expected its `data` as JSON can write it: text, numbers, booleans, lists and dicts ({error})."
        ) from error
    if size > MAX_DATA_BYTES:
        raise WiroUsageError(
            f"Expected its `data` with at most {MAX_DATA_BYTES:,} bytes as JSON, found {size:,}. Keep what "
            "you look up by its id elsewhere."
        )
    return given


def shown_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item's data as the manifest has it: secrets are masked, everything else is as given."""
    if secrets := secret_values(data):
        scrub = without(secrets)
        return {str(name): _scrubbed(value, scrub) for name, value in data.items()}
    return dict(data)


def _scrubbed(value: Any, scrub: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _scrubbed(inner, scrub) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(inner, scrub) for inner in value]
    if isinstance(value, str):
        return scrub(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if not is_number or scrub(str(value)) == str(value) else scrub(str(value))


class SeenTexts:
    """
    Texts that were seen, as digests in one table: 16 to 32 bytes for each of a million, and no objects.

    Two texts in some billions have one digest, so what it calls seen has to be looked at.
    """

    def __init__(self) -> None:
        self._places = array("Q", bytes(_DIGEST_BYTES * _FEWEST_PLACES))
        self._count = 0

    def __contains__(self, text: str) -> bool:
        return self._places[self._place_of(text_digest(text))] != 0

    def add(self, text: str) -> bool:
        """Add a text; return whether it is new."""
        digest = text_digest(text)
        place = self._place_of(digest)
        if self._places[place]:
            return False
        self._places[place] = digest
        self._count += 1
        if 2 * self._count > len(self._places):
            self._grow()
        return True

    def _place_of(self, digest: int) -> int:
        """Return where a digest is, or the free place where it belongs."""
        places, last = self._places, len(self._places) - 1
        place = digest & last
        while places[place] and places[place] != digest:
            place = (place + 1) & last
        return place

    def _grow(self) -> None:
        kept = self._places
        self._places = array("Q", bytes(_DIGEST_BYTES * 2 * len(kept)))
        for digest in kept:
            if digest:
                self._places[self._place_of(digest)] = digest


def text_digest(text: str) -> int:
    """Return 8 bytes of a digest of a text, as a number above 0."""
    found = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()
    return int.from_bytes(found, "big") or 1  # 0 is a free place


def first_with(texts: Iterable[str | None], wanted: str) -> int | None:
    """Return the position of the first text that is the wanted one; None if there is none."""
    return next((number for number, text in enumerate(texts) if text == wanted), None)
