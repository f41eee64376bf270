"""Dates, dateTimes and times with the precision they were written with.

Comparison answers None ("cannot be known") where the precisions or the knowledge of the time zone differ too much.
Source: https://hl7.org/fhirpath/N1/#datetime, #datetime-comparison, #date-arithmetic.
"""

import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import ClassVar, Self

YEAR, MONTH, DAY, HOUR, MINUTE, SECOND = range(1, 7)
_NANO = 10**9
_MAX_OFFSET_NS = 26 * 3600 * _NANO  # zones reach from -12:00 to +14:00

_DATE = r"(?P<y>\d{4})(?:-(?P<mo>\d\d)(?:-(?P<d>\d\d))?)?"
_CLOCK = r"(?P<h>\d\d)(?::(?P<mi>\d\d)(?::(?P<s>\d\d)(?:\.(?P<f>\d+))?)?)?"
_ZONE = r"(?P<z>Z|[+-]\d\d:\d\d)?"
_DATE_RE = re.compile(_DATE)
_DATETIME_RE = re.compile(rf"{_DATE}(?:T(?:{_CLOCK}{_ZONE})?)?")
_TIME_RE = re.compile(_CLOCK)


class Temporal:
    """A point in time known to some precision: `parts` (year … minute, nanoseconds) as far as known."""

    __slots__ = ("digits", "offset", "parts")
    name: ClassVar[str]

    def __init__(self, parts: tuple[int, ...], offset: int | None = None, digits: int = 0) -> None:
        self.parts = parts
        self.offset = offset  # minutes east of UTC, None where it was not written
        self.digits = digits  # of the fraction of a second, as written

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        """Python's equality, for sets and tests: same kind, precision and instant."""
        return isinstance(other, Temporal) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[object, ...]:
        return type(self).__name__, self.parts, self.offset

    @property
    def precision(self) -> int:
        """How many of year, month, day, hour, minute, second are known."""
        return len(self.parts)

    def with_parts(self, parts: tuple[int, ...]) -> Self:
        """The same kind of value with other parts."""
        return type(self)(parts, self.offset, self.digits)


class FHIRDate(Temporal):
    """`@2015`, `@2015-02`, `@2015-02-04`."""

    __slots__ = ()
    name = "Date"

    def __str__(self) -> str:
        return _date_text(self.parts)


class FHIRDateTime(Temporal):
    """`@2015T`, `@2015-02-04T14:34:28.123+07:00`."""

    __slots__ = ()
    name = "DateTime"

    def __str__(self) -> str:
        text = _date_text(self.parts[:3])
        if len(self.parts) > DAY:
            text += "T" + _clock_text(self.parts[3:], self.digits)
            if self.offset is not None:
                hours, minutes = divmod(abs(self.offset), 60)
                text += "Z" if self.offset == 0 else f"{'-' if self.offset < 0 else '+'}{hours:02}:{minutes:02}"
        return text


class FHIRTime(Temporal):
    """`@T14:34:28.123`. Its parts begin with a fixed day, so that it compares as the others do."""

    __slots__ = ()
    name = "Time"

    def __str__(self) -> str:
        return _clock_text(self.parts[3:], self.digits)


def _date_text(parts: tuple[int, ...]) -> str:
    return "-".join(f"{part:0{4 if i == 0 else 2}}" for i, part in enumerate(parts))


def _clock_text(parts: tuple[int, ...], digits: int) -> str:
    text = ":".join(f"{part:02}" for part in parts[:2])
    if len(parts) == 3:
        seconds, nanoseconds = divmod(parts[2], _NANO)
        text += f":{seconds:02}" + (f".{nanoseconds:09}"[: digits + 1] if digits else "")
    return text


@lru_cache(4096)
def parse_date(text: str) -> FHIRDate | None:
    """A FHIR date, or None where the text is not one (2015-02-30 is not)."""
    match = _DATE_RE.fullmatch(text)
    parts = match and _date_parts(match)
    return FHIRDate(parts) if parts else None


