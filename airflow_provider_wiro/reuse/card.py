"""ResultCard: what a run has made, and where that has landed; stored under its inputs' fingerprint."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Self

from airflow_provider_wiro.api.decoding.llm_answers import RAW, is_cut_short
from airflow_provider_wiro.api.endpoints import check_task_id
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.redaction.plain_text import plain
from airflow_provider_wiro.storage.landed_object import LandedObject
from airflow_provider_wiro.storage.timestamps import from_stored, to_stored

KIND = "airflow-provider-wiro/result-card"
VERSION = 1
#: A card is neither written nor read beyond this.
MAX_BYTES = 1024 * 1024
#: A clock may be ahead of another by this much.
_SKEW_SECONDS = 600.0

_FINGERPRINT = re.compile("[0-9a-f]{64}")
_LONGEST_NAME = 1000
_TOKENS = ("input_tokens", "output_tokens", "total_tokens")


class NotACardError(ValueError):
    """These bytes are no card of this version, or that of another fingerprint."""


@dataclass(frozen=True)
class CardOutput:
    """One output of a run: name, media type (``raw`` for an LLM's answer), size in bytes."""

    index: int
    name: str
    content_type: str | None
    size: int | None

    @property
    def is_answer(self) -> bool:
        """Whether it is an LLM's answer, whose text is in the card."""
        return (self.content_type or RAW).lower() == RAW


@dataclass(frozen=True)
class ResultCard:
    """
    The result of one run. It holds no parameters, no link of Wiro's and no token.

    :ivar made_at: when the run ended, as Unix time.
    :ivar cost_usd: what the run has cost, None if that was not known.
    :ivar landed: the objects that its outputs became; empty for an answer that was not landed.
    """

    fingerprint: str
    wiro_task_id: str
    model: str
    made_at: float
    outputs: tuple[CardOutput, ...]
    landed: tuple[LandedObject, ...] = ()
    text: str | None = None
    finish_reason: str | None = None
    usage: Mapping[str, int | None] | None = None
    elapsed_seconds: float | None = None
    cost_usd: str | None = None

    @property
    def is_text(self) -> bool:
        """Whether the text is all that the run has made."""
        return self.text is not None and all(output.is_answer for output in self.outputs)

    @property
    def is_whole(self) -> bool:
        """Whether all that the run has made can be had from this card: as an object, or as the text."""
        if not self.outputs or (self.finish_reason is not None and is_cut_short(self.finish_reason)):
            return False
        if self.is_text:
            return bool(self.text and self.text.strip())
        # Each part of an answer lands as an object of its own, and of a file there is one.
        found = {one.output for one in self.landed}
        return found == {output.index for output in self.outputs}

    def is_of_age(self, now: float, max_age: float | None) -> bool:
        """
        Whether it is young enough. One from the future is of a clock that is wrong, and is not.

        :param now: Unix time.
        :param max_age: seconds; None: any age.
        """
        age = now - self.made_at
        return age >= -_SKEW_SECONDS and (max_age is None or age < max_age)

    def to_bytes(self) -> bytes:
        """Return it as it is stored."""
        card = {
            "kind": KIND,
            "version": VERSION,
            "fingerprint": self.fingerprint,
            "wiro_task_id": self.wiro_task_id,
            "model": self.model,
            "made_at": to_stored(self.made_at),
            "outputs": [
                {
                    "index": output.index,
                    "name": output.name,
                    "content_type": output.content_type,
                    "size": output.size,
                }
                for output in self.outputs
            ],
            "landed": [one.to_json() for one in self.landed],
            "text": self.text,
            "finish_reason": self.finish_reason,
            "usage": None if self.usage is None else dict(self.usage),
            "elapsed_seconds": self.elapsed_seconds,
            "cost_usd": self.cost_usd,
        }
        return json.dumps(card, indent=1).encode()

    @classmethod
    def from_bytes(cls, body: bytes, fingerprint: str) -> Self:
        """
        Read a card.

        :param fingerprint: under which it is stored.
        :raises NotACardError: it is none, or not that one.
        """
        if len(body) > MAX_BYTES:
            raise NotACardError(f"it has more than {MAX_BYTES:,} bytes")
        try:
            found = _checked(json.loads(body), fingerprint)
            return cls(
                fingerprint,
                check_task_id(found["wiro_task_id"]),
                plain(_text(found["model"]), _LONGEST_NAME),
                from_stored(found["made_at"]),
                tuple(map(_output, _listed(found["outputs"]))),
                tuple(map(LandedObject.from_json, _listed(found["landed"]))),
                _optional_text(found["text"]),
                _plain_or_none(found["finish_reason"]),
                _usage(found["usage"]),
                _seconds(found["elapsed_seconds"]),
                _usd(found["cost_usd"]),
            )
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError, WiroUsageError) as error:
            reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
            raise NotACardError(plain(reason, 200)) from error


def card_name(fingerprint: str) -> str:
    """
    Return the name of a card's file.

    :raises ValueError: it is no fingerprint.
    """
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise ValueError(f"Expected a fingerprint as 64 hex digits, found {fingerprint!r:.100}.")
    return f"{fingerprint}.json"


def _checked(found: object, fingerprint: str) -> Mapping[str, Any]:
    if not isinstance(found, Mapping) or found.get("kind") != KIND:
        raise ValueError("it is no result card")
    if found.get("version") != VERSION:
        raise ValueError(f"it is of version {str(found.get('version'))[:20]}, not {VERSION}")
    if found.get("fingerprint") != fingerprint:
        raise ValueError("it is of other inputs")
    return found


def _listed(value: object) -> list[Any]:
    if not isinstance(value, list) or len(value) > 10_000:
        raise ValueError("a list is missing")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"Expected text, found {type(value).__name__}.")
    return value


def _optional_text(value: object) -> str | None:
    return None if value is None else _text(value)


def _plain_or_none(value: object) -> str | None:
    return None if value is None else plain(_text(value), _LONGEST_NAME)


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError(f"Expected a number from 0, found {value!r:.50}.")
    return value


def _output(found: object) -> CardOutput:
    if not isinstance(found, Mapping):
        raise TypeError("an output is no object")
    size = found["size"]
    return CardOutput(
        _whole(found["index"]),
        plain(_text(found["name"]), _LONGEST_NAME),
        _plain_or_none(found["content_type"]),
        None if size is None else _whole(size),
    )


def _usage(found: object) -> dict[str, int | None] | None:
    if found is None:
        return None
    if not isinstance(found, Mapping):
        raise TypeError("usage is no object")
    return {name: None if found.get(name) is None else _whole(found[name]) for name in _TOKENS}


def _seconds(found: object) -> float | None:
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise TypeError("elapsed_seconds is no number")
    return found


def _usd(found: object) -> str | None:
    if found is None:
        return None
    try:
        is_amount = Decimal(_text(found)) >= 0
    except InvalidOperation as error:
        raise TypeError("cost_usd is no number") from error
    if not is_amount or not re.fullmatch(r"[0-9]+(\.[0-9]+)?", str(found)):
        raise TypeError("cost_usd is no number")
    return str(found)
