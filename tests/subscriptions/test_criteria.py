"""Criteria in memory choose what the same search finds in the database."""

from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import httpx
import pytest

from gateway.store import BadParameter
from gateway.store.search.syntax import parse
from gateway.subscriptions.criteria import Criteria, Facts
from tests.fhir.support import create

Json = dict[str, Any]
ZONE = ZoneInfo("Asia/Jakarta")
UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"

PEOPLE: list[Json] = [
    {
        "identifier": [
            {
                "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]},
                "system": "http://rs-melati.example/rm",
                "value": "RM-1",
            }
        ],
        "name": [{"family": "Contóh", "given": ["Wulan", "Dewi"]}],
        "gender": "female",
        "birthDate": "1990-02-14",
        "active": True,
        "managingOrganization": {"reference": "Organization/a"},
        "address": [{"city": "Solo", "line": ["Jalan Contoh 1"]}],
    },
    {
        "identifier": [{"value": "RM-2"}],
        "name": [{"text": "Budi Santoso"}],
        "gender": "male",
        "birthDate": "1990-02",
        "deceasedDateTime": "2024-05-01T10:00:00+07:00",
        "generalPractitioner": [{"reference": "Practitioner/p"}, {"identifier": {"system": "urn:nik", "value": "7"}}],
    },
    {"name": [{"text": "SITI, Aminah"}], "birthDate": "2001", "active": False, "meta": {"tag": [{"code": "uji"}]}},
]

MEASURES: list[Json] = [
    {"valueQuantity": {"value": 36.5, "unit": "Cel", "system": UCUM, "code": "Cel"}, "effectiveDateTime": "2026-11-21"},
    {"valueQuantity": {"value": 1.5, "unit": "g", "system": UCUM, "code": "g"}, "status": "preliminary"},
    {"valueQuantity": {"value": 1500, "unit": "mg", "system": UCUM, "code": "mg"}},
    {"valueQuantity": {"value": 80, "unit": "kali"}, "effectivePeriod": {"start": "2026-11-20T08:00:00+07:00"}},
    {
        "code": {"coding": [{"system": LOINC, "code": "85354-9"}]},
        "component": [
            {
                "code": {"coding": [{"system": LOINC, "code": "8480-6"}]},
                "valueQuantity": {"value": 120, "system": UCUM, "code": "mm[Hg]"},
            },
            {
                "code": {"coding": [{"system": LOINC, "code": "8462-4"}]},
                "valueQuantity": {"value": 80, "system": UCUM, "code": "mm[Hg]"},
            },
        ],
    },
]

