"""FHIRPath Patch, and $diff, which writes one: what a diff says, a patch does."""

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.errors import FhirError
from gateway.fhir.differences import differences
from gateway.fhir.fhirpathpatch import apply, steps
from profiles import fhirjson, fhirxml
from tests.fhir.operations.support import parameters, row
from tests.fhir.support import Json, bundle, create, entry, error, patient
from tests.support.server import MakeClient

EXAMPLES = Path(__file__).parents[2] / "profiles" / "rules_examples"
JSON = {"Content-Type": "application/fhir+json"}
XML = {"Content-Type": "application/fhir+xml"}
PERSON: Json = {
    "resourceType": "Patient",
    "id": "p",
    "identifier": [
        {"system": "urn:a", "value": "1"},
        {"system": "urn:b", "value": "2"},
        {"system": "urn:c", "value": "3"},
    ],
    "name": [{"use": "official", "family": "Contoh", "given": ["Wulan", "Sari"]}],
    "gender": "female",
    "birthDate": "1990-02-14",
    "multipleBirthInteger": 2,
}


def operation(kind: str, path: str, **parts: Any) -> Json:
    """One operation. `value` is a row without its name: `value={"valueDate": "2020"}`"""
    rows: list[Json] = [row("type", valueCode=kind), row("path", valueString=path)]
    for name, part in parts.items():
        key = "valueInteger" if name in ("index", "source", "destination") else "valueString"
        rows.append({"name": "value", **part} if name == "value" else {"name": name, key: part})
    return {"name": "operation", "part": rows}


def patched(resource: Json, *operations: Json) -> Json:
    """The resource after the operations, over the wire form."""
    return apply(steps(parameters(*operations)), resource)


CONTACT = [
    row("name", valueHumanName={"text": "Ibu"}),
    row("relationship", valueCodeableConcept={"text": "ibu"}),
    row("relationship", valueCodeableConcept={"text": "wali"}),
]


@pytest.mark.parametrize(
    ("given", "path", "expected"),
    [
        (operation("add", "Patient", name="active", value={"valueBoolean": True}), ["active"], True),
        (operation("add", "Patient", name="deceased", value={"valueDateTime": "2020"}), ["deceasedDateTime"], "2020"),
        (
            operation("add", "Patient.name[0]", name="given", value={"valueString": "Ayu"}),
            ["name", 0, "given"],
            ["Wulan", "Sari", "Ayu"],
        ),
        (
            operation("add", "Patient", name="contact", value={"part": CONTACT}),
            ["contact"],
            [{"name": {"text": "Ibu"}, "relationship": [{"text": "ibu"}, {"text": "wali"}]}],
        ),
        (
            operation(
                "add",
                "Patient.birthDate",
                name="extension",
                value={"part": [row("url", valueUri="urn:x"), row("value", valueCode="y")]},
            ),
            ["_birthDate"],
            {"extension": [{"url": "urn:x", "valueCode": "y"}]},
        ),
        (
            operation("add", "Patient", name="contained", value={"resource": {"resourceType": "Basic", "id": "b"}}),
            ["contained"],
            [{"resourceType": "Basic", "id": "b"}],
        ),
        (
            operation("insert", "Patient.identifier", index=1, value={"valueIdentifier": {"value": "new"}}),
            ["identifier", 1],
            {"value": "new"},
        ),
        (
            operation("insert", "Patient.photo", index=0, value={"valueAttachment": {"title": "x"}}),
            ["photo"],
            [{"title": "x"}],
        ),
        (
            operation("insert", "Patient.name[0].given", index=2, value={"valueString": "Z"}),
            ["name", 0, "given", 2],
            "Z",
        ),
        (operation("delete", "Patient.identifier.where(system = 'urn:b')"), ["identifier", 1, "value"], "3"),
        (operation("delete", "Patient.identifier[0].system"), ["identifier", 0], {"value": "1"}),
        (operation("delete", "Patient.name.given.first()"), ["name", 0, "given"], ["Sari"]),
        (operation("delete", "Patient.photo"), ["gender"], "female"),
        (operation("replace", "Patient.birthDate", value={"valueDate": "1991"}), ["birthDate"], "1991"),
        (operation("replace", "birthDate", value={"valueDate": "1992"}), ["birthDate"], "1992"),
        (operation("replace", "Patient.multipleBirth", value={"valueBoolean": True}), ["multipleBirthBoolean"], True),
        (
            operation("replace", "Patient.identifier.where(value = '2').system", value={"valueUri": "urn:d"}),
            ["identifier", 1, "system"],
            "urn:d",
        ),
        (
            operation("replace", "Patient.identifier.last()", value={"valueIdentifier": {"value": "9"}}),
            ["identifier", 2],
            {"value": "9"},
        ),
        (operation("move", "Patient.identifier", source=2, destination=0), ["identifier", 0, "value"], "3"),
        (operation("move", "Patient.identifier", source=0, destination=2), ["identifier", 1, "value"], "3"),
    ],
)
def test_operations_do_what_the_specification_says(given: Json, path: list[Any], expected: Any) -> None:
    before = copy.deepcopy(PERSON)
    found: Any = patched(PERSON, given)
    for key in path:
        found = found[key]
    assert found == expected
    assert before == PERSON, "the source is not touched"
    in_xml = fhirxml.decode(fhirxml.encode(parameters(given)))
    assert apply(steps(in_xml), PERSON) == patched(PERSON, given)


