"""The terminology operations over what is shipped and what is uploaded."""

from typing import Any

import httpx
import pytest

from gateway.settings import Settings
from gateway.terminology import folder
from profiles import tables
from tests.fhir.operations.support import parameters, row, values
from tests.fhir.support import Json, create, error
from tests.support.server import MakeClient

SYSTEM = "http://rs-melati.example/CodeSystem/ward"
SET = "http://rs-melati.example/ValueSet/ward"
MAP = "http://rs-melati.example/ConceptMap/ward-class"
GENDER = "http://hl7.org/fhir/administrative-gender"


def ward() -> Json:
    """A code system with a hierarchy, designations and a property."""
    return {
        "resourceType": "CodeSystem",
        "url": SYSTEM,
        "version": "1",
        "name": "Ward",
        "status": "active",
        "content": "complete",
        "caseSensitive": True,
        "property": [{"code": "beds", "type": "integer"}],
        "concept": [
            {
                "code": "inpatient",
                "display": "Inpatient ward",
                "definition": "Where one stays the night",
                "concept": [
                    {
                        "code": "melati",
                        "display": "Jasmine ward",
                        "designation": [{"language": "id-ID", "value": "Bangsal Melati"}],
                        "property": [{"code": "beds", "valueInteger": 12}],
                    },
                    {"code": "icu", "display": "Intensive care"},
                ],
            },
            {"code": "clinic", "display": "Clinic"},
        ],
    }


def wards(**include: Any) -> Json:
    """A value set over it."""
    compose = {"include": [{"system": SYSTEM, **include}]}
    return {"resourceType": "ValueSet", "url": SET, "name": "Wards", "status": "active", "compose": compose}


def classes() -> Json:
    """A concept map from it."""
    elements = [
        {"code": "melati", "target": [{"code": "3", "display": "Kelas 3", "equivalence": "wider"}]},
        {"code": "clinic", "target": [{"equivalence": "unmatched"}]},
    ]
    group = {"source": SYSTEM, "target": "urn:kelas", "element": elements}
    return {"resourceType": "ConceptMap", "url": MAP, "status": "active", "group": [group]}


@pytest.fixture
async def uploaded(client: httpx.AsyncClient) -> dict[str, str]:
    """Type → id of the three, uploaded."""
    found = {}
    for resource in (
        ward(),
        wards(filter=[{"property": "concept", "op": "descendent-of", "value": "inpatient"}]),
        classes(),
    ):
        found[resource["resourceType"]] = (await create(client, resource))["id"]
    return found


def codes(answer: httpx.Response) -> list[str]:
    """The codes of an expansion."""
    assert answer.status_code == 200, answer.text
    assert answer.json()["resourceType"] == "ValueSet"
    return [concept["code"] for concept in answer.json()["expansion"].get("contains", [])]


async def test_a_shipped_code_is_looked_up(client: httpx.AsyncClient) -> None:
    found = values(await client.get("/CodeSystem/$lookup", params={"system": GENDER, "code": "female"}))
    assert (found["name"], found["version"], found["display"]) == (GENDER, "4.0.1", "Female")
    icd = values(
        await client.get("/CodeSystem/$lookup", params={"system": "http://hl7.org/fhir/sid/icd-10", "code": "J18.9"})
    )
    assert icd["display"] == "Pneumonia, unspecified"
    error(await client.get("/CodeSystem/$lookup", params={"system": GENDER, "code": "f"}), 404, "GF-703")
    error(await client.get("/CodeSystem/$lookup", params={"system": "urn:none", "code": "f"}), 404, "GF-702")
    error(await client.get("/CodeSystem/$lookup", params={"code": "f"}), 400, "GF-701")


async def test_an_uploaded_code_is_looked_up_at_once(client: httpx.AsyncClient, uploaded: dict[str, str]) -> None:
    asked = parameters(
        row("coding", valueCoding={"system": SYSTEM, "code": "melati"}), row("displayLanguage", valueCode="id")
    )
    found = values(await client.post("/CodeSystem/$lookup", json=asked))
    assert found["display"] == "Bangsal Melati"
    assert found["designation"] == {"language": "id-ID", "value": "Bangsal Melati"}
    assert found["property"] == [{"code": "parent", "value": "inpatient"}, {"code": "beds", "value": 12}]
    one = {"system": SYSTEM, "code": "inpatient", "property": "child"}
    assert values(await client.get("/CodeSystem/$lookup", params=one))["property"] == [
        {"code": "child", "value": "melati"},
        {"code": "child", "value": "icu"},
    ]
    error(await client.get("/CodeSystem/$lookup", params={**one, "property": "colour"}), 400, "GF-108")
    error(await client.get("/CodeSystem/$lookup", params={**one, "version": "2"}), 404, "GF-702")


