"""Type search: what each parameter type and modifier finds, over one small hospital written for this."""

from urllib.parse import parse_qsl

import pytest

from gateway.store import BadParameter, Change, Store
from profiles import fhirjson
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
]

FOUND = [
    ("Patient", "_id=budi,siti", "budi siti"),
    ("Patient", "_id:not=budi", "siti tanpa-nama"),
    ("Patient", "_tag=urn:tag|uji", "budi"),
    ("Patient", "_tag:not=uji", "siti tanpa-nama"),
    ("Patient", "_security=R", "budi"),
    ("Patient", "_source=urn:simrs:khanza", "budi"),
    ("Patient", "_profile=https://fhir.kemkes.go.id/r4/StructureDefinition/Patient", "budi"),
    ("Patient", "_lastUpdated=gt2000-01-01", "budi siti tanpa-nama"),
    ("Patient", "_lastUpdated=lt2000-01-01", ""),
    # token
    ("Patient", f"identifier={NIK}|3174010101900001", "budi"),
    ("Patient", "identifier=3174010101900001", "budi"),
    ("Patient", f"identifier={MRN}|3174010101900001", ""),
    ("Patient", f"identifier={NIK}|", "budi siti"),
    ("Patient", "identifier=|tanpa-sistem", "siti"),
    ("Patient", "identifier=|3174010101900001", ""),
    ("Patient", "identifier=tanpa-sistem,000123", "budi siti"),
    ("Patient", f"identifier:of-type={V2}|MR|000123", "budi"),
    ("Patient", f"identifier:of-type={V2}|MR|3174010101900001", ""),
    ("Patient", "identifier:text=nomor", "budi"),
    ("Patient", "gender=male", "budi"),
    ("Patient", "gender=http://hl7.org/fhir/administrative-gender|male", "budi"),
    ("Patient", "gender=urn:other|male", ""),
    ("Patient", "gender:not=male", "siti tanpa-nama"),
    ("Patient", "gender:in=http://hl7.org/fhir/ValueSet/administrative-gender", "budi siti tanpa-nama"),
    ("Patient", "gender:not-in=http://hl7.org/fhir/ValueSet/administrative-gender", ""),
    ("Patient", "active=true", "budi"),
    ("Patient", "active:missing=true", "tanpa-nama"),
    ("Patient", "active:missing=false", "budi siti"),
    ("Patient", r"phone=0812\,555", "budi"),
    ("Patient", "email=budi@contoh.id", "budi"),
    ("Condition", "code:text=infeksi", "isk"),
    ("Observation", "code:text=systolic", "sistolik"),
    # string
    ("Patient", "name=budi", "budi"),
    ("Patient", "name=CHERIE", "budi"),
    ("Patient", "name=antoso", ""),
    ("Patient", "name:contains=ANTOSO", "budi"),
    ("Patient", "name:exact=Santoso", "budi"),
    ("Patient", "name:exact=santoso", ""),
    ("Patient", "name=siti,budi", "budi siti"),
    ("Patient", "name=budi&name=santoso", "budi"),
    ("Patient", "name=budi&name=siti", ""),
    ("Patient", "name:missing=true", "tanpa-nama"),
    ("Patient", "address=jl. melati&address-city=jakarta", "budi"),
    # date: the facility is at +07:00
    ("Patient", "birthdate=1990-01-01", "budi"),
    ("Patient", "birthdate=1990", "budi"),
    ("Patient", "birthdate=1991-06-01", ""),
    ("Patient", "birthdate=ne1990", "siti"),
    ("Patient", "birthdate=gt1990-12-31", "siti"),
    ("Patient", "birthdate=ge1990-01-01", "budi siti"),
    ("Patient", "birthdate=lt1991", "budi"),
    ("Patient", "birthdate=le1991-06", "budi siti"),
    ("Patient", "birthdate=sa1990-01-01", "siti"),
    ("Patient", "birthdate=eb1991-06", "budi"),
    ("Patient", "birthdate=ge1990&birthdate=lt1991", "budi"),
    ("Observation", "date=2026-03-01", "sistolik berat"),
    ("Observation", "date=2026-03-01T01:15:00Z", "sistolik"),
    ("Observation", "date=2026-02-28", ""),
    ("Observation", "date=2026", "sistolik berat catatan"),
    ("Encounter", "date=2026-03-01", "rajal"),
    ("Encounter", "date=gt2027", "ranap"),
    ("Encounter", "date=eb2026-03-02", "rajal"),
    ("Encounter", "date=sa2026-03-04", "ranap"),
    # number and quantity
    ("RiskAssessment", "probability=0.25", "risiko"),
    ("RiskAssessment", "probability=0.3", "risiko"),
    ("RiskAssessment", "probability=0.30", ""),
    ("RiskAssessment", "probability=gt0.2", "risiko"),
    ("RiskAssessment", "probability=lt0.25", ""),
    ("RiskAssessment", "probability=le0.25", "risiko"),
    ("RiskAssessment", "probability=ap0.26", "risiko"),
    ("Observation", "value-quantity=70.5", "berat"),
    ("Observation", f"value-quantity=70.5|{UCUM}|kg", "berat"),
    ("Observation", f"value-quantity=70500|{UCUM}|g", "berat"),
    ("Observation", f"value-quantity=gt70|{UCUM}|kg", "berat"),
    ("Observation", f"value-quantity=gt71000|{UCUM}|g", ""),
    ("Observation", "value-quantity=120||mmHg", "sistolik"),
    ("Observation", "value-quantity=120||mm[Hg]", "sistolik"),
    ("Observation", "value-quantity=120||kg", ""),
    ("Observation", "value-quantity=ne120", "berat"),
    # reference
    ("Observation", "subject=Patient/budi", "sistolik berat catatan"),
    ("Observation", "subject=budi", "sistolik berat catatan"),
    ("Observation", "subject:Patient=budi", "sistolik berat catatan"),
    ("Observation", "subject:Group=budi", ""),
    ("Observation", "patient=siti", ""),
    ("Encounter", "practitioner=dokter", "rajal"),
    ("Patient", f"general-practitioner:identifier={NIK}|3174020202800002", "budi"),
    ("Patient", "general-practitioner:missing=true", "siti tanpa-nama"),
    # uri
    ("ValueSet", "url=https://rs.contoh.id/fhir/ValueSet/poli", "poli"),
    ("ValueSet", "url:below=https://rs.contoh.id/fhir", "poli"),
    ("ValueSet", "url:above=https://rs.contoh.id/fhirish/ValueSet/x", "lain"),
    # composite
    ("Observation", f"code-value-quantity={LOINC}|8480-6$gt100", "sistolik"),
    ("Observation", f"code-value-quantity={LOINC}|8480-6$70.5", ""),
    ("Observation", "code-value-string=48767-8$pasien", "catatan"),
    ("ValueSet", "context-type-value=venue$igd", "poli"),
    ("ValueSet", "context-type-value=task$igd", ""),
    # codes above and below, and in what was uploaded
    ("Condition", f"code:below={ICD}|N39", "isk"),
    ("Condition", f"code:below={ICD}|N30-N39", "isk"),
    ("Condition", f"code:below={ICD}|N34", ""),
    ("Condition", f"code:above={ICD}|N39.0", "isk"),
    ("Basic", "code:below=urn:rs:ruang|rawat", "icu"),
    ("Basic", "code:below=urn:rs:ruang|rawat-anak", ""),
    ("Basic", "code:above=urn:rs:ruang|icu", "icu"),
    ("Basic", "code:in=urn:rs:ruang-rawat", "icu"),
    ("Basic", "code:not-in=urn:rs:ruang-rawat", "poli beralamat"),
    ("Basic", "subject=Patient/siti", "beralamat"),
    ("Basic", "subject=http://127.0.0.1:8080/fhir/Patient/siti", "beralamat"),
    ("Encounter", "subject=http://127.0.0.1:8080/rs-melati/fhir/Patient/siti", "ranap"),
    ("Encounter", "subject=https://lain.id/fhir/Patient/siti", ""),
    # words
    ("Location", "_text=taman jakarta", "monas"),
    ("Location", "_text=taman bogor", ""),
    ("Location", "_text=kebun", ""),
    ("Location", "_content=kebun", "bogor"),
    ("Location", "_content=KEBUN or TUGU", "bogor monas"),
    ("Location", '_content="tua di bogor"', "bogor"),
    ("Location", "_content=kebun -tua", ""),
    ("Condition", "_content=saluran", "isk"),
    ("Condition", "_content=kemarin", "isk"),
    # lists and positions
    ("Patient", "_list=pantau", "siti"),
    ("Encounter", "_list=pantau", "ranap"),
    ("Encounter", "_list=List/pantau&status=finished", ""),
    ("Encounter", "_list=lain", ""),
    ("Location", "near=-6.18|106.83", "bogor monas"),
    ("Location", "near=-6.18|106.83|5", "monas"),
    ("Location", "near=-6.18|106.83|5|mi", "monas"),
    ("Location", "near=-6.18|106.83|500|m", ""),
    ("Location", "near=-6.18|106.83|5,-6.6|106.8|5", "bogor monas"),
    ("Location", "near=-6.1754|107.8|90", ""),
    # filters
    ("Patient", "_filter=gender eq male", "budi"),
    ("Patient", "_filter=gender ne male", "siti tanpa-nama"),
    ("Patient", '_filter=name co "anto" or name sw "SITI"', "budi siti"),
    ("Patient", '_filter=name ew "oso" and not (birthdate lt 1990)', "budi"),
    ("Patient", '_filter=name eq "budi santoso"', "budi"),
    ("Patient", '_filter=name eq "budi"', "budi"),
    ("Patient", '_filter=name ne "budi"', "siti tanpa-nama"),
    ("Patient", "_filter=name pr false", "tanpa-nama"),
    ("Patient", "_filter=name pr true and gender eq female", "siti"),
    ("Patient", "_filter=gender eq male or gender eq female and birthdate gt 2000", "budi"),
    ("Patient", "_filter=(gender eq male or gender eq female) and birthdate gt 2000", ""),
    ("Patient", '_filter=phone eq "0812,555"', "budi"),
    ("Patient", f"_filter=identifier eq {NIK}|3174010101900001", "budi"),
    ("Encounter", "_filter=date po 2026-03-01", "rajal"),
    ("Encounter", "_filter=subject.name co siti", "ranap"),
    ("Observation", "_filter=code-value-quantity pr true", "sistolik berat"),
    ("Observation", "_filter=value-quantity ge 100 or status ne final", "sistolik"),
    ("Condition", f"_filter=code ss {ICD}|N39", "isk"),
    ("ValueSet", "_filter=url ss https://rs.contoh.id/fhir", "poli"),
    ("DocumentReference", "relationship=DocumentReference/lama$appends", "resume"),
    ("DocumentReference", "relationship=DocumentReference/lama$replaces", ""),
    # chains
    ("Observation", "subject:Patient.name=budi", "sistolik berat catatan"),
    ("Observation", "patient.name=siti", ""),
    ("Observation", "subject.name=budi", "sistolik berat catatan"),
    ("Observation", "patient.organization.name=melati", ""),
    ("Observation", "patient.organization.name=rs", "sistolik berat catatan"),
    ("Observation", "patient.organization.partof.name=grup", "sistolik berat catatan"),
    ("Observation", "patient._id=budi&code=8480-6", "sistolik"),
    ("Encounter", "subject:Patient.birthdate=lt1991", "rajal"),
    ("Patient", "_has:Observation:patient:code=8480-6", "budi"),
    ("Patient", "_has:Observation:patient:code=xx", ""),
    ("Patient", "_has:Encounter:patient:_has:Observation:encounter:code=8480-6", "budi"),
    ("Practitioner", "_has:Encounter:practitioner:subject:Patient.name=budi", "dokter"),
    ("Patient", "gender=male&birthdate=1990&_has:Condition:patient:code=N39.0", "budi"),
]

