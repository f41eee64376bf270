"""From a value to the rows of its parameter type. One function per type, in the table EMITTERS.

Cells are text as PostgreSQL reads it: see rows.py.
"""

import html
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from . import values
from .rows import NULL
from .values import (
    CURRENCY_SYSTEM,
    EARLIEST,
    LATEST,
    OFFSETS,
    UCUM_SYSTEM,
    Span,
    code_of,
    comparable,
    contact,
    folded,
    in_base_units,
    plain,
    span,
    squeezed,
    system_number,
    words,
)

if TYPE_CHECKING:
    from .extract import Step

Tail = tuple[str, bool, tuple[str | None, ...]]
"""One index row behind its first columns: (table, whether it belongs to the `:of-type` parameter, cells)."""
Emitter = Callable[[list[Tail], Any, tzinfo, "Step", Sequence[str]], None]
"""Adds the tails of one value. The last argument: the addresses under which this facility's resources are known."""

LITERAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")
"""A reference to a resource of this facility."""

INSIDE = "#"
"""In the place of a target's type: its id is the key of a contained resource (indexing.py). Until that is known, the
type that it must have follows the sign, and the id is the reference as it is written."""

STRING_ELEMENTS = (
    *("family", "given", "prefix", "suffix", "text"),
    *("line", "city", "district", "state", "postalCode", "country"),
    *("display", "value"),
)
"""What a string search looks at in a HumanName, an Address, a CodeableConcept, a Coding, an Identifier."""

ENDLESS = Decimal("Infinity")
NO_SYSTEM = str(values.NO_SYSTEM)
_SECOND = timedelta(seconds=1)


@lru_cache(4096)
def system_cell(uri: str) -> str:
    """A code system's number as it stands in a row."""
    return str(system_number(uri))


@lru_cache(4096)
def instants(text: str, zone: tzinfo) -> tuple[str, str] | None:
    """A `span` as it stands in a row; None: not a date."""
    if text[4:19:3] == "--T::" and OFFSETS.get(text[19:20]) == len(text) and text[20:22] < "15":
        try:  # a dateTime to the second, which PostgreSQL reads as it is
            high = datetime.fromisoformat(text) + _SECOND
            if 1 < high.year < 9999:
                return text, high.isoformat()
        except ValueError:
            pass
    found = span(text, zone)
    return (found.low.isoformat(), found.high.isoformat()) if found else None


def _token(tails: list[Tail], value: Any, zone: tzinfo, step: "Step", bases: Sequence[str]) -> None:
    if isinstance(value, bool):
        tails.append(("token_index", False, (NO_SYSTEM, "true" if value else "false")))
    elif not isinstance(value, dict):
        code = str(value)
        number = step.systems.get(code, NO_SYSTEM)
        tails.append(("token_index", False, (number, squeezed(code.lower() if step.caseless else code))))
    elif "coding" in value:
        for coding in value["coding"]:
            _coding(tails, coding)
        _text(tails, value.get("text"))
    elif value.get("system") in CONTACTS:
        if "value" in value:
            tails.append(("token_index", False, (system_cell(value["system"]), squeezed(contact(value["value"])))))
    elif "value" in value or "type" in value:
        _identifier(tails, value)
    else:
        _coding(tails, value)


CONTACTS = frozenset({"phone", "fax", "email", "pager", "url", "sms", "other"})
"""Systems of a ContactPoint; those of an Identifier are uris."""


def _coding(tails: list[Tail], coding: dict[str, Any]) -> None:
    tails += _coded(coding.get("system"), coding.get("code"), coding.get("display") or coding.get("text"))


@lru_cache(2048)
def _coded(system: str | None, code: str | None, text: str | None) -> list[Tail]:
    tails: list[Tail] = []
    if system:
        tails.append(("token_index", False, (system_cell(system), code_of(system, code) if code else "")))
    elif code:
        tails.append(("token_index", False, (NO_SYSTEM, code_of("", code))))
    _text(tails, text)
    return tails


