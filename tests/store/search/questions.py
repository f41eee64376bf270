"""Questions to ask of resources: for each parameter, what its own values suggest, and what lies beside them."""

from collections.abc import Iterable, Iterator
from datetime import UTC
from decimal import Decimal
from itertools import islice
from typing import Any

from profiles import definitions
from tests.store.search import oracle
from tests.store.search.oracle import Json, Value

PREFIXES = ("", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
SAMPLES = 3
"""Values of each parameter that questions are made from."""
UNASKED = ("_id", "_lastUpdated", "phonetic")
"""Answered by no index, or by the ear."""
Question = tuple[str, str, str, str]
"""Resource type, code, modifier, value."""


def escaped(text: str) -> str:
    """As a value is written in a search."""
    return text.replace("\\", "\\\\").replace(",", "\\,").replace("|", "\\|").replace("$", "\\$")


def questions(resources: Iterable[Json]) -> Iterator[Question]:
    """Everything worth asking of these resources."""
    known: dict[tuple[str, str], dict[str, Value]] = {}
    for resource in resources:
        for code, definition in definitions.search_parameters(resource["resourceType"]).items():
            if definition["type"] in MADE and "expression" in definition and code not in UNASKED:
                for value in oracle.values(resource, definition["expression"]):
                    known.setdefault((resource["resourceType"], code), {})[repr(value)] = value
    for (type, code), found in known.items():
        kind = definitions.search_parameters(type)[code]["type"]
        asked = {("missing", "true"), ("missing", "false")}
        step = max(1, len(found) // SAMPLES)
        targets = definitions.search_parameters(type)[code].get("target", ())
        for value in islice(found.values(), 0, SAMPLES * step, step):
            asked |= {(m, text) for m, text in MADE[kind](value) if not m[:1].isupper() or m in targets}
        yield from ((type, code, modifier, text) for modifier, text in sorted(asked))


def _token(value: Value) -> Iterator[tuple[str, str]]:
    for system, code in oracle.codings(value):
        if code:
            yield from (("", escaped(code)), ("not", escaped(code)))
            if system:
                yield "", f"{escaped(system)}|{escaped(code)}"
            yield "", f"urn:other|{escaped(code)}"
            if value[0] != "code":  # its system goes without saying
                yield "", f"|{escaped(code)}"
        if system:
            yield "", f"{escaped(system)}|"
    for text in oracle.texts(value):
        if words := text.split():
            yield "text", escaped(words[0].upper())
    if value[0] == "Identifier":
        for coding in value[1].get("type", {}).get("coding", ()):
            if "value" in value[1] and "code" in coding:
                parts = (coding.get("system", ""), coding["code"], value[1]["value"])
                yield "of-type", "|".join(map(escaped, parts))


def _string(value: Value) -> Iterator[tuple[str, str]]:
    for text in oracle.strings(value):
        if not oracle.plain(text):
            continue
        yield from (("", escaped(text)), ("", escaped(text[:4].upper())), ("exact", escaped(text)))
        yield "exact", escaped(text.lower())
        if oracle.plain(text[2:6]):
            yield "contains", escaped(text[2:6].upper())
        yield "", escaped(oracle.plain(text)[1:] or "zz")


def _date(value: Value) -> Iterator[tuple[str, str]]:
    kind, item = value
    texts = (
        ([item] if oracle.period(value, UTC) else [])
        if isinstance(item, str)
        else [item[e] for e in ("start", "end") if e in item]
    )
    if kind == "Timing":
        texts = [*item.get("event", ()), *item.get("repeat", {}).get("boundsPeriod", {}).values()]
    for text in texts:
        for part in {text, text[:10], text[:7], text[:4]}:
            yield from (("", prefix + part) for prefix in PREFIXES)


def _amount(value: Value) -> list[Decimal]:
    ends = oracle.limits(value)
    return [end for end in ends or () if end.is_finite()]


def _number(value: Value) -> Iterator[tuple[str, str]]:
    for amount in _amount(value):
        for near in (amount, amount + 1, amount * 2, round(amount)):
            yield from (("", f"{prefix}{near}") for prefix in PREFIXES)


def _quantity(value: Value) -> Iterator[tuple[str, str]]:
    yield from _number(value)
    kind, _item = value
    for amount in _amount(value):
        for system, unit in oracle.units(value):
            for prefix in PREFIXES:
                yield "", f"{prefix}{amount}|{escaped(system)}|{escaped(unit)}"
                yield "", f"{prefix}{amount}||{escaped(unit)}"
        if kind != "Money":
            yield from (("", f"{prefix}{amount}|{oracle.UCUM}|kg") for prefix in PREFIXES)


def _reference(value: Value) -> Iterator[tuple[str, str]]:
    for target in oracle.targets(value, ()):
        yield "", escaped(target)
        kind, slash, id = target.partition("/")
        if slash and kind in definitions.RESOURCE_TYPES and "/" not in id:
            yield from (("", id), (kind, id))
    identifier: Any = value[1].get("identifier") if isinstance(value[1], dict) else None
    if identifier and "value" in identifier:
        yield "identifier", escaped(identifier["value"])
        yield "identifier", f"{escaped(identifier.get('system', ''))}|{escaped(identifier['value'])}"


def _uri(value: Value) -> Iterator[tuple[str, str]]:
    text = str(value[1])
    yield from (("", escaped(text)), ("below", escaped(text)), ("above", escaped(text)))
    if "://" in text and text.count("/") > 3:
        yield "below", escaped(text.rpartition("/")[0])
        yield "above", escaped(text) + "/deeper"


MADE = {
    "token": _token,
    "string": _string,
    "date": _date,
    "number": _number,
    "quantity": _quantity,
    "reference": _reference,
    "uri": _uri,
}
"""Search parameter type → questions (modifier, value) that a value suggests."""
