"""What a search should find, the slow and obvious way: the parameter's whole FHIRPath on each resource, its values by
their FHIR type, the specification's words on each value. It shares nothing with the index, the statements or their
folding, so that the two can only agree by both being right.

Source: https://hl7.org/fhir/R4/search.html
"""

import re
import unicodedata
from calendar import monthrange
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import cache
from typing import Any

from profiles import definitions, fhirpath, ucum

Json = dict[str, Any]
Value = tuple[str, Any]
"""FHIR type and value."""
FIRST, LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


@cache
def compiled(expression: str, type: str | None = None) -> Any:
    """`as` in a search expression means `ofType`: the element may repeat."""
    meant = re.sub(r"\(([\w.]+) as (\w+)\)", r"\1.ofType(\2)", expression).replace(".as(", ".ofType(")
    return fhirpath.compile(meant.replace("ofType(DateTime)", "ofType(dateTime)"), type)


def resolver(resource: Json) -> Callable[[str], Json | None]:
    """A reference → what it leads to, as far as its type goes."""

    def resolve(reference: str) -> Json | None:
        if reference.startswith("#"):
            return next((c for c in resource.get("contained", ()) if f"#{c.get('id')}" == reference), None)
        named = re.search(r"(?:^|/)([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[\w.\-]+)?$", reference)
        return {"resourceType": named[1], "id": "x"} if named and named[1] in definitions.RESOURCE_TYPES else None

    return resolve


def values(resource: Json, expression: str) -> list[Value]:
    """What an expression selects; a primitive without a value is no value, an extension counts as its value."""
    found: list[Value] = compiled(expression, resource["resourceType"]).typed(resource, resolver=resolver(resource))
    opened = [
        next(((key[5:], item) for key, item in value.items() if key.startswith("value")), (kind, None))
        if kind == "Extension"
        else (kind, value)
        for kind, value in found
    ]
    return [(kind, value) for kind, value in opened if value is not None]


# --- tokens


def codings(value: Value) -> Iterable[tuple[str, str]]:
    """(system, code) of every coding, identifier or code."""
    kind, item = value
    if kind == "CodeableConcept":
        yield from ((c.get("system", ""), c.get("code", "")) for c in item.get("coding", ()))
    elif kind in ("Coding", "Quantity"):
        yield item.get("system", ""), item.get("code", "")
    elif kind == "Identifier" or kind == "ContactPoint":
        yield item.get("system", ""), item.get("value", "")
    elif kind in ("boolean", "System.Boolean"):
        yield "", "true" if item else "false"
    else:
        yield "", str(item)


def texts(value: Value) -> Iterable[str]:
    """What `:text` looks at."""
    kind, item = value
    if kind == "CodeableConcept":
        yield item.get("text", "")
        yield from (c.get("display", "") for c in item.get("coding", ()))
    elif kind == "Coding":
        yield item.get("display", "")
    elif kind == "Identifier":
        yield item.get("type", {}).get("text", "")


def token(found: list[Value], asked: str, implied: bool) -> bool:
    """`implied`: the element is a code, whose system only its value set knows."""
    system, bar, code = asked.rpartition("|")
    for have_system, have_code in (pair for value in found for pair in codings(value)):
        if code and code != have_code:
            continue
        if not bar or (system == have_system and not (implied and not system)):
            return True
    return False


# --- strings