def _identifier(tails: list[Tail], identifier: dict[str, Any]) -> None:
    system, value = identifier.get("system"), str(identifier.get("value", ""))
    if system or value:
        tails.append(("token_index", False, (system_cell(system) if system else NO_SYSTEM, squeezed(value))))
    kind = identifier.get("type")
    if not isinstance(kind, dict):
        return
    _text(tails, kind.get("text"))
    for coding in kind.get("coding", ()):
        if "code" in coding and value:
            of = coding.get("system", "")
            number = system_cell(of) if of else NO_SYSTEM
            tails.append(("token_index", True, (number, squeezed(f"{code_of(of, coding['code'])}|{value}"))))


def _text(tails: list[Tail], text: Any) -> None:
    if text:
        tails.append(("string_index", False, (folded(text), text.replace("\x00", ""))))


def _string(tails: list[Tail], value: Any, zone: tzinfo, step: "Step", bases: Sequence[str]) -> None:
    fold, texts = step.fold, list(_texts(value))
    known = set()
    for text in texts:
        found = fold(text)
        known.add(found)
        tails.append(("string_index", False, (found, text.replace("\x00", ""))))
    if step.words:
        for text in list(known):
            for end in words(text):
                if end not in known:
                    known.add(end)
                    tails.append(("string_index", False, (end, A_PART)))


A_PART = ""
"""In the place of the exact text: the row is only a part of one, by which it may be found."""


def _texts(value: Any) -> Iterator[str]:
    if not isinstance(value, dict):
        yield str(value)
        return
    for element in STRING_ELEMENTS:
        found = value.get(element)
        if isinstance(found, str):
            yield found
        elif isinstance(found, list):
            yield from (text for text in found if text)


def _date(tails: list[Tail], value: Any, zone: tzinfo, step: "Step", bases: Sequence[str]) -> None:
    if isinstance(value, dict):
        limits = _timing(value, zone)
        found = (limits.low.isoformat(), limits.high.isoformat()) if limits else None
    else:
        found = instants(str(value), zone)
    if found:
        tails.append(("date_index", False, found))


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
    low = comparable(ends[0])
    high = low if ends[1] is ends[0] else comparable(ends[1])
    return None if low is None or high is None else (low, high)


def _number(tails: list[Tail], value: Any, zone: tzinfo, step: "Step", bases: Sequence[str]) -> None:
    limits = _limits(value if isinstance(value, dict) else {"value": value})
    if limits:
        tails.append(("number_index", False, (str(limits[0]), str(limits[1]))))


def _quantity(tails: list[Tail], value: Any, zone: tzinfo, step: "Step", bases: Sequence[str]) -> None:
    limits = _limits(value) if isinstance(value, dict) else None
    if not limits:
        return
    low, high = limits
    ends = str(low), str(high)
    measured = value.get("low") or value.get("high") or value
    if "currency" in measured:
        money = (*ends, system_cell(CURRENCY_SYSTEM), measured["currency"], *NOT_CANONICAL)
        tails.append(("quantity_index", False, money))
        return
    system, code, unit = measured.get("system"), measured.get("code"), measured.get("unit")
    canonical = _canonical(low, high, code) if code and system == UCUM_SYSTEM else NOT_CANONICAL
    number = system_cell(system) if system else NO_SYSTEM
    tails.append(("quantity_index", False, (*ends, number, squeezed(code or unit or ""), *canonical)))
    if code and unit and unit != code:
        tails.append(("quantity_index", False, (*ends, NO_SYSTEM, squeezed(unit), *NOT_CANONICAL)))


NOT_CANONICAL = (NULL, NULL, None)


def _canonical(low: Decimal, high: Decimal, code: str) -> tuple[str, str, str | None]:
    if low is high and low.is_finite():
        exactly = in_base_units(low, code)
        return (amount := str(exactly[0]), amount, exactly[1]) if exactly else NOT_CANONICAL
    ends = [in_base_units(end, code) for end in (low, high) if end.is_finite()]
    if not ends or ends[0] is None or ends[-1] is None:
        return NOT_CANONICAL
    least = ends[0][0] if low.is_finite() else -ENDLESS
    most = ends[-1][0] if high.is_finite() else ENDLESS
    return str(least), str(most), ends[0][1]


