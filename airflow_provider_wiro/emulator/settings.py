"""The settings of one emulator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

DEFAULT_API_KEY = "emulator-key"
DEFAULT_API_SECRET = "emulator-secret"  # noqa: S105 - printed at every start, valid for the emulator only

# The setting of the same name explains the choices.
SocketRegistrations = Literal["many", "one", "first"]
SocketDialect = Literal["new", "old"]
Nonces = Literal["strict", "reusable"]
KillFrom = Literal["assign", "accept"]
TaskFields = Literal["documented", "kits"]
PriceRow = Literal["first", "dearest"]
ListFields = Literal["documented", "few"]

CHOICES: dict[str, tuple[str, ...]] = {
    "socket_registrations": get_args(SocketRegistrations),
    "socket_dialect": get_args(SocketDialect),
    "nonces": get_args(Nonces),
    "kill_from": get_args(KillFrom),
    "task_fields": get_args(TaskFields),
    "price_row": get_args(PriceRow),
    "list_fields": get_args(ListFields),
}
"""The values of the settings that have a few only, the default first."""
_AMOUNTS = ("late_cost_seconds", "teammates")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings; all seconds are those of the emulator's clock."""

    api_key: str = DEFAULT_API_KEY
    api_secret: str | None = DEFAULT_API_SECRET
    """`None` makes a project in key-only mode."""
    nonces: Nonces = "strict"
    """
    "strict" refuses a nonce that was used before; that is the emulator's own strictness, Wiro documents no
    such rule. "reusable" accepts it, as official clients need that sign several calls within a millisecond.
    Either way it is counted.
    """
    require_user_agent: bool = False
    """
    Refuse requests without a `User-Agent`, or with the one of an HTTP library, as a CDN in front of the API
    may; the WebSocket's handshakes too.
    """
    speed: float = 1.0
    """Divides the durations of a task's phases."""
    max_active: int | None = None
    """
    How many tasks may be active at once. `None`: as many as the documented rule for `balance_usd` allows, any
    number without a balance.
    """
    balance_usd: float | None = None
    """The balance before the first run, which pays for the runs. `None`: it is unlimited."""
    output_bytes: int | None = None
    """Every run gives one file of that many bytes, reproducible and never in memory."""
    link_lifetime_seconds: float = 24 * 3600.0
    """How long an output's URL works."""
    socket_registrations: SocketRegistrations = "many"
    """
    The tasks whose messages a WebSocket connection sends: "many", "one", the last registered, or the "first"
    only.
    """
    socket_dialect: SocketDialect = "new"
    """
    The form of the WebSocket's messages: "new" has `terminal`, `success` and `exitCode`, and no token; "old"
    has the token, and none of these.
    """
    kill_from: KillFrom = "assign"
    """
    The status from which `Task/Kill` works. With "assign", as documented, neither Cancel nor Kill can stop a
    task from `task_accept` until `task_assign`.
    """
    bill_killed: bool = False
    """Charge the price of a success for a task that is killed after it was assigned."""
    price_row: PriceRow = "first"
    """The row of a model's price list that is billed if several fit: the "first", or the "dearest" one."""
    late_cost_seconds: float = 0.0
    """How long after its end a task's `totalcost` is still "0"."""
    teammates: int = 0
    """
    How many other members of the team start the same run whenever a Run is accepted. Their tasks are in the
    list, with a `uuid` and a `projectid` of their own, and in none of the counters.
    """
    parameters_as_text: bool = False
    """Show a task's `parameters` as JSON text."""
    list_fields: ListFields = "documented"
    """With "few", an item of `Task/List` has a task's id and status alone."""
    task_fields: TaskFields = "documented"
    """With "kits" a task has `taskid` and `output` where the reference has `id` and `outputs`."""

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        if not self.api_key:
            raise ValueError("the emulator needs an API key")
        if self.api_secret is not None and not self.api_secret:
            raise ValueError("the API secret must not be empty; None makes a key-only project")
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {allowed}, got {getattr(self, name)!r}")
        for name in _AMOUNTS:
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be below zero, got {getattr(self, name)}")
        if self.speed <= 0:
            raise ValueError(f"speed must be above zero, got {self.speed}")
