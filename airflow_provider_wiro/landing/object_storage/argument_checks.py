"""
Checks what a user gives for the files of a store beside their path.

Used when a DAG file is parsed, so it imports little.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.landing.user_metadata import IDENTITY, MAX_METADATA_BYTES, bytes_of

_MIN_PART_BYTES = 1024**2
_MAX_PART_BYTES = 1024**3
#: What is a name of metadata in every store, once Azure has got `_` for `-`.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_VALUE = re.compile(r"[ -~]*")
_RESERVED = frozenset({*IDENTITY, "sha256"})
#: Left for the user's; stores take 8 KiB or, S3, 2.
_MAX_USER_METADATA_BYTES = MAX_METADATA_BYTES - 300


def check_part_size(part_size: object) -> None:
    """
    Refuse a number that is no useful size of a part.

    :raises WiroUsageError: it isn't.
    """
    is_number = isinstance(part_size, int) and not isinstance(part_size, bool)
    if not is_number or not _MIN_PART_BYTES <= part_size <= _MAX_PART_BYTES:  # type: ignore[operator]
        raise WiroUsageError(
            f"Expected part_size in bytes, from {_MIN_PART_BYTES} (1 MiB) to {_MAX_PART_BYTES} (1 GiB), "
            f"found {str(part_size)[:100]}."
        )


def check_metadata(given: Any) -> dict[str, str]:
    """
    Return the user's metadata.

    :raises WiroUsageError: a store wouldn't take it, or the transfer writes the same names.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise WiroUsageError(f"Expected metadata as a dict of text to text, found {type(given).__name__}.")
    names: dict[str, str] = {}
    for name, value in given.items():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise WiroUsageError(
                f"Expected metadata as text to text, found {str(name)[:100]!r}: {str(value)[:100]!r}."
            )
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise WiroUsageError(
                f"metadata has {name[:100]!r}: {value[:100]!r}. Give a name of ASCII letters, digits, - and "
                "_, with a letter first, and a value of printable ASCII."
            )
        if name.lower().replace("_", "-") in _RESERVED:
            raise WiroUsageError(
                f"metadata has {name!r}, which the transfer writes itself. Give another name."
            )
        other = names.setdefault(name.lower().replace("_", "-"), name)
        if other != name:
            raise WiroUsageError(
                f"metadata has {other!r} and {name!r}, which a store takes for one. Leave one out."
            )
    if (size := bytes_of(given)) > _MAX_USER_METADATA_BYTES:
        raise WiroUsageError(
            f"metadata has {size} bytes of names and values, and {_MAX_USER_METADATA_BYTES} are left for "
            "yours."
        )
    return dict(given)
