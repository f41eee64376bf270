"""Validation, the hot loop: µs a resource against fhir.resources (R4B) and jsonschema-rs (shape only), in one run.

    python bench/validate.py [--examples FOLDER]

The JSON is decoded before the clock starts; values are the best of some rounds of process time, so ratios count. FOLDER
is the unpacked npm package hl7.fhir.r4.examples: with it, its small resources give a rate per second, and its
`fhir.schema.json`, where it has one, the shape check. Resources are synthetic.
"""

import argparse
import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from profiles import INDONESIA, Validator, fhirjson, is_valid
from profiles.rules import Rules

ROUNDS, ENOUGH_S = 7, 0.15
XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'
TEXT = {"status": "generated", "div": f"<div {XHTML}><p><b>Ringkasan</b></p><ul><li>satu</li><li>dua</li></ul></div>"}
SNOMED, LOINC, UCUM = "http://snomed.info/sct", "http://loinc.org", "http://unitsofmeasure.org"
THO = "http://terminology.hl7.org/CodeSystem/"

Json = dict[str, Any]


def coded(system: str, code: str, display: str) -> Json:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


RESOURCES: dict[str, Json] = {
    "Patient": {
        "resourceType": "Patient",
        "id": "p-1",
        "meta": {"versionId": "1", "lastUpdated": "2026-01-31T08:30:00.000+07:00"},
        "text": TEXT,
        "identifier": [
            {"use": "official", "system": "https://fhir.kemkes.go.id/id/nik", "value": "3271014102900001"},
            {"use": "usual", "system": "https://example.org/mr", "value": "RM-000123"},
        ],
        "active": True,
        "name": [{"use": "official", "text": "Siti Rahayu", "family": "Rahayu", "given": ["Siti"]}],
        "telecom": [{"system": "phone", "value": "+62811000111", "use": "mobile"}],
        "gender": "female",
        "birthDate": "1990-02-01",
        "deceasedBoolean": False,
        "address": [
            {
                "use": "home",
                "line": ["Jalan Melati 5", "RT 01 RW 02"],
                "city": "Bogor",
                "postalCode": "16111",
                "country": "ID",
            }
        ],
        "maritalStatus": coded(THO + "v3-MaritalStatus", "M", "Married"),
        "multipleBirthInteger": 0,
        "contact": [
            {
                "relationship": [coded(THO + "v2-0131", "C", "Emergency Contact")],
                "name": {"text": "Budi Rahayu"},
                "telecom": [{"system": "phone", "value": "+62811000222"}],
                "gender": "male",
            }
        ],
        "communication": [{"language": coded("urn:ietf:bcp:47", "id-ID", "Indonesian"), "preferred": True}],
        "managingOrganization": {"reference": "Organization/10000004"},
    },
    "Encounter": {
        "resourceType": "Encounter",
        "id": "e-1",
        "text": TEXT,
        "identifier": [{"system": "http://sys-ids.kemkes.go.id/encounter/10000004", "value": "RJ-2026-0001"}],
        "status": "finished",
        "statusHistory": [
            {
                "status": s,
                "period": {"start": f"2026-01-31T0{n}:00:00+07:00", "end": f"2026-01-31T0{n + 1}:00:00+07:00"},
            }
            for n, s in ((7, "arrived"), (8, "in-progress"))
        ],
        "class": {"system": THO + "v3-ActCode", "code": "AMB", "display": "ambulatory"},
        "subject": {"reference": "Patient/p-1", "display": "Siti Rahayu"},
        "participant": [
            {
                "type": [coded(THO + "v3-ParticipationType", "ATND", "attender")],
                "individual": {"reference": "Practitioner/N10000001", "display": "dr. Tono"},
            }
        ],
        "period": {"start": "2026-01-31T07:00:00+07:00", "end": "2026-01-31T09:00:00+07:00"},
        "diagnosis": [
            {
                "condition": {"reference": "Condition/c-1", "display": "Pneumonia"},
                "use": coded(THO + "diagnosis-role", "DD", "Discharge diagnosis"),
                "rank": 1,
            }
        ],
        "location": [{"location": {"reference": "Location/l-1", "display": "Poli Paru"}}],
        "serviceProvider": {"reference": "Organization/10000004"},
    },
    "Observation": {
        "resourceType": "Observation",
        "id": "o-1",
        "text": TEXT,
        "status": "final",
        "category": [coded(THO + "observation-category", "vital-signs", "Vital Signs")],
        "code": coded(LOINC, "85354-9", "Blood pressure panel"),
        "subject": {"reference": "Patient/p-1"},
        "encounter": {"reference": "Encounter/e-1"},
        "effectiveDateTime": "2026-01-31T07:30:00+07:00",
        "issued": "2026-01-31T07:31:00.000+07:00",
        "performer": [{"reference": "Practitioner/N10000001"}],
        "interpretation": [coded(THO + "v3-ObservationInterpretation", "N", "Normal")],
        "bodySite": coded(SNOMED, "368209003", "Right upper arm"),
        "component": [
            {
                "code": coded(LOINC, code, name),
                "valueQuantity": {"value": value, "unit": "mmHg", "system": UCUM, "code": "mm[Hg]"},
            }
            for code, name, value in (("8480-6", "Systolic", 120), ("8462-4", "Diastolic", 80))
        ],
    },
    "Condition": {
        "resourceType": "Condition",
        "id": "c-1",
        "text": TEXT,
        "clinicalStatus": coded(THO + "condition-clinical", "active", "Active"),
        "verificationStatus": coded(THO + "condition-ver-status", "confirmed", "Confirmed"),
        "category": [coded(THO + "condition-category", "encounter-diagnosis", "Encounter Diagnosis")],
        "severity": coded(SNOMED, "6736007", "Moderate"),
        "code": coded("http://hl7.org/fhir/sid/icd-10", "J18.9", "Pneumonia, unspecified"),
        "subject": {"reference": "Patient/p-1"},
        "encounter": {"reference": "Encounter/e-1"},
        "onsetDateTime": "2026-01-30",
        "recordedDate": "2026-01-31T08:00:00+07:00",
        "recorder": {"reference": "Practitioner/N10000001"},
        "note": [{"text": "Batuk tiga hari."}],
    },
    "MedicationRequest": {
        "resourceType": "MedicationRequest",
        "id": "m-1",
        "text": TEXT,
        "identifier": [{"system": "http://sys-ids.kemkes.go.id/prescription/10000004", "value": "RX-1"}],
        "status": "completed",
        "intent": "order",
        "category": [coded(THO + "medicationrequest-category", "outpatient", "Outpatient")],
        "priority": "routine",
        "medicationReference": {"reference": "Medication/med-1", "display": "Amoksisilin 500 mg"},
        "subject": {"reference": "Patient/p-1"},
        "encounter": {"reference": "Encounter/e-1"},
        "authoredOn": "2026-01-31T08:10:00+07:00",
        "requester": {"reference": "Practitioner/N10000001"},
        "dosageInstruction": [
            {
                "sequence": 1,
                "text": "3 x 1",
                "timing": {"repeat": {"frequency": 3, "period": 1, "periodUnit": "d"}},
                "route": coded("http://www.whocc.no/atc", "O", "Oral"),
                "doseAndRate": [
                    {
                        "type": coded(THO + "dose-rate-type", "ordered", "Ordered"),
                        "doseQuantity": {
                            "value": 1,
                            "unit": "TAB",
                            "system": THO + "v3-orderableDrugForm",
                            "code": "TAB",
                        },
                    }
                ],
            }
        ],
        "dispenseRequest": {
            "validityPeriod": {"start": "2026-01-31", "end": "2026-02-28"},
            "numberOfRepeatsAllowed": 0,
            "quantity": {"value": 15, "unit": "TAB", "system": THO + "v3-orderableDrugForm", "code": "TAB"},
            "expectedSupplyDuration": {"value": 5, "unit": "days", "system": UCUM, "code": "d"},
        },
    },
}


