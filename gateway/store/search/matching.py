"""What a value asks of one index row, per parameter type. `i` is the row's alias."""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, tzinfo
from decimal import Decimal

from profiles import definitions

from ..emit import LITERAL
from ..errors import BadParameter
from ..values import (
    NO_SYSTEM,
    UCUM_SYSTEM,
    Span,
    folded,
    in_base_units,
    number,
    precision,
    span,
    squeezed,
    system_number,
)
from .arguments import Arguments
from .query import Criterion, split, unescaped

BEYOND = "\U0010ffff"
"""Sorts after every continuation of a prefix."""
SQUEEZED = 200
"""Characters of a string that the b-tree of `string_index` holds."""
PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
APPROXIMATELY = Decimal("0.1")

Matcher = Callable[[Criterion, str, Arguments, tzinfo], str]


def token(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """`code`, `system|code`, `|code`, `system|`."""
    system, bar, code = _parted(text)
    conditions = []
    if not bar or code:
        conditions.append(f"i.code = {arguments.add(squeezed(code if bar else system), 'text')}")
    if bar and (system or code):
        conditions.append(f"i.system = {arguments.add(system_number(system) if system else NO_SYSTEM, 'bigint')}")
    if not conditions:
        raise BadParameter(criterion.written, "has no value", ("code", "system|code", "|code", "system|"))
    return " and ".join(conditions)


def of_type(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """`system|code|value` of an identifier's type and value."""
    parts = [unescaped(part) for part in split(text, "|")]
    if len(parts) != 3 or not all(parts[1:]):
        raise BadParameter(criterion.written, f"{text!r} is not written system|code|value")
    system = arguments.add(system_number(parts[0]) if parts[0] else NO_SYSTEM, "bigint")
    return f"i.system = {system} and i.code = {arguments.add(squeezed(f'{parts[1]}|{parts[2]}'), 'text')}"


def hierarchical(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """A code above or below one; what that means must have been looked up (vocabulary.py)."""
    raise BadParameter(criterion.written, "cannot be asked here, only in a search")


def member(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """A code of a value set that is shipped, named by its url."""
    codes = definitions.value_set(unescaped(text))
    if codes is None:
        raise BadParameter(criterion.written, f"the codes of the value set {text!r} are not known here")
    return one_of(codes, arguments)


def one_of(codes: Iterable[tuple[str, str]], arguments: Arguments) -> str:
    """One of these (system, code)."""
    codes = list(codes)
    systems = arguments.add([system_number(system) for system, _ in codes], "bigint[]")
    values = arguments.add([squeezed(code) for _, code in codes], "text[]")
    return f"(i.code, i.system) in (select c, s from unnest({systems}, {values}) u (s, c))"


def starts(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """A string that begins so, whatever its case and accents."""
    wanted = folded(unescaped(text))
    if not wanted:
        raise BadParameter(criterion.written, "has no value")
    short = wanted[:SQUEEZED]
    low = arguments.add(short, "text")
    if len(wanted) < SQUEEZED:
        high = arguments.add(short + BEYOND, "text")
        return f"left(i.folded, {SQUEEZED}) >= {low} and left(i.folded, {SQUEEZED}) < {high}"
    whole = arguments.add(wanted, "text")
    return f"left(i.folded, {SQUEEZED}) = {low} and starts_with(i.folded, {whole})"


def exactly(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """A string that is the same to the letter."""
    wanted = unescaped(text)
    short = arguments.add(folded(wanted)[:SQUEEZED], "text")
    return f"left(i.folded, {SQUEEZED}) = {short} and i.exact = {arguments.add(wanted, 'text')}"


def equals(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """A string that is the same, whatever its case and accents."""
    wanted = folded(unescaped(text))
    short, whole = arguments.add(wanted[:SQUEEZED], "text"), arguments.add(wanted, "text")
    return f"left(i.folded, {SQUEEZED}) = {short} and i.folded = {whole}"


def ends(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """A string that ends so, whatever its case and accents."""
    wanted = folded(unescaped(text))
    return f"right(i.folded, {len(wanted)}) = {arguments.add(wanted, 'text')}"


def contains(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """A string that holds it anywhere, whatever its case and accents."""
    return f"position({arguments.add(folded(unescaped(text)), 'text')} in i.folded) > 0"


def date(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """A date, dateTime or Period against the instants that the value may mean."""
    prefix, rest = _prefix(text)
    asked = span(rest, zone)
    if asked is None:
        raise BadParameter(
            criterion.written, f"{rest!r} is not a date", [f"{p}2026-01-31T08:00:00+07:00" for p in PREFIXES]
        )
    if prefix == "ap":
        margin = abs(datetime.now(UTC) - asked.low) * float(APPROXIMATELY)
        asked = Span(asked.low - margin, asked.high + margin)
    return between(prefix, asked, arguments)


def overlaps(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """A date, dateTime or Period that has an instant in common with the value."""
    asked = span(text, zone)
    if asked is None:
        raise BadParameter(criterion.written, f"{text!r} is not a date")
    return between("ap", asked, arguments)


RANGES = {
    "eq": "{begin} >= {low} and {begin} < {high} and {end} <= {high}",
    "ne": "({begin} < {low} or {end} > {high})",
    "gt": "{end} > {high}",
    "lt": "{begin} < {low}",
    "ge": "({begin} >= {low} or {end} > {high})",
    "le": "({begin} < {low} or {end} <= {high})",
    "sa": "{begin} >= {high}",
    "eb": "{end} <= {low}",
    "ap": "{begin} < {high} and {end} > {low}",
}
"""Prefix → how the range `begin`…`end` of a row lies to the one asked for (https://hl7.org/fhir/R4/search.html#prefix)."""


def between(prefix: str, asked: Span, arguments: Arguments, begin: str = "i.low", end: str = "i.high") -> str:
    """Compare a row's range of instants with the one asked for."""
    template = RANGES[prefix]
    bound = {
        name: arguments.add(value, "timestamptz") if f"{{{name}}}" in template else ""
        for name, value in zip(("low", "high"), asked, strict=True)
    }
    return template.format(begin=begin, end=end, **bound)


def amount(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """A number: `100` means 99.5 up to 100.5."""
    prefix, rest = _prefix(text)
    value = number(rest)
    if value is None:
        raise BadParameter(criterion.written, f"{rest!r} is not a number", [f"{p}100" for p in PREFIXES])
    return _compare(prefix, value, precision(value), "i.low", "i.high", arguments)


def quantity(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """`number`, `number|system|code`, `number||code`; UCUM units are compared in base units."""
    prefix, rest = _prefix(text)
    parts = [unescaped(part) for part in split(rest, "|")]
    value = number(parts[0])
    if value is None or len(parts) not in (1, 3):
        raise BadParameter(criterion.written, f"{text!r} is not written number, number|system|code or number||code")
    half = precision(value)
    if len(parts) == 1:
        return _compare(prefix, value, half, "i.low", "i.high", arguments)
    _, system, unit = parts
    least = in_base_units(value - half, unit) if system == UCUM_SYSTEM else None
    most = in_base_units(value + half, unit) if system == UCUM_SYSTEM else None
    if least and most:
        middle = (least[0] + most[0]) / 2
        compared = _compare(prefix, middle, abs(most[0] - middle), "i.canonical_low", "i.canonical_high", arguments)
        return f"i.canonical_unit = {arguments.add(least[1], 'text')} and {compared}"
    compared = _compare(prefix, value, half, "i.low", "i.high", arguments)
    if system:
        compared += f" and i.system = {arguments.add(system_number(system), 'bigint')}"
    return f"{compared} and i.unit = {arguments.add(squeezed(unit), 'text')}" if unit else compared


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


def reference(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """`id`, `Type/id`, a url; `:Type` names the type of an id."""
    wanted = unescaped(text)
    if criterion.modifier:
        wanted = f"{criterion.modifier}/{wanted}" if "/" not in wanted else wanted
    if match := LITERAL.fullmatch(wanted):
        type, id = arguments.add(match[1], "text"), arguments.add(match[2], "text")
        return f"i.target_type = {type} and i.target_id = {id}"
    if ":" in wanted:
        return f"i.target_type = '' and i.target_id = {arguments.add(squeezed(wanted), 'text')}"
    if not re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", wanted, re.ASCII):
        raise BadParameter(criterion.written, f"{text!r} is not an id, a reference or a url")
    id = arguments.add(wanted, "text")
    return f"i.target_id = {id} and i.target_type = any({arguments.add(list(criterion.parameter.targets), 'text[]')})"


def uri(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """The same uri."""
    return f"i.uri = {arguments.add(squeezed(unescaped(text)), 'text')}"


def below(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """The uri or one under its path."""
    whole = unescaped(text)
    under = whole.rstrip("/") + "/"
    same = arguments.add([whole, under, under.rstrip("/")], "text[]")
    low, high = arguments.add(under, "text"), arguments.add(under + BEYOND, "text")
    return f"(i.uri = any({same}) or (i.uri >= {low} and i.uri < {high}))"


def above(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """The uri or one that its path is under."""
    return f"i.uri = any({arguments.add(list(_above(unescaped(text))), 'text[]')})"


def _above(uri: str) -> Iterator[str]:
    yield squeezed(uri)
    scheme, separator, rest = uri.partition("://")
    parts = rest.rstrip("/").split("/")
    for length in range(len(parts), 0, -1):
        path = scheme + separator + "/".join(parts[:length])
        yield path
        yield path + "/"


def _prefix(text: str) -> tuple[str, str]:
    return (text[:2], text[2:]) if text[:2] in PREFIXES else ("eq", text)


def _parted(text: str) -> tuple[str, bool, str]:
    parts = split(text, "|")
    if len(parts) == 1:
        return unescaped(parts[0]), False, ""
    return unescaped(parts[0]), True, unescaped("|".join(parts[1:]))


MATCHERS: dict[tuple[str, str], tuple[str, Matcher]] = {
    ("token", ""): ("token_index", token),
    ("token", "not"): ("token_index", token),
    ("token", "in"): ("token_index", member),
    ("token", "not-in"): ("token_index", member),
    ("token", "above"): ("token_index", hierarchical),
    ("token", "below"): ("token_index", hierarchical),
    ("token", "of-type"): ("token_index", of_type),
    ("token", "text"): ("string_index", starts),
    ("string", ""): ("string_index", starts),
    ("string", "="): ("string_index", equals),
    ("string", "ends"): ("string_index", ends),
    ("string", "exact"): ("string_index", exactly),
    ("string", "contains"): ("string_index", contains),
    ("date", ""): ("date_index", date),
    ("date", "overlaps"): ("date_index", overlaps),
    ("number", ""): ("number_index", amount),
    ("quantity", ""): ("quantity_index", quantity),
    ("reference", ""): ("reference_index", reference),
    ("reference", "identifier"): ("token_index", token),
    ("uri", ""): ("uri_index", uri),
    ("uri", "below"): ("uri_index", below),
    ("uri", "above"): ("uri_index", above),
}
"""(type, modifier) → the table to look in and what to ask of its rows. `=`, `ends` and `overlaps` are for `_filter`;
what `above` and `below` mean is looked up beforehand (vocabulary.py)."""

NEGATIVE = frozenset({"not", "not-in"})


def matcher(criterion: Criterion) -> tuple[str, Matcher]:
    """The table and matcher of a criterion; a reference's `:Type` asks what the plain one does."""
    kind = criterion.parameter.kind
    return MATCHERS.get((kind, criterion.modifier)) or MATCHERS[kind, ""]