async def test_a_new_version_of_a_code_system_is_in_force_at_once(
    client: httpx.AsyncClient, uploaded: dict[str, str]
) -> None:
    address = f"/CodeSystem/{uploaded['CodeSystem']}"
    stored = (await client.get(address)).json()
    stored["concept"].append({"code": "lab", "display": "Laboratory"})
    assert (await client.put(address, json=stored)).status_code == 200
    params = {"system": SYSTEM, "code": "lab"}
    assert values(await client.get("/CodeSystem/$lookup", params=params))["display"] == "Laboratory"
    await client.delete(address)
    error(await client.get("/CodeSystem/$lookup", params=params), 404, "GF-702")


async def test_what_one_facility_uploads_no_other_knows(make_client: MakeClient, uploaded: dict[str, str]) -> None:
    other = await make_client("admin")
    address = "http://gateway.test/rs-kenanga/fhir/CodeSystem/$lookup"
    error(await other.get(address, params={"system": SYSTEM, "code": "icu"}), 404, "GF-702")


async def test_expansions(client: httpx.AsyncClient, uploaded: dict[str, str]) -> None:
    assert codes(await client.get("/ValueSet/$expand", params={"url": SET})) == ["icu", "melati"]
    assert codes(await client.get(f"/ValueSet/{uploaded['ValueSet']}/$expand?filter=jasm")) == ["melati"]
    inline = wards(concept=[{"code": "clinic"}])
    assert codes(await client.post("/ValueSet/$expand", json=inline)) == ["clinic"]
    asked = parameters(row("valueSet", resource=wards()), row("count", valueInteger=2), row("offset", valueInteger=1))
    paged = await client.post("/ValueSet/$expand", json=asked)
    assert codes(paged) == ["icu", "inpatient"]
    assert (paged.json()["expansion"]["total"], paged.json()["expansion"]["offset"]) == (4, 1)
    assert "compose" not in paged.json()
    shipped = await client.get(
        "/ValueSet/$expand", params={"url": "http://hl7.org/fhir/ValueSet/administrative-gender"}
    )
    assert codes(shipped) == ["female", "male", "other", "unknown"]
    params = {
        "url": SET,
        "displayLanguage": "id",
        "includeDesignations": "true",
        "includeDefinition": "true",
        "filter": "melati",
    }
    answer = await client.get("/ValueSet/$expand", params=params)
    (found,) = answer.json()["expansion"]["contains"]
    assert (found["display"], found["designation"][0]["language"]) == ("Bangsal Melati", "id-ID")
    assert (
        answer.json()["compose"]
        == wards(filter=[{"property": "concept", "op": "descendent-of", "value": "inpatient"}])["compose"]
    )


async def test_value_sets_are_made_of_others(client: httpx.AsyncClient, uploaded: dict[str, str]) -> None:
    outer = {
        "resourceType": "ValueSet",
        "url": f"{SET}-all",
        "status": "active",
        "compose": {
            "include": [{"valueSet": [SET]}, {"system": GENDER, "concept": [{"code": "male"}]}],
            "exclude": [{"system": SYSTEM, "concept": [{"code": "icu"}]}],
        },
    }
    await create(client, outer)
    assert sorted(codes(await client.get("/ValueSet/$expand", params={"url": f"{SET}-all"}))) == ["male", "melati"]


async def test_what_cannot_be_expanded_is_said(client: httpx.AsyncClient) -> None:
    error(await client.get("/ValueSet/$expand", params={"url": "urn:none"}), 404, "GF-702")
    error(await client.get("/ValueSet/$expand"), 400, "GF-701")
    snomed = {
        "resourceType": "ValueSet",
        "status": "active",
        "compose": {"include": [{"system": "http://snomed.info/sct"}]},
    }
    error(await client.post("/ValueSet/$expand", json=snomed), 404, "GF-702")
    issue = error(await client.get("/ValueSet/$expand?url=urn:none&context=x"), 400, "GF-109")
    assert "includeDesignations" in issue["diagnostics"]
    assert error(await client.post("/ValueSet/$expand", json=parameters(row("colour", valueCode="x"))), 400, "GF-109")
    error(await client.post("/ValueSet/$expand", json=parameters(row("count", valueCode="x"))), 400, "GF-108")
    error(await client.get("/ValueSet/$expand?url=urn:a&count=x"), 400, "GF-108")
    error(await client.get("/ValueSet/$expand?url=urn:a&url=urn:b"), 400, "GF-108")
    broken = {"resourceType": "Parameters", "parameter": [{"valueUri": "urn:a"}]}
    error(await client.post("/ValueSet/$expand", json=broken), 422)
    error(await client.post("/ValueSet/$expand", json={"resourceType": "Patient"}), 400, "GF-303")