SEARCHES = [
    "Patient?gender=female",
    "Patient?gender=male,female",
    "Patient?gender=http://hl7.org/fhir/administrative-gender|male",
    "Patient?gender:not=male",
    "Patient?identifier=RM-2",
    "Patient?identifier=|RM-2",
    "Patient?identifier=http://rs-melati.example/rm|",
    "Patient?identifier=http://rs-melati.example/rm|RM-1",
    "Patient?name=contoh",
    "Patient?name=wul",
    "Patient?name:exact=Wulan",
    "Patient?name:exact=wulan",
    "Patient?name:contains=anto",
    "Patient?name=siti\\, amin",
    "Patient?name=aminah",
    "Patient?name=SANTOSO.",
    "Patient?gender=MALE",
    "Patient?deceased=false",
    "Patient?family=contoh&given=dewi",
    "Patient?birthdate=1990-02-14",
    "Patient?birthdate=1990",
    "Patient?birthdate=1990-02",
    "Patient?birthdate=gt1990-02-14",
    "Patient?birthdate=ge1990-02-14",
    "Patient?birthdate=lt1990-02-14",
    "Patient?birthdate=ne1990-02-14",
    "Patient?birthdate=sa1990-02",
    "Patient?birthdate=eb2001",
    "Patient?birthdate=ap1991",
    "Patient?active=true",
    "Patient?active:missing=true",
    "Patient?deceased=true",
    "Patient?death-date=2024-05-01",
    "Patient?organization=Organization/a",
    "Patient?organization=a",
    "Patient?general-practitioner:Practitioner=p",
    "Patient?general-practitioner:identifier=urn:nik|7",
    "Patient?general-practitioner:missing=false",
    "Patient?address-city=solo",
    "Patient?_tag=uji",
    "Patient?_id=never",
    "Patient?_lastUpdated=ge2020",
    "Patient?_lastUpdated=lt2020",
    "Observation?value-quantity=36.5",
    "Observation?value-quantity=36",
    "Observation?value-quantity=1.5|http://unitsofmeasure.org|g",
    "Observation?value-quantity=1500|http://unitsofmeasure.org|mg",
    "Observation?value-quantity=gt1|http://unitsofmeasure.org|g",
    "Observation?value-quantity=80||kali",
    "Observation?value-quantity=le80",
    "Observation?value-quantity=ap37",
    "Observation?value-quantity=ne80",
    "Observation?code=http://loinc.org|8310-5&status=preliminary",
    "Observation?status:not=final",
    "Observation?date=2026-11-21",
    "Observation?date=ge2026-11-21",
    "Observation?date=2026-11",
    "Observation?component-code-value-quantity=http://loinc.org|8480-6$120",
    "Observation?component-code-value-quantity=http://loinc.org|8480-6$80",
    "Observation?component-code-value-quantity=http://loinc.org|8462-4$lt100,8480-6$lt100",
    "Observation?subject=Patient/x",
    "Observation?subject:missing=true",
    "ValueSet?url=http://example.org/vs/a",
    "ValueSet?version=1",
]


async def test_they_choose_what_the_search_finds(client: httpx.AsyncClient) -> None:
    stored: dict[str, list[Json]] = {"Patient": [], "Observation": [], "ValueSet": []}
    for person in PEOPLE:
        stored["Patient"].append(await create(client, {"resourceType": "Patient", **person}))
    for measure in MEASURES:
        base = {
            "resourceType": "Observation",
            "status": "final",
            "code": {"coding": [{"system": LOINC, "code": "8310-5"}]},
        }
        stored["Observation"].append(await create(client, {**base, **measure}))
    for url in ("http://example.org/vs/a", "http://example.org/vs/ab", "http://example.org/vs", "urn:oid:1.2"):
        base = {"resourceType": "ValueSet", "status": "active", "url": url}
        stored["ValueSet"].append(await create(client, base))
    differing, chosen = {}, 0
    for search in SEARCHES:
        kind, _, query = search.partition("?")
        answer = await client.get(f"/{kind}", params=parse_qsl(query))
        assert answer.status_code == 200, (search, answer.text)
        found = {entry["resource"]["id"] for entry in answer.json().get("entry", ())}
        criteria = Criteria(kind, parse_qsl(query), ZONE, parse)
        met = {one["id"] for one in stored[kind] if criteria.met(facts(one))}
        assert criteria.search is None, search
        chosen += 0 < len(met) < len(stored[kind])
        if found != met:
            differing[search] = found ^ met
    assert differing == {}
    assert chosen > len(SEARCHES) / 2, "most of them tell something apart"


def facts(resource: Json) -> Facts:
    return Facts(resource, datetime.fromisoformat(resource["meta"]["lastUpdated"]), ZONE)


@pytest.mark.parametrize(
    "search",
    [
        "Patient?nik=1",
        "Patient?birthdate=kemarin",
        "Patient?organization.nama=a",
        "Patient?_has:Observation:code:code=1",
        "Patient?_count=3",
        "Patient?_contained=true",
        "Patient?gender=",
        "Patient?gender:boleh=male",
        "Observation?value-quantity=banyak",
        "Patient?_lastUpdated=kemarin",
    ],
)
def test_what_cannot_be_asked_is_refused(search: str) -> None:
    kind, _, query = search.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    with pytest.raises(BadParameter):
        Criteria(kind, pairs, ZONE, parse)
