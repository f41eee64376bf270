"""A visit as a SIMRS would write it, of a person whom the sandbox knows; dates are counted from today."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Resource = dict[str, Any]

IDS = "https://fhir.kemkes.go.id/id/"
SID = "https://gapura.dev/fhir/sid/"
SYS = "http://sys-ids.kemkes.go.id/"
TERMS = "http://terminology.hl7.org/CodeSystem/"
ORG = "10000004"


def day(offset: int = 0) -> str:
    return (datetime.now(ZoneInfo("Asia/Jakarta")) + timedelta(days=offset)).strftime("%Y-%m-%d")


def at(minutes: int) -> str:
    """So many minutes from two hours ago, in UTC."""
    return (datetime.now(UTC) - timedelta(hours=2) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def coded(system: str, code: str, display: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display}]}


def patient() -> Resource:
    return {
        "resourceType": "Patient",
        "id": "sri",
        "identifier": [
            {"system": f"{IDS}nik", "value": "1371015203850001"},
            {"system": f"{SYS}mrn/{ORG}", "value": "RM-000101"},
        ],
        "name": [{"text": "SRI WAHYUNI"}],
        "telecom": [{"system": "phone", "value": "+62 812-0000-0001"}],
        "gender": "female",
        "birthDate": "1985-03-12",
    }


def practitioner() -> Resource:
    return {
        "resourceType": "Practitioner",
        "id": "arief",
        "identifier": [
            {"system": f"{IDS}nik", "value": "1371010101750101"},
            {"system": f"{SID}bpjs-dpjp", "value": "31574"},
        ],
        "name": [{"text": "dr. Arief Hidayat Sp.PD"}],
    }


def clinic() -> list[Resource]:
    return [
        {
            "resourceType": "Organization",
            "id": "puskesmas",
            "identifier": [{"system": f"{SID}bpjs-faskes", "value": "03010701"}],
            "name": "Puskesmas Contoh Satu",
        },
        {
            "resourceType": "Organization",
            "id": "rsud",
            "identifier": [{"system": f"{IDS}org-number", "value": ORG}],
            "name": "RSUD Contoh Gapura",
        },
        {
            "resourceType": "Location",
            "id": "poli-dalam",
            "identifier": [
                {"system": f"{SYS}location/{ORG}", "value": "INT"},
                {"system": f"{SYS}bpjs-poli", "value": "INT"},
            ],
            "status": "active",
            "name": "Poli Penyakit Dalam",
        },
    ]


def coverage() -> Resource:
    return {
        "resourceType": "Coverage",
        "id": "kartu-sri",
        "status": "active",
        "subscriberId": "0001137150385",
        "beneficiary": {"reference": "Patient/sri"},
        "payor": [{"identifier": {"system": f"{IDS}org-number", "value": "100000030"}}],
        "class": [{"type": {"coding": [{"system": f"{TERMS}coverage-class", "code": "class"}]}, "value": "2"}],
    }


def encounter(identity: str = "kunjungan", *, finished: bool = False) -> Resource:
    end = {"end": at(60)} if finished else {}
    history = [
        {"status": "arrived", "period": {"start": at(0), "end": at(10)}},
        {"status": "in-progress", "period": {"start": at(10), **end}},
    ]
    if finished:
        history.append({"status": "finished", "period": {"start": at(60), "end": at(60)}})
    made: Resource = {
        "resourceType": "Encounter",
        "id": identity,
        "status": "finished" if finished else "in-progress",
        "statusHistory": history,
        "class": {"system": f"{TERMS}v3-ActCode", "code": "AMB", "display": "ambulatory"},
        "subject": {"reference": "Patient/sri", "display": "SRI WAHYUNI"},
        "participant": [
            {
                "type": [{"coding": [{"system": f"{TERMS}v3-ParticipationType", "code": "ATND"}]}],
                "individual": {"reference": "Practitioner/arief", "display": "dr. Arief Hidayat Sp.PD"},
            }
        ],
        "period": {"start": at(0), **end},
        "location": [{"location": {"reference": "Location/poli-dalam", "display": "Poli Penyakit Dalam"}}],
        "serviceProvider": {"reference": "Organization/rsud"},
    }
    if finished:
        made["diagnosis"] = [
            {
                "condition": {"reference": "Condition/dm", "display": "Diabetes mellitus tipe 2"},
                "use": coded(f"{TERMS}diagnosis-role", "DD", "Discharge diagnosis"),
                "rank": 1,
            }
        ]
        made["hospitalization"] = {
            "dischargeDisposition": {
                "coding": [{"system": f"{TERMS}discharge-disposition", "code": "home", "display": "Home"}]
            }
        }
    return made


def condition(identity: str = "dm", visit: str = "kunjungan") -> Resource:
    return {
        "resourceType": "Condition",
        "id": identity,
        "clinicalStatus": {"coding": [{"system": f"{TERMS}condition-clinical", "code": "active", "display": "Active"}]},
        "category": [coded(f"{TERMS}condition-category", "encounter-diagnosis", "Encounter Diagnosis")],
        "code": {
            "coding": [
                {
                    "system": "http://hl7.org/fhir/sid/icd-10",
                    "code": "E11.9",
                    "display": "Type 2 diabetes mellitus without complications",
                }
            ]
        },
        "subject": {"reference": "Patient/sri", "display": "SRI WAHYUNI"},
        "encounter": {"reference": f"Encounter/{visit}"},
        "onsetDateTime": at(10),
        "recordedDate": at(15),
    }


def observation(identity: str = "nadi", visit: str = "kunjungan") -> Resource:
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "category": [
            {"coding": [{"system": f"{TERMS}observation-category", "code": "vital-signs", "display": "Vital Signs"}]}
        ],
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}]},
        "subject": {"reference": "Patient/sri"},
        "performer": [{"reference": "Practitioner/arief"}],
        "encounter": {"reference": f"Encounter/{visit}"},
        "effectiveDateTime": at(12),
        "issued": at(13),
        "valueQuantity": {
            "value": 80,
            "unit": "beats/minute",
            "system": "http://unitsofmeasure.org",
            "code": "/min",
        },
    }


def medication(kfa: str) -> Resource:
    kinds = "http://terminology.kemkes.go.id/CodeSystem/medication-"
    return {
        "resourceType": "Medication",
        "id": "obat",
        "extension": [
            {
                "url": "https://fhir.kemkes.go.id/r4/StructureDefinition/MedicationType",
                "valueCodeableConcept": coded(f"{kinds}type", "NC", "Non-compound"),
            }
        ],
        "code": coded(f"{SYS}kfa", kfa, "Parasetamol 500 mg Tablet"),
        "status": "active",
        "form": coded(f"{kinds}form", "BS066", "Tablet"),
    }


def dispense(visit: str = "kunjungan") -> Resource:
    return {
        "resourceType": "MedicationDispense",
        "id": "penyerahan",
        "identifier": [{"system": f"{SYS}prescription/{ORG}", "value": "R-1"}],
        "status": "completed",
        "category": coded(
            "http://terminology.hl7.org/fhir/CodeSystem/medicationdispense-category", "outpatient", "Outpatient"
        ),
        "medicationReference": {"reference": "Medication/obat"},
        "subject": {"reference": "Patient/sri"},
        "context": {"reference": f"Encounter/{visit}"},
        "performer": [{"actor": {"reference": "Practitioner/arief"}}],
        "whenHandedOver": at(50),
    }


def referral() -> Resource:
    return {
        "resourceType": "ServiceRequest",
        "id": "rujukan",
        "identifier": [{"system": f"{SYS}referral-number-pcare", "value": "030107011126P000001"}],
        "status": "active",
        "intent": "order",
        "category": [coded("http://snomed.info/sct", "3457005", "Patient referral")],
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "737492002"}]},
        "subject": {"reference": "Patient/sri"},
        "authoredOn": day(-5),
        "requester": {"reference": "Organization/puskesmas"},
    }


def wish(identity: str = "sep", visit: str = "kunjungan") -> Resource:
    return {
        "resourceType": "CoverageEligibilityRequest",
        "id": identity,
        "status": "active",
        "purpose": ["validation"],
        "patient": {"reference": "Patient/sri"},
        "servicedDate": day(),
        "created": day(),
        "enterer": {"display": "loket-1"},
        "insurer": {"identifier": {"system": f"{IDS}org-number", "value": "100000030"}},
        "facility": {"reference": "Location/poli-dalam"},
        "supportingInfo": [
            {"sequence": 1, "information": {"reference": f"Encounter/{visit}"}},
            {"sequence": 2, "information": {"reference": "ServiceRequest/rujukan"}},
        ],
        "insurance": [{"focal": True, "coverage": {"reference": "Coverage/kartu-sri"}}],
        "item": [{"diagnosis": [{"diagnosisReference": {"reference": "Condition/dm"}}]}],
    }


def base() -> list[Resource]:
    """Everything that is there before the visit."""
    return [patient(), practitioner(), *clinic(), coverage(), referral()]