@pytest.mark.parametrize(
    ("asked", "result", "says"),
    [
        ({"code": "melati"}, True, ""),
        ({"code": "melati", "display": "jasmine  WARD"}, True, ""),
        ({"code": "melati", "display": "Bangsal Melati"}, True, ""),
        ({"code": "melati", "display": "Rose ward"}, False, "'Jasmine ward', not 'Rose ward'"),
        ({"code": "rose"}, False, "rose is not a code of"),
    ],
)
async def test_codes_are_validated(
    client: httpx.AsyncClient, uploaded: dict[str, str], asked: dict[str, str], result: bool, says: str
) -> None:
    for address, of in (
        ("/CodeSystem/$validate-code", {"url": SYSTEM}),
        (f"/CodeSystem/{uploaded['CodeSystem']}/$validate-code", {}),
        ("/ValueSet/$validate-code", {"url": SET, "system": SYSTEM}),
        (f"/ValueSet/{uploaded['ValueSet']}/$validate-code", {}),
    ):
        found = values(await client.get(address, params={**of, **asked}))
        assert found["result"] is result, address
        assert says in found.get("message", ""), address
        assert result is ("message" not in found)


async def test_one_coding_of_a_concept_is_enough(client: httpx.AsyncClient, uploaded: dict[str, str]) -> None:
    concept = {"coding": [{"system": "urn:x", "code": "9"}, {"system": SYSTEM, "code": "icu"}]}
    asked = parameters(row("url", valueUri=SET), row("codeableConcept", valueCodeableConcept=concept))
    assert values(await client.post("/ValueSet/$validate-code", json=asked))["result"] is True
    outside = parameters(row("url", valueUri=SET), row("coding", valueCoding={"system": SYSTEM, "code": "clinic"}))
    assert values(await client.post("/ValueSet/$validate-code", json=outside))["result"] is False
    error(await client.get("/ValueSet/$validate-code", params={"url": SET}), 400, "GF-701")
    icd = {"url": "http://hl7.org/fhir/sid/icd-10", "code": "J18.9"}
    assert values(await client.get("/CodeSystem/$validate-code", params=icd))["result"] is True


@pytest.mark.parametrize(
    ("a", "b", "outcome"),
    [
        ("inpatient", "icu", "subsumes"),
        ("icu", "inpatient", "subsumed-by"),
        ("icu", "icu", "equivalent"),
        ("icu", "clinic", "not-subsumed"),
    ],
)
async def test_subsumption(client: httpx.AsyncClient, uploaded: dict[str, str], a: str, b: str, outcome: str) -> None:
    by_type = {"system": SYSTEM, "codeA": a, "codeB": b}
    assert values(await client.get("/CodeSystem/$subsumes", params=by_type)) == {"outcome": outcome}
    by_id = parameters(row("codeA", valueCode=a), row("codeB", valueCode=b))
    address = f"/CodeSystem/{uploaded['CodeSystem']}/$subsumes"
    assert values(await client.post(address, json=by_id)) == {"outcome": outcome}
    codings = parameters(
        row("codingA", valueCoding={"system": SYSTEM, "code": a}),
        row("codingB", valueCoding={"system": SYSTEM, "code": b}),
    )
    assert values(await client.post("/CodeSystem/$subsumes", json=codings)) == {"outcome": outcome}


async def test_subsumption_needs_one_system(client: httpx.AsyncClient) -> None:
    icd = {"system": "http://hl7.org/fhir/sid/icd-10", "codeA": "J18", "codeB": "J18.9"}
    assert values(await client.get("/CodeSystem/$subsumes", params=icd)) == {"outcome": "subsumes"}
    error(await client.get("/CodeSystem/$subsumes", params={"codeA": "x", "codeB": "y"}), 400, "GF-701")
    mixed = parameters(
        row("codingA", valueCoding={"system": "urn:a", "code": "1"}),
        row("codingB", valueCoding={"system": "urn:b", "code": "1"}),
    )
    error(await client.post("/CodeSystem/$subsumes", json=mixed), 404, "GF-703")


