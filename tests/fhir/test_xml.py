"""FHIR XML at every interaction: what goes in comes back equal, in either format."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree

from profiles import fhirjson, fhirxml
from tests.fhir.support import Json, bundle, create, entry, patient

XML = "application/fhir+xml"
SENT = {"Content-Type": XML, "Accept": XML}
EXAMPLES = Path(__file__).parents[1] / "profiles" / "rules_examples"

WHOLE = patient(
    text={
        "status": "generated",
        "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>Wulan &amp; <b>Budi</b></p></div>',
    },
    extension=[{"url": "http://rs-melati.example/x", "valueDecimal": 1}],
    _birthDate={"extension": [{"url": "http://rs-melati.example/y", "valueBoolean": False}]},
    contained=[{"resourceType": "Organization", "id": "o", "name": 'RS "Contoh"\n<Solo>'}],
    managingOrganization={"reference": "#o"},
    multipleBirthInteger=2,
)


def read(answer: httpx.Response, status: int = 200) -> Json:
    """The resource of an XML answer."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith(XML)
    return fhirxml.decode(answer.content)


async def test_what_is_written_as_xml_reads_the_same_as_json(client: httpx.AsyncClient) -> None:
    made = read(await client.post("/Patient", content=fhirxml.encode(WHOLE), headers=SENT), 201)
    assert {key: value for key, value in made.items() if key not in ("id", "meta")} == WHOLE
    address = f"/Patient/{made['id']}"
    assert (await client.get(address)).json() == made
    assert read(await client.get(address, headers={"Accept": XML})) == made
    changed = {**made, "gender": "other"}
    put = read(await client.put(address, content=fhirxml.encode(changed), headers=SENT))
    assert (put["gender"], put["meta"]["versionId"]) == ("other", "2")
    assert (await client.get(address)).json() == put


async def test_decimals_keep_their_digits_through_both_formats(client: httpx.AsyncClient) -> None:
    text = b'{"resourceType":"Observation","status":"final","code":{"text":"suhu"},"valueQuantity":{"value":36.50}}'
    raw = fhirxml.encode(fhirjson.decode(text))
    made = await client.post("/Observation", content=raw, headers={"Content-Type": XML})
    assert b'"value":36.50' in made.content
    address = f"/Observation/{made.json()['id']}?_format=xml"
    assert b'<value value="36.50"/>' in (await client.get(address)).content


@pytest.mark.parametrize("name", ["xml", "application/fhir+xml", "application/xml", "text/xml"])
async def test_every_name_of_the_format_is_understood(client: httpx.AsyncClient, name: str) -> None:
    stored = await create(client, patient())
    address = f"/Patient/{stored['id']}"
    assert read(await client.get(address, params={"_format": name})) == stored
    asked_for_json = await client.get(address, params={"_format": "json"}, headers={"Accept": XML})
    assert asked_for_json.json() == stored, "_format goes before Accept"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/fhir+xml;q=0.5, application/fhir+json", "json"),
        ("application/fhir+json;q=0.5, application/fhir+xml;fhirVersion=4.0", "xml"),
        ("application/fhir+xml;fhirVersion=5.0, application/json;q=0.1", "json"),
        ("text/html, */*;q=0.1", "json"),
        ("application/fhir+json;q=0, application/xml", "xml"),
    ],
)
async def test_the_preferred_format_is_given(client: httpx.AsyncClient, accept: str, kind: str) -> None:
    answer = await client.get("/Patient", headers={"Accept": accept})
    assert answer.headers["content-type"].startswith(f"application/fhir+{kind}")


async def test_what_is_in_neither_format_is_not_acceptable(client: httpx.AsyncClient) -> None:
    assert (await client.get("/Patient", headers={"Accept": "text/html"})).status_code == 406
    assert (await client.get("/Patient", headers={"Accept": "application/fhir+xml;fhirVersion=5.0"})).status_code == 406
    assert (await client.get("/Patient?_format=turtle")).status_code == 406


async def test_every_interaction_answers_in_xml(client: httpx.AsyncClient) -> None:
    one = await create(client, patient("RM-1"))
    await create(client, patient("RM-2"))
    address, xml = f"/Patient/{one['id']}", {"Accept": XML}
    page = read(await client.get("/Patient?_count=1", headers=xml))
    assert (page["type"], len(page["entry"])) == ("searchset", 1)
    (following,) = (link["url"] for link in page["link"] if link["relation"] == "next")
    assert read(await client.get(following))["entry"][0]["resource"] != page["entry"][0]["resource"]
    form = {**xml, "Content-Type": "application/x-www-form-urlencoded"}
    found = read(await client.post("/Patient/_search", content="identifier=RM-1&_summary=true", headers=form))
    assert found["entry"][0]["resource"]["id"] == one["id"]
    assert read(await client.get(f"{address}/_history/1", headers=xml)) == one
    assert read(await client.get(f"{address}/_history", headers=xml))["type"] == "history"
    assert read(await client.get("/metadata", headers=xml))["resourceType"] == "CapabilityStatement"
    assert read(await client.get(f"{address}?_elements=gender", headers=xml))["gender"] == "female"
    head = await client.head(address, headers=xml)
    assert (head.headers["content-type"], head.content) == (f"{XML}; charset=utf-8", b"")
    judged = await client.post("/Patient/$validate", content=fhirxml.encode(one), headers=SENT)
    assert read(judged)["resourceType"] == "OperationOutcome"
    patch = {**xml, "Content-Type": "application/json-patch+json"}
    operations = '[{"op":"replace","path":"/gender","value":"other"}]'
    assert read(await client.patch(address, content=operations, headers=patch))["gender"] == "other"
    assert read(await client.delete(address, headers={**xml, "Prefer": "return=OperationOutcome"}))