@lru_cache(4096)
def parse_datetime(text: str) -> FHIRDateTime | None:
    """A FHIR dateTime or instant, or None where the text is not one."""
    match = _DATETIME_RE.fullmatch(text)
    parts = match and _date_parts(match)
    if not match or not parts:
        return None
    if match["h"] is None:
        return FHIRDateTime(parts)
    clock = _clock_parts(match)
    if clock is None or len(parts) < DAY:
        return None
    zone = match["z"]
    offset = None
    if zone:
        offset = 0 if zone == "Z" else (int(zone[1:3]) * 60 + int(zone[4:])) * (-1 if zone[0] == "-" else 1)
        if abs(offset) > 14 * 60:
            return None
    return FHIRDateTime(parts + clock, offset, _digits(match))


@lru_cache(4096)
def parse_time(text: str) -> FHIRTime | None:
    """A FHIR time, or None where the text is not one."""
    match = _TIME_RE.fullmatch(text)
    clock = match and _clock_parts(match)
    return FHIRTime((1, 1, 1, *clock), None, _digits(match)) if match and clock else None


def _digits(match: re.Match[str]) -> int:
    return min(len(match["f"] or ""), 9)


def _date_parts(match: re.Match[str]) -> tuple[int, ...] | None:
    parts = tuple(int(match[group]) for group in ("y", "mo", "d") if match[group])
    try:
        date(parts[0], *(parts[1:] or (1,)), *(() if len(parts) == 3 else (1,)))
    except ValueError:
        return None
    return parts


def _clock_parts(match: re.Match[str]) -> tuple[int, ...] | None:
    hour, minute, second = int(match["h"]), int(match["mi"] or 0), int(match["s"] or 0)
    if hour > 23 or minute > 59 or second > 60:
        return None
    parts: tuple[int, ...] = (hour,)
    if match["mi"]:
        parts += (minute,)
    if match["s"]:
        parts += (second * _NANO + int((match["f"] or "").ljust(9, "0")[:9]),)
    return parts


def compare(left: Temporal, right: Temporal) -> int | None:
    """-1, 0 or 1; None where the answer depends on what is not known."""
    a, b = left.parts, right.parts
    if left.offset != right.offset and len(a) > DAY and len(b) > DAY:
        if left.offset is None or right.offset is None:
            difference = _instant(a, 0) - _instant(b, 0)
            return None if abs(difference) <= _MAX_OFFSET_NS else (difference > 0) - (difference < 0)
        a, b = _to_utc(a, left.offset), _to_utc(b, right.offset)
    for x, y in zip(a, b, strict=False):
        if x != y:
            return -1 if x < y else 1
    return 0 if len(a) == len(b) else None


def _instant(parts: tuple[int, ...], offset: int) -> int:
    """Nanoseconds since the first day of year 1, the unknown parts taken as zero."""
    days = date(*parts[:3]).toordinal()
    minutes = (days * 24 + parts[3]) * 60 + (parts[4] if len(parts) > 4 else 0) - offset
    return minutes * 60 * _NANO + (parts[5] if len(parts) > 5 else 0)


def _to_utc(parts: tuple[int, ...], offset: int) -> tuple[int, ...]:
    minutes, nanoseconds = divmod(_instant(parts, offset), 60 * _NANO)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    try:
        day = date.fromordinal(days)
    except ValueError:  # the first or last day of the calendar: one off either way still sorts rightly
        return (0 if days < 1 else 10_000, 1, 1, hour, minute, nanoseconds)[: len(parts)]
    return (day.year, day.month, day.day, hour, minute, nanoseconds)[: len(parts)]


def utc_parts(value: Temporal) -> tuple[int, ...]:
    """The parts moved to UTC where the offset and the hour are known."""
    return _to_utc(value.parts, value.offset) if value.offset and len(value.parts) > DAY else value.parts


