"""FHIRPath: 30 typical expressions against fhirpathpy (compiled, with its R4 model) and fhirpathrs in the same run.

    python bench/fhirpath.py [--json]

Budget: typed expressions (invariants and search parameters, compiled for their type) at most 0.5 µs in the median and a
fiftieth of fhirpathpy's median; general ones (mapping leaves, compiled for no type) at most 3 µs in the median.
"""

import argparse
import json
import statistics
import timeit
from collections.abc import Callable
from typing import Any

import fhirpathpy
import fhirpathrs
from fhirpathpy.models import models

from profiles import fhirpath

BUDGET_TYPED_US, BUDGET_GENERAL_US, BUDGET_RATIO = 0.5, 3.0, 50.0
ENGINES = ("gapura", "fhirpathpy", "fhirpathrs")
LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "siti",
    "meta": {"versionId": "1", "lastUpdated": "2026-03-01T09:30:00+07:00"},
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Siti Rahayu</div>'},
    "active": True,
    "identifier": [
        {"use": "official", "system": "https://fhir.kemkes.go.id/id/nik", "value": "3171234509870001"},
        {"use": "usual", "system": "http://sys-ids.kemkes.go.id/mr/10000004", "value": "RM-0042"},
    ],
    "name": [
        {"use": "official", "text": "Siti Rahayu", "family": "Rahayu", "given": ["Siti", "Nur"]},
        {"use": "nickname", "given": ["Iti"]},
    ],
    "telecom": [
        {"system": "phone", "value": "021-555", "use": "home"},
        {"system": "email", "value": "siti@example.org"},
    ],
    "gender": "female",
    "birthDate": "1987-09-05",
    "address": [{"use": "home", "line": ["Jl. Melati 5"], "city": "Jakarta", "postalCode": "10110", "country": "ID"}],
    "contact": [{"relationship": [{"text": "suami"}], "name": {"text": "Budi"}, "period": {"start": "2010-01-01"}}],
    "generalPractitioner": [{"reference": "Practitioner/dr-1"}],
    "managingOrganization": {"reference": "Organization/10000004"},
}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "bp",
    "status": "final",
    "category": [{"coding": [{"code": "vital-signs", "display": "Vital signs"}]}],
    "code": {"coding": [{"system": LOINC, "code": "85354-9", "display": "Blood pressure panel"}]},
    "subject": {"reference": "Patient/siti"},
    "encounter": {"reference": "Encounter/e1"},
    "effectiveDateTime": "2026-03-01T09:30:00+07:00",
    "performer": [{"reference": "Practitioner/dr-1"}],
    "valueQuantity": {"value": 72.5, "unit": "kg", "system": UCUM, "code": "kg"},
    "referenceRange": [{"low": {"value": 50, "unit": "kg", "system": UCUM, "code": "kg"}, "text": "dewasa"}],
    "component": [
        {"code": {"coding": [{"system": LOINC, "code": "8480-6"}]}, "valueQuantity": {"value": 120, "code": "mm[Hg]"}},
        {"code": {"coding": [{"system": LOINC, "code": "8462-4"}]}, "valueQuantity": {"value": 80, "code": "mm[Hg]"}},
    ],
}  # fmt: skip
RESOURCES = {"Patient": PATIENT, "Observation": OBSERVATION}

DOM_3 = (
    "contained.where((('#'+id in (%resource.descendants().reference | %resource.descendants().as(canonical) | "
    "%resource.descendants().as(uri) | %resource.descendants().as(url))) or "
    "descendants().where(reference = '#').exists() or"
    " descendants().where(as(canonical) = '#').exists()).not()).empty()"
)
TYPED: list[tuple[str, str]] = [
    ("Patient", DOM_3),
    ("Patient", "text.`div`.exists()"),
    ("Patient", "contained.contained.empty()"),
    ("Patient", "contained.meta.versionId.empty() and contained.meta.lastUpdated.empty()"),
    ("Patient", "contact.all(name.exists() or telecom.exists() or address.exists() or organization.exists())"),
    ("Observation", "dataAbsentReason.empty() or value.empty()"),
    ("Observation", "referenceRange.all(low.exists() or high.exists() or text.exists())"),
    ("Observation", "value.empty() or component.code.where(coding.intersect(%resource.code.coding).exists()).empty()"),
    ("Observation", "hasValue() or (children().count() > id.count())"),
    ("Patient", "Patient.birthDate"),
    ("Patient", "Patient.name"),
    ("Patient", "Patient.name.given"),
    ("Patient", "Patient.telecom.where(system='phone')"),
    ("Patient", "Patient.deceased.exists() and Patient.deceased != false"),
    ("Patient", "Patient.generalPractitioner"),
    ("Observation", "Observation.subject.where(resolve() is Patient)"),
    ("Observation", "(Observation.value as Quantity)"),
    ("Observation", "Observation.code | Observation.component.code"),
    ("Observation", "Observation.effective"),
    ("Observation", "Observation.category"),
]
GENERAL: list[tuple[str, str]] = [
    ("Patient", "Patient.name.where(use = 'official').first().text"),
    ("Patient", "identifier.where(system = 'https://fhir.kemkes.go.id/id/nik').value"),
    ("Patient", "name.first().given.join(' ')"),
    ("Patient", "iif(gender = 'male', 'L', 'P')"),
    ("Patient", "birthDate.toString().substring(0, 4)"),
    ("Patient", "telecom.where(system = 'phone').first().value"),
    ("Patient", "address.first().line.first() & ', ' & address.first().city"),
    ("Patient", "managingOrganization.reference.split('/').last()"),
    ("Observation", "component.where(code.coding.code = '8480-6').value.value"),
    ("Observation", "effective.toString().substring(0, 10)"),
]


