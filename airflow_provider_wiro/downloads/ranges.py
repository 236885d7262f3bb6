"""
How an output is fetched in ranges, and how a fetch that broke off is resumed (RFC 9110 §13, §14). Pure.

:mod:`airflow_provider_wiro.downloads.range_reader` does what is decided here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING

from airflow_provider_wiro.api import retry
from airflow_provider_wiro.downloads import checks as download_checks
from airflow_provider_wiro.exceptions import WiroOutputRefusedError, WiroOutputUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.api.models import Output

#: How long a fetch may make no progress before it fails.
PATIENCE_SECONDS = 60.0
#: Bytes that count as progress. With the patience this sets the slowest CDN that is accepted: about 1 KiB/s.
PROGRESS_BYTES = 64 * 1024
#: A connection that is idle for this long is closed: a fresh one is likely to do better, and the patience has
#: to last for several.
IDLE_SECONDS = 20.0
#: A try that brings this many bytes doesn't lengthen the pause before the next one.
STEP_BYTES = 1024

#: A Retry-After of the CDN uses at most this share of the patience, so that there is another try.
_LONGEST_SHARE_OF_A_PAUSE = 0.75

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.IGNORECASE | re.ASCII)
_PASSING = frozenset({408, 425, 429})
#: RFC 9110 §8.8.3: quoted; ``W/`` before it says that it is weak. An unquoted one is no ETag.
_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')
#: A Last-Modified is a strong validator if the file has been unchanged for longer than clocks differ and than
#: the second in which two versions can have the same date (RFC 9110 §8.8.2.2; 60 s is RFC 7232's figure).
_UNCHANGED_FOR = timedelta(seconds=60)


@dataclass(frozen=True)
class Representation:
    """
    One version of a file on the CDN, as the first response described it. Parts of two are never mixed.

    :ivar size: bytes, None if neither Wiro nor the CDN announced them.
    :ivar announced: bytes the CDN announced, None if it didn't.
    :ivar date: of the response, by the CDN's clock (``Date``), empty if it has none.
    :ivar is_ranged: the CDN serves parts of it.
    :ivar ends_with_connection: nothing but the end of the connection says where the body ends.
    """

    size: int | None
    announced: int | None
    etag: str
    last_modified: str
    is_ranged: bool
    date: str = ""
    ends_with_connection: bool = False

    @property
    def validator(self) -> str | None:
        """
        What to send as If-Range, None if there is no strong validator: then nothing may be appended to what
        was received of this version (RFC 9110 §13.1.5, §15.3.7.3). A date counts only where there is no ETag.
        """
        if self.etag:
            return self.etag if _STRONG_ETAG.fullmatch(self.etag) else None
        changed, responded = _moment(self.last_modified), _moment(self.date)
        if changed is None or responded is None or responded - changed < _UNCHANGED_FOR:
            return None
        return self.last_modified

    def is_same(self, headers: Mapping[str, str]) -> bool:
        """Whether a response has the strong validator of this version; False if this version has none."""
        if self.validator is None:
            return False
        if self.etag:
            return headers.get("etag", "") == self.etag
        return headers.get("last-modified", "") == self.last_modified

    def lacks_validator(self, headers: Mapping[str, str]) -> bool:
        """Whether a response has no such validator, where this version has one."""
        return not headers.get("etag" if self.etag else "last-modified")


def _moment(date: str) -> datetime | None:
    """Read an HTTP date, which is in GMT; None if it is none."""
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else None


class WrongPartError(WiroOutputUnavailableError):
    """
    The CDN sent another part of a file than was requested, or one without a position.

    :ivar found: what it sent, as the end of a sentence.
    """

    def __init__(self, output: Output, found: str) -> None:
        super().__init__(
            f"The CDN sent another part of {output.label} than was asked for: {found}. Nothing was kept."
        )
        self.found = f"the CDN sent another part of it than was asked for ({found})"


class NextAction(Enum):
    """What to do with a response."""

    READ = "it is what was asked for"
    RENEW = "the link has expired: ask Wiro for a fresh one"
    REPEAT = "it may pass: ask again in a while"
    RESTART = "it can't be appended to what was received: fetch the file from its beginning"


def wants_ranges(output: Output, part_bytes: int) -> bool:
    """Whether to ask for the first part instead of the whole, to learn if the CDN serves parts."""
    return output.size is None or output.size > part_bytes


def request_headers(start: int, stop: int | None, representation: Representation | None) -> dict[str, str]:
    """
    Return the headers of a request for the bytes from ``start`` up to, without, ``stop``.

    :param stop: None for all that follows.
    :param representation: the version they must be of, None if none is known yet.
    """
    headers = dict(download_checks.REQUEST_HEADERS)
    if start or stop is not None:
        headers["range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
        if representation is not None and representation.validator:
            headers["if-range"] = representation.validator
    return headers


def next_action(
    status: int,
    headers: Mapping[str, str],
    *,
    is_ranged: bool,
    start: int,
    representation: Representation | None,
) -> NextAction:
    """
    Return what to do with a response. READ doesn't mean yet that it is what was requested.

    :param is_ranged: a range was requested, the one that starts at ``start``.
    """
    if status in download_checks.EXPIRED_STATUSES:
        return NextAction.RENEW
    if status in _PASSING or status >= 500:
        return NextAction.REPEAT
    if status == 416:  # it has become shorter; or, at the beginning, it is empty
        return NextAction.RESTART
    if status in {200, 206} and representation is not None and not representation.is_same(headers):
        return NextAction.RESTART
    # All of it instead of the rest: it has changed (If-Range), or this CDN can't resume.
    is_whole_instead_of_rest = status == 200 and is_ranged and (start > 0 or representation is not None)
    return NextAction.RESTART if is_whole_instead_of_rest else NextAction.READ


def read_first(
    output: Output, part_bytes: int | None, status: int, headers: Mapping[str, str]
) -> Representation:
    """
    Return what the first response says of the file.

    :param part_bytes: how many were requested; None: all of it.
    :raises WiroOutputError: it is not what was asked for, or not what Wiro announced.
    """
    if status != 206:
        announced, is_ranged = download_checks.check_response(output, status, headers), False
    else:  # some servers send this even for a request of all of it
        is_ranged = part_bytes is not None
        announced = _check_part(output, 0, part_bytes, headers, output.size)
    return Representation(
        size=output.size if output.size is not None else announced,
        announced=announced,
        etag=headers.get("etag", ""),
        last_modified=headers.get("last-modified", ""),
        is_ranged=is_ranged,
        date=headers.get("date", ""),
        ends_with_connection=status != 206 and download_checks.ends_with_connection(output, headers),
    )


def check_further(
    output: Output,
    representation: Representation,
    start: int,
    stop: int | None,
    status: int,
    headers: Mapping[str, str],
) -> Representation:
    """
    Check the response to a request for more of a file, before a byte of it is read.

    :return: the representation, with the size if only this response states it.
    :raises WiroOutputError: it is not what was asked for.
    """
    if status == 206:
        total = _check_part(output, start, stop, headers, representation.size)
        if representation.size is not None and total is not None and total != representation.size:
            raise WrongPartError(output, f"the file was {representation.size} bytes and is {total} now")
        # The response may end before the file does, and only the size shows that.
        if total is not None and representation.announced is None:
            return replace(representation, size=total, announced=total)
    elif start == 0 and stop is None:
        download_checks.check_response(output, status, headers)
    else:
        raise download_checks.bad_status(output, status)
    return representation


def _check_part(
    output: Output, start: int, stop: int | None, headers: Mapping[str, str], size: int | None
) -> int | None:
    """
    Check a 206; return the size of the whole, None if it doesn't state it.

    It may bring fewer bytes than were requested (RFC 9110 §15.3.7): they are resumed like after a cut.
    """
    found = headers.get("content-range", "").strip()
    match = _CONTENT_RANGE.fullmatch(found)
    if match is None:
        raise WrongPartError(output, f"Content-Range {found[:100]!r}")
    first, end = int(match[1]), int(match[2]) + 1
    total = None if match[3] == "*" else int(match[3])
    if start == 0 and output.size is not None and total is not None and total != output.size:
        raise download_checks.wrong_size(output, f"the CDN announces {total}")
    whole = total if total is not None else size
    if whole is None:
        raise WrongPartError(output, f"Content-Range {found!r}, which doesn't say how large the whole is")
    asked_end = whole if stop is None else min(stop, whole)
    if first != start or not start < end <= asked_end:
        raise WrongPartError(output, f"bytes {first} to {end - 1} came for {start} to {asked_end - 1}")
    length = download_checks.content_length(output, headers)
    if length is not None and length != end - start:
        raise WrongPartError(output, f"{length} bytes came for a range of {end - start}")
    download_checks.check_content(output, headers)
    download_checks.check_unannounced(output, total)
    return total


def check_renewed(old: Output, new: Output | None) -> Output:
    """
    Return an output as Wiro's Detail shows it now: mostly with a fresh link, and for some time after the
    task's end perhaps with none.

    What had no link was not finished: its name, size and type are only known with the link.

    :raises WiroOutputUnavailableError: Wiro doesn't show it at the moment.
    :raises WiroOutputRefusedError: Wiro shows another file now.
    """
    if new is None:
        raise download_checks.NoFileError(
            f"Wiro's Detail doesn't show {old.label} any more, or not at the moment."
        )
    if old.url is None and new.content is None:
        return new
    if _bare(old.name) != _bare(new.name) or _differ(old.size, new.size):
        what = "has not come" if old.url is None else "has expired"
        raise WiroOutputRefusedError(
            f"The link of {old.label} {what}, and Wiro's Detail has no fresh one for the same file."
        )
    return replace(new, size=old.size) if new.size is None else new


def _bare(name: str) -> str:
    """Return a name without the query of a link, which changes with the link."""
    return name.partition("?")[0]


def _differ(old: int | None, new: int | None) -> bool:
    """Whether two sizes are known and not the same."""
    return old is not None and new is not None and old != new


def idle_seconds(read_timeout: float) -> float:
    """Return how long a connection may be idle before another is made, at most ``read_timeout``."""
    return min(read_timeout, IDLE_SECONDS)


class StallTimeout:
    """
    How long to try without progress: counted in time, not in tries.

    Received bytes give back time in proportion, over however many connections they come. After the first cut
    there is always another try, with the full time: a connection that a router on the way has forgotten is
    idle, and the next one works.

    :ivar may_renew: the link was not renewed since the last progress.
    """

    def __init__(self, now: float) -> None:
        self.may_renew = True
        self._since = now
        self._best = 0
        self._progress = 0
        self._step = 0
        self._tries = 0

    def note(self, received: int, now: float) -> None:
        """Note how many bytes were received so far."""
        gained = max(0, received - self._best)
        self._best += gained
        self._step += gained
        self._progress += gained
        self._since = min(now, self._since + gained * PATIENCE_SECONDS / PROGRESS_BYTES)
        if self._step >= STEP_BYTES:
            self._step, self._tries = 0, min(self._tries, 1)
        if self._progress >= PROGRESS_BYTES:
            self._progress, self._tries, self.may_renew = 0, 0, True

    def is_over(self, now: float) -> bool:
        """Whether it has gone on for too long."""
        return now - self._since > PATIENCE_SECONDS

    def pause(self, now: float, random: float, *, asked: float | None = None) -> float | None:
        """
        Return the seconds to wait before another try, None if it was the last.

        :param asked: what the CDN asked for (Retry-After). Without it the first try is at once.
        """
        self._tries += 1
        if self._tries == 1 and asked is None:
            self._since = now
        seconds = min(asked or 0.0, PATIENCE_SECONDS * _LONGEST_SHARE_OF_A_PAUSE)
        if asked is not None or self._tries > 1:
            seconds = max(seconds, retry.backoff_seconds(max(1, self._tries - 1), random))
        return None if now + seconds - self._since > PATIENCE_SECONDS else seconds
