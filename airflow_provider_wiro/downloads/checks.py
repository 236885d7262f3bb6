"""
Checks of an output's URL, redirects, response headers and size. Pure.

Wiro names the URL, and an attacker who can change it could have a worker fetch from inside its network. So
the transports call these before they connect and before they read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit

from airflow_provider_wiro.api.parameters import check_web_url
from airflow_provider_wiro.exceptions import (
    WiroOutputError,
    WiroOutputRefusedError,
    WiroOutputUnavailableError,
    WiroUsageError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.api.models import Output

MAX_REDIRECTS = 5
#: Of an output whose size Wiro doesn't say, no more than this is read, whatever the CDN announces.
MAX_UNANNOUNCED_BYTES = 10 * 1024**3

REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
EXPIRED_STATUSES = frozenset({401, 403, 404, 410})
#: With this status at a link that Wiro's Detail has just shown, the file may not have arrived at the CDN yet.
NOT_YET_STATUS = 404
#: So that the bytes on the wire are the file's and can be counted.
REQUEST_HEADERS = {"accept-encoding": "identity"}


#: Transfer codings (RFC 9112 §7) that are undone while reading.
_READABLE_CODINGS = frozenset({"", "identity", "chunked"})
#: Spaces of all widths, but no line breaks: names of screenshots have narrow ones.
_SPACES = "[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]"
#: 18 digits are more than any file has bytes.
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)


class NoFileError(WiroOutputUnavailableError):
    """
    Wiro shows no link for an output, or its link leads to no file.

    Soon after the task's end it may still come. Later the link has expired, or the file was deleted.
    """


def _subject(output: Output) -> str:
    """Return an output's label for the start of a sentence."""
    return f"O{output.label[1:]}"


def refuse_address(output: Output, host: str, address: str) -> WiroOutputRefusedError:
    """Return the error for an output at a private address."""
    return WiroOutputRefusedError(
        f"{_subject(output)} is at {host} ({address}), which is not a public address. "
        "It is not fetched: only a connection whose own base URL is private may have outputs there."
    )


def output_url(output: Output) -> str:
    """
    Return the URL of an output.

    :raises WiroUsageError: the output is an LLM's answer, which has none.
    :raises WiroOutputUnavailableError: Wiro has not shown it yet.
    :raises WiroOutputRefusedError: it is not an http(s) URL.
    """
    if output.awaits_link:
        raise no_link_yet(output)
    if output.url is None:
        raise WiroUsageError(f"{_subject(output)} has no file to fetch; an LLM's answer is in `content`.")
    return _checked(output, output.url)


def redirect_url(output: Output, url: str, headers: Mapping[str, str], hops: int) -> str:
    """
    Return where a redirect leads.

    :param hops: how many redirects were followed before this one.
    :raises WiroOutputRefusedError: too many of them, to nowhere, or not to an http(s) URL.
    """
    if hops >= MAX_REDIRECTS:
        raise WiroOutputRefusedError(f"Output {output.index} is behind more than {MAX_REDIRECTS} redirects.")
    location = headers.get("location", "").strip()
    if not location:
        raise WiroOutputRefusedError(f"Output {output.index} redirects without saying where to.")
    target = _joined(url, location)
    if target is None:
        raise WiroOutputRefusedError(f"Output {output.index} redirects to something that is no URL.")
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme == "http":
        raise WiroOutputRefusedError(f"Output {output.index} redirects from https to plain http.")
    try:
        return check_web_url(target, f"output {output.index}")
    except WiroUsageError:
        # Not quoted, and no cause: signatures stand in paths, too.
        raise WiroOutputRefusedError(
            f"Expected output {output.index} to be redirected to an http(s) URL, found something else."
        ) from None


def _joined(url: str, location: str) -> str | None:
    try:
        return urljoin(url, location)
    except ValueError:  # its text quotes the URL, which may hold a secret: nothing of it is passed on
        return None


