"""Every rule at its edges: what its data allow passes where the rule looks, and what lies just outside is reported.

The examples show one way to break a rule; here each of a rule's elements is given every kind of right and wrong value
that its check knows, so that a check that looks elsewhere, or at less, is found out.
"""

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from profiles import definitions
from profiles.fhirpath.model import fhir_type
from profiles.rules import Rule, Rules
from profiles.rules.book import url
from profiles.rules.codes import Allowed
from tests.profiles.rules_support import NOW, Example, Json, examples

RULES = Rules("10000004")
ORG, OTHER = "10000004", "10000099"

Case = tuple[Any, str | None]
"""A value, and the severity of what the rule says of it: None for nothing."""


def _instants(rule: Rule) -> Iterator[Case]:
    future, after = rule.args.get("future", False), rule.args.get("after", "2014-06-03T00:00:00")
    yield "2025-03-04T02:10:00+00:00", None
    yield "2025-03-04T02:10:00Z", None
    yield f"{after}+00:00", None
    yield f"{after}Z", None
    yield "2014-06-02T23:59:59+00:00", "error"
    yield "2025-03-04T09:10:00+07:00", "warning" if rule.args.get("offset") else "error"
    yield "2025-03-04", None if rule.args.get("dates") else "error"
    yield "2026-06-01T00:00:00+00:00", {True: None, "warning": "warning"}.get(future, "error")
    yield "2025-03-04T02:10+00:00", "error"
    yield "٢٠25-03-04T02:10:00+00:00", "error"
    yield 1741054200, "error"


def _numbers(rule: Rule) -> Iterator[Case]:
    least = rule.args.get("least")
    yield 7, None
    yield "7", "error"
    yield "-", "error"
    yield True, "error"
    yield 7.5, "error" if rule.args.get("integer") else None
    yield (least - 1 if least is not None else -7), "error" if least is not None else None
    if least is not None:
        yield least, None


def _codes(rule: Rule) -> Iterator[Case]:
    known = definitions.value_set(f"http://hl7.org/fhir/ValueSet/{rule.args['values']}") or ()
    yield from ((code, None) for _, code in known)
    yield "tidak-ada", "error"
    yield "", "error"
    yield ["final"], "error"


def _references(rule: Rule) -> Iterator[Case]:
    targets = rule.args.get("targets", ())
    yield from (({"reference": f"{target}/1"}, None) for target in targets or ("Basic",))
    if targets:
        yield {"reference": "Slot/1"}, "error"
    yield {"reference": "https://rs.example.org/fhir/Patient/1"}, "error"
    yield {"reference": "urn:uuid:5f0e2c1a-7b1d-4c3e-9a57-000000000099"}, "error"
    yield {"reference": "#lain"}, "error"
    demanded = rule.args.get("required") and rule.args.get("severity") != "warning"
    yield {"display": "dr. Siti"}, "error" if demanded else "warning"
    yield "Patient/1", "error"


def _identifiers(rule: Rule) -> Iterator[Case]:
    for system in rule.args["systems"]:
        full = system if "://" in system else f"http://sys-ids.kemkes.go.id/{system}"
        yield {"system": full.replace("{org}", ORG).replace("{any}", ORG), "value": "1"}, None
        if "{" in full:
            foreign = full.replace("{org}", OTHER).replace("{any}", OTHER)
            yield {"system": foreign, "value": "1"}, "error" if "{org}" in full else None
            yield {"system": full.replace("{org}", "").replace("{any}", ""), "value": "1"}, "error"
    yield {"system": "https://rs.example.org/nomor", "value": "1"}, "error"
    yield {"value": "1"}, "error"
    yield {"system": full.replace("{org}", ORG).replace("{any}", ORG)}, "error"


SOME = {"UCUM": "min", "ICD10": "J06.9", "ICD9CM": "89.52", "kk:kptl": "30679"}
"""A code of each system whose table does not list them."""


def _code_of(name: str, rule: Rule) -> str:
    if name in SOME:
        return SOME[name]
    known = Allowed([name], None)[url(name)].known
    shape = rule.args.get("shapes", {}).get(name, ".*")
    return next((code for code in sorted(known) if re.fullmatch(shape, code)), "kode")


def _systems(rule: Rule) -> Iterator[tuple[Json, str | None]]:
    """A Coding or the coded part of a Quantity."""
    mine = rule.args.get("only") or rule.args["systems"]
    for name in mine:
        code = _code_of(name, rule)
        yield {"system": url(name), "code": code}, None
        if name not in rule.args.get("codeless", ()):
            yield {"system": url(name)}, "error"
        if Allowed([name], None)[url(name)].complete:
            yield {"system": url(name), "code": "bukan kode"}, "error"
    if not rule.args.get("only"):
        yield {"system": "http://example.org/kode", "code": "1"}, "error"
        yield {"code": "1"}, "error"


