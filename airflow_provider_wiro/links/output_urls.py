"""Links in a task's log, and which URLs of Wiro's outputs may be shown at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow_provider_wiro.redaction.masking import text_without_secrets
from airflow_provider_wiro.redaction.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_provider_wiro.links.consoles import Console
    from airflow_provider_wiro.redaction.loggers import Log

#: How many outputs are logged with their links.
MOST_LOGGED = 20
_LONGEST_NAME = 200
#: What a URL is made of. Everything else in it is percent-encoded.
_OF_URLS = ":/?#[]@!$&'()*+,;=%-._~"


def shown_url(url: str | None) -> str | None:
    """
    Return the URL of an output as it may be shown; None if it is no http(s) URL, or has a secret in it.

    What signs a URL is in its query. Without it the link would not work, and with it anyone could use it.
    """
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return None
    if not is_web or text_without_secrets(url) != url:
        return None
    return quote(url.encode("utf-8", "replace"), safe=_OF_URLS)


def log_landed(log: Log, console: Console, uris: Sequence[str], total: int) -> None:
    """
    Log where outputs have landed: each URI, and its page in the store's console.

    :param uris: the first of them.
    :param total: how many there are.
    """
    for uri in uris[:MOST_LOGGED]:
        page = console.page(uri)
        log.info("Output: %s", f"{uri} {page}" if page else uri)
    _log_rest(log, total)


def log_outputs(log: Log, outputs: Iterable[Mapping[str, Any]], total: int) -> None:
    """
    Log the URLs of outputs that are at Wiro.

    :param outputs: the first of them, as a run summary has them.
    :param total: how many there are.
    """
    for output in list(outputs)[:MOST_LOGGED]:
        name, url = plain(str(output.get("name") or "unnamed"), _LONGEST_NAME), output.get("url")
        shown = shown_url(url)
        if shown is not None:
            log.info("Output: %s", shown)
        elif url is not None:
            log.info("Output: %s. Its link is not logged: it has a signature or another secret in it.", name)
        else:  # an answer that is text, or what an earlier run has landed
            log.info("Output: %s", output.get("uri") or f"{name}, which has no link.")
    _log_rest(log, total)


def _log_rest(log: Log, total: int) -> None:
    if total > MOST_LOGGED:
        log.info("%s further outputs are not logged one by one.", f"{total - MOST_LOGGED:,}")