def _checked(output: Output, url: str) -> str:
    try:
        return check_web_url(_with_quoted_spaces(url), f"output {output.index}")
    except WiroUsageError:
        # Not quoted: manifests have this error, and a link is a secret.
        raise WiroOutputRefusedError(
            f"Expected an http(s) URL for output {output.index}, found something else."
        ) from None


def _with_quoted_spaces(url: str) -> str:
    """Return a URL in whose path a file's name may stand as it is, with spaces."""
    scheme, separator, rest = url.strip().partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host}{slash}{re.sub(_SPACES, lambda match: quote(match[0]), path)}"


def no_url(output: Output, how: str) -> WiroOutputRefusedError:
    """Return the error for an output whose URL nothing can be asked at."""
    return WiroOutputRefusedError(f"{_subject(output)} is at something that is no usable URL: {how}.")


def no_link_yet(output: Output) -> NoFileError:
    """Return the error for a file whose link Wiro doesn't show yet."""
    return NoFileError(
        f"Wiro's Detail shows no link for {output.label} yet. It can come some time after the task's end."
    )


def no_file_yet(output: Output, status: int) -> NoFileError:
    """Return the error for a link that leads nowhere although Wiro's Detail shows it."""
    return NoFileError(
        f"The CDN responds with HTTP {status} for {output.label}, though Wiro's Detail shows this link: "
        "the file may not have arrived at the CDN yet, or was deleted."
    )


def no_response(output: Output, url: str, how: str) -> WiroOutputUnavailableError:
    """
    Return the error for a CDN that can't be reached, or sends nothing.

    :param url: of the request, the output's or where a redirect led; only its host is shown.
    """
    return WiroOutputUnavailableError(
        f"No response from the CDN for {output.label}, at {urlsplit(url).hostname or '?'}: {how}."
    )


def check_response(output: Output, status: int, headers: Mapping[str, str]) -> int | None:
    """
    Return the size the CDN announces, None if it announces none, before a byte of the body is read.

    :param headers: names in lower case.
    :raises WiroOutputUnavailableError: no file: expired link, CDN error.
    :raises WiroOutputRefusedError: another file than Wiro announced.
    """
    if status != 200:
        raise bad_status(output, status)
    check_content(output, headers)
    announced = content_length(output, headers)
    if output.size is not None and announced is not None and announced != output.size:
        raise wrong_size(output, f"the CDN announces {announced}")
    check_unannounced(output, announced)
    return announced


def content_length(output: Output, headers: Mapping[str, str]) -> int | None:
    """
    Return the bytes that ``Content-Length`` announces, None where it is missing or can't be read.

    :raises WiroOutputUnavailableError: it names different lengths (RFC 9112 §6.3).
    """
    lengths = {length.strip() for length in headers.get("content-length", "").split(",")}
    if not all(_LENGTH.fullmatch(length) for length in lengths):
        return None
    if len(lengths) > 1:
        raise WiroOutputUnavailableError(
            f"Expected one Content-Length for {output.label}, found {', '.join(sorted(lengths))[:100]}."
        )
    return int(lengths.pop())


def ends_with_connection(output: Output, headers: Mapping[str, str]) -> bool:
    """Whether nothing but the end of the connection says where a body ends (RFC 9112 §6.3, 8)."""
    coding = headers.get("transfer-encoding", "").rpartition(",")[2].strip().lower()
    return coding != "chunked" and content_length(output, headers) is None


def check_unannounced(output: Output, announced: int | None) -> None:
    """
    Raise if a file whose size Wiro doesn't say is, as the CDN says, larger than is read of such a file.

    :raises WiroOutputRefusedError: it is.
    """
    if output.size is None and announced is not None and announced > MAX_UNANNOUNCED_BYTES:
        raise WiroOutputRefusedError(
            f"{_subject(output)} is larger than {MAX_UNANNOUNCED_BYTES} bytes, the most "
            f"that is read where Wiro doesn't say the size: the CDN announces {announced}."
        )


def check_size_is_known(output: Output) -> None:
    """Raise, for a body that ends with the connection, if Wiro doesn't say its size, either."""
    if output.size is None:
        raise WiroOutputRefusedError(
            f"Neither Wiro nor the CDN says how large {output.label} is, and its end is that of the "
            "connection: a truncated file can't be distinguished from a complete one. Not read because of "
            "require_size=True."
        )


