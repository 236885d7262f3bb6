"""The manifest beside the outputs: read before anything lands, written when everything has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_wiro.exceptions import WiroOutputRefusedError, WiroOutputUnavailableError
from airflow_provider_wiro.landing import manifest as manifests
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.s3.conditional_writes import ObjectExistsError

if TYPE_CHECKING:
    from collections.abc import Mapping

log = plain_logger(__name__)


class Place(Protocol):
    """Where a manifest is, or is to be; ``uri`` names it for people."""

    uri: str

    def read(self) -> bytes | None:
        """Return what is there, None if nothing is."""

    def put(self, body: bytes, *, only_if_absent: bool) -> None:
        """
        Store a manifest.

        :param only_if_absent: overwrite nothing, if that can be told to the store.
        :raises KeyTakenError: something is there.
        """


class ManifestFile:
    """
    One task's manifest.

    :param replace: whether something else that is there may be overwritten.
    :param api: the host of the API whose task it is, None if not known.
    :ivar earlier: the manifest that an earlier run left of the same Wiro task.
    :raises WiroOutputRefusedError: something else is there, and ``replace`` is False.
    """

    def __init__(self, place: Place, wiro_task_id: str, *, replace: bool, api: str | None = None) -> None:
        self._place = place
        self._api = api
        self._wiro_task_id = wiro_task_id
        self._replace = replace
        self.earlier = self._read()

    @property
    def uri(self) -> str:
        return self._place.uri

    def write(self, manifest: Mapping[str, Any], *, keep: bool = False) -> None:
        """
        Store a manifest, unless one that says the same is there.

        :param keep: leave one of this task that is there as it is: Wiro has forgotten what it tells.
        """
        if (keep and self.earlier) or manifests.says_the_same(self.earlier, manifest):
            log.info("Kept %s: it tells the same.", self.uri)
            return
        body = manifests.to_bytes(manifest)
        try:
            self._place.put(body, only_if_absent=self.earlier is None and not self._replace)
        except ObjectExistsError:
            # Another run of the same task came first, or else _read raises.
            self.earlier = self._read()
            if not manifests.says_the_same(self.earlier, manifest):
                self._put_again(body)
        log.info("Wrote %s.", self.uri)

    def _put_again(self, body: bytes) -> None:
        """Put it in place of this task's own; where nothing is shown, of nothing."""
        try:
            self._place.put(body, only_if_absent=self.earlier is None)
        except ObjectExistsError as error:
            raise WiroOutputUnavailableError(
                f"Another task writes {self.uri} at this moment; nothing was overwritten."
            ) from error

    def _read(self) -> dict[str, Any] | None:
        body = self._place.read()
        found = None if body is None else manifests.from_bytes(body, self._wiro_task_id, self._api)
        if body is not None and found is None and not self._replace:
            raise WiroOutputRefusedError(
                f"{self.uri} is there already and is not the manifest of Wiro task "
                f"{self._wiro_task_id}. Give manifest another key, or overwrite it with replace=True."
            )
        return found
