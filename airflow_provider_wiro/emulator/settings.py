"""How one emulator is set up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

DEFAULT_API_KEY = "emulator-key"
DEFAULT_API_SECRET = "emulator-secret"  # noqa: S105 - printed at every start, and opens nothing but the emulator

# For each of these see the setting of its name.
SocketRegistrations = Literal["many", "one", "first"]
SocketDialect = Literal["new", "old"]
Nonces = Literal["strict", "reusable"]
KillFrom = Literal["assign", "accept"]
TaskFields = Literal["documented", "kits"]

CHOICES: dict[str, tuple[str, ...]] = {
    "socket_registrations": get_args(SocketRegistrations),
    "socket_dialect": get_args(SocketDialect),
    "nonces": get_args(Nonces),
    "kill_from": get_args(KillFrom),
    "task_fields": get_args(TaskFields),
}
"""What the settings that name one of several things can be."""
_AMOUNTS = ("late_cost_seconds", "teammates")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings; every amount of seconds is on the emulator's clock."""

    api_key: str = DEFAULT_API_KEY
    api_secret: str | None = DEFAULT_API_SECRET
    """`None` makes a project in key-only mode."""
    nonces: Nonces = "strict"
    """
    "strict" refuses a nonce that was used before; that is the emulator's own strictness, Wiro documents no
    such rule. "reusable" lets it through, as the official clients need that sign several calls within a
    millisecond. Either way it is counted.
    """
    require_user_agent: bool = False
    """
    Turns a request away that has no `User-Agent`, or the one that an HTTP library sends by itself, as a CDN
    in front of the API may. Handshakes of the WebSocket, too.
    """
    speed: float = 1.0
    """Divides the durations of a task's life."""
    max_active: int | None = None
    """
    How many tasks may be under way at once. `None`: as many as the documented rule for `balance_usd` allows,
    any number without a balance.
    """
    balance_usd: float | None = None
    """The balance before the first run; what runs cost is taken from it. `None`: there is no end to it."""
    output_bytes: int | None = None
    """Makes every run give one file of that many bytes, reproducible and never held in memory."""
    link_lifetime_seconds: float = 24 * 3600.0
    """How long an output's URL works."""
    socket_registrations: SocketRegistrations = "many"
    """
    Whose messages a WebSocket connection sends: of "many" tasks, of "one", the last that was registered, or
    of the "first" alone.
    """
    socket_dialect: SocketDialect = "new"
    """
    How the WebSocket speaks: "new" names no token, and says `terminal`, `success` and `exitCode`; "old" names
    the token, and says none of these.
    """
    kill_from: KillFrom = "assign"
    """
    The status from which `Task/Kill` works. With "assign", as documented, neither Cancel nor Kill can stop a
    task from `task_accept` until `task_assign`.
    """
    bill_killed: bool = False
    """Charges a task that is killed after it was assigned the price of a success."""
    late_cost_seconds: float = 0.0
    """How long after its end a task's `totalcost` still says "0"."""
    teammates: int = 0
    """
    How many other members of the team start the same run whenever a Run is accepted. Their tasks are in the
    list, with a `uuid` and a `projectid` of their own, and in none of the counters.
    """
    parameters_as_text: bool = False
    """Shows a task's `parameters` as JSON text."""
    task_fields: TaskFields = "documented"
    """With "kits" a task has `taskid` and `output` where the reference has `id` and `outputs`."""

    def __post_init__(self) -> None:
        """Refuse settings that can't mean anything."""
        if not self.api_key:
            raise ValueError("the emulator needs an API key")
        if self.api_secret is not None and not self.api_secret:
            raise ValueError("an empty API secret means nothing; None makes a key-only project")
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {allowed}, got {getattr(self, name)!r}")
        for name in _AMOUNTS:
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be below zero, got {getattr(self, name)}")
        if self.speed <= 0:
            raise ValueError(f"speed must be above zero, got {self.speed}")
