"""The checks that rules are made of: each word that may stand in a rule's `check`, and the function that it means.

A maker turns a rule into a `Check`. An absent element is the concern of `required` alone.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from profiles.rules import coded, identifiers, products
from profiles.rules.book import Rule
from profiles.rules.check import Check
from profiles.rules.codes import Site
from profiles.rules.findings import Judgement, Place, Severity

EARLIEST = "2014-06-03T00:00:00"
"""The server refuses an instant before this one (reference: SATUSEHAT, general data types)."""

_DAY = r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_INSTANT = re.compile(rf"({_DAY}T{_CLOCK})(?:\.[0-9]+)?(Z|[+-][0-9]{{2}}:[0-9]{{2}})")
utc_instant = re.compile(rf"{_DAY}T{_CLOCK}\+00:00").fullmatch
_DATE = re.compile(rf"[0-9]{{4}}(-(0[1-9]|1[0-2]))?|{_DAY}")
_TIME = re.compile(rf"{_CLOCK}(\.[0-9]+)?")
_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/[A-Za-z0-9.-]{1,64}")
_UUID = re.compile(r"urn:uuid:[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def present(rule: Rule, site: Site) -> Check:
    """The element is there and says something; that it is there at all is checked where it is missing."""

    def report(value: Any, place: Place, judgement: Judgement) -> None:
        if isinstance(value, str) and not value.strip():
            judgement.report(rule, "empty", place, value)

    return Check(report, "{v}.__class__ is not str or {v}.strip()")


def instant(rule: Rule, site: Site) -> Check:
    """A dateTime on the wire: `YYYY-MM-DDThh:mm:ss+00:00`. `future`: may lie ahead ("warning": with a warning);
    `dates`: may lack the time; `offset`: another offset than UTC is let through (with a warning), as the server does;
    `after`: the earliest."""
    future, lenient = rule.args.get("future", False), rule.args.get("offset", False)
    earliest, dates = rule.args.get("after", EARLIEST), rule.args.get("dates", False)

    def report(value: Any, place: Place, judgement: Judgement) -> None:
        match = _INSTANT.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            if not (dates and isinstance(value, str) and _DATE.fullmatch(value)):
                judgement.report(rule, "instant", place, value)
            return
        moment, offset = match.groups()
        if offset not in ("+00:00", "Z"):
            judgement.report(rule, "offset", place, value, "warning" if lenient else "error")
        elif moment < earliest:
            judgement.report(rule, "too-early", place, value, earliest=earliest[:10])
        elif moment > judgement.now and future is not True:
            judgement.report(rule, "future", place, value, "warning" if future else "error")

    ahead = "" if future is True else " and {v} <= now"
    return Check(report, f"{{v}}.__class__ is str and utc({{v}}) and {{v}} >= {earliest!r}{ahead}")


def expiry(rule: Rule, site: Site) -> Check:
    """The day or month until which a vaccine keeps, which comes after the day it was given."""

    def report(value: Any, place: Place, judgement: Judgement) -> None:
        if not isinstance(value, str) or not _DATE.fullmatch(value):
            judgement.report(rule, "type", place, value, type="date")
            return
        given = str(judgement.root.get("occurrenceDateTime", ""))[: len(value)]
        if value < given or (value == given and len(value) == 10):
            judgement.report(rule, "expiry", place, value, given=given)

    return Check(report)


def pattern(rule: Rule, site: Site) -> Check:
    """A string of a form. `pattern`: the regular expression of all of it; `form`: how people write that form."""
    match = re.compile(rule.args["pattern"]).fullmatch

    def report(value: Any, place: Place, judgement: Judgement) -> None:
        if not isinstance(value, str) or not match(value):
            judgement.report(rule, "form", place, value, form=rule.args["form"])

    return Check(report, "{v}.__class__ is str and {0}({v})", (match,))


def _shaped(match: Callable[[str], object], type_name: str, form: str) -> Callable[[Rule, Site], Check]:
    def make(rule: Rule, site: Site) -> Check:
        def report(value: Any, place: Place, judgement: Judgement) -> None:
            if not isinstance(value, str):
                judgement.report(rule, "type", place, value, type=type_name)
            elif not match(value):
                judgement.report(rule, "form", place, value, form=form)

        return Check(report, "{v}.__class__ is str and {0}({v})", (match,))

    return make


def text(rule: Rule, site: Site) -> Check:
    """A string that says something."""

    def report(value: Any, place: Place, judgement: Judgement) -> None:
        if not isinstance(value, str):
            judgement.report(rule, "type", place, value, type="string")
        elif not value.strip():
            judgement.report(rule, "blank", place, value)

    return Check(report, "{v}.__class__ is str and {v}.strip()")


def number(rule: Rule, site: Site) -> Check:
    """A JSON number (never a string, never "-"). `integer`: without fraction; `least`: not below."""
    integer, least = rule.args.get("integer", False), rule.args.get("least")
    problem = "integer" if integer else "number"

    def report(value: Any, place: Place, judgement: Judgement) -> None:
        if isinstance(value, bool) or not isinstance(value, int if integer else (int, Decimal, float)):
            judgement.report(rule, problem, place, value)
        elif least is not None and value < least:
            judgement.report(rule, "least", place, value, least=str(least))

    classes = "{v}.__class__ is int" if integer else "({v}.__class__ is int or {v}.__class__ is Decimal)"
    return Check(report, classes if least is None else f"{classes} and {{v}} >= {least}")


def boolean(rule: Rule, site: Site) -> Check:
    """true or false, not a string."""

    def report(value: Any, place: Place, judgement: Judgement) -> None:
        if not isinstance(value, bool):
            judgement.report(rule, "type", place, value, type="boolean")

    return Check(report, "{v}.__class__ is bool")


def quantity(rule: Rule, site: Site) -> Check:
    """A Quantity or Age whose value is a JSON number."""
    judge_value = number(rule, site).report

    def report(value: Any, place: Place, judgement: Judgement) -> None:
        if not isinstance(value, dict):
            judgement.report(rule, "type", place, value, type="Quantity")
        elif "value" in value:
            judge_value(value["value"], (place, "value", -1), judgement)

    return Check(report)


def money(rule: Rule, site: Site) -> Check:
    """Money in rupiah: `currency` is IDR and `value` a JSON number."""
    judge_value = number(rule, site).report

    def report(value: Any, place: Place, judgement: Judgement) -> None:
        if not isinstance(value, dict):
            judgement.report(rule, "type", place, value, type="Money")
            return
        if value.get("currency") != "IDR":
            judgement.report(rule, "currency", (place, "currency", -1), value.get("currency"))
        if "value" in value:
            judge_value(value["value"], (place, "value", -1), judgement)

    return Check(report)


def reference(rule: Rule, site: Site) -> Check:
    """A Reference as the wire wants it: `Type/id`, `#id` of a contained resource, or in a Bundle the `urn:uuid:` of
    another entry. `targets`: the resource types it may lead to; none: any. One that is not demanded may stay without,
    with a warning, where it has a display or identifier."""
    targets = frozenset(rule.args.get("targets", ()))
    listed = ", ".join(sorted(targets)) or "*"
    demanded = bool(rule.args.get("required")) and rule.args.get("severity") != "warning"

    def report(value: Any, place: Place, judgement: Judgement) -> None:
        written = value.get("reference") if isinstance(value, dict) else None
        where = (place, "reference", -1)
        if not isinstance(written, str):
            named = written is None and isinstance(value, dict) and ("display" in value or "identifier" in value)
            severity: Severity = "warning" if named and not demanded else "error"
            judgement.report(rule, "reference-missing", place, None, severity, targets=listed)
            return
        match = _REFERENCE.fullmatch(written)
        target = match[1] if match else _inner_type(written, judgement)
        if target is None:
            if _UUID.fullmatch(written) or written.startswith("#"):
                judgement.report(rule, "reference-nowhere", where, written)
            else:
                judgement.report(rule, "reference-form", where, written)
        elif targets and target not in targets:
            judgement.report(rule, "reference-type", where, written, targets=listed, target=target)

    plain = re.compile(f"(?:{'|'.join(sorted(targets)) or '[A-Z][A-Za-z]+'})/[A-Za-z0-9.-]{{1,64}}").fullmatch
    quick = "{v}.__class__ is dict and (r := {v}.get('reference')).__class__ is str and {0}(r)"
    return Check(report, quick, (plain,))


def _inner_type(written: str, judgement: Judgement) -> str | None:
    """The type of the contained resource or Bundle entry that `written` names; None where there is none."""
    found = judgement.resolve(written)
    return None if found is None else str(found.get("resourceType"))


Maker = Callable[[Rule, Site], Check]

CHECKS: dict[str, Maker] = {
    "required": present,
    "coding": coded.coding,
    "unit": coded.unit,
    "code": coded.code,
    "instant": instant,
    "expiry": expiry,
    "date": _shaped(_DATE.fullmatch, "date", "YYYY-MM-DD"),
    "time": _shaped(_TIME.fullmatch, "time", "hh:mm:ss"),
    "string": text,
    "pattern": pattern,
    "number": number,
    "boolean": boolean,
    "quantity": quantity,
    "money": money,
    "reference": reference,
    "identifier": identifiers.identifier,
    "product": products.product,
}
"""Checks of one element's value. `fhirpath`, `course`, `bundle` and `patch` look at more and are the engine's."""
