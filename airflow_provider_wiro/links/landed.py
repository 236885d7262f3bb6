"""The buttons "First output", "In S3" and "Manifest" on a task's page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

from airflow_provider_wiro.redaction.loggers import plain_logger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, TaskInstanceKey

    from airflow_provider_wiro.links.consoles import Console

log = plain_logger(__name__)

#: An attribute of an operator that runs in this process: XCom key → URL.
_KNOWN = "_wiro_links"


class _StoredLink(BaseOperatorLink):
    """A link whose URL :func:`show_links` has stored."""

    key = ""

    @property
    def xcom_key(self) -> str:
        """The XCom key under which Airflow 3 reads the URL."""
        return self.key

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the URL; empty where there is none (yet)."""
        # Airflow 3 calls this in the worker at the end of each try, and logs an error for a missing XCom.
        known = getattr(operator, _KNOWN, None)
        if isinstance(known, dict):
            found: str = known.get(self.key, "")
            return found
        return XCom.get_value(key=self.key, ti_key=ti_key) or ""


class WiroFirstOutputLink(_StoredLink):
    """
    The link to the first output: the page of its object in the store's console; of a run its URL at Wiro.

    A URL that holds a signature opens the file to anyone, so there is no button for it.
    """

    name = "First output"
    key = "wiro_first_output_url"


class WiroS3Link(_StoredLink):
    """The link to the folder of the outputs in the console of S3, or of the store that speaks its API."""

    name = "In S3"
    key = "wiro_s3_url"


class WiroStorageLink(_StoredLink):
    """The link to the folder of the outputs in the store's console."""

    name = "In storage"
    key = "wiro_storage_url"


class WiroManifestLink(_StoredLink):
    """The link to the page of the manifest in the store's console."""

    name = "Manifest"
    key = "wiro_manifest_url"


#: Of operators that land outputs in S3.
S3_LINKS = (WiroFirstOutputLink(), WiroS3Link(), WiroManifestLink())
#: Of operators that land outputs anywhere.
STORAGE_LINKS = (WiroFirstOutputLink(), WiroStorageLink(), WiroManifestLink())


@dataclass(frozen=True)
class Places:
    """
    What the buttons lead to: URIs, of a folder with a slash at its end. None: there is no such thing.

    :ivar first_output: its object, or an http(s) URL that is shown as it is.
    """

    first_output: str | None = None
    folder: str | None = None
    manifest: str | None = None


def begin_without_links(operator: BaseOperator) -> None:
    """
    Note the start of a try, or of a part of one after a deferral, which shows no link so far.

    Without this Airflow 3 would log an error at the end of a try that has stored none.
    """
    setattr(operator, _KNOWN, {})


def show_links(operator: BaseOperator, context: Any, console: Console, places: Places) -> None:
    """
    Store the links, so that the buttons work from now on. What can't be stored is logged.

    The outputs are safe, so no link is a reason to fail.

    :param console: of the store that the places are in.
    """
    wanted = {
        WiroFirstOutputLink.key: places.first_output,
        WiroS3Link.key: places.folder,
        WiroStorageLink.key: places.folder,
        WiroManifestLink.key: places.manifest,
    }
    shown = {link.xcom_key for link in operator.operator_extra_links if isinstance(link, _StoredLink)}
    known = getattr(operator, _KNOWN, None) or {}
    if "ti" not in context:
        return
    try:
        for key in sorted(shown):
            url = _page(console, wanted[key])
            if url is not None and known.get(key) != url:
                context["ti"].xcom_push(key=key, value=url)
                known[key] = url
    except Exception:
        log.warning("The links to the outputs could not be stored in XCom.", exc_info=True)
    setattr(operator, _KNOWN, known)


def _page(console: Console, place: str | None) -> str | None:
    if place is None:
        return None
    if place.startswith(("http://", "https://")):
        from airflow_provider_wiro.links.output_urls import shown_url

        return shown_url(place)
    return console.page(place)
