"""The manifest in the bucket: read before anything lands, written when everything has."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroOutputRefusedError
from airflow_provider_wiro.landing import manifest as manifests
from airflow_provider_wiro.landing.conditional import KeyTakenError
from airflow_provider_wiro.landing.description import Description

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.landing.provenance import Origin
    from airflow_provider_wiro.landing.s3_upload import S3Upload

log = logging.getLogger(__name__)


class ManifestObject:
    """
    One task's manifest in S3.

    :param s3: with the arguments that go for a manifest.
    :param replace: whether something else that is there may be overwritten.
    :ivar earlier: the manifest that an earlier run left of the same Wiro task.
    :raises WiroOutputRefusedError: something else is there, and ``replace`` is False.
    """

    def __init__(self, s3: S3Upload, key: str, origin: Origin, *, replace: bool) -> None:
        self._s3 = s3
        self._key = key
        self._origin = origin
        self._replace = replace
        self.earlier = self._read()

    @property
    def uri(self) -> str:
        return f"s3://{self._s3.bucket}/{self._key}"

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
            self._put(body, only_if_absent=self.earlier is None and not self._replace)
        except KeyTakenError:
            # Another run of the same task came first, or else _read raises.
            self.earlier = self._read()
            if not manifests.says_the_same(self.earlier, manifest):
                self._put(body, only_if_absent=False)
        log.info("Wrote %s.", self.uri)

    def _put(self, body: bytes, *, only_if_absent: bool) -> None:
        metadata = self._origin.metadata(manifests.OUTPUT, self._s3.arguments.get("Metadata"))
        description = Description(manifests.CONTENT_TYPE, metadata)
        self._s3.put(self._key, body, description=description, only_if_absent=only_if_absent)

    def _read(self) -> dict[str, Any] | None:
        body = self._s3.read(self._key, manifests.MAX_BYTES)
        found = None if body is None else manifests.from_bytes(body, self._origin.wiro_task_id)
        if body is not None and found is None and not self._replace:
            raise WiroOutputRefusedError(
                f"{self.uri} is there already and is not the manifest of Wiro task "
                f"{self._origin.wiro_task_id}. Give manifest another key, or overwrite it with replace=True."
            )
        return found