REFUSED = [
    ("Patient", "nama=budi", "'nama' is not a search parameter of Patient", "name"),
    ("Patient", "name:soundex=budi", "has no modifier :soundex", "contains"),
    ("Patient", "gender=", "has no value", None),
    ("Patient", "birthdate=kemarin", "is not a date", None),
    ("Patient", "birthdate=2026-13-01", "is not a date", None),
    ("Patient", "active:missing=ya", "is not", "true"),
    ("RiskAssessment", "probability=banyak", "is not a number", None),
    ("RiskAssessment", "probability=1e9999", "is not a number", None),
    ("Patient", "name:exact=a%00b", "impossible value", None),
    ("Patient", "_cursor=Wzk5OTk5OTk5OTk5OTk5OTk5OTk5OTldCg", "impossible value", None),
    ("Observation", "value-quantity=5|mg", "is not written", None),
    ("Observation", "subject:Organization=x", "has no modifier :Organization", "Patient"),
    ("Observation", "subject=a b", "is not an id", None),
    ("Observation", "code.text=x", "is a token and cannot be followed", None),
    ("Observation", "subject.nama=x", "'nama' is not a search parameter", "name"),
    ("Observation", "subject:Organization.name=x", "does not lead to Organization", "Patient"),
    ("Observation", "code-value-quantity=8480-6", "has not 2 parts", None),
    ("Patient", "_has:Observation:code:status=final", "does not lead to Patient", "subject"),
    ("Patient", "_has:Observation", "is written _has:", None),
    ("Patient", "gender:in=urn:unknown", "are not known here", None),
    ("Patient", "gender:in=urn:unknown,urn:rs:lain", "are not known here", None),
    ("Patient", "gender:below=male", "is not written system|code", None),
    ("Condition", f"code:below={ICD}|ZZZ", "has no code", None),
    ("Condition", "code:below=urn:unknown|a", "not known here", None),
    ("Patient", "_text:exact=x", "has no modifier", None),
    ("Patient", "_content=", "has no value", None),
    ("Patient", "near=1|2", "'near' is not a search parameter", "name"),
    ("Location", "near=1", "is not written latitude|longitude", None),
    ("Location", "near=95|1", "is not written latitude|longitude", None),
    ("Location", "near=5|1|1|parsec", "is not written latitude|longitude", "km"),
    ("Location", "_sort=near", "has no order", None),
    ("Patient", "_filter=nama eq budi", "'nama' is not a search parameter", "name"),
    ("Patient", "_filter=name lt budi", "'lt' is not an operator of a string", "co"),
    ("Patient", "_filter=name eq", "wants a value", None),
    ("Patient", "_filter=(name eq budi", "is not closed", None),
    ("Patient", "_filter=name eq budi)", "is not expected", None),
    ("Patient", '_filter=name eq "budi', "cannot be read", None),
    ("Patient", "_filter=name pr ya", "takes true or false", "true"),
    ("Patient", "_sort=nama", "is not a search parameter", "birthdate"),
    ("Patient", "_count=banyak", "is not a whole number", None),
    ("Patient", "_total=all", "is not a way to count", "accurate"),
    ("Patient", "_include=Patient:name", "is not a reference parameter of Patient", "organization"),
    ("Patient", "_include=Pasien:name", "is not a resource type", None),
    ("Patient", "_cursor=zzz", "is not a cursor", None),
    ("Patient", "_count=1&_count=2", "more than once", None),
    ("Pasien", "name=x", "is not a resource type", None),
]


