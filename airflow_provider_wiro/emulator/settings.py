"""How one emulator is set up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

DEFAULT_API_KEY = "emulator-key"
DEFAULT_API_SECRET = "emulator-secret"  # noqa: S105 - printed at every start, and opens nothing but the emulator

#: See `Settings`.
SocketRegistrations = Literal["many", "one", "first"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    The settings; every amount of seconds is on the emulator's clock.

    `api_secret=None` makes a project in key-only mode. `speed` divides the durations of a task's life.
    `max_active` is the number of tasks that may be under way at once; without it the documented rule for
    `balance_usd` applies, and without a balance there is no limit. `socket_registrations` is what a WebSocket
    connection tells of: `"many"` tasks, or `"one"`, the last that was registered, or the `"first"` alone.
    """

    api_key: str = DEFAULT_API_KEY
    api_secret: str | None = DEFAULT_API_SECRET
    speed: float = 1.0
    max_active: int | None = None
    balance_usd: float | None = None
    output_bytes: int | None = None
    link_lifetime_seconds: float = 24 * 3600.0
    socket_registrations: SocketRegistrations = "many"

    def __post_init__(self) -> None:
        """Refuse settings that can't mean anything."""
        if not self.api_key:
            raise ValueError("the emulator needs an API key")
        if self.api_secret is not None and not self.api_secret:
            raise ValueError("an empty API secret means nothing; None makes a key-only project")
        if self.socket_registrations not in get_args(SocketRegistrations):
            raise ValueError(
                f"socket_registrations must be one of {get_args(SocketRegistrations)}, got "
                f"{self.socket_registrations!r}"
            )
        if self.speed <= 0:
            raise ValueError(f"speed must be above zero, got {self.speed}")
