"""Today, the parts of dates, precision and boundaries.

Source: https://build.fhir.org/ig/HL7/FHIRPath/#lowboundary, #precision.
"""

from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal
from typing import Any

from profiles.fhirpath.environment import Environment
from profiles.fhirpath.functions.registry import function
from profiles.fhirpath.functions.strings import integer
from profiles.fhirpath.quantity import Quantity
from profiles.fhirpath.temporal import DAY, SECOND, FHIRDate, FHIRDateTime, FHIRTime, Temporal, last_day
from profiles.fhirpath.values import EMPTY, Items, single

_NANO = 10**9
_MILLISECOND = 10**6
_CONTEXT = Context(prec=80)
_DEFAULT_PLACES, _MAX_PLACES = 8, 31
# Digits that write a value of the given precision: years 4, months 6, … milliseconds 17; a time has no day.
_DIGITS = {1: 4, 2: 6, 3: 8, 4: 10, 5: 12, 6: 14}


@function("now", env=True)
def now(env: Environment, items: Items) -> Items:
    """`now()`: the same instant throughout one evaluation."""
    return [env.now]


@function("today", env=True)
def today(env: Environment, items: Items) -> Items:
    """`today()`."""
    return [FHIRDate(env.now.parts[:3])]


@function("timeOfDay", env=True)
def time_of_day(env: Environment, items: Items) -> Items:
    """`timeOfDay()`."""
    return [FHIRTime((1, 1, 1, *env.now.parts[3:]), None, env.now.digits)]


@function("precision")
def precision(items: Items) -> Items:
    """`precision()`: digits of a Decimal after the point, or those that write a date or time."""
    value = single(items)
    if isinstance(value, Temporal):
        return [_digits(value)]
    if value.__class__ is Decimal:
        return [_places(value)]
    return [0] if value.__class__ is int else EMPTY


def _digits(value: Temporal) -> int:
    fraction = 3 if value.digits else 0
    return _DIGITS[value.precision] + fraction - (8 if isinstance(value, FHIRTime) else 0)


def _places(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


@function("lowBoundary", most=1)
def low_boundary(items: Items, places: Items = EMPTY) -> Items:
    """`lowBoundary([precision])`: the least value that this one may stand for."""
    return _boundary(single(items), integer(places), -1)


@function("highBoundary", most=1)
def high_boundary(items: Items, places: Items = EMPTY) -> Items:
    """`highBoundary([precision])`: the greatest value that this one may stand for."""
    return _boundary(single(items), integer(places), 1)


def _boundary(value: Any, places: int | None, direction: int) -> Items:
    if isinstance(value, Quantity):
        found = _number_boundary(value.value, places, direction)
        return EMPTY if found is None else [value._replace(value=found)]
    if value.__class__ in (int, Decimal):
        found = _number_boundary(Decimal(value), places, direction)
        return EMPTY if found is None else [found]
    if isinstance(value, Temporal):
        edge = _temporal_boundary(value, places, direction)
        return EMPTY if edge is None else [edge]
    return EMPTY


def _number_boundary(value: Decimal, places: int | None, direction: int) -> Decimal | None:
    wanted = _DEFAULT_PLACES if places is None else places
    if not 0 <= wanted <= _MAX_PLACES:
        return None
    half = Decimal(5).scaleb(-_places(value) - 1)
    edge = _CONTEXT.add(value, half * direction)
    # As HL7's suite has it: an edge away from zero rounds by halves, one toward zero is cut.
    outward = (edge < 0) == (direction < 0)
    return edge.quantize(Decimal(1).scaleb(-wanted), ROUND_HALF_UP if outward else ROUND_DOWN, _CONTEXT)


def _temporal_boundary(value: Temporal, digits: int | None, direction: int) -> Temporal | None:
    time = isinstance(value, FHIRTime)
    full = 8 if isinstance(value, FHIRDate) else 9 if time else 17
    wanted = (full if digits is None else digits) + (8 if time else 0)
    lengths = {4: 1, 6: 2, 8: 3, 10: 4, 12: 5, 14: 6, 17: 6}
    if wanted not in lengths:
        return None
    parts = value.parts
    if len(parts) == DAY + 1:
        parts = (*parts, 0)  # FHIR has no hour without its minutes: 08 is 08:00
    parts = _filled(parts, direction, value.digits)
    millisecond = wanted == 17
    cut = parts[: lengths[wanted]]
    if wanted == 14:
        cut = (*cut[:5], cut[5] // _NANO * _NANO)
    if isinstance(value, FHIRDate) and wanted <= 8:
        return FHIRDate(cut)
    if time:
        return FHIRTime(cut, None, 3 if millisecond else 0)
    offset = value.offset
    if offset is None and len(cut) > DAY:
        offset = 14 * 60 if direction < 0 else -12 * 60
    return FHIRDateTime(cut, offset if len(cut) > DAY else None, 3 if millisecond else 0)


def _filled(parts: tuple[int, ...], direction: int, digits: int) -> tuple[int, ...]:
    """All six parts, the unknown ones at their least or greatest; a second as far as its `digits` are known."""
    if direction < 0:
        return (*parts, *(0, 1, 1, 0, 0, 0)[len(parts) :])
    if len(parts) == SECOND:
        unknown = 10 ** (9 - digits) - _MILLISECOND if digits < 3 else 0
        return (*parts[:5], parts[5] + unknown)
    year_month = parts[:2] if len(parts) > 1 else (parts[0], 12)
    greatest = (0, 12, last_day(*year_month), 23, 59, 60 * _NANO - _MILLISECOND)
    return (*parts, *greatest[len(parts) :])


def _part(name: str, kinds: tuple[type[Temporal], ...], position: int) -> None:
    @function(name)
    def part(items: Items) -> Items:
        value = single(items)
        if not isinstance(value, kinds):
            return EMPTY
        return list(value.parts[position : position + 1])


_DAYS, _CLOCKS = (FHIRDate, FHIRDateTime), (FHIRDateTime, FHIRTime)
for _name, _kinds, _position in (
    ("yearOf", _DAYS, 0),
    ("monthOf", _DAYS, 1),
    ("dayOf", _DAYS, 2),
    ("hourOf", _CLOCKS, 3),
    ("minuteOf", _CLOCKS, 4),
):
    _part(_name, _kinds, _position)


def _seconds(items: Items) -> tuple[int, int] | None:
    value = single(items)
    return divmod(value.parts[5], _NANO) if isinstance(value, _CLOCKS) and value.precision > 5 else None


@function("secondOf")
def second_of(items: Items) -> Items:
    """`secondOf()`."""
    found = _seconds(items)
    return [found[0]] if found else EMPTY


@function("millisecondOf")
def millisecond_of(items: Items) -> Items:
    """`millisecondOf()`."""
    found = _seconds(items)
    return [found[1] // 1_000_000] if found else EMPTY


@function("timezoneOffsetOf")
def timezone_offset_of(items: Items) -> Items:
    """`timezoneOffsetOf()`: hours east of UTC."""
    value = single(items)
    return [Decimal(value.offset) / 60] if isinstance(value, FHIRDateTime) and value.offset is not None else EMPTY


@function("dateOf")
def date_of(items: Items) -> Items:
    """`dateOf()`."""
    value = single(items)
    return [FHIRDate(value.parts[:3])] if isinstance(value, _DAYS) else EMPTY


@function("timeOf")
def time_of(items: Items) -> Items:
    """`timeOf()`."""
    value = single(items)
    known = isinstance(value, _CLOCKS) and value.precision > 3
    return [FHIRTime((1, 1, 1, *value.parts[3:]), None, value.digits)] if known else EMPTY