def unverified(output: Output, received: int) -> str:
    """Return the warning for a body of unknown size that has ended with the connection."""
    return (
        f"Unverified: {output.label} ended after {received:,} bytes with the connection, and neither Wiro "
        "nor the CDN says how large it is. It may be truncated. require_size=True refuses such an output."
    )


def bad_status(output: Output, status: int) -> WiroOutputUnavailableError:
    """Return the error for a response without a file."""
    if status in EXPIRED_STATUSES:
        return NoFileError(
            f"The CDN responded with HTTP {status} for {output.label}: its link has expired or was deleted. "
            "A fresh link comes with the task's Detail."
        )
    return WiroOutputUnavailableError(f"The CDN responded with HTTP {status} for {output.label}.")


def check_content(output: Output, headers: Mapping[str, str]) -> None:
    """
    Check what kind of body the CDN announces.

    :raises WiroOutputRefusedError: compressed, or a web page that was not announced.
    """
    what = output.label
    encoding = headers.get("content-encoding", "").strip().lower()
    transfer = {coding.strip() for coding in headers.get("transfer-encoding", "").lower().split(",")}
    unreadable = ({encoding} - {"", "identity"}) or (transfer - _READABLE_CODINGS)
    if unreadable:
        encoding = ", ".join(sorted(unreadable))
        raise WiroOutputRefusedError(
            f"The CDN sent {what} as {encoding[:100]!r}, though it was asked for the plain bytes."
        )
    found = headers.get("content-type", "").partition(";")[0].strip().lower()
    if found in {"text/html", "application/xhtml+xml"} and not is_web_page(output):
        raise WiroOutputRefusedError(
            f"Expected {output.content_type or 'a file'} for {what}, found a web page ({found}). Open the "
            "link in a browser to see what the CDN says."
        )


def is_web_page(output: Output) -> bool:
    """Whether Wiro itself announced the output as HTML."""
    return "html" in output.content_type.lower() or output.name.lower().endswith((".html", ".htm"))


def wrong_size(output: Output, found: str) -> WiroOutputRefusedError:
    """Return the error for an output whose size is not what Wiro said."""
    return WiroOutputRefusedError(
        f"Wiro said {output.label} has {output.size} bytes, {found}; nothing was kept."
    )


def bytes_to_read(output: Output, size: int, received: int, *, announced: int | None) -> int:
    """Return how much of ``size`` to read: at most one byte too many, enough to refuse it."""
    return min(size, _limit(_expected(output, announced)) - received + 1)


def _expected(output: Output, announced: int | None) -> int | None:
    return output.size if output.size is not None else announced


def _limit(expected: int | None) -> int:
    return MAX_UNANNOUNCED_BYTES if expected is None else expected


def check_received(output: Output, received: int, *, announced: int | None, is_complete: bool) -> None:
    """
    Check the number of bytes received so far.

    :param announced: what the CDN announced.
    :param is_complete: the body has ended.
    :raises WiroOutputError: too many bytes, or too few at the end.
    """
    expected = _expected(output, announced)
    if received > _limit(expected):
        raise _too_many(output, _limit(expected), expected)
    if is_complete and expected is not None and received < expected:
        if announced is not None and received < announced:
            raise truncated(output, f"after {received} of {announced} bytes")
        raise wrong_size(output, f"{received} came")


def _too_many(output: Output, limit: int, expected: int | None) -> WiroOutputError:
    if expected is None:
        return WiroOutputRefusedError(
            f"Output {output.index} is larger than {limit} bytes and of no announced size."
        )
    return (
        wrong_size(output, "more came")
        if output.size is not None
        else truncated(output, "more bytes came than announced")
    )


def truncated(output: Output, how: str) -> WiroOutputUnavailableError:
    """Return the error for a body that was truncated."""
    return WiroOutputUnavailableError(f"The CDN truncated {output.label}: {how}.")
