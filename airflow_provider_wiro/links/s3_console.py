"""The console of the store that a client talks to, as far as it is known without a request."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from airflow_provider_wiro.links.consoles import Console, template_problem
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.location import parse_location
from airflow_provider_wiro.storage.object_files import google_endpoint, open_object
from airflow_provider_wiro.storage.s3.hooks import s3_hook
from airflow_provider_wiro.version_compat import configured_s3_console_url

log = plain_logger(__name__)


#: Of Google Cloud Storage.
_GOOGLE_SCHEMES = ("gs://", "gcs://")


def console_of(client: Any = None, google_endpoint: str | None = None) -> Console:
    """
    Return the console of a store.

    :param client: boto3's client of S3; None: only the pages of other stores are known.
    :param google_endpoint: without a client of S3, where Google's store is; None: at Google.
    """
    template = configured_s3_console_url()
    if template is not None and (problem := template_problem(template)) is not None:
        log.warning(
            "No links are made by [wiro] s3_console_url: %s. Expected an http(s) URL with {bucket} and {key} "
            "in it, such as https://minio.example.com/browser/{bucket}/{key}, found %.200r.",
            problem,
            template,
        )
        template = None
    if client is None:
        return Console(google_endpoint, template=template)
    return Console(str(client.meta.endpoint_url), client.meta.region_name, template)


def console_of_uri(uri: str, verify: bool | str | None = None) -> Console:
    """
    Return the console of the store that a URI names, by the connection in it.

    A connection that can't be had is logged: no link is a reason to fail. One that was used before, within
    :func:`~airflow_provider_wiro.storage.s3.hooks.shared_s3_hooks`, is not read again.

    :param verify: as the place is used.
    """
    is_google = uri.startswith(_GOOGLE_SCHEMES)
    try:
        if is_google:
            return console_of(google_endpoint=google_endpoint(open_object(uri, "a URI").fs))
        if not uri.startswith("s3://"):
            return console_of()
        conn_id = parse_location(uri, "a URI").conn_id
        return console_of(s3_hook(None if conn_id is None else unquote(conn_id), verify).get_conn())
    except Exception:
        kind = "Google Cloud" if is_google else "S3"
        log.warning("No link leads to %s: its %s connection can't be opened.", uri, kind, exc_info=True)
        return Console("") if is_google else console_of()
