"""A transport for flows: scripted responses, a clock that only pauses move, a record of all that was sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar

from hypothesis import settings

from airflow_provider_wiro.api.flow import Confirm, Digest, FlowContext, Send, Step
from airflow_provider_wiro.api.responses import ApiResponse
from airflow_provider_wiro.api.retry import RateGate, RequestFailure
from airflow_provider_wiro.api.signing import Credentials

T = TypeVar("T")

KEY, SECRET, TOKEN = "k-7f3c9a51e2", "s-c04d8b96aa", "eDcCtoken5a1f0"
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

#: Examples of property tests: enough to find what a table misses, few enough to stay fast.
quick = settings(max_examples=60)

Outcome = ApiResponse | RequestFailure
Script = Callable[[Send], Outcome]


class FakeTransport:
    """
    Drives flows without a network.

    :param answers: the responses, in order; the last one repeats for ever. Or a function of what is sent.
    :param host: of the connection's base URL.
    :param digests: URL, or name of a sent file → its SHA-256.
    :param chance: the random number, or a function that returns one.
    """

    def __init__(
        self,
        *answers: Outcome | Script,
        chance: float | Callable[[], float] = 0.5,
        gate: RateGate | None = None,
        credentials: Credentials | None = None,
        host: str = "api.wiro.ai",
        digests: Mapping[str, str | None] | None = None,
    ) -> None:
        self.now = NOON
        self.sends: list[Send] = []
        self.sent_at: list[float] = []
        self.pauses: list[float] = []
        self.answers = list(answers)
        nonces = count(173451380900001)
        self.context = FlowContext(
            credentials=credentials or Credentials(KEY, SECRET),
            now=lambda: self.now,
            random=chance if callable(chance) else lambda: chance,
            nonce=lambda: next(nonces),
            gate=gate or RateGate(lambda: self.elapsed),
            host=host,
        )
        #: URL, or name of a sent file → its digest.
        self.digests = dict(digests or {})
        self.digested: list[str] = []

    @property
    def elapsed(self) -> float:
        return (self.now - NOON).total_seconds()

    @property
    def paths(self) -> list[str]:
        return [send.path for send in self.sends]

    def drive(self, flow: Generator[Step, Any, T]) -> T:
        outcome: Outcome | str | None = None
        while True:
            try:
                step = flow.send(outcome)
            except StopIteration as stop:
                result: T = stop.value
                return result
            outcome = None
            if isinstance(step, Send):
                assert len(self.sends) < 10_000, "the flow never ends"
                self.sends.append(step)
                self.sent_at.append(self.elapsed)
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                outcome = answer(step) if callable(answer) else answer
            elif isinstance(step, Digest):
                name = step.source if isinstance(step.source, str) else step.source.name
                self.digested.append(name)
                outcome = self.digests.get(name)
            elif isinstance(step, Confirm):
                step.check()
            else:
                self.pauses.append(step.seconds)
                self.now += timedelta(seconds=step.seconds)


def success(**fields: Any) -> ApiResponse:
    return http_response(200, {"result": True, "errors": [], **fields})


def refused(code: object, message: str = "no", *, status: int = 200) -> ApiResponse:
    return http_response(status, {"result": False, "errors": [{"code": code, "message": message}]})


def http_response(status: int, body: object = b"", **headers: str) -> ApiResponse:
    """``retry_after="5"`` becomes the header ``retry-after: 5``; a body that is not bytes becomes JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ApiResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


def detail(status: str, **fields: Any) -> ApiResponse:
    return success(
        total="1", tasklist=[{"id": "2221", "status": status, "socketaccesstoken": TOKEN, **fields}]
    )


HTML_502 = http_response(502, b"<html><body>Bad Gateway</body></html>", content_type="text/html")
NOT_SENT = RequestFailure("connection refused", was_sent=False)
CUT_OFF = RequestFailure("connection reset", was_sent=True)
NO_TASK_YET = refused(1, "There is no task yet.")
NOT_CANCELLABLE = refused(1, "Task is not in a cancellable state.")
NOT_KILLABLE = refused(1, "Task could not be killed: not running")