def _reference(tails: list[Tail], value: Any, zone: tzinfo, step: "Step", bases: Sequence[str]) -> None:
    if isinstance(value, str):
        _target(tails, value, None, bases)
        if "|" in value:
            _target(tails, value.partition("|")[0], None, bases)
    elif isinstance(value, dict) and "resourceType" in value:
        if "id" in value:
            tails.append(("reference_index", False, (value["resourceType"], value["id"])))
    elif isinstance(value, dict):
        if "reference" in value:
            _target(tails, value["reference"], step.target, bases)
        if "identifier" in value and (step.target in (None, value.get("type")) or _leads(value, step.target, bases)):
            _token(tails, value["identifier"], zone, step, bases)


def _leads(reference: dict[str, Any], wanted: str | None, bases: Sequence[str]) -> bool:
    found = local(reference.get("reference", ""), bases)
    return found is not None and found[0] == wanted


def _target(tails: list[Tail], reference: str, wanted: str | None, bases: Sequence[str]) -> None:
    if found := local(reference, bases):
        if wanted in (None, found[0]):
            tails.append(("reference_index", False, found))
    elif reference.startswith("#"):
        tails.append(("reference_index", False, (f"{INSIDE}{wanted or ''}", reference)))
    elif wanted is None or f"/{wanted}/" in reference:
        tails.append(("reference_index", False, ("", squeezed(reference))))


@lru_cache(4096)
def local(reference: str, bases: Sequence[str] = ()) -> tuple[str, str] | None:
    """The (type, id) that a reference means at this facility: `Type/id`, or that below one of its own addresses."""
    for base in bases:
        if reference.startswith(base):
            reference = reference[len(base) :].lstrip("/")
            break
    match = LITERAL.fullmatch(reference)
    return (match[1], match[2]) if match else None


def _uri(tails: list[Tail], value: Any, zone: tzinfo, step: "Step", bases: Sequence[str]) -> None:
    if not isinstance(value, dict):
        tails.append(("uri_index", False, (squeezed(str(value)),)))
        if "|" in value:
            tails.append(("uri_index", False, (squeezed(value.partition("|")[0]),)))


def _near(tails: list[Tail], value: Any, zone: tzinfo, step: "Step", bases: Sequence[str]) -> None:
    latitude, longitude = (comparable(value[name]) if name in value else None for name in ("latitude", "longitude"))
    if latitude is not None and longitude is not None:
        tails.append(("position_index", False, (str(float(latitude)), str(float(longitude)))))


EMITTERS: dict[str, Emitter] = {
    "token": _token,
    "string": _string,
    "date": _date,
    "number": _number,
    "quantity": _quantity,
    "reference": _reference,
    "uri": _uri,
    "special": _near,
}
"""Search parameter type → how a value becomes rows."""


UNREAD = frozenset({"div", "data", "system", "url", "profile", "resourceType", "versionId", "lastUpdated", "reference"})
"""Elements whose text is for machines: a search by `_content` does not look at them."""
MOST_WORDS = 100_000
"""Characters of a resource that `_text` and `_content` look at."""
_MARKUP = re.compile(r"<[^>]*>")


def walked(resource: Any) -> tuple[list[tuple[str, str]], list[str]]:
    """The (type, id) of every literal reference anywhere in a resource, and every text that a person may read."""
    targets, words = [], []
    ahead = [resource]
    for node in ahead:
        for key, value in node.items():
            kind = type(value)
            if kind is str:
                if key not in UNREAD:
                    words.append(value)
                elif key == "reference" and (found := local(value)):
                    targets.append(found)
            elif kind is dict:
                ahead.append(value)
            elif kind is list:
                for item in value:
                    if type(item) is dict:
                        ahead.append(item)
                    elif type(item) is str and key not in UNREAD:
                        words.append(item)
    return targets, words


def references(resource: Any) -> list[tuple[str, str]]:
    """The (type, id) of every literal reference anywhere in a resource."""
    return walked(resource)[0]


def narrative(resource: Any) -> str:
    """The words of the narrative without its markup; empty where there is none."""
    text = resource.get("text")
    return html.unescape(_MARKUP.sub(" ", text.get("div", ""))) if isinstance(text, dict) else ""


def readable(texts: Sequence[str]) -> str:
    """Texts as the word index holds them."""
    return plain(" ".join(texts)[:MOST_WORDS])
