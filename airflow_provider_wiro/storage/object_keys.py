"""Makes object keys: cleans names that come from a server, checks and fills key templates."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.media_types.suffixes import (
    has_known_suffix,
    has_suffix,
    is_media,
    says_nothing,
    suffix_of_type,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Bytes of UTF-8; S3 takes keys up to 1,024.
MAX_NAME_BYTES = 200
MAX_KEY_BYTES = 1024
#: The name of an output of which Wiro gives no usable one.
_NO_NAME = "output"

#: A placeholder of a key template.
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
#: Separators, what S3 asks to avoid in keys, and what shells and URLs trip over.
_UNSAFE = re.compile(r'[\\{}^%`\[\]"<>~#|?*:&$@=;+,\s]+')

#: Characters that show nothing and are none of Unicode's "C": fillers, variation selectors, the joiner of
#: graphemes, Braille without dots.
_BLANK = dict.fromkeys(map(ord, "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u2800\u3164\uffa0"))
_BLANK |= dict.fromkeys((*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
#: Names that Windows gives to devices, with any suffix (Naming Files, Paths, and Namespaces).
_DEVICES = re.compile(r"^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?=\.|$)", re.IGNORECASE)
#: The start of a query in a name that was taken from a URL: ``Expires=1764``, not the rest of a sentence.
_QUERY = re.compile(r"\?[\w.~%-]+=\S*$")


def clean_name(name: str, *, fallback: str) -> str:
    """
    Return a file name without directories, control characters and trouble.

    :param name: from a server; never trusted as a path.
    :param fallback: what to use when nothing of it remains.
    """
    last = _last_segment(name)
    printable = "".join(character for character in last if unicodedata.category(character)[0] != "C")
    printable = printable.translate(_BLANK)
    # Composed only now that invisible characters between two others are gone, and before unsafe characters
    # are replaced, since NFC turns the Greek question mark into a semicolon.
    cleaned = _UNSAFE.sub("-", unicodedata.normalize("NFC", printable)).strip("-.")
    return _shorten(cleaned) if cleaned else fallback


def key_segment(text: str) -> str:
    """
    Return a user's text as one part of a key; empty if nothing of it remains.

    Other than a server's name, it is no path: ``a/b`` becomes ``a-b``.
    """
    cleaned = clean_name(re.sub(r"[/\\]", "-", text), fallback="")
    return _shorten(_DEVICES.sub(r"\1_", cleaned, count=1))


def output_name(name: str, content_type: str, url: str | None) -> str:
    """
    Return the file name of an output: clean, without a query, and with a suffix where one is known.

    A name that has a suffix keeps it, whatever the type says. One without gets that of the content type, else
    that of the link's path.

    :param name: from Wiro; never trusted as a path. It can be a whole URL.
    :param content_type: as Wiro announced it, possibly empty.
    :param url: the output's link, if there is one.
    """
    plain = _without_query(name)
    if has_known_suffix(f"x{_last_segment(plain)}") and _last_segment(plain).startswith("."):
        plain = f"{_NO_NAME}{_last_segment(plain)}"  # ".png" is no hidden file, its stem is missing
    cleaned = _DEVICES.sub(r"\1_", clean_name(plain, fallback=_NO_NAME), count=1)
    return with_suffix(_shorten(cleaned), content_type, url)


def with_suffix(name: str, content_type: str, url: str | None = None) -> str:
    """
    Return a clean name with the suffix of a content type, else of a link's path, if it has none.

    What may be a suffix that isn't known (``.ipynb``) counts as one, but not at the end of the name of a
    picture, a sound or a film (``take.final``): no program opens it by that.
    """
    if has_known_suffix(name) or (has_suffix(name) and not is_media(content_type)):
        return name
    suffix = suffix_of_type(content_type)
    if not suffix and says_nothing(content_type) and url:
        suffix = _suffix_of_url(url)
    return _shorten(name + suffix)


def _last_segment(path: str) -> str:
    return path.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


def _without_query(name: str) -> str:
    """Remove a URL's query or fragment; a question mark that belongs to the name stays."""
    for mark in "?#":
        before = name.partition(mark)[0]
        if before != name and has_known_suffix(before):
            return before
    return _QUERY.sub("", name)


def _suffix_of_url(url: str) -> str:
    try:
        path = unquote(urlsplit(url).path)
    except ValueError:  # brackets that don't match
        return ""
    return PurePosixPath(path).suffix.lower() if has_known_suffix(path) else ""


def _shorten(name: str) -> str:
    """Truncate the stem so that the name fits; the suffix, if it is one, stays."""
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
    :raises WiroUsageError: it has a placeholder that is not in ``known``, a brace without its other, climbs
        to a parent folder, has a control character in it, or is empty.
    """
    unknown = [name for name in PLACEHOLDER.findall(template) if name not in known]
    if unknown:
        raise WiroUsageError(
            f"Unknown placeholder {{{unknown[0]}}} in {argument} {template!r}. Known: "
            + ", ".join(f"{{{name}}}" for name in sorted(known))
            + "."
        )
    stray = re.search("[{}]", PLACEHOLDER.sub("", template))
    if stray:
        other = "closing" if stray.group() == "{" else "opening"
        raise WiroUsageError(
            f"{argument} {template[:200]!r} has a {stray.group()!r} without its {other} brace. Write "
            "placeholders as {name}."
        )
    if not template.strip("/ "):
        raise WiroUsageError(f"Expected {argument} to name an object, found {template!r}.")
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in template):
        raise WiroUsageError(f"Expected {argument} without control characters, found {template[:200]!r}.")
    refuse_parent_folders(template, argument=argument)
    return template


def refuse_parent_folders(path: str, *, argument: str) -> None:
    """
    Refuse a path or key with ``..`` in it, also percent-encoded or between backslashes.

    Some stores take it literally and some, like local disks, climb to the parent folder: out of the folder
    that a template's fixed part names.

    :param argument: what the user knows it as, for the message.
    :raises WiroUsageError: it has.
    """
    if any(segment.strip() == ".." for segment in re.split(r"[/\\]", unquote(path))):
        raise WiroUsageError(
            f"Expected {argument} without '..', found {path[:200]!r}: it would leave the folder that "
            f"{argument} names. Write the folder itself."
        )


def fill_key(template: str, values: Mapping[str, str], *, argument: str = "s3_key") -> str:
    """
    Fill a key template's placeholders.

    :raises WiroUsageError: the key is longer than S3 allows, or empty.
    """
    key = PLACEHOLDER.sub(lambda match: values[match.group(1)], template)
    if not key.strip("/ "):
        raise WiroUsageError(f"The object key that {argument} {template!r} makes here is empty.")
    if len(key.encode()) > MAX_KEY_BYTES:
        raise WiroUsageError(
            f"The object key is {len(key.encode())} bytes long, S3 takes {MAX_KEY_BYTES}: {key[:100]}…"
        )
    return key
