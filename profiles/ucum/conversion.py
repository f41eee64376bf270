"""Amounts in base units and in each other's units."""

import re
from decimal import Context, Decimal
from fractions import Fraction

from profiles.ucum.special import SPECIAL
from profiles.ucum.units import UcumError, Unit, unit

_EXACT = Context(prec=34)
MAX_MAGNITUDE = 400
"""Powers of ten that a value may reach: beyond, an exact fraction of it would take all memory."""


def is_reasonable(value: Decimal) -> bool:
    """Whether a value is a number of a size that can be converted."""
    return value.is_finite() and abs(value.adjusted()) <= MAX_MAGNITUDE


def canonical(value: Decimal, code: str) -> tuple[Decimal, str]:
    """The amount in base units: `canonical(Decimal("185"), "[lb_av]")` is `(Decimal("83914.58845"), "g")`.

    Raises UcumError where `code` is not UCUM.
    """
    known = unit(code)
    if not is_reasonable(value):
        raise UcumError(f"a value beyond 10^{MAX_MAGNITUDE}")
    return exact(_to_base(Fraction(value), known)), known.text


def comparable(left: str, right: str) -> bool:
    """Whether amounts of the two units convert into each other; an unknown code compares only with itself."""
    return left == right or _both(left, right) is not None


def common(left: Decimal, left_code: str, right: Decimal, right_code: str) -> tuple[Decimal, Decimal] | None:
    """Both amounts in the larger of the two units; None where they do not convert or a code is unknown."""
    if left_code == right_code:
        return left, right
    units = _both(left_code, right_code)
    if units is None or not (is_reasonable(left) and is_reasonable(right)):
        return None
    a, b = units
    if a.special or b.special:
        return exact(_to_base(Fraction(left), a)), exact(_to_base(Fraction(right), b))
    if a.factor >= b.factor:
        return left, exact(Fraction(right) * b.factor / a.factor)
    return exact(Fraction(left) * a.factor / b.factor), right


def convert(value: Decimal, code: str, to: str) -> Decimal | None:
    """The amount in another unit; None where they do not convert or a code is unknown."""
    units = _both(code, to)
    if units is None or not is_reasonable(value):
        return None
    a, b = units
    if not (a.special or b.special):
        return exact(Fraction(value) * a.factor / b.factor)
    base = _to_base(Fraction(value), a)
    function = SPECIAL[b.special] if b.special else None
    if function is None or function.from_base is None:
        return exact(base / b.factor)
    return exact(function.from_base(base / unit(function.unit or "1").factor) / b.factor)


def multiply(left: Decimal, left_code: str, right: Decimal, right_code: str) -> tuple[Decimal, str] | None:
    """The product in base units (`2 'cm'` × `2 'm'` is 0.04 `m2`); None where a code is unknown or special."""
    return _combine(left, left_code, right, right_code, 1)


def divide(left: Decimal, left_code: str, right: Decimal, right_code: str) -> tuple[Decimal, str] | None:
    """The quotient in base units; None for a zero divisor and where a code is unknown or special."""
    return _combine(left, left_code, right, right_code, -1) if right else None


def _combine(left: Decimal, left_code: str, right: Decimal, right_code: str, sign: int) -> tuple[Decimal, str] | None:
    if right_code == "1":
        return (left * right if sign > 0 else left / right), left_code
    if left_code == "1" and sign > 0:
        return left * right, right_code
    try:
        a, b = unit(left_code), unit(right_code)
    except UcumError:
        return None
    same = _powers(left_code, right_code, sign)
    if same and not a.special:
        return (left * right if sign > 0 else left / right), same
    if a.special or b.special or not (is_reasonable(left) and is_reasonable(right)):
        return None
    product = a.times(b, sign)
    amounts = Fraction(left) * Fraction(right) if sign > 0 else Fraction(left) / Fraction(right)
    return exact(amounts * product.factor), product.text


_POWER = re.compile(r"([A-Za-z]+)([1-9]?)")


def _powers(left: str, right: str, sign: int) -> str | None:
    """The code of a product of powers of one unit, `cm2` of `cm` and `cm`; None where it is none."""
    a, b = _POWER.fullmatch(left), _POWER.fullmatch(right)
    if a is None or b is None or a[1] != b[1]:
        return None
    power = int(a[2] or 1) + sign * int(b[2] or 1)
    return "1" if power == 0 else a[1] if power == 1 else f"{a[1]}{power}"


def ratio(left: str, right: str) -> Fraction | None:
    """How many of the right unit one of the left is; None where they do not convert by a factor."""
    units = _both(left, right)
    if units is None or units[0].special or units[1].special:
        return None
    return units[0].factor / units[1].factor


def _both(left: str, right: str) -> tuple[Unit, Unit] | None:
    try:
        a, b = unit(left), unit(right)
    except UcumError:
        return None
    return (a, b) if a.dimensions == b.dimensions else None


def _to_base(value: Fraction, known: Unit) -> Fraction:
    function = SPECIAL[known.special].to_base if known.special else None
    if function is None:
        return value * known.factor
    return function(value * known.factor) * unit(SPECIAL[known.special or ""].unit or "1").factor


def exact(value: Fraction) -> Decimal:
    """The fraction as a Decimal, rounded to 34 digits where it does not terminate."""
    return _EXACT.divide(Decimal(value.numerator), Decimal(value.denominator))
