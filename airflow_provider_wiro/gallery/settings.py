"""The options of Airflow's configuration that the gallery reads, at each request."""

from __future__ import annotations

from enum import StrEnum

from airflow.providers.common.compat.sdk import AirflowException, conf


class MediaMode(StrEnum):
    """How an object's bytes reach the browser."""

    PRESIGNED = "presigned"  # a redirect to a short-lived URL of the store
    STREAMED = "streamed"  # through the API server, with Range


def media_mode() -> MediaMode:
    """
    Return `[wiro] gallery_media`.

    :raises AirflowException: it is neither of the two.
    """
    found = _named_mode()
    try:
        return MediaMode(found)
    except ValueError:
        raise AirflowException(
            f"[wiro] gallery_media is {found!r}. Set it to presigned or streamed."
        ) from None


def shows_unlanded() -> bool:
    """Return `[wiro] gallery_unlanded`: whether Wiro's own links of what hasn't landed are shown."""
    return bool(conf.getboolean("wiro", "gallery_unlanded", fallback=False))


def serves_all_media() -> bool:
    """Whether all media come from the API server itself."""
    return _named_mode() == MediaMode.STREAMED.value and not shows_unlanded()


def _named_mode() -> str:
    """Return `[wiro] gallery_media` as it is written."""
    return str(conf.get("wiro", "gallery_media", fallback=MediaMode.PRESIGNED.value))
