"""
Finds secrets by their form: keys of known vendors, credentials in headers and in URLs.

Repetitions are bounded where a match could start anywhere, since servers write some of the texts.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from airflow_provider_wiro.redaction.names import is_secret_name

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Characters that are searched. No prompt is longer; a longer text is a file's content.
_MOST_SEARCHED = 200_000

#: Keys of known vendors, and JSON Web Tokens.
_KEY = re.compile(
    r"\b(?:sk-[\w-]{16,}|A[KS]IA[0-9A-Z]{16}|gh[pousr]_\w{20,}|hf_\w{20,}|xox[abprs]-[\w-]{10,}"
    r"|github_pat_\w{20,}|glpat-[\w-]{20,}|AIza[\w-]{35}|[sr]k_(?:live|test)_\w{16,}"
    r"|eyJ[\w-]{8,2000}\.[\w-]{8,4000}\.[\w-]{0,2000})"
)
#: A private key in a text, from its first line to its last, or to the end of a truncated text.
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]{20,20000}")
#: A credential in a header. Ordinary sentences have these words, too: see `_credentials`.
_SCHEME = re.compile(r"\b(basic|bearer)\s{1,5}([\w.~+/-]{8,4000}=*)", re.IGNORECASE)
#: ``X-Api-Key: …``, ``password=…``, ``'token': '…'`` in text that isn't JSON: the mark, then the value.
_MARK = re.compile(r"[:=]")
_VALUE = re.compile(r"\s{0,5}[\"']?((?:basic|bearer)\s{1,5})?([^\s\"'&;,<>{}\[\]]{5,2000})", re.IGNORECASE)
#: A name before a mark, reversed.
_NAME_BACKWARDS = re.compile(r"\s{0,5}[\"']?([\w-]{3,60})")
_SCHEME_BEFORE = re.compile(r"[a-z][a-z0-9+.-]{0,20}\Z", re.IGNORECASE)
_REST_OF_URL = re.compile(r"://[^\s\"'<>\\]{1,8000}")
#: Query parameters whose values are credentials, besides names that are secret everywhere.
_QUERY_NAMES = frozenset(
    {"sig", "key", "code", "hmac", "access", "x-amz-credential", "x-goog-credential", "st"}
)
#: Schemes of object stores, in whose URIs a connection of Airflow stands before the `@`.
_STORES = frozenset({"s3", "s3a", "s3n", "gs", "gcs", "abfs", "abfss", "adl", "az", "wasb", "wasbs"})
#: A part of a path that looks random: a key, a UUID.
_RANDOM = re.compile(r"(?=[^/]*\d)(?=[^/]*[A-Za-z])[\w.@:~-]{16,}", re.ASCII)
#: Webhooks, whose path is their credential: (the host's end, the secret part of the path).
_HOOKS = (
    ("hooks.slack.com", r"/(?:services|workflows|triggers)/(.+)"),
    ("hooks.slack-gov.com", r"/(?:services|workflows|triggers)/(.+)"),
    ("discord.com", r"/api(?:/v\d+)?/webhooks/(.+)"),
    ("discordapp.com", r"/api(?:/v\d+)?/webhooks/(.+)"),
    ("webhook.office.com", r"/webhook(?:b2)?/(.+)"),
    ("outlook.office.com", r"/webhook/(.+)"),
    ("outlook.office365.com", r"/webhook/(.+)"),
    ("hooks.zapier.com", r"/hooks/(?:catch|standard)/(.+)"),
    ("make.com", r"/([\w-]{16,})"),
    ("maker.ifttt.com", r"/trigger/.+/key/(.+)"),
    ("api.telegram.org", r"/bot([^/]+)"),
    ("open.feishu.cn", r"/open-apis/bot/v2/hook/(.+)"),
    ("open.larksuite.com", r"/open-apis/bot/v2/hook/(.+)"),
    ("logic.azure.com", r"/workflows/([^/]+)"),
    ("webhook.site", r"/(.+)"),
)
#: A shorter part of a path is a word.
_SHORTEST_PART = 8


def secrets_in_text(text: str, *, is_hook: bool = False) -> Iterator[str]:
    """
    Yield the secrets in a text, exactly as written.

    :param is_hook: the text is a webhook's address, so random-looking parts of its path are secret.
    """
    searched = text[:_MOST_SEARCHED]
    yield from (found[0] for found in _KEY.finditer(searched))
    yield from (found[0].strip() for found in _PRIVATE_KEY.finditer(searched))
    for found in _SCHEME.finditer(searched):
        yield from _credentials(found[1], found[2])
    if ":" in searched or "=" in searched:
        yield from _named(searched)
    if "://" in searched:
        for rest in _REST_OF_URL.finditer(searched):
            scheme = _SCHEME_BEFORE.search(searched[max(0, rest.start() - 21) : rest.start()])
            yield from _in_url(f"{scheme[0] if scheme else ''}{rest[0]}", is_hook=is_hook)


def _credentials(scheme: str, value: str) -> Iterator[str]:
    if scheme.lower() == "bearer":
        if len(value) >= 20 or any(character.isdigit() for character in value):
            yield value
        return
    try:
        user, separator, password = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:  # a word of a sentence
        return
    if separator and user.isprintable() and password.isprintable():
        yield value
        yield password


def _named(text: str) -> Iterator[str]:
    for mark in _MARK.finditer(text):
        found = _NAME_BACKWARDS.match(text[max(0, mark.start() - 70) : mark.start()][::-1])
        if found is None or not is_secret_name(found[1][::-1]):
            continue
        value = _VALUE.match(text, mark.end())
        # "The password: something" is a sentence.
        if value is not None and any(map(str.isdigit, value[2])) and "://" not in value[2]:
            yield value[2]


def _in_url(url: str, *, is_hook: bool) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        password, host = parts.password or "", (parts.hostname or "").lower()
    except ValueError:
        return
    yield from {password, unquote(password)}
    # A user alone is a token (https://TOKEN@github.com), but the id of a connection in a store's URI.
    is_token = parts.scheme not in _STORES and len(parts.username or "") >= _SHORTEST_PART
    if not password and parts.username and is_token:
        yield parts.username
    for name, value in parse_qsl(parts.query[:8000], max_num_fields=None):
        if len(value) >= _SHORTEST_PART and (name.lower() in _QUERY_NAMES or is_secret_name(name)):
            yield value
            # Also as written in the URL.
            yield from (raw for raw in _raw_values(parts.query, name) if raw != value)
    for end, pattern in _HOOKS:
        if host == end or host.endswith(f".{end}"):
            if found := re.match(pattern, parts.path):
                yield found[1].rstrip("/")
                yield from (part for part in found[1].split("/") if len(part) >= _SHORTEST_PART)
            return
    if is_hook:
        yield from (part for part in parts.path.split("/") if _RANDOM.fullmatch(part))


def _raw_values(query: str, name: str) -> Iterator[str]:
    for pair in re.split("[&;]", query):
        raw_name, _, raw = pair.partition("=")
        if unquote(raw_name) == name:
            yield raw