def best(work: Callable[[], Any]) -> float:
    """µs of process time a call: the best of some rounds."""
    work()
    start, count = time.process_time(), 0
    while time.process_time() - start < ENOUGH_S / 5:
        work()
        count += 1
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(count):
            work()
        rounds.append((time.process_time() - start) / count)
    return min(rounds) * 1e6


def fhir_resources(name: str, resource: Json) -> float | None:
    """fhir.resources 8, R4B: from a dict."""
    try:
        model = getattr(importlib.import_module(f"fhir.resources.R4B.{name.lower()}"), name)
    except ImportError:
        return None
    return best(lambda: model.model_validate(resource))


def shape(schema: Json | None, name: str, resource: Json) -> float | None:
    """jsonschema-rs with HL7's JSON Schema of one type."""
    if schema is None:
        return None
    import jsonschema_rs

    one = {**schema, "$ref": f"#/definitions/{name}"}
    one.pop("oneOf", None)
    one.pop("discriminator", None)
    validator = jsonschema_rs.validator_for(one)
    return best(lambda: validator.is_valid(resource))


def read_schema(folder: Path | None) -> Json | None:
    path = folder / "fhir.schema.json" if folder else None
    return fhirjson.decode(path.read_bytes(), max_depth=1000) if path and path.exists() else None


