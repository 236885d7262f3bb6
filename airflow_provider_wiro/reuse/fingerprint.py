"""
The fingerprint of a run's inputs: equal only for runs that would make the same, as far as that is known.

A miss costs a run; a false match returns another run's pictures. So in doubt two runs differ: ``5`` and
``"5"`` do, though most models read both alike.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_wiro.api.parameters import clean_parameters, split_slug

#: Changes when an equal fingerprint no longer means equal inputs.
_VERSION = 1
_SCHEMES = ("http://", "https://")
#: Between the URLs that one text lists. A URL can have commas of its own.
_SEPARATORS = re.compile(r"[\s,;]+(?=https?://)", re.IGNORECASE)
#: Parameters by which Wiro continues a conversation that it keeps: answers depend on more than the inputs.
_CONVERSATION = frozenset({"sessionid", "sessiontoken"})


def inputs_fingerprint(
    base_url: str,
    model: str,
    parameters: Mapping[str, Any],
    contents: Mapping[str, Sequence[str]],
    linked: Mapping[str, str],
) -> str:
    """
    Return the fingerprint of a run's inputs, as hex digits.

    Project, callback and label don't change what a run makes, and aren't in it.

    :param base_url: of the API. Another API, such as the emulator's, makes other outputs.
    :param contents: file parameter → the SHA-256 of each of its files.
    :param linked: URL among the parameters → the SHA-256 of what is there.
    """
    url = urlsplit(base_url)
    inputs = {
        "version": _VERSION,
        "api": url.netloc.rpartition("@")[2].lower(),
        "model": clean_model(model),
        "parameters": clean_parameters(parameters),
        "files": {name: list(digests) for name, digests in contents.items() if digests},
        "linked": dict(linked),
    }
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def clean_model(model: str) -> str:
    """
    Return a model in Wiro's URL-safe form, in lower case with hyphens, so that both spellings of one meet.

    Nothing else is replaced, so that two models never meet.
    """
    return "/".join("-".join(segment.lower().split()) for segment in split_slug(model))


def is_conversation(parameters: Mapping[str, Any]) -> bool:
    """Whether the answer depends on a conversation that Wiro keeps: then equal inputs are no equal runs."""
    return any(
        name.replace("_", "").lower() in _CONVERSATION and value not in (None, "")
        for name, value in parameters.items()
    )


def web_urls(value: Any) -> Iterator[str]:
    """
    Yield the http(s) URLs that are values among parameters, in lists and objects too, also in those that are
    JSON text, and in texts that list several URLs. A URL in the middle of a prose text is only text.
    """
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from web_urls(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from web_urls(inner)
    elif isinstance(value, str):
        yield from _urls_of_text(value.strip())


def _urls_of_text(text: str) -> Iterator[str]:
    if text.startswith(("[", "{")) and "http" in text.lower():
        try:
            inner = json.loads(text)
        except (ValueError, RecursionError):
            return
        yield from web_urls(inner)
        return
    listed = _SEPARATORS.split(text.strip(",; \t\r\n"))
    if listed[0].lower().startswith(_SCHEMES):
        yield from listed
