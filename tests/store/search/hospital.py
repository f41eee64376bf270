"""One small hospital written for the tests of searches, and how its searches are tried."""

from urllib.parse import parse_qsl

from gateway.store import Store
from profiles.fhirjson import Resource

HERE, THERE = "rs-melati", "rs-kenanga"
NIK = "https://fhir.kemkes.go.id/id/nik"
MRN = "http://sys-ids.kemkes.go.id/mrn/10000004"
V2 = "http://terminology.hl7.org/CodeSystem/v2-0203"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
ICD = "http://hl7.org/fhir/sid/icd-10"


def reference(to: str) -> Resource:
    return {"reference": to}


def concept(system: str, code: str, display: str = "") -> Resource:
    return {"coding": [{"system": system, "code": code, **({"display": display} if display else {})}]}


def observation(id: str, code: str, when: str, **value: object) -> Resource:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": concept(LOINC, code, {"8480-6": "Systolic blood pressure"}.get(code, "")),
        "subject": reference("Patient/budi"),
        "encounter": reference("Encounter/rajal"),
        "effectiveDateTime": when,
        **value,
    }


HOSPITAL: list[Resource] = [
    {
        "resourceType": "Patient",
        "id": "budi",
        "meta": {
            "tag": [{"system": "urn:tag", "code": "uji"}],
            "profile": ["https://fhir.kemkes.go.id/r4/StructureDefinition/Patient"],
            "source": "urn:simrs:khanza",
            "security": [{"system": "urn:sec", "code": "R"}],
        },
        "identifier": [
            {"system": NIK, "value": "3174010101900001"},
            {"type": {"coding": [{"system": V2, "code": "MR"}], "text": "Nomor RM"}, "system": MRN, "value": "000123"},
        ],
        "active": True,
        "name": [{"text": "Budi Santoso", "family": "Santoso", "given": ["Budi", "Chérie"]}],
        "telecom": [{"system": "phone", "value": "0812,555"}, {"system": "email", "value": "budi@contoh.id"}],
        "gender": "male",
        "birthDate": "1990-01-01",
        "address": [{"line": ["Jl. Melati 5"], "city": "Jakarta"}],
        "generalPractitioner": [{"identifier": {"system": NIK, "value": "3174020202800002"}}],
        "managingOrganization": reference("Organization/rs"),
    },
    {
        "resourceType": "Patient",
        "id": "siti",
        "identifier": [{"system": NIK, "value": "3174014101910002"}, {"value": "tanpa-sistem"}],
        "active": False,
        "name": [{"text": "Siti Aminah"}],
        "gender": "female",
        "birthDate": "1991-06",
        "managingOrganization": reference("Organization/klinik"),
    },
    {"resourceType": "Patient", "id": "tanpa-nama", "gender": "unknown"},
    {"resourceType": "Organization", "id": "rs", "name": "RS Melati", "partOf": reference("Organization/grup")},
    {"resourceType": "Organization", "id": "klinik", "name": "Klinik Anggrek"},
    {"resourceType": "Organization", "id": "grup", "name": "Grup Bunga"},
    {
        "resourceType": "Practitioner",
        "id": "dokter",
        "name": [{"text": "dr. Rina"}],
        "identifier": [{"system": NIK, "value": "3174020202800002"}],
    },
    {
        "resourceType": "Encounter",
        "id": "rajal",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": reference("Patient/budi"),
        "participant": [{"individual": reference("Practitioner/dokter")}],
        "period": {"start": "2026-03-01T08:00:00+07:00", "end": "2026-03-01T10:00:00+07:00"},
    },
    {
        "resourceType": "Encounter",
        "id": "ranap",
        "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": reference("Patient/siti"),
        "period": {"start": "2026-03-05T22:00:00+07:00"},
    },
    observation(
        "sistolik",
        "8480-6",
        "2026-03-01T08:15:00+07:00",
        valueQuantity={"value": 120, "unit": "mmHg", "system": UCUM, "code": "mm[Hg]"},
    ),
    observation(
        "berat", "29463-7", "2026-03-01", valueQuantity={"value": 70.5, "unit": "kg", "system": UCUM, "code": "kg"}
    ),
    observation("catatan", "48767-8", "2026-03", valueString="Pasien gelisah"),
    {
        "resourceType": "Condition",
        "id": "isk",
        "code": {**concept(ICD, "N39.0"), "text": "Infeksi saluran kemih"},
        "subject": reference("Patient/budi"),
        "encounter": reference("Encounter/rajal"),
        "onsetString": "sejak kemarin",
    },
    {
        "resourceType": "RiskAssessment",
        "id": "risiko",
        "status": "final",
        "subject": reference("Patient/budi"),
        "prediction": [{"probabilityDecimal": 0.25}],
    },
    {
        "resourceType": "ValueSet",
        "id": "poli",
        "url": "https://rs.contoh.id/fhir/ValueSet/poli",
        "status": "active",
        "useContext": [
            {
                "code": {"system": "urn:use", "code": "venue"},
                "valueCodeableConcept": concept("urn:venue", "igd"),
            },
            {
                "code": {"system": "urn:use", "code": "task"},
                "valueCodeableConcept": concept("urn:venue", "lain"),
            },
        ],
    },
    {
        "resourceType": "CodeSystem",
        "id": "ruang",
        "url": "urn:rs:ruang",
        "status": "active",
        "content": "complete",
        "concept": [
            {
                "code": "rawat",
                "concept": [{"code": "rawat-anak"}, {"code": "rawat-bedah", "concept": [{"code": "icu"}]}],
            },
            {"code": "poli"},
        ],
    },
    {
        "resourceType": "ValueSet",
        "id": "ruang-rawat",
        "url": "urn:rs:ruang-rawat",
        "status": "active",
        "compose": {"include": [{"system": "urn:rs:ruang", "concept": [{"code": "icu"}]}]},
    },
    {
        "resourceType": "DocumentReference",
        "id": "resume",
        "status": "current",
        "relatesTo": [
            {"code": "appends", "target": reference("DocumentReference/lama")},
            {"code": "replaces", "target": reference("DocumentReference/salah")},
        ],
    },
    {"resourceType": "Basic", "id": "icu", "code": concept("urn:rs:ruang", "icu")},
    {"resourceType": "Basic", "id": "poli", "code": concept("urn:rs:ruang", "poli")},
    {
        "resourceType": "Location",
        "id": "monas",
        "name": "Monas",
        "position": {"latitude": -6.1754, "longitude": 106.8272},
        "text": {"status": "generated", "div": "<div><p>Tugu &amp; <b>taman</b> kota Jakarta</p></div>"},
    },
    {
        "resourceType": "Location",
        "id": "bogor",
        "name": "Kebun Raya",
        "description": "Kebún tua di Bogor",
        "position": {"latitude": -6.5976, "longitude": 106.7996},
    },
    {
        "resourceType": "List",
        "id": "pantau",
        "status": "current",
        "mode": "working",
        "entry": [{"item": reference("Patient/siti")}, {"item": reference("Encounter/ranap")}],
    },
    {
        "resourceType": "Basic",
        "id": "beralamat",
        "code": {"text": "x"},
        "subject": reference("http://127.0.0.1:8080/fhir/Patient/siti"),
    },
    {"resourceType": "ValueSet", "id": "lain", "url": "https://rs.contoh.id/fhirish", "status": "draft"},
    {"resourceType": "ValueSet", "id": "poli-1", "url": "https://rs.contoh.id/vs", "version": "1.0", "status": "draft"},
    {"resourceType": "ValueSet", "id": "poli-2", "url": "https://rs.contoh.id/vs", "version": "2.0", "status": "draft"},
    {
        "resourceType": "DocumentReference",
        "id": "gambar",
        "status": "current",
        "content": [{"attachment": {"contentType": "image/png;q=1"}}, {"attachment": {"contentType": "text/xml"}}],
    },
    {"resourceType": "Device", "id": "siti", "status": "active"},
    {"resourceType": "Location", "id": "gedung", "name": "Gedung A"},
    {"resourceType": "Location", "id": "lantai", "name": "Lantai 2", "partOf": reference("Location/gedung")},
    {"resourceType": "Location", "id": "kamar", "name": "Kamar 201", "partOf": reference("Location/lantai")},
    {
        "resourceType": "Procedure",
        "id": "jahit",
        "status": "completed",
        "subject": reference("Patient/siti"),
        "location": reference("Location/kamar"),
        "code": {"coding": [{"system": "urn:rs:tindakan", "code": "JahitLuka"}]},
        "performedDateTime": "2026-03-05T23:30:00+07:00",
    },
    {
        "resourceType": "PlanDefinition",
        "id": "rencana",
        "status": "active",
        "library": ["http://contoh.id/Library/a|1.2.3", "http://contoh.id/Library/b|12"],
    },
    {
        "resourceType": "Appointment",
        "id": "janji",
        "status": "booked",
        "participant": [{"actor": {"display": "dr. Rina"}, "status": "accepted"}],
    },
    {
        "resourceType": "ServiceRequest",
        "id": "terapi",
        "status": "active",
        "intent": "order",
        "subject": reference("Patient/siti"),
        "occurrenceTiming": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}},
        "performerType": {"text": "Fisioterapis"},
    },
    {
        "resourceType": "ServiceRequest",
        "id": "kontrol",
        "status": "active",
        "intent": "order",
        "subject": reference("Patient/siti"),
        "occurrenceTiming": {
            "event": ["2026-03-06T08:00:00+07:00"],
            "repeat": {"boundsPeriod": {"start": "2026-03-05", "end": "2026-03-10"}},
        },
    },
    {
        "resourceType": "MedicationRequest",
        "id": "bermuka",
        "status": "active",
        "intent": "order",
        "subject": reference("Patient/siti"),
        "medicationCodeableConcept": {"text": "Parasetamol"},
    },
    {
        "resourceType": "Group",
        "id": "ibu",
        "type": "person",
        "actual": False,
        "characteristic": [
            {
                "code": concept("urn:ciri", "jenis"),
                "valueCodeableConcept": concept("urn:ciri", "ibu"),
                "exclude": False,
            },
            {"code": concept("urn:ciri", "usia"), "valueCodeableConcept": concept("urn:ciri", "muda"), "exclude": True},
        ],
    },
]


async def ids(store: Store, type: str, query: str, facility: str = HERE) -> list[str]:
    """The ids of one page of what a query finds."""
    page = await store.search(facility, type, parse_qsl(query, keep_blank_values=True))
    return [v.id for v in page.matches]


async def wrong(store: Store, expected: list[tuple[str, str, str]]) -> list[str]:
    """What differs from (type, query, ids that it finds)."""
    differing = []
    for type, query, wanted in expected:
        found = await ids(store, type, query)
        if sorted(found) != sorted(wanted.split()):
            differing.append(f"{type}?{query}: {found} instead of {wanted.split()}")
    return differing
