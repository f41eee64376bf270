"""What the validator's bench judges: five resources of one visit, as a hospital keeps them and as SATUSEHAT takes them.

All persons are made up.
"""

from typing import Any

XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'
TEXT = {"status": "generated", "div": f"<div {XHTML}><p><b>Ringkasan</b></p><ul><li>satu</li><li>dua</li></ul></div>"}
SNOMED, LOINC, UCUM = "http://snomed.info/sct", "http://loinc.org", "http://unitsofmeasure.org"
KEMKES = "http://terminology.kemkes.go.id"
THO = "http://terminology.hl7.org/CodeSystem/"

Json = dict[str, Any]


def coded(system: str, code: str, display: str) -> Json:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


RECORD: dict[str, Json] = {
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
"""Valid R4 as a hospital's own record has it: local time, statuses as they stand. It breaks rules of the wire."""

UTC = {
    "start": "2026-01-31T00:00:00+00:00",
    "middle": "2026-01-31T01:00:00+00:00",
    "end": "2026-01-31T02:00:00+00:00",
    "later": "2026-02-28T00:00:00+00:00",
}


def extension(name: str, *parts: Json) -> Json:
    return {"url": f"https://fhir.kemkes.go.id/r4/StructureDefinition/{name}", "extension": list(parts)}


def period(start: str, end: str) -> Json:
    return {"start": UTC[start], "end": UTC[end]}


ADDRESS = extension(
    "administrativeCode",
    *(
        {"url": name, "valueCode": code}
        for name, code in (("province", "32"), ("city", "3271"), ("district", "327101"), ("village", "3271011001"))
    ),
)
SERVICE_CLASS = extension(
    "ServiceClass",
    *(
        {"url": name, "valueCodeableConcept": {"coding": [{"system": f"{KEMKES}/CodeSystem/{table}", "code": code}]}}
        for name, table, code in (
            ("value", "locationServiceClass-Outpatient", "reguler"),
            ("upgradeClassIndicator", "locationUpgradeClass", "kelas-tetap"),
        )
    ),
)

WIRE: dict[str, Json] = {
    "Patient": RECORD["Patient"] | {"address": [{**RECORD["Patient"]["address"][0], "extension": [ADDRESS]}]},
    "Encounter": RECORD["Encounter"]
    | {
        "location": [{**RECORD["Encounter"]["location"][0], "extension": [SERVICE_CLASS]}],
        "period": period("start", "end"),
        "statusHistory": [
            {"status": "arrived", "period": period("start", "middle")},
            {"status": "in-progress", "period": period("middle", "end")},
            {"status": "finished", "period": period("end", "end")},
        ],
    },
    "Observation": RECORD["Observation"]
    | {
        "code": coded(LOINC, "8480-6", "Systolic blood pressure"),
        "effectiveDateTime": UTC["start"],
        "issued": UTC["middle"],
    },
    "Condition": RECORD["Condition"] | {"onsetDateTime": UTC["start"], "recordedDate": UTC["middle"]},
    "MedicationRequest": RECORD["MedicationRequest"]
    | {
        "authoredOn": UTC["middle"],
        "dispenseRequest": RECORD["MedicationRequest"]["dispenseRequest"]
        | {"validityPeriod": period("start", "later"), "performer": {"reference": "Organization/10000004"}},
    },
}
"""The same in the ministry's form, with its extensions: they break no rule."""
