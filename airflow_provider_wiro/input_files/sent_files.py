"""
Compares the files of a run with those of a task that Wiro lists.

A file sent as a URL matches that URL. If Wiro shows a copy under its own host instead, the content decides.
A file whose bytes were sent appears under a URL of Wiro's; its SHA-256 identifies it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_wiro.api.decoding.fields import json_list, text
from airflow_provider_wiro.api.flow import Digest, Flow
from airflow_provider_wiro.api.parameters import FileContent, FileUrl

if TYPE_CHECKING:
    from airflow_provider_wiro.api.parameters import FileValue

#: Wiro's own domain; the connection's base URL can lead there through a proxy.
_WIROS_DOMAIN = "wiro.ai"
#: Sample inputs that Wiro offers, and fills in where a run has none.
SAMPLES = "/sampleinputs/"
_SHA256 = "sha256:"


@dataclass(frozen=True)
class SentFile:
    """
    One file of a run.

    :ivar url: the URL that was sent. None: bytes were sent.
    :ivar sha256: of the bytes, in hex digits; None if not known yet.
    :ivar content: to read the bytes again; None if the file is gone.
    :ivar is_output: the URL is a run's output. Its query may differ now: Wiro can sign a link again each time
        it shows it.
    """

    url: str | None = field(default=None, repr=False)
    sha256: str | None = None
    content: FileContent | None = field(default=None, repr=False)
    is_output: bool = False

    def is_linked_by(self, shown: str) -> bool:
        """Whether a URL that a task shows is the one that was sent."""
        sent = (self.url or "").strip()
        return sent == shown or (self.is_output and sent.partition("?")[0] == shown.partition("?")[0])


SentFiles = Mapping[str, Sequence[SentFile]]
#: As stored in a record: file parameter → the SHA-256 of each file whose bytes were sent, None for others.
Digests = dict[str, list[str | None]]


def sent_files(files: Mapping[str, Sequence[FileValue]]) -> dict[str, list[SentFile]]:
    """Return a run's files, for comparison with those of a task."""
    return {
        name: [
            SentFile(url=value.url, is_output=bool(value.identity))
            if isinstance(value, FileUrl)
            else SentFile(sha256=_known_digest(value), content=value)
            for value in values
        ]
        for name, values in files.items()
        if values
    }


def _known_digest(content: FileContent) -> str | None:
    return content.identity.removeprefix(_SHA256) if content.identity.startswith(_SHA256) else None


def with_digests(files: SentFiles, digests: Mapping[str, Sequence[str | None]]) -> dict[str, list[SentFile]]:
    """Return a run's files with the digests stored in a record, where their numbers match."""
    return {
        name: [
            one if one.url is not None or one.sha256 or not known else SentFile(None, known, one.content)
            for one, known in zip(sent, _padded(digests.get(name, ()), len(sent)), strict=True)
        ]
        for name, sent in files.items()
    }


def _padded(digests: Sequence[str | None], length: int) -> list[str | None]:
    return list(digests) if len(digests) == length else [None] * length


def digests_of(files: SentFiles) -> Digests:
    """Return the digests to store in a record; empty if there are none."""
    found = {name: [one.sha256 for one in sent] for name, sent in files.items()}
    return {name: digests for name, digests in found.items() if any(digests)}


def compute_digests(files: SentFiles) -> Flow[dict[str, list[SentFile]]]:
    """Return a run's files with their digests, as far as the files can be read."""
    found: dict[str, list[SentFile]] = {}
    for name, sent in files.items():
        found[name] = []
        for one in sent:
            known = one
            if one.url is None and one.sha256 is None and one.content is not None:
                known = SentFile(None, _as_digest((yield Digest(one.content))), one.content)
            found[name].append(known)
    return found


def references(
    model: str, parameters: Mapping[str, Any], files: Mapping[str, Any], project_id: str | None
) -> str:
    """
    Return a digest of a run's input, with the names of its files instead of their content.

    :param files: file parameter → what the user gave, as text.
    """
    run = [model.strip(), parameters, files, project_id]
    return hashlib.sha256(json.dumps(run, sort_keys=True, default=str).encode()).hexdigest()


def read_digests(stored: object) -> Digests:
    """
    Read the digests stored in a record.

    :raises ValueError, TypeError: they are damaged.
    """
    if not isinstance(stored, Mapping):
        raise TypeError(stored)
    found: Digests = {}
    for name, digests in stored.items():
        if not isinstance(digests, list | tuple) or not all(
            one is None or isinstance(one, str) for one in digests
        ):
            raise ValueError(digests)
        found[str(name)] = list(digests)
    return found