@pytest.fixture
async def hospital(store: Store) -> Store:
    """The store with HOSPITAL written to one facility, and a namesake in the other."""
    await store.write(HERE, [Change.update(r, r["id"]) for r in HOSPITAL])
    await store.write(THERE, [Change.update({**HOSPITAL[0], "name": [{"text": "Budi Lain"}]}, "budi-lain")])
    return store


async def ids(store: Store, type: str, query: str, facility: str = HERE) -> list[str]:
    page = await store.search(facility, type, parse_qsl(query, keep_blank_values=True))
    return [v.id for v in page.matches]


async def test_every_parameter_finds_what_the_specification_says(hospital: Store) -> None:
    wrong = []
    for type, query, expected in FOUND:
        found = await ids(hospital, type, query)
        if sorted(found) != sorted(expected.split()):
            wrong.append(f"{type}?{query}: {found} instead of {expected.split()}")
    assert not wrong, "\n".join(wrong)


async def test_what_is_unknown_or_malformed_is_refused_and_the_valid_named(store: Store) -> None:
    for type, query, problem, named in REFUSED:
        with pytest.raises(BadParameter) as refused:
            await store.search(HERE, type, parse_qsl(query, keep_blank_values=True))
        assert problem in str(refused.value), query
        assert named is None or named in refused.value.valid, query


