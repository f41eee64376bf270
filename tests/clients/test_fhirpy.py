"""fhirpy, synchronous and asynchronous, does all it can against a running server."""

import inspect
from datetime import date
from typing import Any, Literal

import pytest
from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import AuthorizationError, MultipleResourcesFound, OperationOutcome, ResourceNotFound
from pydantic import BaseModel, ConfigDict

from tests.fhir.support import MRN, bundle, condition, entry, patient
from tests.support.process import Served


class Person(BaseModel):
    """A resource as a caller of fhirpy may type it."""

    model_config = ConfigDict(extra="allow")
    resourceType: Literal["Patient"] = "Patient"
    id: str | None = None
    active: bool | None = None
    gender: str | None = None


@pytest.fixture(params=[AsyncFHIRClient, SyncFHIRClient], ids=["async", "sync"])
def client(request: pytest.FixtureRequest, running: Served) -> Any:
    """A client of either kind."""
    return request.param(f"{running.url}/fhir", authorization=f"Bearer {running.key}")


async def done(answer: Any) -> Any:
    """What a call of either kind of client comes to."""
    return await answer if inspect.isawaitable(answer) else answer


async def test_a_resource_is_made_changed_and_removed(client: Any) -> None:
    person = client.resource("Patient", **patient("RM-1"))
    await done(person.create())
    assert person["meta"]["versionId"] == "1"
    person["active"] = True
    await done(person.save())
    await done(person.patch(gender="male"))
    assert (person["gender"], person["meta"]["versionId"]) == ("male", "3")
    person["birthDate"] = "1991-03-15"
    await done(person.save(fields=["birthDate"]))
    again = await done(client.reference("Patient", person["id"]).to_resource())
    assert (again["active"], again["gender"], again["birthDate"]) == (True, "male", "1991-03-15")
    patched = await done(again.to_reference().patch(active=None))
    assert "active" not in patched, "a null takes the element away"
    assert again["meta"]["versionId"] == "4"
    await done(again.refresh())
    assert again["meta"]["versionId"] == "5"
    await done(again.refresh())
    assert again["meta"]["versionId"] == "5", "what has not changed since stays"
    again["active"] = False
    await done(again.update())
    assert again["meta"]["versionId"] == "6"
    await done(again.delete())
    with pytest.raises(ResourceNotFound):
        await done(again.to_reference().to_resource())


async def test_typed_resources_and_the_clients_own_methods(client: Any) -> None:
    client.dump_resource = lambda resource: resource.model_dump(exclude_none=True)
    person = await done(client.save(Person(id="p1", gender="female")))
    assert (type(person), person.id, person.meta["versionId"]) == (Person, "p1", "1")
    assert (await done(client.get(Person, "p1"))).gender == "female"
    assert (await done(client.get("Patient/p1")))["gender"] == "female"
    made = await done(client.create(Person(active=True)))
    changed = await done(client.update(Person(id=made.id, active=False)))
    assert (changed.active, changed.meta["versionId"]) == (False, "2")
    kept = await done(client.save(Person(id=made.id, gender="male"), fields=["gender"]))
    assert (kept.active, kept.gender) == (False, "male"), "the other elements stay"
    assert (await done(client.patch(Person, "p1", gender="male"))).gender == "male"
    assert {one.id for one in await done(client.resources(Person).search(gender="male").fetch())} == {"p1", made.id}
    await done(client.delete("Patient/p1"))
    await done(client.delete("Patient/p1"))
    with pytest.raises(ResourceNotFound):
        await done(client.get("Patient", "p1"))
    assert (await done(client.execute("/metadata", method="get")))["fhirVersion"] == "4.0.1"


