"""Names a server made, turned into ones that are safe as (part of) an object key."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroUsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Bytes of UTF-8; S3 takes keys up to 1,024.
MAX_NAME_BYTES = 200
MAX_KEY_BYTES = 1024

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
#: Separators, what S3 asks to avoid in keys, and what shells and URLs trip over.
_UNSAFE = re.compile(r'[\\{}^%`\[\]"<>~#|?*:&$@=;+,\s]+')


def clean_name(name: str, *, fallback: str) -> str:
    """
    Return a file name without directories, control characters and trouble.

    :param name: from a server; never trusted as a path.
    :param fallback: what to use when nothing of it remains.
    """
    last = name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    printable = "".join(character for character in last if unicodedata.category(character)[0] != "C")
    # Composed only now: what stood between two characters is gone. And before what is unsafe is looked for,
    # since NFC makes a semicolon of the Greek question mark.
    cleaned = _UNSAFE.sub("-", unicodedata.normalize("NFC", printable)).strip("-.")
    return _shorten(cleaned) if cleaned else fallback


def _shorten(name: str) -> str:
    """Cut the stem so that the name fits; the suffix, if it is one, stays."""
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    suffix = PurePosixPath(name).suffix
    if len(suffix.encode()) > 20:  # no suffix, only a name with a dot in it
        suffix = ""
    stem = name.removesuffix(suffix).encode()[: MAX_NAME_BYTES - len(suffix.encode())]
    return stem.decode("utf-8", "ignore").rstrip("-.") + suffix


def check_key_template(template: str, known: frozenset[str], *, argument: str = "s3_key") -> str:
    """
    Return the template.

    :param argument: what the user knows it as, for the message.
    :raises WiroUsageError: it has a placeholder that is not in ``known``, or is empty.
    """
    unknown = [name for name in _PLACEHOLDER.findall(template) if name not in known]
    if unknown:
        raise WiroUsageError(
            f"Unknown placeholder {{{unknown[0]}}} in {argument} {template!r}. Known: "
            + ", ".join(f"{{{name}}}" for name in sorted(known))
            + "."
        )
    if not template.strip("/ "):
        raise WiroUsageError(f"Expected {argument} to name an object, found {template!r}.")
    return template


def fill_key(template: str, values: Mapping[str, str], *, argument: str = "s3_key") -> str:
    """
    Fill a key template's placeholders.

    :raises WiroUsageError: the key is longer than S3 allows, or empty.
    """
    key = _PLACEHOLDER.sub(lambda match: values[match.group(1)], template)
    if not key.strip("/ "):
        raise WiroUsageError(f"The object key that {argument} {template!r} makes here is empty.")
    if len(key.encode()) > MAX_KEY_BYTES:
        raise WiroUsageError(
            f"The object key is {len(key.encode())} bytes long, S3 takes {MAX_KEY_BYTES}: {key[:100]}…"
        )
    return key