def is_wiros_own(url: str, host: str) -> bool:
    """
    Whether a URL is Wiro's own: at the connection's host, a sibling of it, or in Wiro's domain.

    :param host: of the connection's base URL.
    """
    found = web_host(url)
    if found is None:
        return False
    own = host.lower()
    domains = {_WIROS_DOMAIN, own}
    if any(map(str.isalpha, own)) and own.count(".") >= 2:
        domains.add(own.partition(".")[2])  # cdn1.wiro.ai beside api.wiro.ai
    return any(found == domain or found.endswith(f".{domain}") for domain in domains if domain)


def web_host(value: object) -> str | None:
    """Return the host of an http(s) URL, None for anything else."""
    with suppress(ValueError):  # urlsplit raises it for unmatched brackets
        parts = urlsplit(text(value).strip())
        return parts.hostname if parts.scheme in {"http", "https"} else None
    return None


def may_be_a_copy(sent: str, shown: str, host: str) -> bool:
    """Whether a URL that Wiro shows may stand for one that was sent: a copy at Wiro, or without its query."""
    return is_wiros_own(shown, host) or ("?" in sent and "?" not in shown and sent.partition("?")[0] == shown)


def shown_files(parameters: Mapping[str, Any], name: str) -> list[str] | None:
    """Return the files that a task shows for a file parameter; None if it doesn't show the parameter."""
    base = name.removesuffix("Url") or name
    if base not in parameters and f"{base}Url" not in parameters:
        return None
    found = _entries(parameters.get(base))
    return [*found, *(one for one in _entries(parameters.get(f"{base}Url")) if one not in found)]


def _entries(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return _entries(value.get("url"))
    listed = value if isinstance(value, list | tuple) else json_list(value)
    if listed:
        return [entry for one in listed for entry in _entries(one)]
    words = text(value).strip()
    if "," in words and all(web_host(one) for one in words.split(",")):
        return [one.strip() for one in words.split(",")]
    return [words] if words and words != "[]" else []


def has_other_files(parameters: Mapping[str, Any], known: set[str], host: str) -> bool:
    """Whether a task shows a file in Wiro's storage for a parameter that the run didn't have."""
    names = {form for name in known for form in (name, f"{name}Url", name.removesuffix("Url"))}
    return any(
        is_wiros_own(entry, host) and SAMPLES not in entry
        for name, value in parameters.items()
        if name not in names
        for entry in _entries(value)
    )


@dataclass
class FileComparison:
    """
    Compares the files of a run with those of listed tasks; each file is read once.

    :param host: of the connection's base URL.
    """

    host: str
    _digests: dict[str, str | None] = field(default_factory=dict)

    def compare(self, files: SentFiles, parameters: Mapping[str, Any]) -> Flow[bool | None]:
        """
        Return whether a task's files are the run's; None if that is unclear.

        :param parameters: as Wiro shows them for the task.
        """
        verdict: bool | None = True
        for name, sent in files.items():
            shown = shown_files(parameters, name)
            if not shown:
                verdict = None  # a list may leave them out
                continue
            left = list(shown)
            for one in sorted(sent, key=lambda one: one.url is None):
                found = yield from self._match(one, left)
                if found is False:
                    return False
                verdict = verdict if found else None
            if left:
                verdict = None  # another run has more files
        return verdict

    def _match(self, one: SentFile, left: list[str]) -> Flow[bool | None]:
        """
        Remove the matching file from ``left``, and return True; False if none can match, None if one may.
        """
        linked = [] if one.url is None else [shown for shown in left if one.is_linked_by(shown)]
        if linked:
            left.remove(one.url.strip() if one.url and one.url.strip() in linked else linked[0])
            return True
        candidates = [
            shown
            for shown in left
            if (one.url is None or may_be_a_copy(one.url, shown, self.host)) and web_host(shown)
        ]
        names = [shown for shown in left if not web_host(shown)]
        is_unclear = bool(names) and one.url is None
        if not candidates and not is_unclear:
            return False
        sent_digest = yield from self._digest_of(one)
        for shown in candidates:
            shown_digest = None if sent_digest is None else (yield from self._fetched(shown))
            if shown_digest is None:
                is_unclear = True
            elif shown_digest == sent_digest:
                left.remove(shown)
                return True
        if is_unclear:
            left[:] = [shown for shown in left if shown not in candidates and shown not in names]
            return None
        return False

    def _digest_of(self, one: SentFile) -> Flow[str | None]:
        if one.url is not None:
            return (yield from self._fetched(one.url)) if is_wiros_own(one.url, self.host) else None
        if one.sha256 is not None or one.content is None:
            return one.sha256
        key = f"sent {one.content.identity}"
        if key not in self._digests:
            self._digests[key] = _as_digest((yield Digest(one.content)))
        return self._digests[key]

    def _fetched(self, url: str) -> Flow[str | None]:
        if url not in self._digests:
            self._digests[url] = _as_digest((yield Digest(url)))
        return self._digests[url]


def _as_digest(found: object) -> str | None:
    return found if isinstance(found, str) else None
