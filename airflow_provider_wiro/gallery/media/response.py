"""The bytes of an output for a browser, or the way to them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, Response

from airflow_provider_wiro.gallery.media.presigned import presigned_origin, presigned_url
from airflow_provider_wiro.gallery.media.recognition import why_not_recognised
from airflow_provider_wiro.gallery.media.stored import stored_output
from airflow_provider_wiro.gallery.media.streamed import streamed
from airflow_provider_wiro.gallery.ranged.ranged_object import MissingObjectError, UnreadableObjectError
from airflow_provider_wiro.gallery.ranged.s3_object import S3Object
from airflow_provider_wiro.gallery.ranged.timed_cache import TimedCache
from airflow_provider_wiro.gallery.settings import MediaMode, media_mode
from airflow_provider_wiro.redaction.loggers import plain_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_wiro.gallery.landed_output import LandedOutput
    from airflow_provider_wiro.gallery.ranged.ranged_object import StoredFacts

log = plain_logger(__name__)

#: A film is asked for again at each jump in it. An object that is replaced is looked at after this time.
_FACTS_SECONDS = 30.0
_MOST_FACTS = 5000

_facts: TimedCache[StoredFacts] = TimedCache(_FACTS_SECONDS, _MOST_FACTS, time.monotonic)


def respond(
    output: LandedOutput,
    headers: Mapping[str, str],
    method: str = "GET",
    *,
    may_see_dag: Callable[[str], bool] = lambda _: False,
) -> Response:
    """
    Return the response to a request for an output: a redirection to a presigned URL, or the bytes.

    Call it in a thread: it waits for the store.

    :param headers: of the request, by names in lower case (starlette's Headers are such).
    :param method: GET or HEAD.
    :param may_see_dag: whether the user may read XComs of another DAG; asked only if the object's metadata
        say that another DAG than ``output.dag_id`` landed it.
    """

    def check(facts: StoredFacts) -> None:
        reason = why_not_recognised(output, facts.metadata, may_see_dag)
        if reason is not None:
            log.warning("Did not show %s of DAG %s: %s.", output.uri, output.dag_id, reason)
            raise MissingObjectError(
                "The object isn't this output: its own metadata don't say that it is. The log of Airflow's "
                "API server says more."
            )

    try:
        stored = stored_output(output)
        if method == "GET" and isinstance(stored, S3Object) and media_mode() is MediaMode.PRESIGNED:
            facts = _facts.get(stored.identity)
            if facts is None:
                facts = stored.facts()
                _facts.put(stored.identity, facts)
            check(facts)
            url = presigned_url(stored, output)
            return Response(status_code=302, headers={"location": url, "cache-control": "private, no-store"})
        return streamed(output, stored, headers, method, check)
    except UnreadableObjectError as error:
        return PlainTextResponse(
            f"{output.name[:200]}: {error}", error.status, headers={"cache-control": "private, no-store"}
        )


def origin_of(uri: str, aws_conn_id: str | None) -> str | None:
    """
    Return the origin of the presigned URLs of an object, for a page's Content-Security-Policy.

    :return: as ``https://host``; None if its bytes come from the API server itself.
    """
    if not uri.startswith("s3://") or media_mode() is not MediaMode.PRESIGNED:
        return None
    from airflow_provider_wiro.gallery.landed_output import LandedOutput

    try:
        stored = stored_output(LandedOutput(uri, "", None, None, "", aws_conn_id))
    except UnreadableObjectError:
        return None
    return presigned_origin(stored) if isinstance(stored, S3Object) else None