def test_a_choice_has_one_type() -> None:
    found = patched(PERSON, operation("replace", "Patient.multipleBirth", value={"valueBoolean": True}))
    assert "multipleBirthInteger" not in found


def test_an_emptied_object_goes_too() -> None:
    thin = {"resourceType": "Patient", "contact": [{"name": {"text": "Ibu"}}]}
    assert patched(thin, operation("delete", "Patient.contact.name.text")) == {"resourceType": "Patient"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (operation("add", "Patient", name="gender", value={"valueCode": "male"}), "is there already"),
        (operation("add", "Patient", name="multipleBirth", value={"valueBoolean": True}), "is there already"),
        (operation("add", "Patient", name="colour", value={"valueCode": "red"}), "no element colour"),
        (operation("add", "Patient", name="active", value={"valueString": "yes"}), "boolean, not string"),
        (operation("add", "Patient", name="active", value={"part": []}), "value"),
        (operation("add", "Patient", name="active", value={}), "neither"),
        (operation("add", "Patient", name="deceased", value={"valueString": "x"}), "boolean, dateTime, not string"),
        (operation("add", "Patient.identifier", name="value", value={"valueString": "x"}), "3 elements"),
        (operation("add", "Patient.photo", name="title", value={"valueString": "x"}), "no elements"),
        (operation("insert", "Patient.identifier", index=4, value={"valueIdentifier": {}}), "has 3 items"),
        (operation("insert", "Patient.gender", index=0, value={"valueCode": "x"}), "does not repeat"),
        (operation("delete", "Patient.identifier"), "3 elements"),
        (operation("delete", "Patient"), "itself"),
        (operation("replace", "Patient.photo", value={"valueAttachment": {}}), "no elements"),
        (operation("replace", "Patient", value={"valueString": "x"}), "itself"),
        (operation("move", "Patient.identifier", source=0, destination=3), "has 3 items"),
        (operation("delete", "Patient.name.given & 'x'"), "calculates nothing"),
        (operation("delete", "Patient.name.where("), "expected"),
        (operation("delete", "Patient.colour"), "no element colour"),
        (operation("delete", "Observation.status"), "no element Observation"),
    ],
)
def test_what_cannot_be_applied_is_refused(given: Json, says: str) -> None:
    with pytest.raises(FhirError, match=says) as refused:
        patched(PERSON, given)
    assert refused.value.refusal.number == "GF-306"


@pytest.mark.parametrize(
    "rows",
    [
        [row("operation", valueString="x")],
        [row("change", part=[])],
        [operation("grow", "Patient")],
        [operation("add", "Patient", name="active")],
        [operation("delete", "Patient.active", index=1)],
        [operation("insert", "Patient.identifier", index=-1, value={"valueIdentifier": {}})],
        [{"name": "operation", "part": [row("type", valueCode="delete"), row("path", valueInteger=1)]}],
        [{"name": "operation", "part": [*operation("delete", "Patient.active")["part"], row("path", valueString="x")]}],
    ],
)
def test_what_is_no_patch_is_refused(rows: list[Json]) -> None:
    with pytest.raises(FhirError) as refused:
        steps(parameters(*rows))
    assert refused.value.refusal.number == "GF-310"


# --- differences


def _resources(found: Any) -> Iterator[Json]:
    if isinstance(found, dict) and "resourceType" in found:
        yield found
    else:
        for item in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
            yield from _resources(item)


def _known() -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = {}
    for path in sorted(EXAMPLES.glob("*.json")):
        for resource in _resources(fhirjson.decode(path.read_bytes())):
            found.setdefault(resource["resourceType"], []).append(resource)
    return found


KNOWN = _known()


def _mutated(node: Any, chance: random.Random) -> Any:
    """A copy with some members left out, repeated, swapped or changed."""
    if isinstance(node, list):
        items = [_mutated(item, chance) for item in node if chance.random() > 0.15] or [_mutated(node[0], chance)]
        if chance.random() < 0.2:
            items.insert(chance.randrange(len(items) + 1), copy.deepcopy(chance.choice(node)))
        if chance.random() < 0.1:
            chance.shuffle(items)
        return items
    if isinstance(node, dict):
        kept = {key: value for key, value in node.items() if key in ("resourceType", "url") or chance.random() > 0.1}
        return {key: _mutated(value, chance) for key, value in (kept or node).items()}
    return f"{node}x" if isinstance(node, str) and chance.random() < 0.1 and not node[:1].isupper() else node


@pytest.mark.parametrize("kind", sorted(KNOWN))
def test_a_patch_made_of_a_difference_makes_the_other(kind: str) -> None:
    chance = random.Random(kind)
    tried = 0
    for resource in KNOWN[kind][:12]:
        for _ in range(6):
            other = {**_mutated(resource, chance), "resourceType": kind}
            rows = differences(resource, other)
            assert apply(steps(parameters(*rows)), resource) == other
            assert bool(rows) is (resource != other)
            tried += 1
    assert tried


