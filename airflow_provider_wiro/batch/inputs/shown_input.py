"""An item's input for people, shortened and without secrets: in a line of a message, and in the manifest."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_wiro.input_files.data_uris import is_data_uri, shown_data_uri
from airflow_provider_wiro.input_files.sources import flattened
from airflow_provider_wiro.redaction.masking import masked, without
from airflow_provider_wiro.redaction.secret_values import secret_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from airflow_provider_wiro.batch.inputs.item_form import OwnInput

#: The length of the whole line, and of each text in it.
MOST_CHARACTERS = 200
_MOST_TEXT_CHARACTERS = 80
#: How many entries of a list or an object are shown.
_MOST_ENTRIES = 20
#: How many bytes of a line of the manifest an input takes, as JSON in ASCII.
MOST_MANIFEST_BYTES = 4096
#: The length of a text, and the entries of a list or an object: the first of these pairs with which it fits.
_MANIFEST_LENGTHS = ((1000, 100), (500, 50), (250, 20), (100, 20), (40, 10))


def shown_input(given: Any) -> str:
    """
    Return an item's own input in a line.

    :param given: the item, as it is among the inputs.
    """
    scrub = without(secret_values(given))
    text = json.dumps(_short(masked(_few(given), scrub), _MOST_TEXT_CHARACTERS), ensure_ascii=False)
    plain = "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)
    return plain if len(plain) <= MOST_CHARACTERS else f"{plain[: MOST_CHARACTERS - 1]}…"


def manifest_input(
    own: OwnInput, secrets: Iterable[str] = (), mask: Callable[[str], str] = str
) -> dict[str, Any]:
    """
    Return an item's own input as the manifest has it: without its id and data, its files by their names.

    :param secrets: further ones to mask in it: those of all items.
    :param mask: masks what else is known as a secret in a text.
    """
    known = without([*secret_values([own.parameters, own.files]), *secrets])

    def scrub(text: str) -> str:
        return mask(known(text))

    for most_characters, most_entries in _MANIFEST_LENGTHS:
        named = {name: list(_file_names(sources, most_entries)) for name, sources in own.files.items()}
        shown = {
            kind: _short(masked(_few(values, most_entries), scrub), most_characters)
            for kind, values in (("parameters", own.parameters), ("files", named))
            if values or kind == "parameters"
        }
        if _bytes_of(shown) <= MOST_MANIFEST_BYTES:
            return shown
    return {kind: dict(_those_that_fit(values)) for kind, values in shown.items()}


def _those_that_fit(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield values until half of the bytes are used, which the parameters and the files have each."""
    room = MOST_MANIFEST_BYTES // 2 - len('{"parameters":{}}')
    for name, value in values.items():
        taken = _bytes_of({name: value})
        if taken <= room:
            room -= taken
            yield name, value


def _bytes_of(value: Any) -> int:
    return len(json.dumps(value, separators=(",", ":")))


def _file_names(given: Any, most: int) -> Iterator[str]:
    for _, source in zip(range(most), flattened(given), strict=False):
        yield _file_name(source)


def _file_name(source: Any) -> str:
    """Return the name of a file: without its folders, its bucket or server, and what grants access to it."""
    if isinstance(source, Mapping):
        source = source.get("name") or source.get("uri") or source.get("url")
    if isinstance(source, str) and is_data_uri(source):
        return shown_data_uri(source)
    if not isinstance(source, str | os.PathLike):
        return "…" if source is None else type(source).__name__
    text = str(source).strip()
    try:
        path = urlsplit(text).path if "://" in text else text
    except ValueError:  # no URL, as "http://[" is none
        return "…"
    return path.rstrip("/").rpartition("/")[2] or "…"


def _few(value: Any, most: int = _MOST_ENTRIES) -> Any:
    """Return the first entries of an object or a list, which can have millions."""
    if isinstance(value, dict):
        return {name: _few(part, most) for name, part in list(value.items())[:most]}
    if isinstance(value, list | tuple):
        return [_few(part, most) for part in value[:most]]
    return value


def _short(value: Any, most_characters: int) -> Any:
    if isinstance(value, dict):
        return {name: _short(part, most_characters) for name, part in value.items()}
    if isinstance(value, list):
        return [_short(part, most_characters) for part in value]
    if isinstance(value, str) and len(value) > most_characters:
        return f"{value[: most_characters - 1]}…"
    return value


def with_input(message: object, shown: str) -> str:
    """Return a message about an item, followed by its input."""
    text = str(message).rstrip()
    end = "" if text.endswith((".", "!", "?", "…")) else "."
    return f"{text}{end} Input: {shown}"
