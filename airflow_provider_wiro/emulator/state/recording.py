"""What the emulator has seen: the requests received and the counters, for tests and for people."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEPT_REQUESTS = 20_000  # a long benchmark must not fill the memory with its own history


@dataclass(slots=True)
class ReceivedRequest:
    """A request to the API, the CDN or the WebSocket. `at` is Unix seconds of the emulator's clock."""

    endpoint: str
    path: str
    method: str
    headers: Mapping[str, str]
    at: float
    fields: dict[str, Any] = field(default_factory=dict)
    file_names: tuple[str, ...] = ()
    status: int | None = None
    fault: str | None = None

    @property
    def nonce(self) -> str | None:
        """The `x-nonce` header."""
        return self.headers.get("x-nonce")

    @property
    def api_key(self) -> str | None:
        """The `x-api-key` header."""
        return self.headers.get("x-api-key")

    @property
    def signature(self) -> str | None:
        """The `x-signature` header."""
        return self.headers.get("x-signature")

    @property
    def content_type(self) -> str | None:
        """The `Content-Type` header."""
        return self.headers.get("content-type")


@dataclass(slots=True)
class ActivityLog:
    """Everything that was counted and recorded since the start."""

    requests: Counter[str] = field(default_factory=Counter)
    faults_fired: Counter[str] = field(default_factory=Counter)
    tasks_stopped: int = 0
    callbacks_sent: int = 0
    callbacks_failed: int = 0
    open_sockets: int = 0
    socket_registrations: int = 0
    bytes_served: int = 0
    received: deque[ReceivedRequest] = field(default_factory=lambda: deque(maxlen=_KEPT_REQUESTS))

    def record(self, request: ReceivedRequest) -> ReceivedRequest:
        """Count a request and keep it."""
        self.requests[request.endpoint] += 1
        self.received.append(request)
        return request


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The counters at one moment. `requests` and `faults_fired` have 0 for whatever never happened."""

    requests: Counter[str]
    faults_fired: Counter[str]
    tasks_started: int
    tasks_stopped: int
    tasks_active: int
    tasks_by_status: Counter[str]
    nonces_repeated: int
    auth_failures: int
    callbacks_sent: int
    callbacks_failed: int
    open_connections: int
    open_sockets: int
    socket_registrations: int
    bytes_served: int
    spent_usd: float

    def to_json(self) -> dict[str, Any]:
        """Return the counters for the control endpoint."""
        return {item.name: getattr(self, item.name) for item in fields(self)}
