"""What a value asks of the ranges that a date, a number or a quantity is. `i` is the index row's alias.

Source: https://hl7.org/fhir/R4/search.html#prefix
"""

from datetime import UTC, datetime, tzinfo
from decimal import Decimal

from ..errors import BadParameter
from ..values import (
    EARLIEST,
    LATEST,
    UCUM_SYSTEM,
    Span,
    in_base_units,
    number,
    precision,
    span,
    squeezed,
    system_number,
)
from .arguments import Arguments
from .query import Criterion, split, unescaped

PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
APPROXIMATELY = Decimal("0.1")


def date(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """A date, dateTime or Period against the instants that the value may mean."""
    return between(*dated(criterion, text, zone), arguments)


def dated(criterion: Criterion, text: str, zone: tzinfo) -> tuple[str, Span]:
    """The prefix of a date and the instants that it means; `ap` widens them. Raises BadParameter."""
    prefix, rest = prefixed(text)
    asked = span(rest, zone)
    if asked is None:
        raise BadParameter(
            criterion.written, f"{rest!r} is not a date", [f"{p}2026-01-31T08:00:00+07:00" for p in PREFIXES]
        )
    if prefix == "ap":
        margin = abs(datetime.now(UTC) - asked.low) * float(APPROXIMATELY)
        asked = Span(max(EARLIEST + margin, asked.low) - margin, min(LATEST - margin, asked.high) + margin)
    return prefix, asked


def holds(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """A date, dateTime or Period that holds the whole of the value."""
    asked = span(text, zone)
    if asked is None:
        raise BadParameter(criterion.written, f"{text!r} is not a date")
    return between("holds", asked, arguments)


def overlaps(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """A date, dateTime or Period that has an instant in common with the value."""
    asked = span(text, zone)
    if asked is None:
        raise BadParameter(criterion.written, f"{text!r} is not a date")
    return between("ap", asked, arguments)


def prefixed(text: str) -> tuple[str, str]:
    """A prefix and what follows it; without one, `eq`."""
    return (text[:2], text[2:]) if text[:2] in PREFIXES else ("eq", text)


RANGES = {
    "eq": "{begin} >= {low} and {begin} < {high} and {end} <= {high}",
    "ne": "({begin} < {low} or {end} > {high})",
    "gt": "{end} > {high}",
    "lt": "{begin} < {low}",
    "ge": "{end} > {low}",
    "le": "{begin} < {high}",
    "sa": "{begin} >= {high}",
    "eb": "{end} <= {low}",
    "ap": "{begin} < {high} and {end} > {low}",
    "holds": "{begin} <= {low} and {end} >= {high}",
}
"""Prefix → how the range `begin`…`end` of a row lies to the one asked for; `holds` is for `_filter`."""


INSTANTS = {
    "eq": "({at} >= {low} and {at} < {high})",
    "ne": "({at} < {low} or {at} >= {high})",
    "gt": "{at} >= {high}",
    "lt": "{at} < {low}",
    "ge": "{at} >= {low}",
    "le": "{at} < {high}",
    "sa": "{at} >= {high}",
    "eb": "{at} < {low}",
    "ap": "({at} >= {low} and {at} < {high})",
}
"""Prefix → how an instant, a range without width, lies to the range asked for."""


def moment(prefix: str, asked: Span, arguments: Arguments, at: str) -> str:
    """Compare an instant with the range asked for."""
    template = INSTANTS[prefix]
    low = arguments.add(asked.low, "timestamptz") if "{low}" in template else ""
    high = arguments.add(asked.high, "timestamptz") if "{high}" in template else ""
    return template.format(at=at, low=low, high=high)


def between(prefix: str, asked: Span, arguments: Arguments) -> str:
    """Compare a row's range of instants with the one asked for."""
    template = RANGES[prefix]
    bound = {
        name: arguments.add(value, "timestamptz") if f"{{{name}}}" in template else ""
        for name, value in zip(("low", "high"), asked, strict=True)
    }
    return template.format(begin="i.low", end="i.high", **bound)


def amount(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """A number: `100` means 99.5 up to 100.5."""
    prefix, rest = prefixed(text)
    value = number(rest)
    if value is None:
        raise BadParameter(criterion.written, f"{rest!r} is not a number", [f"{p}100" for p in PREFIXES])
    return _compare(prefix, value, precision(value), "i.low", "i.high", arguments)


def quantity(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """`number`, `number|system|code`, `number||code`; UCUM units are compared in base units."""
    prefix, rest = prefixed(text)
    parts = [unescaped(part) for part in split(rest, "|")]
    value = number(parts[0])
    if value is None or len(parts) not in (1, 3):
        raise BadParameter(criterion.written, f"{text!r} is not written number, number|system|code or number||code")
    half = precision(value)
    if len(parts) == 1 or not any(parts[1:]):
        return _compare(prefix, value, half, "i.low", "i.high", arguments)
    _, system, unit = parts
    if system == UCUM_SYSTEM and unit and (base := in_base(value, half, unit)):
        middle, half, of = base
        compared = _compare(prefix, middle, half, "i.canonical_low", "i.canonical_high", arguments)
        return f"i.canonical_unit = {arguments.add(of, 'text')} and {compared}"
    compared = _compare(prefix, value, half, "i.low", "i.high", arguments)
    if system:
        compared += f" and i.system = {arguments.add(system_number(system), 'bigint')}"
    return f"{compared} and i.unit = {arguments.add(squeezed(unit), 'text')}" if unit else compared


def in_base(value: Decimal, half: Decimal, unit: str) -> tuple[Decimal, Decimal, str] | None:
    """An amount and half of its last digit in UCUM base units, and their name; None where there are none."""
    middle, most = in_base_units(value, unit), in_base_units(value + half, unit)
    return (middle[0], abs(most[0] - middle[0]), middle[1]) if middle and most else None


def _compare(prefix: str, value: Decimal, half: Decimal, low: str, high: str, arguments: Arguments) -> str:
    if prefix in ("eq", "ne", "ap"):
        margin = abs(value) * APPROXIMATELY if prefix == "ap" else half
        least, most = arguments.add(value - margin, "numeric"), arguments.add(value + margin, "numeric")
        if prefix == "ap":
            return f"({low} <= {most} and {high} >= {least})"
        if prefix == "ne":
            return f"({low} < {least} or {high} >= {most})"
        return f"({low} >= {least} and {low} < {most} and {high} < {most})"
    bound = arguments.add(value, "numeric")
    return {
        "gt": f"{high} > {bound}",
        "lt": f"{low} < {bound}",
        "ge": f"{high} >= {bound}",
        "le": f"{low} <= {bound}",
        "sa": f"{low} > {bound}",
        "eb": f"{high} < {bound}",
    }[prefix]