async def test_it_searches(client: Any) -> None:
    people = [client.resource("Patient", **patient(f"RM-{number}", id=f"p{number}")) for number in range(1, 8)]
    for person in people:
        await done(person.save())
    await done(client.resource("Condition", **condition("Patient/p1"), id="c1").save())
    everyone = client.resources("Patient")
    assert [one["id"] for one in await done(everyone.search(identifier=f"{MRN}|RM-3").fetch())] == ["p3"]
    assert (await done(everyone.search(identifier=f"{MRN}|RM-3").get()))["id"] == "p3"
    assert (await done(everyone.search(identifier=f"{MRN}|RM-3").first()))["id"] == "p3"
    assert await done(everyone.search(identifier="nobody").first()) is None
    assert await done(everyone.count()) == 7
    assert await done(everyone.search(birthdate__ge=date(1991, 1, 1)).count()) == 0
    assert len(await done(everyone.limit(2).fetch_all())) == 7, "it follows the links to the last page"
    sorted_ids = [one["id"] for one in await done(everyone.sort("-_id").limit(3).fetch())]
    assert sorted_ids == ["p7", "p6", "p5"]
    (bare,) = await done(everyone.search(_id="p2").elements("gender").fetch())
    assert set(bare) == {"resourceType", "id", "meta", "gender"}
    sick = everyone.has("Condition", "subject", code="J18.9")
    assert [one["id"] for one in await done(sick.fetch())] == ["p1"]
    joined = await done(client.resources("Condition").include("Condition", "subject").fetch_raw())
    assert {row["resource"]["resourceType"] for row in joined["entry"]} == {"Condition", "Patient"}
    joined = await done(everyone.search(_id="p1").revinclude("Condition", "subject").fetch_raw())
    assert {row["resource"]["resourceType"] for row in joined["entry"]} == {"Condition", "Patient"}
    (diagnosis,) = await done(client.resources("Condition").search(subject=people[0]).fetch())
    assert (await done(diagnosis["subject"].to_resource()))["id"] == "p1"
    with pytest.raises(MultipleResourcesFound):
        await done(everyone.search(gender="female").get())
    with pytest.raises(ResourceNotFound):
        await done(everyone.search(identifier="nobody").get())
    with pytest.raises(OperationOutcome, match="GF-401"):
        await done(everyone.search(nik="3171045502900001").fetch())


@pytest.mark.filterwarnings("ignore:The first arg:DeprecationWarning")
async def test_it_acts_on_a_condition(client: Any) -> None:
    second = client.resources("Patient").search(identifier=f"{MRN}|RM-2")
    one, made = await done(second.get_or_create(client.resource("Patient", **patient("RM-2"))))
    same, made_again = await done(second.get_or_create(client.resource("Patient", **patient("RM-2"))))
    assert (made, made_again, one["id"] == same["id"]) == (True, False, True)
    updated, created = await done(second.update(client.resource("Patient", **patient("RM-2", active=False))))
    assert (created, updated["id"], updated["active"]) == (False, one["id"], False)
    patched = await done(second.patch(active=True))
    assert (patched["id"], patched["active"]) == (one["id"], True)
    third = client.resource("Patient", **patient("RM-3"))
    await done(third.create(identifier=f"{MRN}|RM-3"))
    await done(client.resource("Patient", **patient("RM-3")).create(identifier=f"{MRN}|RM-3"))
    assert await done(client.resources("Patient").count()) == 2
    _, status = await done(second.delete())
    assert status == 204
    assert await done(client.resources("Patient").count()) == 1


async def test_it_calls_operations(client: Any) -> None:
    person = client.resource("Patient", **patient("RM-1", id="p1"))
    assert await done(person.is_valid())
    assert not await done(client.resource("Patient", gender="x").is_valid())
    await done(person.save())
    whole = await done(person.execute("$everything", method="get", params={"_count": "10"}))
    assert [row["resource"]["id"] for row in whole["entry"]] == ["p1"]
    tags = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "uji"}]}}]}
    added = await done(person.to_reference().execute("$meta-add", data=tags))
    assert added["parameter"][0]["valueMeta"]["tag"] == [{"code": "uji"}]
    found = await done(client.resources("Patient").execute("$meta", method="get"))
    assert found["parameter"][0]["valueMeta"]["tag"] == [{"code": "uji"}]


async def test_it_posts_a_transaction(client: Any) -> None:
    link = "urn:uuid:5f0c0e7e-0000-4000-8000-00000000000a"
    visit = bundle(entry("POST", "Patient", patient(), link), entry("POST", "Condition", condition(link)))
    answer = await done(client.execute("", method="post", data=visit))
    assert [row["response"]["status"] for row in answer["entry"]] == ["201 Created", "201 Created"]
    stored = await done(client.resources("Condition").first())
    assert stored["subject"]["reference"].startswith("Patient/")
    await done(client.resource("Bundle", **visit).create())
    assert await done(client.resources("Patient").count()) == 2


async def test_a_refusal_is_an_outcome(client: Any) -> None:
    with pytest.raises(OperationOutcome) as refused:
        await done(client.resource("Patient", gender="x").create())
    assert refused.value.resource["issue"][0]["expression"] == ["Patient.gender"]
    client.authorization = "Bearer none"
    with pytest.raises(AuthorizationError, match="GF-602"):
        await done(client.resources("Patient").fetch())