def to_datetime(value: Temporal) -> FHIRDateTime | None:
    """A date as the dateTime of the same precision; a time has none."""
    if isinstance(value, FHIRDateTime):
        return value
    return FHIRDateTime(value.parts) if isinstance(value, FHIRDate) else None


def now() -> FHIRDateTime:
    """This instant with its UTC offset, to the millisecond."""
    moment = datetime.now(UTC).astimezone()
    return _from_datetime(moment.replace(microsecond=moment.microsecond // 1000 * 1000))


def _from_datetime(moment: datetime) -> FHIRDateTime:
    offset = moment.utcoffset() or timedelta()
    nanoseconds = moment.second * _NANO + moment.microsecond * 1000
    parts = (moment.year, moment.month, moment.day, moment.hour, moment.minute, nanoseconds)
    return FHIRDateTime(parts, int(offset.total_seconds()) // 60, 3)


_MONTHS = {"year": 12, "month": 1}
_NANOSECONDS = {
    "week": 7 * 86400 * _NANO,
    "day": 86400 * _NANO,
    "hour": 3600 * _NANO,
    "minute": 60 * _NANO,
    "second": _NANO,
    "millisecond": _NANO // 1000,
}


def add(value: Temporal, amount: Decimal, unit: str) -> Temporal | None:
    """Date arithmetic with a calendar unit; None where the result leaves the calendar.

    The amount is cut to whole units, seconds excepted; a value of lesser precision takes only whole units of its own
    precision (`@2014 + 23 months` is 2015). Days of a month that does not have them become its last day.
    """
    if unit in _MONTHS and not isinstance(value, FHIRTime):
        return _add_months(value, int(amount) * _MONTHS[unit])
    if unit in _MONTHS:
        return None
    exact = amount if unit in ("second", "millisecond") else Decimal(int(amount))
    shift = int(exact * _NANOSECONDS[unit])
    if value.precision < DAY:
        days = int(Decimal(shift) / _NANOSECONDS["day"])
        return _add_months(
            value, int(Decimal(days) / (365 if value.precision == YEAR else 30)) * 12 ** (2 - value.precision)
        )
    return _add_nanoseconds(value, shift)


def _add_months(value: Temporal, months: int) -> Temporal | None:
    parts = value.parts
    if len(parts) == YEAR:
        total = parts[0] * 12 + int(Decimal(months) / 12) * 12
    else:
        total = parts[0] * 12 + parts[1] - 1 + months
    year, month = divmod(total, 12)
    if not 1 <= year <= 9999:
        return None
    if len(parts) < DAY:
        return value.with_parts((year, month + 1)[: len(parts)])
    return value.with_parts((year, month + 1, min(parts[2], last_day(year, month + 1)), *parts[3:]))


def last_day(year: int, month: int) -> int:
    """The number of days of a month."""
    return monthrange(year, month)[1]


def _add_nanoseconds(value: Temporal, shift: int) -> Temporal | None:
    precision, parts = value.precision, value.parts
    if precision < SECOND:
        size = {DAY: 86400, HOUR: 3600, MINUTE: 60}[precision] * _NANO
        shift = int(Decimal(shift) / size) * size
    total = _instant(parts + (0,) * (4 - precision), 0) + shift
    if isinstance(value, FHIRTime):
        total = _instant((1, 1, 1, 0), 0) + total % (86400 * _NANO)
    minutes, nanoseconds = divmod(total, 60 * _NANO)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    try:
        day = date.fromordinal(days)
    except (ValueError, OverflowError):
        return None
    moved = value.with_parts((day.year, day.month, day.day, hour, minute, nanoseconds)[:precision])
    if precision == SECOND and nanoseconds % _NANO:
        fraction = f"{nanoseconds % _NANO:09}".rstrip("0")
        moved.digits = max(moved.digits, 3 if len(fraction) <= 3 else len(fraction))
    return moved
