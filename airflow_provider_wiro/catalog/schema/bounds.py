"""
Bounds of a parameter, as far as they can be real.

A schema's bounds are often placeholders. They don't count where

* one of them is 9,999,999,999 or more (or below its negative), or is written with nothing but seven nines or
  more: ``0…9999999999`` means none;
* the minimum is above the maximum, or the maximum is 0 and there is no minimum below it.

They are doubtful, and a value outside is only warned of, where the model's own default lies outside, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_wiro.catalog.schema.values import as_number, as_text, is_structure, is_unset, is_whole

if TYPE_CHECKING:
    from airflow_provider_wiro.api.catalog import ModelParameter

_ABSURD = Decimal(9_999_999_999)
_NINES = re.compile(r"9{7,}")
#: Relative: what is left of 0.1 + 0.2 - 0.3.
_ROUNDING = Decimal("1e-9")


@dataclass(frozen=True)
class Bounds:
    """
    The least and the greatest value, None for none.

    :ivar is_doubtful: the schema contradicts them.
    """

    minimum: Decimal | None = None
    maximum: Decimal | None = None
    is_doubtful: bool = False

    def admit(self, value: Decimal) -> bool:
        """Whether a number lies between them, with what floats get wrong."""
        slack = abs(value) * _ROUNDING
        return (self.minimum is None or value >= self.minimum - slack) and (
            self.maximum is None or value <= self.maximum + slack
        )

    def __str__(self) -> str:
        if self.minimum is None or self.maximum is None:
            return (
                f"at least {as_text(self.minimum)}"
                if self.minimum is not None
                else f"at most {as_text(self.maximum)}"
            )
        if self.minimum == self.maximum:
            return f"only {as_text(self.minimum)}"
        return f"{as_text(self.minimum)} to {as_text(self.maximum)}"


def number_bounds(parameter: ModelParameter) -> Bounds:
    """Return the bounds of a parameter that takes a number."""
    bounds = _real(parameter)
    default = as_number(parameter.default)
    return Bounds(bounds.minimum, bounds.maximum, default is not None and not bounds.admit(default))


def length_bounds(parameter: ModelParameter) -> Bounds:
    """Return the bounds of a text's length, in characters."""
    bounds = _real(parameter)
    found = [bound for bound in (bounds.minimum, bounds.maximum) if bound is not None]
    if parameter.step is not None or any(bound < 0 or not is_whole(bound) for bound in found):
        return Bounds()  # those of a number that is a text parameter, such as a seed
    default = parameter.default
    is_known = not is_unset(default) and not is_structure(default)
    is_outside = is_known and not bounds.admit(Decimal(len(as_text(default))))
    return Bounds(bounds.minimum, bounds.maximum, is_outside)


def fits_step(parameter: ModelParameter, value: Decimal) -> bool:
    """
    Whether a number is reached by steps from the minimum or from zero.

    A step doesn't count that isn't positive, is wider than the bounds, or doesn't reach the default.
    """
    step, bounds, default = parameter.step, _real(parameter), as_number(parameter.default)
    if step is None or step <= 0:
        return True
    low, high = bounds.minimum, bounds.maximum
    if low is not None and high is not None and step > high - low:
        return True
    starts = [Decimal(0), *([low] if low is not None else [])]
    if default is not None and not any(_is_multiple(default - start, step) for start in starts):
        return True
    return any(_is_multiple(value - start, step) for start in starts)


def _is_multiple(distance: Decimal, step: Decimal) -> bool:
    quotient = distance / step
    if abs(quotient) > 10**12:
        return True
    return abs(quotient - quotient.to_integral_value()) <= Decimal("1e-6")


def _real(parameter: ModelParameter) -> Bounds:
    low, high = parameter.minimum, parameter.maximum
    if any(bound is not None and _is_absurd(bound) for bound in (low, high)):
        return Bounds()
    if low is not None and high is not None and low > high:
        return Bounds()
    if high == 0 and (low is None or low == 0):
        return Bounds()
    return Bounds(low, high)


def _is_absurd(bound: Decimal) -> bool:
    return abs(bound) >= _ABSURD or _NINES.fullmatch(as_text(abs(bound))) is not None