def test_digits_are_a_difference_and_order_of_keys_is_none() -> None:
    one = fhirjson.decode(b'{"resourceType":"Observation","valueQuantity":{"value":1.0,"unit":"kg"}}')
    two = fhirjson.decode(b'{"valueQuantity":{"unit":"kg","value":1.00},"resourceType":"Observation"}')
    three = fhirjson.decode(b'{"valueQuantity":{"unit":"kg","value":1.0},"resourceType":"Observation"}')
    assert len(differences(one, two)) == 1
    assert differences(one, three) == []


# --- over HTTP


async def test_a_patch_makes_the_next_version(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient())
    address = f"/Patient/{stored['id']}"
    change = parameters(
        operation("replace", "Patient.gender", value={"valueCode": "other"}),
        operation("add", "Patient.name[0]", name="given", value={"valueString": "Wulan"}),
    )
    answer = await client.patch(address, json=change, headers=JSON)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["gender"], answer.json()["name"][0]["given"]) == ("other", ["Wulan"])
    assert answer.headers["etag"] == 'W/"2"'
    again = parameters(operation("replace", "Patient.gender", value={"valueCode": "female"}))
    answer = await client.patch(address, content=fhirxml.encode(again), headers={**XML, "If-Match": 'W/"2"'})
    assert answer.json()["gender"] == "female"
    conditional = await client.patch("/Patient?identifier=RM-0001", json=again, headers=JSON)
    assert conditional.headers["etag"] == 'W/"4"'


async def test_a_patch_changes_all_or_nothing(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient())
    address = f"/Patient/{stored['id']}"
    good = operation("add", "Patient", name="active", value={"valueBoolean": True})

    async def refused(status: int, number: str | None, *operations: Json, **headers: str) -> None:
        error(await client.patch(address, json=parameters(*operations), headers={**JSON, **headers}), status, number)

    await refused(422, "GF-306", good, operation("replace", "Patient.photo", value={"valueAttachment": {"title": "x"}}))
    await refused(422, None, good, operation("replace", "Patient.gender", value={"valueCode": "x"}))
    await refused(422, "GF-307", operation("replace", "Patient.id", value={"valueId": "x"}))
    await refused(412, "GF-204", good, **{"If-Match": 'W/"7"'})
    await refused(400, "GF-310", operation("grow", "Patient"))
    error(
        await client.patch(address, json={"resourceType": "Parameters", "parameter": [{"part": 1}]}, headers=JSON), 422
    )
    error(await client.patch(address, json={"resourceType": "Patient"}, headers=JSON), 415, "GF-105")
    error(await client.patch(address, content=b"<x/>", headers=XML), 400, "GF-309")
    assert (await client.get(address)).json() == stored


async def test_a_patch_in_a_bundle(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient())
    change = parameters(operation("replace", "Patient.gender", value={"valueCode": "other"}))
    for kind in ("transaction", "batch"):
        answer = await client.post("", json=bundle(entry("PATCH", f"Patient/{stored['id']}", change), kind=kind))
        assert answer.json()["entry"][0]["response"]["status"] == "200 OK", answer.text
    assert (await client.get(f"/Patient/{stored['id']}")).json()["gender"] == "other"


async def test_what_changed_between_versions(client: httpx.AsyncClient, make_client: MakeClient) -> None:
    first = await create(client, patient())
    address = f"/Patient/{first['id']}"
    await client.put(address, json={**first, "gender": "other", "active": True})
    second = (await client.put(address, json={**first, "gender": "other", "birthDate": "1991-01-01"})).json()
    answer = await client.get(f"{address}/$diff?fromVersion=1")
    assert answer.json() == parameters(
        operation("replace", "Patient.gender", value={"valueCode": "other"}),
        operation("replace", "Patient.birthDate", value={"valueDate": "1991-01-01"}),
    )
    last = (await client.get(f"{address}/$diff")).json()
    assert operation("delete", "Patient.active") in last["parameter"]
    whole = (await client.get(f"{address}/$diff?fromVersion=1&toVersion=3&includeMeta=true")).json()
    assert apply(steps(whole), first) == second
    by_name = parameters(
        row("from", valueString=f"Patient/{first['id']}/_history/1"), row("to", valueString=f"Patient/{first['id']}")
    )
    assert (await client.post("/$diff", json=by_name)).json() == answer.json()
    error(await client.get(f"{address}/$diff?fromVersion=9"), 404, "GF-203")
    error(await client.get("/$diff?from=Patient/x&to=Patient/y"), 404, "GF-201")
    error(await client.get("/$diff?from=Patient/x&to=Encounter/y"), 400, "GF-108")
    error(await client.get("/$diff?from=Patient/x"), 400, "GF-701")
    error(await client.get("/$diff?from=nothing&to=Patient/y"), 400, "GF-108")
    error(await (await make_client("operator")).get("/$diff?from=Patient/x&to=Patient/y"), 403, "GF-603")