async def test_a_transaction_in_xml(client: httpx.AsyncClient) -> None:
    visit: Json = {"resourceType": "Encounter", "status": "planned", "class": {"code": "AMB"}}
    link = "urn:uuid:0b1f7c1e-5f0e-4f7e-9d3f-6f1d3b2a1c00"
    asked = bundle(
        entry("POST", "Patient", WHOLE, link),
        entry("POST", "Encounter", {**visit, "subject": {"reference": link}}),
    )
    answer = read(
        await client.post("", content=fhirxml.encode(asked), headers={**SENT, "Prefer": "return=representation"})
    )
    person, encounter = (row["resource"] for row in answer["entry"])
    assert encounter["subject"]["reference"] == f"Patient/{person['id']}"
    assert person["contained"] == WHOLE["contained"]


async def test_refusals_come_in_the_callers_format(client: httpx.AsyncClient) -> None:
    async def refused(status: int, **request: Any) -> Json:
        outcome = read(await client.request(**{"method": "GET", "headers": {"Accept": XML}, **request}), status)
        assert outcome["resourceType"] == "OperationOutcome"
        return dict(outcome["issue"][0])

    await refused(404, url="/Patient/none")
    await refused(404, url="/Patinet", headers={}, params={"_format": "xml"})
    await refused(401, url="/Patient", headers={"Accept": XML, "Authorization": "Bearer none"})
    broken = b'<Patient xmlns="http://hl7.org/fhir">\n\n<colour value="red"/></Patient>'
    issue = await refused(400, url="/Patient", method="POST", content=broken, headers=SENT)
    assert issue["details"]["coding"][0]["code"] == "GF-309"
    assert "<colour> (line 3)" in issue["details"]["text"]
    wrong = b'<Patient xmlns="http://hl7.org/fhir"><gender value="x"/></Patient>'
    issue = await refused(422, url="/Patient", method="POST", content=wrong, headers=SENT)
    assert issue["expression"] == ["Patient.gender"]
    json_called_xml = await client.post(
        "/Patient", content=b'{"resourceType":"Patient"}', headers={"Content-Type": XML}
    )
    assert json_called_xml.status_code == 400
    bomb = b'<!DOCTYPE P [<!ENTITY a "b">]><Patient xmlns="http://hl7.org/fhir"/>'
    await refused(400, url="/Patient", method="POST", content=bomb, headers=SENT)
    xml_as_patch = await client.patch(
        "/Patient/x", content=bomb, headers={"Content-Type": "application/json-patch+xml"}
    )
    assert xml_as_patch.status_code == 415


async def test_pretty_xml_leaves_narratives_alone(client: httpx.AsyncClient) -> None:
    stored = await create(client, WHOLE)
    answer = await client.get(f"/Patient/{stored['id']}?_format=xml&_pretty=true")
    assert b'\n  <gender value="female"/>\n' in answer.content
    assert b"<p>Wulan &amp; <b>Budi</b></p></div>" in answer.content
    assert read(answer) == stored


def _written(resource: Json) -> Json:
    meta = {key: value for key, value in resource.get("meta", {}).items() if key not in ("versionId", "lastUpdated")}
    rest = {key: value for key, value in _normal(resource).items() if key != "meta"}
    return {**rest, "meta": meta} if meta else rest


def _normal(node: Any) -> Any:
    """Narratives in canonical form: `&quot;` or `"`, `<br />` or `<br/>` are the same XML."""
    if isinstance(node, list):
        return [_normal(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {key: _canonical(value) if key == "div" else _normal(value) for key, value in node.items()}


def _canonical(narrative: str) -> bytes:
    content: bytes = etree.tostring(etree.fromstring(narrative), method="c14n")
    return content


async def _comes_back(client: httpx.AsyncClient, resource: Json) -> None:
    kind, given = resource["resourceType"], resource.get("id", "x")
    address = f"/{kind}/{given}"
    body = fhirxml.encode({**resource, "id": given})
    answer = await client.put(address, content=body, headers={"Content-Type": XML})
    assert answer.status_code in (200, 201), f"{address}: {answer.text[:500]}"
    stored = fhirjson.decode((await client.get(address)).content)
    assert _written(stored) == _written({**resource, "id": given})
    assert read(await client.get(address, headers={"Accept": XML})) == stored


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
async def test_our_examples_come_back_equal(client: httpx.AsyncClient, path: Path) -> None:
    whole = [resource for resource in _resources(_read(path)) if not await _refused(client, resource)]
    assert whole, path.name
    for resource in whole:
        await _comes_back(client, resource)


def _read(path: Path) -> Json:
    return fhirjson.decode(path.read_bytes())


def _resources(found: Any) -> list[Json]:
    if isinstance(found, dict) and "resourceType" in found:
        return [found]
    inner = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    return [resource for item in inner for resource in _resources(item)]


async def _refused(client: httpx.AsyncClient, resource: Json) -> bool:
    """Whether the resource breaks R4 itself, in either format."""
    judged = await client.post(f"/{resource['resourceType']}/$validate", content=fhirjson.encode(resource))
    return any(i["severity"] in ("error", "fatal") for i in judged.json()["issue"])