def plain(text: str) -> str:
    """Letters and digits without case and accents, in words."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()
    return " ".join(re.findall(r"[^\W_]+", re.sub(r"['’`´]", "", bare)))


STRINGS = {
    "HumanName": ("text", "family", "given", "prefix", "suffix"),
    "Address": ("text", "line", "city", "district", "state", "postalCode", "country"),
}


def by_words(definition: Json) -> bool:
    """Whether each word of a text may be asked for, as those of names may."""
    family = definition["expression"].split(" | ")[0].endswith(".family")
    return family or definition["code"] in ("name", "phonetic")


def begins(text: str, asked: str, *, words: bool) -> bool:
    """A text begins as asked, or does so from one of its words on."""
    text, asked = plain(text), plain(asked)
    return text.startswith(asked) or (words and f" {asked}" in f" {text}")


def strings(value: Value) -> Iterable[str]:
    """Every text of a value that a string search looks at."""
    kind, item = value
    if kind not in STRINGS:
        yield str(item)
        return
    for name in STRINGS[kind]:
        there = item.get(name, ())
        yield from ([there] if isinstance(there, str) else [t for t in there if t])


# --- dates


def moments(text: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """The instants that a date of limited precision may mean, the second not included."""
    date, _, clock = text.partition("T")
    parts = [int(part) for part in date.split("-")]
    if not clock:
        year, month, day = (*parts, 0, 0)[:3]
        low = datetime(year, month or 1, day or 1, tzinfo=zone)
        days = 1 if day else monthrange(year, month)[1] if month else 366 if monthrange(year, 2)[1] == 29 else 365
        return low, (low.replace(tzinfo=None) + timedelta(days=days)).replace(tzinfo=zone)
    match = re.fullmatch(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?", clock)
    assert match, text
    offset = (match[5] or "").replace("Z", "+00:00")
    at = datetime.fromisoformat(f"{date}T{match[1]}:{match[2]}:{match[3] or '00'}{offset}")
    at = at if offset else at.replace(tzinfo=zone)
    at += timedelta(microseconds=int((match[4] or "0").ljust(6, "0")[:6]))
    width = timedelta(minutes=1) if match[3] is None else timedelta(seconds=1)
    return at, at + (timedelta(microseconds=10 ** (6 - min(len(match[4]), 6))) if match[4] else width)


def period(value: Value, zone: tzinfo) -> tuple[datetime, datetime] | None:
    """The outer limits of what a value means in time."""
    kind, item = value
    if kind == "Period":
        low = moments(item["start"], zone)[0] if "start" in item else FIRST
        return low, moments(item["end"], zone)[1] if "end" in item else LAST
    if kind == "Timing":
        ends = [moments(event, zone) for event in item.get("event", ())]
        if "boundsPeriod" in item.get("repeat", {}):
            bounds = period(("Period", item["repeat"]["boundsPeriod"]), zone)
            ends += [bounds] if bounds else []
        return (min(low for low, _ in ends), max(high for _, high in ends)) if ends else None
    return moments(item, zone) if re.fullmatch(r"\d{4}(-\d\d(-\d\d(T.*)?)?)?", str(item)) else None


def date(found: list[Value], prefix: str, asked: str, zone: tzinfo) -> bool:
    """The range of the value against those of the search's, below it and above it."""
    low, high = moments(asked, zone)
    if prefix == "ap":
        margin = abs(datetime.now(UTC) - low) / 10
        low, high = low - margin, high + margin
    for begin, end in (p for p in (period(value, zone) for value in found) if p):
        within = low <= begin < high and end <= high
        met = {
            "eq": within,
            "ne": not within,
            "gt": end > high,
            "lt": begin < low,
            "ge": end > low,
            "le": begin < high,
            "sa": begin >= high,
            "eb": end <= low,
            "ap": begin < high and end > low,
        }
        if met[prefix]:
            return True
    return False


# --- numbers and quantities

ENDLESS = Decimal("Infinity")


def half(written: str) -> Decimal:
    """Half a unit of the last digit written; `1e2` counts as 1.0e2, as in the specification's example."""
    exponent = int(Decimal(written).as_tuple().exponent)
    return Decimal(5).scaleb(exponent - 1 if exponent <= 0 else exponent - 2)


def limits(value: Value) -> tuple[Decimal, Decimal] | None:
    """Least and greatest amount."""
    kind, item = value
    if kind == "Range":
        low, high = item.get("low", {}).get("value"), item.get("high", {}).get("value")
        if low is None and high is None:
            return None
        return -ENDLESS if low is None else Decimal(low), ENDLESS if high is None else Decimal(high)
    amount = item.get("value") if isinstance(item, dict) else item
    if amount is None:
        return None
    amount, comparator = Decimal(amount), item.get("comparator", "") if isinstance(item, dict) else ""
    return -ENDLESS if "<" in comparator else amount, ENDLESS if ">" in comparator else amount


def compared(low: Decimal, high: Decimal, prefix: str, amount: Decimal, margin: Decimal) -> bool:
    """A range of amounts against the one asked for."""
    least, most = amount - margin, amount + margin
    within = least <= low < most and high < most
    near = abs(amount) / 10
    met = {
        "eq": within,
        "ne": not within,
        "gt": high > amount,
        "lt": low < amount,
        "ge": high >= amount,
        "le": low <= amount,
        "sa": low > amount,
        "eb": high < amount,
        "ap": low <= amount + near and high >= amount - near,
    }
    return met[prefix]


def number(found: list[Value], prefix: str, asked: str) -> bool:
    """A number, to the precision that was written."""
    ranges = [r for r in map(limits, found) if r]
    return any(compared(*r, prefix, Decimal(asked), half(asked)) for r in ranges)


def units(value: Value) -> set[tuple[str, str]]:
    """(system, code or unit) under which an amount may be asked for."""
    kind, item = value
    if kind == "Money":
        return {("urn:iso:std:iso:4217", item.get("currency", ""))}
    measured = item.get("low") or item.get("high") or item
    system = measured.get("system", "")
    names = {(system, measured["code"])} if "code" in measured else {(system, measured.get("unit", ""))}
    return names | ({("", measured["unit"])} if "unit" in measured else set())


def based(amount: Decimal, code: str) -> tuple[Decimal, str] | None:
    """The amount in UCUM base units."""
    try:
        return ucum.canonical(amount, code)
    except (ucum.UcumError, ArithmeticError, ValueError):
        return None


UCUM = "http://unitsofmeasure.org"


