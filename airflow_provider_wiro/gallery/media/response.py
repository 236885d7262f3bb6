"""The bytes of an output for a browser, or the way to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.responses import Response

    from airflow_provider_wiro.gallery.landed_output import LandedOutput


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
    return PlainTextResponse(f"{output.name} is not served.", 404)


def origin_of(uri: str, aws_conn_id: str | None) -> str | None:
    """
    Return the origin of the presigned URLs of an object, for a page's Content-Security-Policy.

    :return: as ``https://host``; None if its bytes come from the API server itself.
    """
    return None


def why_not_served(uri: str) -> str:
    """Return why an output's bytes can't be had from here, a sentence for the page; empty if they can."""
    return ""
