"""A dead try's open uploads are removed, a live writer's are left alone, whatever S3's clocks show."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError

from airflow_provider_wiro.landing.s3.incomplete_uploads import QUIET_SECONDS, IncompleteUploads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUCKET, KEY = "outputs", "wiro/2221/0-film.mp4"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Clock:
    """The time that has passed, for S3 and for us: `pause` is how it passes."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.pauses: list[float] = []
        #: Called after each pause: what others do meanwhile.
        self.meanwhile: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.seconds

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds
        self.meanwhile()


class S3:
    """Open uploads, and S3's own idea of the time, which is `ahead` of ours and shown in whole seconds."""

    def __init__(self, clock: Clock, ahead: timedelta = timedelta()) -> None:
        self._clock = clock
        self._ahead = ahead
        self.uploads: dict[str, tuple[str, datetime, list[datetime]]] = {}
        self.denied: set[str] = set()
        #: How far the clocks of `Date` and of the parts are off that of the uploads.
        self.off: dict[str, timedelta] = {}
        self.asked: list[str] = []

    @property
    def time(self) -> datetime:
        return NOON + timedelta(seconds=int(self._clock())) + self._ahead

    def begin(self, upload_id: str, key: str = KEY) -> None:
        self.uploads[upload_id] = (key, self.time, [])

    def put_part(self, upload_id: str) -> None:
        self.uploads[upload_id][2].append(self.time + self.off.get("parts", timedelta()))

    def list_multipart_uploads(self, *, Bucket: str, Prefix: str) -> dict[str, Any]:  # noqa: N803
        self._ask("ListMultipartUploads")
        found = [
            {"Key": key, "UploadId": upload_id, "Initiated": begun}
            for upload_id, (key, begun, _) in self.uploads.items()
            if key.startswith(Prefix)
        ]
        return self._answer(Uploads=found) if found else self._answer()

    def get_paginator(self, name: str) -> S3:
        assert name == "list_parts"
        return self

    def paginate(self, *, Bucket: str, Key: str, UploadId: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        self._ask("ListParts")
        if UploadId not in self.uploads:
            raise error("NoSuchUpload", "ListParts")
        parts = [{"LastModified": moment} for moment in self.uploads[UploadId][2]]
        yield self._answer(Parts=parts[:1])
        yield self._answer(Parts=parts[1:])

    def abort_multipart_upload(self, *, Bucket: str, Key: str, UploadId: str) -> None:  # noqa: N803
        self._ask("AbortMultipartUpload")
        assert self.uploads.pop(UploadId)[0] == Key

    def _ask(self, operation: str) -> None:
        self.asked.append(operation)
        if operation in self.denied:
            raise error("AccessDenied", operation)

    def _answer(self, **fields: Any) -> dict[str, Any]:
        date = self.time + self.off.get("date", timedelta())
        return {**fields, "ResponseMetadata": {"HTTPHeaders": {"date": format_datetime(date, True)}}}


def error(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, operation)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=[0, -3600, 7200], ids=["same-time", "s3-behind", "s3-ahead"])
def s3(request: pytest.FixtureRequest, clock: Clock) -> S3:
    return S3(clock, timedelta(seconds=request.param))


def try_again(s3: S3, clock: Clock) -> IncompleteUploads:
    """Begin the try that is to remove what others left."""
    return IncompleteUploads(s3, BUCKET, {}, clock)


def test_an_upload_that_has_long_been_idle_is_removed_at_once(s3: S3, clock: Clock) -> None:
    s3.begin("dead")
    s3.put_part("dead")
    clock.seconds += QUIET_SECONDS + 20
    leftovers = try_again(s3, clock)
    leftovers.remove(KEY)
    assert s3.uploads == {}
    leftovers.clean_up(clock.pause)
    assert clock.pauses == []