def _concepts(rule: Rule) -> Iterator[Case]:
    first: Json = {}
    for coding, severity in _systems(rule):
        first = first or coding
        yield {"coding": [coding]}, severity
        yield {"coding": [first, coding]}, severity
        yield coding, severity  # where the element is a Coding
    yield {"text": "teks saja"}, "error" if rule.args.get("required") else None


def _units(rule: Rule) -> Iterator[Case]:
    yield from (({"value": 1, **coding}, severity) for coding, severity in _systems(rule))
    yield {"value": 1, "unit": "tablet"}, None


CASES: dict[str, Any] = {
    "instant": _instants,
    "number": _numbers,
    "code": _codes,
    "reference": _references,
    "identifier": _identifiers,
    "coding": _concepts,
    "unit": _units,
    "boolean": lambda rule: [(True, None), (False, None), ("true", "error"), (1, "error")],
    "date": lambda rule: [("2025-03-04", None), ("2025", None), ("04-03-2025", "error"), (2025, "error")],
    "time": lambda rule: [("08:30:00", None), ("08:30", "error"), ("24:00:00", "error")],
    "string": lambda rule: [("teks", None), ("  ", "error"), (5, "error")],
    "quantity": lambda rule: [({"value": 5}, None), ({"value": "lima"}, "error"), ("5", "error")],
    "money": lambda rule: [
        ({"value": 5, "currency": "IDR"}, None),
        ({"value": 5, "currency": "USD"}, "error"),
        ({"value": 5}, "error"),
        ({"value": "5", "currency": "IDR"}, "error"),
    ],
    "pattern": lambda rule: [("https://fhir.kemkes.go.id/Questionnaire/Q0007", None), ("Q0007", "error"), (7, "error")],
    "required": lambda rule: [("", "error"), ("  ", "error")],
}


EXTENSIONS = "https://fhir.kemkes.go.id/r4/StructureDefinition/"


def _holder(resource: Json, steps: list[str]) -> tuple[Any, Any]:
    """Where an element stands, made where it is not there yet: what holds it, and its key there."""
    holder: Any = resource
    type_ = fhir_type(resource["resourceType"])
    previous = ""
    for number, name in enumerate(steps):
        step = previous if name == "X" else name
        last, previous = number == len(steps) - 1, step
        if step.startswith("extension:"):
            url_, type_ = step.removeprefix("extension:"), fhir_type("Extension")
            found = holder.setdefault("extension", [])
            at = next((i for i, each in enumerate(found) if each["url"].endswith(url_)), len(found))
            found[at:] = found[at:] or [{"url": EXTENSIONS + url_}]
            holder, key = found, at
        else:
            element = type_.key_elements.get(step)
            many = element is not None and element.many
            if many:
                holder, key = holder.setdefault(step, [{}]), 0
            else:
                holder.setdefault(step, {})
                key = step
            if element is not None:
                type_ = dict(element.keys)[step]
        if not last:
            holder = holder[key]
    return holder, key


def _said(resource: Json, rule: Rule) -> str | None:
    """The worst that the rule says of a resource."""
    severities = {issue.severity for issue in RULES.judge(resource, NOW) if issue.rule == rule.number}
    return next((severity for severity in ("error", "warning") if severity in severities), None)


def _with(resource: Json, steps: list[str], value: Any) -> Json:
    changed = deepcopy(resource)
    holder, key = _holder(changed, steps)
    holder[key] = value
    return changed


EDGED = [example for example in examples() if example.rule.check in CASES and example.rule.number != "10173"]


@pytest.mark.parametrize("example", EDGED, ids=lambda e: f"{e.rule.resource}-{e.rule.number}")
def test_a_rule_at_its_edges(example: Example) -> None:
    rule = example.rule
    for element in rule.elements:
        for value, severity in CASES[rule.check](rule):
            assert _said(_with(example.passing, element.split("."), value), rule) == severity, (element, value)


DEMANDING = [e for e in examples() if e.rule.args.get("required") or e.rule.check == "required"]


@pytest.mark.parametrize("example", DEMANDING, ids=lambda e: f"{e.rule.resource}-{e.rule.number}")
def test_what_is_demanded_is_missed(example: Example) -> None:
    rule = example.rule
    steps = rule.elements[0].split(".")
    for depth in range(len(steps), 0, -1):
        changed = deepcopy(example.passing)
        holder, key = _holder(changed, steps[:depth])
        if isinstance(holder, list) and ":" not in steps[depth - 1]:
            holder.clear()
        else:
            del holder[key]
        missed = depth == len(steps) or rule.args.get("required") != "each"
        assert (_said(changed, rule) == rule.args.get("severity", "error")) is missed, steps[:depth]
