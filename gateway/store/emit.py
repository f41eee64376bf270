"""From a value to the rows of its parameter type. One function per type, in the table EMITTERS."""

import re
from collections.abc import Callable, Iterator
from datetime import tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .values import (
    CURRENCY_SYSTEM,
    EARLIEST,
    LATEST,
    NO_SYSTEM,
    UCUM_SYSTEM,
    Span,
    comparable,
    folded,
    in_base_units,
    span,
    squeezed,
    system_number,
)

if TYPE_CHECKING:
    from .extract import Step

Rows = dict[str, list[tuple[Any, ...]]]
Head = tuple[int, int, int, int]
"""resource, parameter, facility, part: the first columns of every index row."""
Emitter = Callable[[Rows, Head, Any, tzinfo, "Step"], None]

LITERAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")
"""A reference to a resource of this facility."""

STRING_ELEMENTS = (
    *("family", "given", "prefix", "suffix", "text"),
    *("line", "city", "district", "state", "postalCode", "country"),
    *("display", "value"),
)
"""What a string search looks at in a HumanName, an Address, a CodeableConcept, a Coding, an Identifier."""

ENDLESS = Decimal("Infinity")


def _token(rows: Rows, head: Head, value: Any, zone: tzinfo, step: "Step") -> None:
    if isinstance(value, bool):
        rows["token_index"].append((*head, NO_SYSTEM, "true" if value else "false"))
    elif not isinstance(value, dict):
        code = str(value)
        rows["token_index"].append((*head, step.systems.get(code, NO_SYSTEM), squeezed(code)))
    elif "coding" in value:
        for coding in value["coding"]:
            _coding(rows, head, coding)
        _display(rows, head, value.get("text"))
    elif "value" in value:
        _identifier(rows, head, value, step)
    else:
        _coding(rows, head, value)


def _coding(rows: Rows, head: Head, coding: dict[str, Any]) -> None:
    if "code" in coding:
        system = coding.get("system")
        rows["token_index"].append((*head, system_number(system) if system else NO_SYSTEM, squeezed(coding["code"])))
    _display(rows, head, coding.get("display") or coding.get("text"))


def _identifier(rows: Rows, head: Head, identifier: dict[str, Any], step: "Step") -> None:
    system, value = identifier.get("system"), str(identifier["value"])
    rows["token_index"].append((*head, system_number(system) if system else NO_SYSTEM, squeezed(value)))
    kind = identifier.get("type")
    if not isinstance(kind, dict):
        return
    _display(rows, head, kind.get("text"))
    for coding in kind.get("coding", ()):
        if "code" in coding and step.of_type:
            of = system_number(coding["system"]) if "system" in coding else NO_SYSTEM
            rows["token_index"].append((head[0], step.of_type, *head[2:], of, squeezed(f"{coding['code']}|{value}")))


def _display(rows: Rows, head: Head, text: Any) -> None:
    if head[3] == 0:  # composites have no :text
        _text(rows, head, text)


def _text(rows: Rows, head: Head, text: Any) -> None:
    if text:
        rows["string_index"].append((*head, folded(text), text.replace("\x00", "")))


def _string(rows: Rows, head: Head, value: Any, zone: tzinfo, step: "Step") -> None:
    if not isinstance(value, dict):
        _text(rows, head, str(value))
        return
    for element in STRING_ELEMENTS:
        found = value.get(element)
        if isinstance(found, str):
            _text(rows, head, found)
        elif isinstance(found, list):
            for text in found:
                _text(rows, head, text)


def _date(rows: Rows, head: Head, value: Any, zone: tzinfo, step: "Step") -> None:
    found = _timing(value, zone) if isinstance(value, dict) else span(str(value), zone)
    if found:
        rows["date_index"].append((*head, *found))


def _timing(value: dict[str, Any], zone: tzinfo) -> Span | None:
    """The outer limits of a Period or a Timing."""
    if "start" in value or "end" in value:
        low = span(value["start"], zone) if value.get("start") else None
        high = span(value["end"], zone) if value.get("end") else None
        return Span(low.low if low else EARLIEST, high.high if high else LATEST)
    spans = [span(event, zone) for event in value.get("event", ()) if event]
    bounds = value.get("repeat", {}).get("boundsPeriod")
    spans += [_timing(bounds, zone)] if bounds else []
    known = [s for s in spans if s]
    return Span(min(s.low for s in known), max(s.high for s in known)) if known else None