@pytest.mark.parametrize("parts", [0, 1, 5])
def test_an_upload_that_has_just_become_idle_is_removed_once_it_has_proved_dead(
    s3: S3, clock: Clock, parts: int
) -> None:
    s3.begin("dead")
    for _ in range(parts):
        s3.put_part("dead")
    clock.seconds += 0.4
    leftovers = try_again(s3, clock)
    leftovers.remove(KEY)
    assert list(s3.uploads) == ["dead"]
    clock.seconds += 10  # our own upload of it
    leftovers.clean_up(clock.pause)
    assert s3.uploads == {}
    assert sum(clock.pauses) == pytest.approx(QUIET_SECONDS - 10, abs=2)


def test_a_live_writer_that_puts_parts_is_left_alone(s3: S3, clock: Clock) -> None:
    s3.begin("alive")
    s3.put_part("alive")
    clock.seconds += 1
    leftovers = try_again(s3, clock)
    leftovers.remove(KEY)
    clock.seconds += 5
    s3.put_part("alive")
    leftovers.clean_up(clock.pause)
    assert list(s3.uploads) == ["alive"]
    assert clock.pauses == []


def test_a_live_writer_that_shows_itself_only_while_we_wait_is_left_alone(s3: S3, clock: Clock) -> None:
    s3.begin("alive")
    clock.seconds += 1
    leftovers = try_again(s3, clock)
    leftovers.remove(KEY)
    clock.meanwhile = lambda: s3.put_part("alive")
    leftovers.clean_up(clock.pause)
    assert list(s3.uploads) == ["alive"]


def test_an_upload_that_was_created_after_this_try_is_left_alone(s3: S3, clock: Clock) -> None:
    leftovers = try_again(s3, clock)
    clock.seconds += 60
    s3.begin("alive")
    clock.seconds += 40  # its first part takes long
    leftovers.remove(KEY)
    leftovers.clean_up(clock.pause)
    assert list(s3.uploads) == ["alive"]


def test_uploads_of_other_keys_are_left_alone(s3: S3, clock: Clock) -> None:
    s3.begin("other", KEY + ".bak")
    clock.seconds += 3600
    try_again(s3, clock).remove(KEY)
    assert list(s3.uploads) == ["other"]


def test_a_key_is_searched_once(s3: S3, clock: Clock) -> None:
    """Else two tries that take each other's uploads for left over would abort them in turn without end."""
    leftovers = try_again(s3, clock)
    leftovers.remove(KEY)
    s3.begin("anew")
    clock.seconds += 3600
    leftovers.remove(KEY)
    assert list(s3.uploads) == ["anew"]


@pytest.mark.parametrize("operation", ["ListMultipartUploads", "ListParts", "AbortMultipartUpload"])
def test_what_s3_forbids_is_only_said(
    s3: S3, clock: Clock, caplog: pytest.LogCaptureFixture, operation: str
) -> None:
    s3.begin("dead")
    clock.seconds += 3600
    s3.denied.add(operation)
    leftovers = try_again(s3, clock)
    with caplog.at_level(logging.INFO):
        leftovers.remove(KEY)
        leftovers.clean_up(clock.pause)
    assert list(s3.uploads) == ["dead"]
    assert "AccessDenied" in caplog.text