def microseconds(call: Callable[..., Any], *arguments: Any) -> float | None:
    """The least mean of many short rounds of one call, which other work disturbs least; None where it fails."""
    try:
        once = timeit.timeit(lambda: call(*arguments), number=10) / 10
    except Exception:
        return None
    names = {f"a{n}": argument for n, argument in enumerate(arguments)}
    timer = timeit.Timer(f"call({', '.join(names)})", globals={"call": call, **names})
    times = max(5, int(0.002 / max(once, 1e-7)))
    return min(timer.repeat(25, times)) / times * 1e6


def row(kind: str, type_: str, expression: str) -> dict[str, Any]:
    """One expression, measured with each engine."""
    resource = RESOURCES[type_]
    ours = fhirpath.compile(expression, type_ if kind == "typed" else None)
    assert ours(resource) == ours(resource)
    try:
        theirs = fhirpathpy.compile(expression, models["r4"])
    except Exception:
        theirs = None
    return {
        "kind": kind,
        "expression": expression,
        "gapura": microseconds(ours, resource),
        "fhirpathpy": microseconds(theirs, resource, {"resource": resource}) if theirs else None,
        "fhirpathrs": microseconds(fhirpathrs.evaluate, expression, resource),
    }


def median(rows: list[dict[str, Any]], engine: str) -> float:
    """The median of the expressions that the engine can evaluate."""
    return statistics.median(r[engine] for r in rows if r[engine] is not None)


def summary(rows: list[dict[str, Any]], budget_us: float) -> dict[str, Any]:
    """Medians of the engines, how many expressions each evaluates, and the ratio to fhirpathpy on what both do."""
    medians = {engine: median(rows, engine) for engine in ENGINES}
    shared = [r for r in rows if r["fhirpathpy"] is not None]
    return {
        "median_us": {engine: round(value, 3) for engine, value in medians.items()},
        "evaluated": {engine: sum(r[engine] is not None for r in rows) for engine in ENGINES},
        "ratio": round(median(shared, "fhirpathpy") / median(shared, "gapura"), 1),
        "budget_us": budget_us,
    }


def main() -> int:
    """Measure and print; exit 1 where a budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    args = parser.parse_args()
    typed, general = ([row(kind, *case) for case in cases] for kind, cases in (("typed", TYPED), ("general", GENERAL)))
    found = {"typed": summary(typed, BUDGET_TYPED_US), "general": summary(general, BUDGET_GENERAL_US)}
    within = found["typed"]["ratio"] >= BUDGET_RATIO and all(
        part["median_us"]["gapura"] <= part["budget_us"] for part in found.values()
    )
    if args.json:
        print(json.dumps({"rows": [*typed, *general], **found, "within_budget": within}))
        return 0 if within else 1
    print(f"{'µs per evaluation':58}" + "".join(f"{engine:>12}" for engine in ENGINES))
    for r in [*typed, *general]:
        cells = "".join(f"{'fails' if r[e] is None else format(r[e], '.2f'):>12}" for e in ENGINES)
        print(f"{r['expression'][:56]:58}{cells}")
    for kind, part in found.items():
        print(f"{kind:>14}  {part}")
    print(f"{'within_budget':>14}  {within}")
    return 0 if within else 1


if __name__ == "__main__":
    raise SystemExit(main())
