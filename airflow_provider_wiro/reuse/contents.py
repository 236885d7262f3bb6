"""The contents of a run's files, as digests: of those sent as bytes, and of those that Wiro fetches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.parameters import FileUrl, shown_url
from airflow_provider_wiro.input_files.digests import content_digest
from airflow_provider_wiro.reuse.fingerprint import inputs_fingerprint, web_urls

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_wiro.api.parameters import FileValue

_SHA256 = "sha256:"


class UnreadableContentError(Exception):
    """The content of a file can't be had, so that it isn't known which inputs these are."""


@dataclass(frozen=True)
class RunInputs:
    """
    A run's inputs.

    :ivar base_url: of the API.
    :ivar parameters: as they were given.
    :ivar files: resolved, not yet read.
    """

    base_url: str
    model: str
    parameters: Mapping[str, Any]
    files: Mapping[str, Sequence[FileValue]]

    def fingerprint(self, fetch: Callable[[str], str | None]) -> str:
        """
        Return the fingerprint of these inputs. Each file is read once, piece by piece.

        The text of a URL isn't its content, so what is there is fetched, also for URLs among the parameters.

        :param fetch: returns the SHA-256 of what is at a URL, None if that can't be had.
        :raises UnreadableContentError: a content can't be had.
        """
        fetched: dict[str, str] = {}

        def digest_of(url: str, what: str) -> str:
            if url not in fetched:
                digest = fetch(url)
                if digest is None:
                    raise UnreadableContentError(f"{what}, {shown_url(url)}, can't be fetched as a whole")
                fetched[url] = digest
            return fetched[url]

        contents = {
            name: [self._digest(name, value, digest_of) for value in values]
            for name, values in self.files.items()
        }
        linked = {
            url: digest_of(url, f"the URL in parameter {name!r:.100}")
            for name, value in self.parameters.items()
            for url in web_urls(value)
        }
        return inputs_fingerprint(self.base_url, self.model, self.parameters, contents, linked)

    @property
    def are_fixed(self) -> bool:
        """
        Whether the fingerprint of this same run can be computed again later: no content is elsewhere, where
        it can have changed since the run was sent.
        """
        values = [value for values in self.files.values() for value in values]
        return not any(web_urls(self.parameters)) and all(_known_digest(value) for value in values)

    @staticmethod
    def _digest(name: str, value: FileValue, digest_of: Callable[[str, str], str]) -> str:
        if isinstance(value, FileUrl):
            return digest_of(value.url, f"the file of parameter {name!r:.100}")
        found = _known_digest(value) or content_digest(value)
        if found is None:
            raise UnreadableContentError(
                f"the file {value.name!r:.100} of parameter {name!r:.100} can't be read"
            )
        return found


def _known_digest(value: FileValue) -> str | None:
    """Return the digest of a file that was read when it was resolved, None for any other."""
    return value.identity.removeprefix(_SHA256) if value.identity.startswith(_SHA256) else None
