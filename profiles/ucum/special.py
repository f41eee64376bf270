"""Special units: those whose relation to their base unit is a function. Source: https://ucum.org/ucum#section-Special-Units-on-non-ratio-Scales."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

Number = Fraction


class Special(NamedTuple):
    """`to_base` turns a value into one of `unit`, `from_base` back; without functions it stands for itself."""

    unit: str | None
    to_base: Callable[[Fraction], Fraction] | None = None
    from_base: Callable[[Fraction], Fraction] | None = None


def _logarithm(unit: str, base: Decimal, steps: int = 1) -> Special:
    """A level: value = steps × log_base(x / unit). The results are rounded by nature."""
    log = base.ln()

    def to_base(value: Fraction) -> Fraction:
        return Fraction((_decimal(value) / steps * log).exp())

    def from_base(value: Fraction) -> Fraction:
        return Fraction(_decimal(value).ln() / log * steps)

    return Special(unit, to_base, from_base)


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


_ZERO_CELSIUS = Fraction("273.15")
_TEN, _E = Decimal(10), Decimal(1).exp()

SPECIAL: dict[str, Special] = {
    "cel": Special("K", lambda v: v + _ZERO_CELSIUS, lambda v: v - _ZERO_CELSIUS),
    "degf": Special(
        "K", lambda v: (v + Fraction("459.67")) * Fraction(5, 9), lambda v: v * Fraction(9, 5) - Fraction("459.67")
    ),
    "degre": Special("K", lambda v: v * Fraction(5, 4) + _ZERO_CELSIUS, lambda v: (v - _ZERO_CELSIUS) * Fraction(4, 5)),
    "ph": Special(None),
    "ln": Special(None),
    "lg": Special(None),
    "ld": Special(None),
    "tanhundred": Special(None),
    "homeo_x": Special(None),
    "homeo_c": Special(None),
    "homeo_m": Special(None),
    "homeo_q": Special(None),
    "lgtwo_2e-5Pa": Special(None),
    "lgtwo_V": _logarithm("V", _TEN, 2),
    "lgtwo_mV": _logarithm("mV", _TEN, 2),
    "lgtwo_uV": _logarithm("uV", _TEN, 2),
    "lgtwo_10nV": Special(None),
    "lg_W": _logarithm("W", _TEN),
    "lg_kW": _logarithm("kW", _TEN),
}
"""A special unit without a function compares only with itself: a pH is not turned into a concentration."""
