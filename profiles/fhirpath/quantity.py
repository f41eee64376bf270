"""Quantities: a Decimal and a UCUM unit, or a calendar duration (`4 days`).

Source: https://hl7.org/fhirpath/N1/#quantity, #quantity-equality.
"""

from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from profiles import ucum

CALENDAR: dict[str, str] = {
    form: unit
    for unit in ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
    for form in (unit, f"{unit}s")
}
"""Calendar words to their singular."""

_DEFINITE = {"week": "wk", "day": "d", "hour": "h", "minute": "min", "second": "s", "millisecond": "ms"}
_SECONDS: dict[str, Fraction] = {
    **{unit: Fraction(days * 86_400) for unit, days in (("year", 365), ("month", 30), ("week", 7), ("day", 1))},
    "hour": Fraction(3600),
    "minute": Fraction(60),
    "second": Fraction(1),
    "millisecond": Fraction(1, 1000),
}
_UCUM_TO_CALENDAR = {code: unit for unit, code in _DEFINITE.items()}


class Quantity(NamedTuple):
    """`value` with `unit`: a UCUM code, or for `calendar` the singular of a calendar word."""

    value: Decimal
    unit: str = "1"
    calendar: bool = False

    def __str__(self) -> str:
        if not self.calendar:
            return f"{self.value:f} '{self.unit}'"
        return f"{self.value:f} {self.unit}{'' if self.value == 1 else 's'}"

    @property
    def code(self) -> str | None:
        """The UCUM code of the same length; None for years and months, whose length varies."""
        return _DEFINITE.get(self.unit) if self.calendar else self.unit


def from_fhir(value: dict[str, Any]) -> Quantity | None:
    """A FHIR Quantity as a System one; None without a value or with a comparator. Without a code: by its unit text."""
    number = value.get("value")
    if number is None or isinstance(number, bool | str) or "comparator" in value:
        return None
    unit = value.get("code") or value.get("unit") or "1"
    amount = number if isinstance(number, Decimal) else Decimal(number)
    return Quantity(amount, unit) if ucum.is_reasonable(amount) else None


def calendar_unit(quantity: Quantity) -> str | None:
    """The calendar unit that date arithmetic may use, also of the definite UCUM durations; None for anything else."""
    if quantity.calendar:
        return quantity.unit
    return _UCUM_TO_CALENDAR.get(quantity.unit) or CALENDAR.get(quantity.unit)


def common(left: Quantity, right: Quantity) -> tuple[Decimal, Decimal] | None:
    """Both values in one unit (that of the larger unit), or None where they do not convert."""
    if left.unit == right.unit and left.calendar == right.calendar:
        return left.value, right.value
    if left.calendar and right.calendar:
        ratio = _calendar_ratio(left.unit, right.unit)
        if ratio < 1:
            return ucum.exact(Fraction(left.value) * ratio), right.value
        return left.value, ucum.exact(Fraction(right.value) / ratio)
    a, b = left.code, right.code
    if a is None or b is None:
        return None
    return ucum.common(left.value, a, right.value, b)


def _calendar_ratio(left: str, right: str) -> Fraction:
    """How many of the right calendar unit one of the left is: a year has 12 months or 365 days, a month 30 days."""
    if {left, right} == {"year", "month"}:
        return Fraction(12) if left == "year" else Fraction(1, 12)
    return _SECONDS[left] / _SECONDS[right]


def converted(quantity: Quantity, unit: str) -> Quantity | None:
    """The same in another unit, a UCUM code or a calendar word; None where it does not convert."""
    calendar = CALENDAR.get(unit)
    if (calendar or unit) == quantity.unit and quantity.calendar is bool(calendar):
        return quantity
    if quantity.calendar and calendar:
        amount = Fraction(quantity.value) * _calendar_ratio(quantity.unit, calendar)
        return Quantity(ucum.exact(amount), calendar, calendar=True)
    wanted = Quantity(quantity.value, calendar or unit, bool(calendar))
    if quantity.code is None or wanted.code is None:
        return None
    found = ucum.convert(quantity.value, quantity.code, wanted.code)
    return None if found is None else wanted._replace(value=found)


def roughly_common(left: Quantity, right: Quantity) -> tuple[Decimal, Decimal] | None:
    """As `common`, with a year as 365 days and a month as 30: what equivalence (`~`) may use."""
    return common(left, right) or common(_in_days(left), _in_days(right))


def added(left: Quantity, right: Quantity) -> Quantity | None:
    """The sum, in the finer of the two units; None where they do not convert."""
    if left.unit == right.unit and left.calendar == right.calendar:
        return left._replace(value=left.value + right.value)
    if left.calendar and right.calendar:
        ratio: Fraction | None = _calendar_ratio(left.unit, right.unit)
    else:
        ratio = ucum.ratio(left.code, right.code) if left.code and right.code else None
    if ratio is None:
        return None
    if ratio < 1:
        return added(right, left)
    return right._replace(value=ucum.exact(ratio * Fraction(left.value)) + right.value)


def _in_days(quantity: Quantity) -> Quantity:
    unit = {"a": "year", "mo": "month"}.get(quantity.unit, quantity.unit)
    if unit in ("year", "month"):
        return Quantity(ucum.exact(Fraction(quantity.value) * _calendar_ratio(unit, "day")), "d")
    return quantity