def quantity(found: list[Value], prefix: str, asked: str) -> bool:
    """An amount, in any unit, in a unit by its name, or in whatever is the same in UCUM."""
    text, *unit = asked.split("|")
    for value in found:
        ends = limits(value)
        if ends is None:
            continue
        if not unit:
            if compared(*ends, prefix, Decimal(text), half(text)):
                return True
        elif unit[0] == UCUM and based(Decimal(text), unit[1]):
            if _same_in_ucum(value, ends, prefix, text, unit[1]):
                return True
        elif any(name == unit[1] and unit[0] in ("", system) for system, name in units(value)) and compared(
            *ends, prefix, Decimal(text), half(text)
        ):
            return True
    return False


def _same_in_ucum(value: Value, ends: tuple[Decimal, Decimal], prefix: str, text: str, code: str) -> bool:
    measured = value[1].get("low") or value[1].get("high") or value[1]
    asked, above = based(Decimal(text), code), based(Decimal(text) + half(text), code)
    own = based(Decimal(1), measured["code"]) if measured.get("system") == UCUM and "code" in measured else None
    if not (asked and above and own) or own[1] != asked[1]:
        return False
    low, high = (end if end.is_infinite() else based(end, measured["code"]) for end in ends)
    low, high = (end[0] if isinstance(end, tuple) else end for end in (low, high))
    return compared(low, high, prefix, asked[0], abs(above[0] - asked[0]))


# --- references and uris


def targets(value: Value, bases: Sequence[str]) -> Iterable[str]:
    """`Type/id` here, or the address elsewhere, with and without its version."""
    kind, item = value
    if isinstance(item, dict) and "resourceType" in item:
        if "id" in item:
            yield f"{item['resourceType']}/{item['id']}"
        return
    text = item.get("reference", "") if isinstance(item, dict) else str(item)
    if not text or text.startswith("#"):
        return
    for base in bases:
        text = text.removeprefix(base)
    if kind == "canonical" or (kind == "uri" and "|" in text):
        yield text.partition("|")[0]
    yield re.sub(r"/_history/[\w.\-]+$", "", text) if re.match(r"[A-Z]\w+/", text) else text


def reference(found: list[Value], asked: str, type: str, kinds: Sequence[str], bases: Sequence[str]) -> bool:
    """An id, `Type/id` or an address; `type` is that of the modifier."""
    for base in bases:
        asked = asked.removeprefix(base)
    there = {target for value in found for target in targets(value, bases)}
    if re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", asked):
        return any(f"{kind}/{asked}" in there for kind in ([type] if type else kinds))
    return asked in there


def uri(found: list[Value], asked: str, modifier: str) -> bool:
    """The same uri; one below it, or above it, part by part of its path."""
    for _, have in found:
        if have == asked:
            return True
        if modifier == "below" and f"{have.rstrip('/')}/".startswith(f"{asked.rstrip('/')}/"):
            return True
        if modifier == "above" and "://" in have and f"{asked.rstrip('/')}/".startswith(f"{have.rstrip('/')}/"):
            return True
    return False


PREFIXED = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)", re.DOTALL)


def meets(resource: Json, code: str, modifier: str, asked: str, zone: tzinfo, bases: Sequence[str] = ()) -> bool:
    """Whether a resource is what `code:modifier=asked` asks for. No composites; those are `pairs`."""
    definition = definitions.search_parameters(resource["resourceType"])[code]
    found = values(resource, definition["expression"])
    if modifier == "missing":
        return (not found) is (asked == "true")
    if modifier == "not":
        return not meets(resource, code, "", asked, zone, bases)
    if modifier in ("text", "exact", "contains", "identifier"):
        return _by_text(found, modifier, asked)
    if modifier == "of-type":
        system, kind, value = asked.split("|")
        return any(
            v.get("value") == value and {"system": system, "code": kind}.items() <= coding.items()
            for _, v in found
            for coding in v.get("type", {}).get("coding", ())
        )
    prefix, rest = PREFIXED.fullmatch(asked).groups()  # type: ignore[union-attr]
    kind = definition["type"]
    if kind == "token":
        return token(found, asked, any(k == "code" for k, _ in found))
    if kind == "string":
        named = by_words(definition)
        return any(
            begins(text, asked, words=named and (value[0] == "HumanName" or code == "family"))
            for value in found
            for text in strings(value)
        )
    if kind == "date":
        return date(found, prefix or "eq", rest, zone)
    if kind == "number":
        return number(found, prefix or "eq", rest)
    if kind == "quantity":
        return quantity(found, prefix or "eq", rest)
    if kind == "reference":
        return reference(found, asked, modifier, definition.get("target", ()), bases)
    assert kind == "uri", kind
    return uri(found, asked, modifier)


def _by_text(found: list[Value], modifier: str, asked: str) -> bool:
    if modifier == "text":
        return any(plain(text).startswith(plain(asked)) for value in found for text in texts(value) if text)
    if modifier == "exact":
        return any(text == asked for value in found for text in strings(value))
    if modifier == "contains":
        return any(plain(asked) in plain(text) for value in found for text in strings(value))
    held = [("Identifier", v["identifier"]) for _, v in found if isinstance(v, dict) and "identifier" in v]
    return token(held, asked, implied=False)