def _limits(value: dict[str, Any]) -> tuple[Decimal, Decimal] | None:
    """Least and greatest amount of a Quantity (with its comparator), a Money or a Range."""
    if "low" in value or "high" in value:
        ends = value.get("low", {}).get("value", -ENDLESS), value.get("high", {}).get("value", ENDLESS)
    else:
        amount, comparator = value.get("value"), value.get("comparator", "")
        if amount is None or isinstance(amount, str):
            return None
        ends = (-ENDLESS if comparator[:1] == "<" else amount), (ENDLESS if comparator[:1] == ">" else amount)
    low, high = map(comparable, ends)
    return None if low is None or high is None else (low, high)


def _number(rows: Rows, head: Head, value: Any, zone: tzinfo, step: "Step") -> None:
    limits = _limits(value if isinstance(value, dict) else {"value": value})
    if limits:
        rows["number_index"].append((*head, *limits))


def _quantity(rows: Rows, head: Head, value: Any, zone: tzinfo, step: "Step") -> None:
    limits = _limits(value) if isinstance(value, dict) else None
    if not limits:
        return
    low, high = limits
    measured = value.get("low") or value.get("high") or value
    if "currency" in measured:
        rows["quantity_index"].append(
            (*head, low, high, system_number(CURRENCY_SYSTEM), measured["currency"], None, None, None)
        )
        return
    system, code, unit = measured.get("system"), measured.get("code"), measured.get("unit")
    canonical = _canonical(low, high, code) if code and system == UCUM_SYSTEM else (None, None, None)
    number = system_number(system) if system else NO_SYSTEM
    rows["quantity_index"].append((*head, low, high, number, squeezed(code or unit or ""), *canonical))
    if code and unit and unit != code:
        rows["quantity_index"].append((*head, low, high, NO_SYSTEM, squeezed(unit), None, None, None))


def _canonical(low: Decimal, high: Decimal, code: str) -> tuple[Decimal | None, Decimal | None, str | None]:
    ends = [in_base_units(end, code) for end in (low, high) if end.is_finite()]
    if not ends or ends[0] is None or ends[-1] is None:
        return None, None, None
    least = ends[0][0] if low.is_finite() else -ENDLESS
    most = ends[-1][0] if high.is_finite() else ENDLESS
    return least, most, ends[0][1]


def _reference(rows: Rows, head: Head, value: Any, zone: tzinfo, step: "Step") -> None:
    if isinstance(value, str):
        _target(rows, head, value, None)
        if "|" in value:
            _target(rows, head, value.partition("|")[0], None)
    elif isinstance(value, dict) and "resourceType" in value:
        if "id" in value:
            rows["reference_index"].append((*head, value["resourceType"], value["id"]))
    elif isinstance(value, dict):
        if "reference" in value:
            _target(rows, head, value["reference"], step.target)
        if "identifier" in value and step.target in (None, value.get("type")):
            _token(rows, head, value["identifier"], zone, step)


def _target(rows: Rows, head: Head, reference: str, wanted: str | None) -> None:
    if match := LITERAL.fullmatch(reference):
        if wanted in (None, match[1]):
            rows["reference_index"].append((*head, match[1], match[2]))
    elif not reference.startswith("#") and (wanted is None or f"/{wanted}/" in reference):
        rows["reference_index"].append((*head, "", squeezed(reference)))


def _uri(rows: Rows, head: Head, value: Any, zone: tzinfo, step: "Step") -> None:
    if not isinstance(value, dict):
        rows["uri_index"].append((*head, squeezed(str(value))))


EMITTERS: dict[str, Emitter] = {
    "token": _token,
    "string": _string,
    "date": _date,
    "number": _number,
    "quantity": _quantity,
    "reference": _reference,
    "uri": _uri,
}
"""Search parameter type → how a value becomes rows."""


def references(node: Any) -> Iterator[tuple[str, str]]:
    """The (type, id) of every literal reference anywhere in a resource."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "reference" and isinstance(value, str):
                if match := LITERAL.fullmatch(value):
                    yield match[1], match[2]
            elif isinstance(value, dict | list):
                yield from references(value)
    else:
        for value in node:
            if isinstance(value, dict | list):
                yield from references(value)