async def test_a_search_of_several_types(hospital: Store) -> None:
    async def found(query: str) -> list[str]:
        page = await hospital.search(HERE, "", parse_qsl(query, keep_blank_values=True))
        return [v.reference for v in page.matches]

    assert await found("_type=Patient,Practitioner&_id=budi,dokter") == ["Practitioner/dokter", "Patient/budi"]
    assert await found("_type=Patient,Practitioner&name=budi") == ["Patient/budi"]
    assert sorted(await found("_id=icu,rajal")) == ["Basic/icu", "Encounter/rajal"]
    assert sorted(await found("_list=pantau")) == ["Encounter/ranap", "Patient/siti"]
    assert await found("_type=Encounter,Observation&_sort=-date&_count=1") == ["Encounter/ranap"]
    page = await hospital.search(HERE, "", [("_type", "Patient,Encounter"), ("_total", "accurate"), ("_count", "2")])
    assert page.total == 5
    assert page.next is not None
    seen = [v.reference for v in page.matches]
    while page.next:
        page = await hospital.search(
            HERE, "", [("_type", "Patient,Encounter"), ("_count", "2"), ("_cursor", page.next)]
        )
        seen += [v.reference for v in page.matches]
    assert seen == ["Encounter/ranap", "Encounter/rajal", "Patient/tanpa-nama", "Patient/siti", "Patient/budi"]
    assert (await hospital.search(THERE, "", [("_id", "siti")])).matches == []


