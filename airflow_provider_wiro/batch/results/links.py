"""Shows where a batch's outputs are: on its task's page and, if asked for, in its log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.links.consoles import Console, template_folder
from airflow_provider_wiro.links.landed import Places, show_links
from airflow_provider_wiro.links.output_urls import MOST_LOGGED, log_landed, log_outputs
from airflow_provider_wiro.links.s3_console import console_of, console_of_uri
from airflow_provider_wiro.links.wiro import push_task_url
from airflow_provider_wiro.storage.s3.location import split_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.landing.s3.bucket import S3Bucket


class BatchLinks:
    """
    The links of one part of a batch.

    :param operator: a WiroBatchRunOperator.
    :param base_url: of Wiro.
    """

    def __init__(self, operator: Any, context: Context, base_url: str) -> None:
        self._operator = operator
        self._context = context
        self._base_url = base_url
        self._console = Console()
        #: The first results that have landed, and those that are at Wiro.
        self._landed: list[str] = []
        self._at_wiro: list[Mapping[str, Any]] = []
        self._total = 0

    def begin(self, bucket: S3Bucket | None, s3_key: str) -> None:
        """
        Show what is known before the first Run: the model's page, and the folder of the outputs.

        :param bucket: of the outputs; None: nothing lands.
        :param s3_key: the template of their keys, as the user gave it.
        """
        operator = self._operator
        push_task_url(
            operator, self._context, base_url=self._base_url, model=operator.model, wiro_task_id=None
        )
        if bucket is None:
            return
        self._console = console_of(bucket.client)
        template = split_url(s3_key)[1] if s3_key.startswith("s3://") else s3_key
        folder = template_folder(bucket.name, template)
        show_links(operator, self._context, self._console, Places(folder=folder))

    def see(self, line: Mapping[str, Any]) -> None:
        """Take note of a line of the manifest."""
        if line.get("files") is not None:
            found: list[Any] = [file["uri"] for file in line["files"]]
            kept: list[Any] = self._landed
        else:
            found, kept = line.get("outputs") or [], self._at_wiro
        kept += found[: MOST_LOGGED - len(kept)]
        self._total += len(found)

    def end(self, manifest: str, verify: bool | str | None) -> None:
        """
        Show where the first output and the manifest are, which was just written.

        :param manifest: its path or URI.
        :param verify: as it was written with.
        """
        operator, first = self._operator, next(iter(self._landed), None)
        if first is None and self._at_wiro:
            first = self._at_wiro[0].get("url")
        show_links(operator, self._context, self._console, Places(first_output=first))
        show_links(operator, self._context, console_of_uri(manifest, verify), Places(manifest=manifest))
        if not operator.log_links:
            return
        if self._landed:
            log_landed(operator.log, self._console, self._landed, self._total)
        elif operator.include_links:
            log_outputs(operator.log, self._at_wiro, self._total)
        elif self._total:
            operator.log.info(
                "The URLs of %s outputs are not logged: a batch keeps them only with include_links=True.",
                f"{self._total:,}",
            )