async def test_translations(client: httpx.AsyncClient, uploaded: dict[str, str]) -> None:
    match = {
        "equivalence": "wider",
        "concept": {"system": "urn:kelas", "code": "3", "display": "Kelas 3"},
        "source": MAP,
    }
    asked = {"system": SYSTEM, "code": "melati"}
    for address, more in (
        ("/ConceptMap/$translate", {"url": MAP}),
        ("/ConceptMap/$translate", {"targetsystem": "urn:kelas"}),
        (f"/ConceptMap/{uploaded['ConceptMap']}/$translate", {}),
    ):
        assert values(await client.get(address, params={**asked, **more})) == {"result": True, "match": match}
    inline = parameters(row("conceptMap", resource=classes()), row("coding", valueCoding=asked))
    assert values(await client.post("/ConceptMap/$translate", json=inline))["match"] == match
    nothing = values(await client.get("/ConceptMap/$translate", params={"url": MAP, "system": SYSTEM, "code": "icu"}))
    assert nothing["result"] is False
    assert nothing["message"]
    unmatched = values(
        await client.get("/ConceptMap/$translate", params={"url": MAP, "system": SYSTEM, "code": "clinic"})
    )
    assert unmatched["result"] is False
    assert unmatched["match"] == {"equivalence": "unmatched", "source": MAP}
    back = {"url": MAP, "system": "urn:kelas", "code": "3", "reverse": "true"}
    found = values(await client.get("/ConceptMap/$translate", params=back))
    assert found["match"]["concept"] == {"system": SYSTEM, "code": "melati"}
    assert found["match"]["equivalence"] == "narrower"
    error(await client.get("/ConceptMap/$translate", params={**asked, "url": "urn:none"}), 404, "GF-702")
    error(await client.get("/ConceptMap/$translate", params=asked), 400, "GF-701")
    error(await client.get("/ConceptMap/$translate", params={"url": MAP}), 400, "GF-701")


async def test_rights(make_client: MakeClient) -> None:
    reader, operator = await make_client("reader"), await make_client("operator")
    assert values(await reader.get("/CodeSystem/$lookup", params={"system": GENDER, "code": "male"}))
    error(await operator.get("/CodeSystem/$lookup", params={"system": GENDER, "code": "male"}), 403, "GF-603")


@pytest.fixture
def snomed(settings: Settings) -> str:
    """The url of a code system of which the operator has loaded a table, before the gateway started."""
    system = "http://snomed.info/sct"
    tables.write(folder(settings.home), system, [("73211009", "Diabetes mellitus"), ("73211009", "Diabetes")])
    return system


async def test_a_loaded_table_is_known_at_every_facility(snomed: str, client: httpx.AsyncClient) -> None:
    for address in ("", "http://gateway.test/rs-kenanga/fhir"):
        found = await client.get(f"{address}/CodeSystem/$lookup", params={"system": snomed, "code": "73211009"})
        assert values(found)["display"] == "Diabetes mellitus"
        error(await client.get(f"{address}/CodeSystem/$lookup", params={"system": snomed, "code": "1"}), 404, "GF-703")
    for code, result in (("73211009", True), ("1", False)):
        answer = await client.get("/CodeSystem/$validate-code", params={"url": snomed, "code": code})
        assert values(answer)["result"] is result


async def test_a_code_outside_a_loaded_table_is_doubted_and_stored(snomed: str, client: httpx.AsyncClient) -> None:
    condition = {
        "resourceType": "Condition",
        "subject": {"display": "Ny. Sari"},
        "code": {"coding": [{"system": snomed, "code": "11111111"}]},
    }
    judged = (await client.post("/Condition/$validate", json=condition)).json()
    found = [i for i in judged["issue"] if "11111111" in i["details"]["text"]]
    assert {i["severity"] for i in found} == {"warning"}
    assert (await create(client, condition))["id"]


async def test_an_operation_takes_its_parameters_from_a_form(client: httpx.AsyncClient) -> None:
    await create(client, ward())
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    asked = {"system": SYSTEM, "code": "melati"}
    answer = await client.post("/CodeSystem/$lookup", data=asked, headers=form)
    assert answer.json() == (await client.get("/CodeSystem/$lookup", params=asked)).json()
    error(await client.post("/CodeSystem/$lookup", data={**asked, "kode": "x"}, headers=form), 400, "GF-109")
    error(await client.post("/CodeSystem/$lookup", content=b"\xff=1", headers=form), 400, "GF-106")
    mixed = await client.post(f"/CodeSystem/$lookup?system={SYSTEM}", data={"code": "melati"}, headers=form)
    assert mixed.json() == answer.json()


async def test_an_expansion_knows_codes_that_are_no_longer_used(client: httpx.AsyncClient) -> None:
    system = ward()
    system["concept"][1]["property"] = [{"code": "inactive", "valueBoolean": True}]
    system["concept"][0]["concept"][1]["property"] = [{"code": "status", "valueCode": "retired"}]
    system["property"] += [{"code": "inactive", "type": "boolean"}, {"code": "status", "type": "code"}]
    for resource in (system, wards()):
        await create(client, resource)
    every = (await client.get(f"/ValueSet/$expand?url={SET}&excludeNested=true")).json()["expansion"]
    assert {one["code"]: one.get("inactive") for one in every["contains"]} == {
        **{"inpatient": None, "melati": None},
        **{"icu": True, "clinic": True},
    }
    active = (await client.get(f"/ValueSet/$expand?url={SET}&activeOnly=true&count=1")).json()["expansion"]
    assert (active["total"], active["contains"][0]["code"]) == (2, "inpatient")
    assert {"name": "activeOnly", "valueBoolean": True} in active["parameter"]