def test_one_that_is_gone_by_itself_is_none_of_our_troubles(
    s3: S3, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    s3.begin("dead")
    clock.seconds += 1
    leftovers = try_again(s3, clock)
    leftovers.remove(KEY)
    s3.uploads.clear()
    with caplog.at_level(logging.INFO):
        leftovers.clean_up(clock.pause)
    assert caplog.text == ""


def test_an_s3_whose_clock_stands_still_holds_a_transfer_no_longer(s3: S3, clock: Clock) -> None:
    s3.begin("dead")
    leftovers = try_again(s3, clock)
    leftovers.remove(KEY)

    def stand_still() -> None:
        s3._ahead -= timedelta(seconds=clock.pauses[-1])

    clock.meanwhile = stand_still
    leftovers.clean_up(clock.pause)
    assert s3.uploads == {}
    assert sum(clock.pauses) <= QUIET_SECONDS


SKEWS = pytest.mark.parametrize("seconds", [-300, -20, -4, 4, 20, 300])


@SKEWS
@pytest.mark.parametrize("clock_of", ["date", "parts"])
def test_clocks_of_s3_that_differ_leave_no_dead_upload_and_hold_nothing_longer(
    s3: S3, clock: Clock, seconds: int, clock_of: str
) -> None:
    """`Initiated`, the parts' `LastModified` and the `Date` of an answer can be three servers' times."""
    s3.off[clock_of] = timedelta(seconds=seconds)
    s3.begin("dead")
    s3.put_part("dead")
    clock.seconds += 3
    leftovers = try_again(s3, clock)
    with leftovers.cleaned_up(clock.pause):
        s3.begin("own")
        leftovers.remove(KEY, "own")
        clock.seconds += 5
    assert list(s3.uploads) == ["own"]
    assert sum(clock.pauses) <= QUIET_SECONDS


@SKEWS
def test_clocks_of_s3_that_differ_do_not_take_a_live_writer_for_dead(
    s3: S3, clock: Clock, seconds: int
) -> None:
    s3.off["date"] = timedelta(seconds=seconds)
    s3.begin("alive")
    clock.seconds += 3
    leftovers = try_again(s3, clock)
    with leftovers.cleaned_up(clock.pause):
        s3.begin("own")
        leftovers.remove(KEY, "own")
        clock.seconds += 5
        s3.put_part("alive")
    assert list(s3.uploads) == ["alive", "own"]
    assert clock.pauses == []


@SKEWS
@pytest.mark.parametrize("is_known", [False, True])
def test_clocks_of_s3_that_differ_leave_no_upload_of_a_lost_response(
    s3: S3, clock: Clock, seconds: int, is_known: bool
) -> None:
    s3.off["date"] = timedelta(seconds=seconds)
    leftovers = IncompleteUploads(s3, BUCKET, {}, clock)

    def begin_unanswered() -> None:
        with leftovers.cleaned_up(clock.pause), leftovers.creating(KEY):
            s3.begin("unheard")
            raise ConnectionClosedError(endpoint_url="http://s3.test")

    if is_known:
        with leftovers.cleaned_up(clock.pause):
            begin_twice(s3, clock, leftovers)
    else:
        with pytest.raises(ConnectionClosedError):
            begin_unanswered()
    assert list(s3.uploads) == (["known"] if is_known else [])
    assert sum(clock.pauses) <= QUIET_SECONDS


def test_a_task_that_is_stopped_does_not_wait(s3: S3, clock: Clock) -> None:
    s3.begin("dead")
    clock.seconds += 1
    leftovers = try_again(s3, clock)
    leftovers.remove(KEY)

    def stopped(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leftovers.clean_up(stopped)


# -- answers that were lost


def answer_of_begin(upload_id: str, *, repeats: int) -> dict[str, Any]:
    return {"UploadId": upload_id, "ResponseMetadata": {"RetryAttempts": repeats}}


def begin_twice(s3: S3, clock: Clock, leftovers: IncompleteUploads) -> None:
    """Begin an upload, the first answer to which is lost."""
    with leftovers.creating(KEY) as answered:
        s3.begin("unheard")
        clock.seconds += 2
        s3.begin("known")
        answered(answer_of_begin("known", repeats=1))


def test_an_upload_of_a_lost_response_is_removed_and_the_known_one_is_kept(s3: S3, clock: Clock) -> None:
    leftovers = IncompleteUploads(s3, BUCKET, {}, clock)
    with leftovers.cleaned_up(clock.pause):
        begin_twice(s3, clock, leftovers)
        clock.seconds += 10
    assert list(s3.uploads) == ["known"]
    assert sum(clock.pauses) == pytest.approx(QUIET_SECONDS - 12, abs=2)


def test_an_upload_that_another_run_began_at_that_moment_is_left_alone_once_it_has_a_part(
    s3: S3, clock: Clock
) -> None:
    leftovers = IncompleteUploads(s3, BUCKET, {}, clock)
    with leftovers.cleaned_up(clock.pause):
        s3.begin("alive")
        begin_twice(s3, clock, leftovers)
        clock.meanwhile = lambda: s3.put_part("alive")
    assert list(s3.uploads) == ["alive", "known"]


def test_an_upload_that_another_run_began_earlier_is_not_taken_for_one(s3: S3, clock: Clock) -> None:
    s3.begin("alive")
    clock.seconds += 40
    leftovers = IncompleteUploads(s3, BUCKET, {}, clock)
    with leftovers.cleaned_up(clock.pause):
        begin_twice(s3, clock, leftovers)
    assert list(s3.uploads) == ["alive", "known"]


def test_a_creation_that_got_its_response_at_once_costs_no_listing(s3: S3, clock: Clock) -> None:
    leftovers = IncompleteUploads(s3, BUCKET, {}, clock)
    with leftovers.cleaned_up(clock.pause), leftovers.creating(KEY) as answered:
        s3.begin("known")
        answered(answer_of_begin("known", repeats=0))
    assert s3.asked == []


@pytest.mark.parametrize(
    "refusal",
    [error("AccessDenied", "CreateMultipartUpload"), EndpointConnectionError(endpoint_url="http://s3.test")],
    ids=["denied", "not reached"],
)
def test_a_creation_that_surely_was_not_done_costs_no_listing(
    s3: S3, clock: Clock, refusal: Exception
) -> None:
    with pytest.raises(type(refusal)), IncompleteUploads(s3, BUCKET, {}, clock).creating(KEY):
        raise refusal
    assert s3.asked == []


def test_when_no_creation_got_a_response_all_are_removed_and_the_error_is_raised(
    s3: S3, clock: Clock
) -> None:
    leftovers = IncompleteUploads(s3, BUCKET, {}, clock)

    def begin() -> None:
        with leftovers.cleaned_up(clock.pause), leftovers.creating(KEY):
            s3.begin("first")
            s3.begin("second")
            raise ConnectionClosedError(endpoint_url="http://s3.test")

    with pytest.raises(ConnectionClosedError):
        begin()
    assert s3.uploads == {}


def test_a_transfer_that_fails_waits_for_nothing_that_an_earlier_try_left(s3: S3, clock: Clock) -> None:
    s3.begin("dead")
    clock.seconds += 1
    leftovers = try_again(s3, clock)
    leftovers.remove(KEY)
    with pytest.raises(ZeroDivisionError), leftovers.cleaned_up(clock.pause):
        raise ZeroDivisionError
    assert clock.pauses == []


def test_a_task_that_is_stopped_raises_why_it_failed_and_does_not_wait(
    s3: S3, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    def stopped(seconds: float) -> None:
        raise RuntimeError("The Airflow task was stopped.")

    leftovers = IncompleteUploads(s3, BUCKET, {}, clock)
    begin_twice(s3, clock, leftovers)
    with caplog.at_level(logging.INFO), pytest.raises(ZeroDivisionError), leftovers.cleaned_up(stopped):
        raise ZeroDivisionError
    assert "The Airflow task was stopped." in caplog.text


def test_where_open_uploads_may_not_be_listed_that_is_said(
    s3: S3, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    s3.denied.add("ListMultipartUploads")
    leftovers = IncompleteUploads(s3, BUCKET, {}, clock)
    with caplog.at_level(logging.INFO), leftovers.cleaned_up(clock.pause):
        begin_twice(s3, clock, leftovers)
    assert "AccessDenied" in caplog.text
