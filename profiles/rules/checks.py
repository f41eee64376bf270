"""The checks that rules are made of: each word that may stand in a rule's `check`, and the function that it means.

A maker turns a rule into a `Check`. An absent element is the concern of `required` alone.
"""

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from profiles.rules import coded
from profiles.rules.book import Rule
from profiles.rules.coded import Check
from profiles.rules.codes import Site
from profiles.rules.findings import Judgement, Place, objects

EARLIEST = "2014-06-03T00:00:00"
"""The server refuses an instant before this one (reference: SATUSEHAT, general data types)."""

_INSTANT = re.compile(
    r"(\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)"
)
utc_instant = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\+00:00"
).fullmatch
_DATE = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?")
_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/[A-Za-z0-9.-]{1,64}")
_UUID = re.compile(r"urn:uuid:[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
SYS_IDS = re.compile(r"https?://sys-ids\.kemkes\.go\.id/")


def present(rule: Rule, site: Site) -> Check:
    """The element is there and says something; that it is there at all is checked where it is missing."""

    def check(value: Any, place: Place, judgement: Judgement) -> None:
        if value == "" or (isinstance(value, str) and not value.strip()):
            judgement.report(rule, "empty", place, value)

    return check


def instant(rule: Rule, site: Site) -> Check:
    """A dateTime on the wire: `YYYY-MM-DDThh:mm:ss+00:00`. `future`: may lie ahead; `dates`: may lack the time;
    `offset`: another offset than UTC is let through (with a warning), as the server does; `after`: the earliest."""
    future, lenient = rule.args.get("future", False), rule.args.get("offset", False)
    earliest, dates = rule.args.get("after", EARLIEST), rule.args.get("dates", False)

    def check(value: Any, place: Place, judgement: Judgement) -> None:
        if value.__class__ is str and utc_instant(value) and value >= earliest and (future or value <= judgement.now):
            return
        match = _INSTANT.fullmatch(value) if isinstance(value, str) else None
        if match is None and dates and isinstance(value, str) and _DATE.fullmatch(value):
            return
        if match is None:
            judgement.report(rule, "instant", place, value)
            return
        moment, offset = match.groups()
        if offset not in ("+00:00", "Z"):
            judgement.report(rule, "offset", place, value, "warning" if lenient else "error")
        elif moment < earliest:
            judgement.report(rule, "too-early", place, value, earliest=earliest[:10])
        elif moment > judgement.now and not future:
            judgement.report(rule, "future", place, value)

    return check


def pattern(rule: Rule, site: Site) -> Check:
    """A string of a form. `pattern`: the regular expression of all of it; `form`: how people write that form."""
    match = re.compile(rule.args["pattern"]).fullmatch

    def check(value: Any, place: Place, judgement: Judgement) -> None:
        if not isinstance(value, str) or not match(value):
            judgement.report(rule, "form", place, value, form=rule.args["form"])

    return check


def _shaped(match: Callable[[str], object], type_name: str) -> Callable[[Rule, Site], Check]:
    def make(rule: Rule, site: Site) -> Check:
        def check(value: Any, place: Place, judgement: Judgement) -> None:
            if not isinstance(value, str) or not match(value):
                judgement.report(rule, "type", place, value, type=type_name)

        return check

    return make


def number(rule: Rule, site: Site) -> Check:
    """A JSON number (never a string, never "-"). `integer`: without fraction; `least`: not below."""
    integer, least = rule.args.get("integer", False), rule.args.get("least")
    type_name = "integer" if integer else "decimal"

    def check(value: Any, place: Place, judgement: Judgement) -> None:
        if isinstance(value, bool) or not isinstance(value, int if integer else (int, Decimal, float)):
            judgement.report(rule, "number", place, value, type=type_name)
        elif least is not None and value < least:
            judgement.report(rule, "least", place, value, least=str(least))

    return check


def boolean(rule: Rule, site: Site) -> Check:
    """true or false, not a string."""

    def check(value: Any, place: Place, judgement: Judgement) -> None:
        if not isinstance(value, bool):
            judgement.report(rule, "type", place, value, type="boolean")

    return check


def quantity(rule: Rule, site: Site) -> Check:
    """A Quantity or Age whose value is a JSON number."""
    judge_value = number(rule, site)

    def check(value: Any, place: Place, judgement: Judgement) -> None:
        if not isinstance(value, dict):
            judgement.report(rule, "type", place, value, type="Quantity")
        elif "value" in value:
            judge_value(value["value"], (place, "value", -1), judgement)

    return check


def money(rule: Rule, site: Site) -> Check:
    """Money in rupiah: `currency` is IDR and `value` a JSON number."""
    judge_value = number(rule, site)

    def check(value: Any, place: Place, judgement: Judgement) -> None:
        if not isinstance(value, dict):
            judgement.report(rule, "type", place, value, type="Money")
            return
        if value.get("currency") != "IDR":
            judgement.report(rule, "currency", (place, "currency", -1), value.get("currency"))
        if "value" in value:
            judge_value(value["value"], (place, "value", -1), judgement)

    return check


def plain_reference(targets: Iterable[str]) -> Callable[[str], object]:
    """True for `Type/id` of one of the types (of any where there are none)."""
    types = "|".join(sorted(targets)) or "[A-Z][A-Za-z]+"
    return re.compile(f"(?:{types})/[A-Za-z0-9.-]{{1,64}}").fullmatch


def reference(rule: Rule, site: Site) -> Check:
    """A Reference as the wire wants it: `Type/id`, `#id` of a contained resource, or in a Bundle the `urn:uuid:` of
    another entry. `targets`: the resource types it may lead to; none: any."""
    targets = frozenset(rule.args.get("targets", ()))
    listed = ", ".join(sorted(targets))
    plain = plain_reference(targets)

    def check(value: Any, place: Place, judgement: Judgement) -> None:
        written = value.get("reference") if isinstance(value, dict) else None
        if written.__class__ is str and plain(written):
            return
        where = (place, "reference", -1)
        if not isinstance(written, str):
            judgement.report(rule, "reference-missing", place, value, targets=listed or "*")
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

    return check


def _inner_type(written: str, judgement: Judgement) -> str | None:
    """The type of the contained resource or Bundle entry that `written` names; None where there is none."""
    if written.startswith("#"):
        inner = (c for c in objects(judgement.root.get("contained")) if c.get("id") == written[1:])
        return next((str(c.get("resourceType")) for c in inner), None)
    return judgement.entries.get(written) if judgement.entries is not None else None


def identifier(rule: Rule, site: Site) -> Check:
    """An Identifier of one of `systems`: `encounter/{org}` stands for the ministry's `sys-ids` system of the sender's
    own organisation, `{any}` for one of whatever organisation; a full url stands for itself."""
    systems = [_system_pattern(system) for system in rule.args["systems"]]
    good: set[tuple[str, str | None]] = set()  # systems with the organisation they are right for

    def check(value: Any, place: Place, judgement: Judgement) -> None:
        if not isinstance(value, dict):
            judgement.report(rule, "type", place, value, type="Identifier")
            return
        system = value.get("system")
        if system.__class__ is str and (system, judgement.org) in good and value.get("value"):
            return
        match = next((m for m in (p.fullmatch(str(system)) for p in systems) if m), None)
        if match is None:
            listed = _listed(rule.args["systems"], judgement.org or "<organization_id>")
            judgement.report(rule, "identifier-system", (place, "system", -1), system, systems=listed)
        elif (org := match.groupdict().get("org")) is not None:
            judgement.org = judgement.org or org
            if org != judgement.org:
                judgement.report(rule, "identifier-org", (place, "system", -1), system, org=judgement.org)
            elif len(good) < coded.MANY:
                good.add((str(system), org))
        if not value.get("value"):
            judgement.report(rule, "identifier-value", (place, "value", -1), value.get("value"))

    return check


def _listed(systems: list[str], org: str) -> str:
    full = (system if "://" in system else f"http://sys-ids.kemkes.go.id/{system}" for system in systems)
    return ", ".join(system.replace("{org}", org).replace("{any}", "<organization_id>") for system in full)


def _system_pattern(system: str) -> re.Pattern[str]:
    if "://" in system:
        return re.compile(re.escape(system))
    organisation = {"{org}": r"(?P<org>[A-Za-z0-9-]+)", "{any}": r"[A-Za-z0-9-]+"}
    parts = re.split(r"(\{org\}|\{any\})", system)
    return re.compile(SYS_IDS.pattern + "".join(organisation.get(part, re.escape(part)) for part in parts))


Maker = Callable[[Rule, Site], Check]

CHECKS: dict[str, Maker] = {
    "required": present,
    "coding": coded.coding,
    "unit": coded.unit,
    "code": coded.code,
    "instant": instant,
    "date": _shaped(_DATE.fullmatch, "date"),
    "time": _shaped(_TIME.fullmatch, "time"),
    "string": _shaped(str.strip, "string"),
    "pattern": pattern,
    "number": number,
    "boolean": boolean,
    "quantity": quantity,
    "money": money,
    "reference": reference,
    "identifier": identifier,
}
"""Checks of one element's value. `fhirpath`, `course`, `bundle` and `patch` look at more and are the engine's."""