async def test_a_search_of_several_types_refuses_what_one_of_them_does_not_know(store: Store) -> None:
    for query, problem in (
        ("_type=Patient,Basic&name=x", "'name' is not a search parameter of Basic"),
        ("_type=Patient,Pasien", "'Pasien' is not a resource type"),
        ("_type=Patient&_type=Basic", "more than once"),
        ("nama=x", "'nama' is not a search parameter"),
        ("_type=Patient,Encounter&_sort=gender", "'gender' is not a search parameter of Encounter"),
        ("_type=Patient,Encounter&_sort=identifier,_text", "has no order"),
    ):
        with pytest.raises(BadParameter, match=problem):
            await store.search(HERE, "", parse_qsl(query))


async def test_no_search_crosses_facilities(hospital: Store) -> None:
    assert await ids(hospital, "Patient", "name=budi", THERE) == ["budi-lain"]
    assert await ids(hospital, "Observation", "subject:Patient.name=budi", THERE) == []
    assert await ids(hospital, "Patient", "_has:Observation:patient:code=8480-6", THERE) == []


async def test_a_search_answers_the_bytes_that_were_stored(hospital: Store) -> None:
    page = await hospital.search(HERE, "Patient", [("_id", "budi")])
    assert page.matches[0].content == (await hospital.read(HERE, "Patient", "budi")).content


async def test_the_index_follows_updates_and_deletions(hospital: Store) -> None:
    await hospital.write(HERE, [Change.update({"resourceType": "Patient", "name": [{"text": "Joko"}]}, "budi")])
    assert await ids(hospital, "Patient", "name=budi") == []
    assert await ids(hospital, "Patient", "name=joko") == ["budi"]
    await hospital.write(HERE, [Change.delete("Patient", "budi")])
    assert await ids(hospital, "Patient", "name=joko") == []
    assert await ids(hospital, "Patient", "") == ["tanpa-nama", "siti"]
    assert await ids(hospital, "Observation", "subject:Patient.name=joko") == []


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("birthdate", "budi siti tanpa-nama"),
        ("-birthdate", "siti budi tanpa-nama"),
        ("name", "budi siti tanpa-nama"),
        ("-gender", "tanpa-nama budi siti"),
        ("_id", "budi siti tanpa-nama"),
        ("-_lastUpdated,_id", "budi siti tanpa-nama"),
        ("organization,-_id", "siti budi tanpa-nama"),
    ],
)
async def test_order_and_pages_by_any_parameters(hospital: Store, sort: str, expected: str) -> None:
    assert await ids(hospital, "Patient", f"_sort={sort}") == expected.split()
    seen, cursor = [], ""
    while True:
        page = await hospital.search(
            HERE, "Patient", [("_sort", sort), ("_count", "1"), *[("_cursor", cursor)] * bool(cursor)]
        )
        seen += [v.id for v in page.matches]
        if page.next is None:
            break
        cursor = page.next
    assert seen == expected.split()


async def test_pages_show_each_resource_once_while_others_write(hospital: Store) -> None:
    first = await hospital.search(HERE, "Patient", [("_count", "2")])
    await hospital.write(HERE, [Change.update({"resourceType": "Patient"}, "baru"), Change.delete("Patient", "siti")])
    assert first.next
    second = await hospital.search(HERE, "Patient", [("_count", "2"), ("_cursor", first.next)])
    assert [v.id for v in first.matches] + [v.id for v in second.matches] == ["tanpa-nama", "siti", "budi"]


