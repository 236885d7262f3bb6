"""The text of an export's state, with a version: unknown fields are ignored, a newer version is refused."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.export.packed_ids import pack, pack_blocks, unpack, unpack_blocks
from airflow_provider_wiro.export.state import ExportState, Part, RunState, Tally
from airflow_provider_wiro.task_history.position import Position

if TYPE_CHECKING:
    from airflow_provider_wiro.export.wanted import ExportIdentity

VERSION = 1


def to_text(state: ExportState, identity: ExportIdentity) -> str:
    """Return the text of a state. Equal states have equal texts."""
    position = state.position
    return json.dumps(
        {
            "version": VERSION,
            "export": identity.to_json(),
            "position": None
            if position is None
            else {"floor": position.floor, "recent": pack(position.recent)},
            "since": state.since,
            "pending": pack_blocks(state.pending),
            "open": pack(state.open),
            "unknown_since": [
                [number, since] for number, since in sorted(state.open.items()) if since is not None
            ],
            "asked": state.asked,
            "unclear": pack(state.unclear),
            "tries": sorted(state.tries.items()),
            "runs": {token: _run_json(run) for token, run in sorted(state.runs.items())},
        },
        separators=(",", ":"),
    )


def from_text(text: str, identity: ExportIdentity, where: str) -> ExportState:
    """
    Return the state of a text.

    :param where: it was found, for the errors.
    :raises WiroUsageError: it is none, of a newer version, or another export's.
    """
    try:
        found = json.loads(text)
        version = _number(found["version"])
        if version > VERSION:
            raise WiroUsageError(
                f"The state of this export at {where} has version {version}, and this package reads up to "
                f"version {VERSION}. Install the newer package here as well; nothing was changed."
            )
        if (of := found["export"]) != identity.to_json():
            raise WiroUsageError(
                f"Expected the state of this export at {where}, found that of another one: {of!r:.300}. "
                "Was it copied there? Nothing was changed."
            )
        return _state(found)
    except (ValueError, KeyError, TypeError, AttributeError, InvalidOperation) as error:
        raise WiroUsageError(
            f"Expected the state of an export at {where}, found something else ({type(error).__name__}: "
            f"{error}). Put an earlier version of it back; or delete it, and give `since`, so that the "
            "export begins again there: what has landed is skipped."
        ) from error


def _state(found: dict[str, Any]) -> ExportState:
    position = found["position"]
    return ExportState(
        position=None
        if position is None
        else Position(_number(position["floor"]), unpack(position["recent"])),
        since=None if found.get("since") is None else float(found["since"]),
        pending=unpack_blocks(found["pending"]),
        open={
            **dict.fromkeys(unpack(found["open"])),
            **{_number(number): float(since) for number, since in found.get("unknown_since", ())},
        },
        asked=_number(found.get("asked", 0)),
        unclear=frozenset(unpack(found.get("unclear", ""))),
        tries={_number(number): _number(count) for number, count in found.get("tries", ())},
        runs={str(token): _run(run) for token, run in found.get("runs", {}).items()},
    )


def _run_json(run: RunState) -> dict[str, Any]:
    return {
        "instance": run.instance,
        "until": run.until,
        "claimed": pack(run.claimed),
        "later": pack(run.later),
        "to_delete": pack(run.to_delete),
        "parts": [
            {"name": part.name, **({"dropped": sorted(part.dropped)} if part.dropped else {})}
            for part in run.parts
        ],
        "counts": dict(sorted(run.tally.counts.items())),
        "usd": str(run.tally.usd),
        "vanished": list(run.vanished),
        "commits": run.commits,
        "replaced": list(run.replaced),
        "ended_at": run.ended_at,
        **({} if run.manifest is None else {"manifest": run.manifest}),
        **({"drafts": list(run.drafts)} if run.drafts else {}),
    }


def _run(found: dict[str, Any]) -> RunState:
    return RunState(
        instance=str(found["instance"]),
        until=float(found["until"]),
        claimed=unpack(found["claimed"]),
        later=frozenset(unpack(found.get("later", ""))),
        to_delete=frozenset(unpack(found.get("to_delete", ""))),
        parts=tuple(
            Part(str(part["name"]), frozenset(map(_number, part.get("dropped", ()))))
            for part in found["parts"]
        ),
        tally=Tally(
            {str(name): _number(count) for name, count in found["counts"].items()}, Decimal(found["usd"])
        ),
        vanished=tuple(map(_number, found.get("vanished", ()))),
        commits=_number(found["commits"]),
        replaced=tuple(map(str, found.get("replaced", ()))),
        ended_at=None if found.get("ended_at") is None else float(found["ended_at"]),
        manifest=None if found.get("manifest") is None else str(found["manifest"]),
        drafts=tuple(map(str, found.get("drafts", ()))),
    )


def _number(value: object) -> int:
    if type(value) is not int:
        raise ValueError(f"expected a whole number, found {value!r:.100}")
    return value