def main() -> int:
    parser = argparse.ArgumentParser(description="Validation against fhir.resources and jsonschema-rs.")
    parser.add_argument("--examples", type=Path, help="unpacked npm package hl7.fhir.r4.examples")
    parser.add_argument("--schema", type=Path, help="folder of HL7's fhir.schema.json for R4")
    args = parser.parse_args()
    schema = read_schema(args.schema)
    base, whole = Validator(), Validator([INDONESIA], Rules())
    print(f"{'µs a resource':20}{'R4, yes/no':>12}{'R4, issues':>12}{'+ profile, rules':>18}"
          f"{'fhir.resources':>16}{'ratio':>8}{'jsonschema-rs':>15}")  # fmt: skip
    for name, resource in RESOURCES.items():
        resource = fhirjson.decode(fhirjson.encode(resource))
        problems = [issue.text() for issue in base.validate(resource) if issue.severity == "error"]
        if problems:
            print(name, *problems, sep="\n  ")
            return 1
        ours = best(lambda r=resource: base.accepts(r))  # type: ignore[misc]
        issues = best(lambda r=resource: base.validate(r))  # type: ignore[misc]
        rules = best(lambda r=resource: whole.validate(r))  # type: ignore[misc]
        theirs, shaped = fhir_resources(name, resource), shape(schema, name, resource)
        print(
            f"{name:20}{ours:12.1f}{issues:12.1f}{rules:18.1f}"
            f"{f'{theirs:.0f}' if theirs else '-':>16}{f'{theirs / ours:.1f}' if theirs else '-':>8}"
            f"{f'{shaped:.1f}' if shaped else '-':>15}"
        )
    if args.examples:
        print(rate(args.examples, base))
    return 0


def rate(folder: Path, validator: Validator) -> str:
    """Examples of up to 100 kB a second, definitions left out."""
    out = ("StructureDefinition", "ValueSet", "CodeSystem", "SearchParameter", "ConceptMap", "OperationDefinition")
    paths = [p for p in sorted(folder.glob("*-*.json")) if not p.name.startswith(out) and p.stat().st_size < 100_000]
    decoded = [fhirjson.decode(p.read_bytes()) for p in paths]
    for resource in decoded:
        validator.accepts(resource)
    start = time.process_time()
    good = sum(map(validator.accepts, decoded))
    taken = time.process_time() - start
    sure = sum(is_valid(validator.validate(resource)) for resource in decoded)
    return f"{len(decoded)} examples: {len(decoded) / taken:,.0f} a second on one core; {good} accepted, {sure} valid"


if __name__ == "__main__":
    sys.exit(main())