async def test_totals_are_given_when_asked_for(hospital: Store) -> None:
    async def total(value: str) -> int | None:
        return (await hospital.search(HERE, "Patient", [("_total", value), ("_count", "0")])).total

    assert await total("none") is None
    assert await total("accurate") == 3
    assert await total("estimate") is not None
    assert (await hospital.search(HERE, "Patient", [("_count", "0"), ("_total", "accurate")])).matches == []


@pytest.mark.parametrize(
    ("type", "query", "included"),
    [
        ("Observation", "_id=berat&_include=Observation:subject", "Patient/budi"),
        ("Observation", "_include=Observation:subject", "Patient/budi"),
        ("Observation", "_id=berat&_include=Observation:subject:Group", ""),
        ("Observation", "_id=berat&_include=Observation:*", "Encounter/rajal Patient/budi"),
        (
            "Observation",
            "_id=berat&_include=Observation:subject&_include:iterate=Patient:organization",
            "Organization/rs Patient/budi",
        ),
        (
            "Observation",
            "_id=berat&_include=Observation:subject&_include:iterate=Patient:organization&_include:iterate=Organization:partof",
            "Organization/grup Organization/rs Patient/budi",
        ),
        ("Observation", "_id=berat&_include=Observation:subject&_include=Patient:organization", "Patient/budi"),
        ("Patient", "_id=budi&_revinclude=Encounter:subject", "Encounter/rajal"),
        (
            "Patient",
            "_id=budi&_revinclude=Encounter:subject&_revinclude:iterate=Condition:encounter",
            "Condition/isk Encounter/rajal",
        ),
        ("Patient", "_id=siti&_revinclude=Observation:subject", ""),
    ],
)
async def test_includes(hospital: Store, type: str, query: str, included: str) -> None:
    page = await hospital.search(HERE, type, parse_qsl(query))
    assert sorted(v.reference for v in page.included) == included.split()


async def test_a_compartment_restricts_a_search(hospital: Store) -> None:
    async def within(type: str, *of: str) -> list[str]:
        page = await hospital.search(HERE, type, [], compartment=(of[0], of[1]))
        return sorted(v.id for v in page.matches)

    assert await within("Observation", "Patient", "budi") == ["berat", "catatan", "sistolik"]
    assert await within("Observation", "Patient", "siti") == []
    assert await within("Condition", "Encounter", "rajal") == ["isk"]
    with pytest.raises(BadParameter):
        await within("ValueSet", "Patient", "budi")


async def test_values_longer_than_an_index_entry_are_found(store: Store) -> None:
    long = "Kata " * 3_000
    patient = {
        "resourceType": "Patient",
        "name": [{"text": long}],
        "identifier": [{"system": NIK, "value": "9" * 9_000}],
        "link": [{"other": reference("https://contoh.id/fhir/Patient/" + "x" * 5_000), "type": "seealso"}],
    }
    await store.write(HERE, [Change.update(patient, "panjang")])
    assert await ids(store, "Patient", f"identifier={'9' * 9_000}") == ["panjang"]
    assert await ids(store, "Patient", f"identifier={'9' * 8_999}") == []
    assert await ids(store, "Patient", "name=kata kata") == ["panjang"]
    assert await ids(store, "Patient", f"name={long.strip()}x") == []
    assert await ids(store, "Patient", f"name:exact={long}") == ["panjang"]


async def test_numbers_without_measure_are_stored_and_do_no_harm(store: Store) -> None:
    raw = b'{"resourceType":"RiskAssessment","prediction":[{"probabilityDecimal":1E+99999},{"probabilityDecimal":0.5}]}'
    await store.write(HERE, [Change.update(fhirjson.decode(raw), "besar")])
    assert await ids(store, "RiskAssessment", "probability=0.5") == ["besar"]


async def test_a_transaction_finds_what_it_wrote_itself_and_nobody_else_does(hospital: Store) -> None:
    async def undone() -> None:
        async with hospital.transaction(HERE) as transaction:
            await transaction.write([Change.update({"resourceType": "Patient", "name": [{"text": "Joko"}]}, "joko")])
            page = await transaction.search("Patient", [("name", "joko")])
            assert [v.id for v in page.matches] == ["joko"]
            assert await ids(hospital, "Patient", "name=joko") == []
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await undone()
    assert await ids(hospital, "Patient", "name=joko") == []
