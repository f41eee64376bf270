"""`toX()` and `convertsToX()`. Source: https://hl7.org/fhirpath/N1/#conversion."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from profiles.fhirpath import temporal
from profiles.fhirpath.functions.registry import function, truth_function
from profiles.fhirpath.functions.strings import text
from profiles.fhirpath.quantity import CALENDAR, Quantity, converted
from profiles.fhirpath.temporal import FHIRDate, FHIRDateTime, FHIRTime, Temporal
from profiles.fhirpath.values import EMPTY, MAX_MAGNITUDE, Items, single

_TRUE = frozenset(("true", "t", "yes", "y", "1", "1.0"))
_FALSE = frozenset(("false", "f", "no", "n", "0", "0.0"))
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_DECIMAL = re.compile(r"[+-]?\d{1,100}(?:\.\d{1,100})?")
_QUANTITY = re.compile(r"(?P<value>[+-]?\d{1,100}(?:\.\d{1,100})?)\s*(?:'(?P<unit>[^']+)'|(?P<word>[A-Za-z]+))?")


def to_boolean(value: Any) -> bool | None:
    """A Boolean, or None."""
    if value.__class__ is bool:
        return bool(value)
    if value.__class__ is str:
        word = value.lower()
        return True if word in _TRUE else False if word in _FALSE else None
    if value.__class__ in (int, Decimal):
        return True if value == 1 else False if value == 0 else None
    return None


def to_integer(value: Any) -> int | None:
    """An Integer of 32 bits, or None."""
    if value.__class__ in (bool, int):
        return int(value)
    if value.__class__ is str and _INTEGER.fullmatch(value) and -(2**31) <= int(value) < 2**31:
        return int(value)
    return None


def to_decimal(value: Any) -> Decimal | None:
    """A Decimal, or None."""
    if value.__class__ in (bool, int, Decimal):
        return Decimal(value)
    return Decimal(value) if value.__class__ is str and _DECIMAL.fullmatch(value) else None


def to_text(value: Any) -> str | None:
    """A String, or None for what has none (a complex element)."""
    if value.__class__ is str:
        return str(value)
    if value.__class__ is bool:
        return "true" if value else "false"
    if value.__class__ is Decimal:
        return f"{value:f}" if abs(value.adjusted()) <= MAX_MAGNITUDE else str(value)
    return str(value) if isinstance(value, int | Quantity | Temporal) else None


def to_date(value: Any) -> FHIRDate | None:
    """A Date: of a DateTime its day."""
    if isinstance(value, FHIRDateTime):
        return FHIRDate(value.parts[:3])
    if isinstance(value, FHIRDate):
        return value
    return temporal.parse_date(value) if value.__class__ is str else None


def to_datetime(value: Any) -> FHIRDateTime | None:
    """A DateTime: of a Date the same precision."""
    if isinstance(value, Temporal):
        return temporal.to_datetime(value)
    return temporal.parse_datetime(value) if value.__class__ is str else None


def to_time(value: Any) -> FHIRTime | None:
    """A Time."""
    if isinstance(value, FHIRTime):
        return value
    return temporal.parse_time(value.removeprefix("T")) if value.__class__ is str else None


def to_quantity(value: Any) -> Quantity | None:
    """A Quantity: of a number with the unit 1, of a String as a literal is written."""
    if value.__class__ is Quantity:
        return value
    if value.__class__ in (bool, int, Decimal):
        return Quantity(Decimal(value))
    match = _QUANTITY.fullmatch(value) if value.__class__ is str else None
    if match is None:
        return None
    amount, word = Decimal(match["value"]), match["word"]
    if word:
        return Quantity(amount, CALENDAR[word], calendar=True) if word in CALENDAR else None
    return Quantity(amount, match["unit"] or "1")


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "Boolean": to_boolean,
    "Integer": to_integer,
    "Decimal": to_decimal,
    "Date": to_date,
    "DateTime": to_datetime,
    "Time": to_time,
}


def _enter(name: str, convert: Callable[[Any], Any]) -> None:
    @function(f"to{name}")
    def to(items: Items) -> Items:
        value = single(items)
        found = None if value is None else convert(value)
        return EMPTY if found is None else [found]

    @truth_function(f"convertsTo{name}")
    def converts(items: Items) -> bool | None:
        value = single(items)
        return None if value is None else convert(value) is not None


for _name, _convert in _CONVERSIONS.items():
    _enter(_name, _convert)


@function("toString", most=1)
def to_string(items: Items, fmt: Items = EMPTY) -> Items:
    """`toString()`. A date element keeps the text that it came with."""
    value = single(items)
    if value is not None and items[0].__class__ is tuple and items[0][0].__class__ is str:
        return [items[0][0]]
    found = None if value is None else to_text(value)
    return EMPTY if found is None else [found]


@truth_function("convertsToString", most=1)
def converts_to_string(items: Items, fmt: Items = EMPTY) -> bool | None:
    """`convertsToString()`."""
    value = single(items)
    return None if value is None else to_text(value) is not None


def _in_unit(items: Items, unit: Items) -> Quantity | None:
    found = to_quantity(single(items))
    wanted = text(unit)
    return found if found is None or wanted is None else converted(found, wanted)


@function("toQuantity", most=1)
def to_quantity_(items: Items, unit: Items = EMPTY) -> Items:
    """`toQuantity([unit])`: with a unit, converted into it."""
    found = _in_unit(items, unit)
    return EMPTY if found is None else [found]


@truth_function("convertsToQuantity", most=1)
def converts_to_quantity(items: Items, unit: Items = EMPTY) -> bool | None:
    """`convertsToQuantity([unit])`."""
    return _in_unit(items, unit) is not None if items else None
