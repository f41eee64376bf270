"""Deliveries to the simulated destinations over real HTTP: what arrives there, once, and what comes home."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.commands.sandbox import facilities_yaml
from gateway.outbox import admin, delivering, plan
from gateway.sandbox import Fault, Sandbox, running_sandbox
from gateway.settings import Settings
from gateway.store import Change, Store
from profiles import Validator, fhirjson
from tests.outbox import hospital
from tests.outbox.support import rows, until


@dataclass
class Hospital:
    """A facility of its own in the store, both accounts at the sandbox, and no worker until `deliver()`."""

    store: Store
    settings: Settings
    sandbox: Sandbox

    @property
    def slug(self) -> str:
        return self.settings.facilities[0].slug

    async def write(self, *resources: hospital.Resource) -> None:
        also = plan(self.settings.facilities[0])
        await self.store.write(self.slug, [Change.update(r, r["id"]) for r in resources], also=also)

    async def at_rest(self) -> bool:
        async with self.store.connection() as connection:
            return await admin.at_rest(connection)

    async def deliver(self) -> None:
        """Work until nothing moves any more."""
        async with delivering(self.store, self.settings):
            await until(self.at_rest)

    async def rows(self) -> dict[str, dict[str, Any]]:
        """The newest row of each module and step."""
        return {f"{row['operation']}:{row['step']}": row for row in await rows(self.store)}

    async def states(self) -> dict[str, str]:
        return {what: row["state"] for what, row in (await self.rows()).items()}

    async def read(self, kind: str, identity: str) -> hospital.Resource:
        return fhirjson.decode((await self.store.read(self.slug, kind, identity)).content)

    async def response(self) -> hospital.Resource:
        visit = await self.store.visit(self.slug, "kunjungan")
        (found,) = [
            e["resource"] for e in visit["entry"] if e["resource"]["resourceType"] == "CoverageEligibilityResponse"
        ]
        return dict(found)

    @property
    def seps(self) -> dict[str, Any]:
        found: dict[str, Any] = self.sandbox.state.shown()["seps"]
        return found

    def sent(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.sandbox.state.shown()["resources"].get(kind, [])
        return found

    def requests(self, method: str, path: str) -> int:
        return sum(r["method"] == method and path in r["path"] for r in self.sandbox.state.shown()["requests"])


@pytest.fixture
async def here(database_url: str, tmp_path: Path) -> AsyncIterator[Hospital]:
    async with running_sandbox() as sandbox:
        accounts = tmp_path / "facilities.yaml"
        accounts.write_text(facilities_yaml(sandbox), "utf-8")
        settings = Settings(home=tmp_path, database_url=database_url, facilities_file=accounts, _env_file=None)
        store = await Store.open(settings)
        yield Hospital(store, settings, sandbox)
        await store.close()


def whole_visit() -> list[hospital.Resource]:
    return [
        *hospital.base(),
        hospital.encounter(finished=True),
        hospital.condition(),
        hospital.observation(),
        hospital.wish(),
    ]


def without(resources: list[hospital.Resource], kind: str) -> list[hospital.Resource]:
    return [resource for resource in resources if resource["resourceType"] != kind]


async def test_an_outpatient_visit_gets_its_sep_and_goes_to_satusehat(here: Hospital) -> None:
    await here.write(*whole_visit())
    await here.deliver()
    assert await here.states() == {
        "vclaim/sep-insert:insert": "done",
        "satusehat/visit:encounter": "done",
        "satusehat/visit:clinical": "done",
        "satusehat/visit:close": "done",
    }
    assert len(here.seps) == 1
    assert [e["status"] for e in here.sent("Encounter")] == ["finished"]


async def test_what_the_gateway_writes_itself_is_valid(here: Hospital) -> None:
    await here.write(*whole_visit())
    await here.deliver()
    validator = Validator()
    for resource in (await here.response(), await here.read("Encounter", "kunjungan")):
        errors = [i for i in validator.validate(resource) if i.tier == "base" and i.severity in ("error", "fatal")]
        assert errors == []


async def test_evidence_holds_bodies_and_no_credentials(here: Hospital) -> None:
    await here.write(*whole_visit())
    await here.deliver()
    account = here.settings.facilities[0]
    assert account.vclaim
    assert account.satusehat
    secrets = (account.vclaim.consumer_secret, account.vclaim.user_key, account.satusehat.client_secret)
    async with here.store.connection() as connection:
        kept = [dict(r) for r in await connection.fetch("SELECT * FROM outbox_attempt")]
    assert any(b"noKartu" in (one["request"] or b"") for one in kept)
    assert any(b"noSep" in (one["reply"] or b"") for one in kept), "the reply is kept as it reads when decrypted"
    for one in kept:
        text = repr(one)
        assert not any(secret.get_secret_value() in text for secret in secrets)
        assert "access_token" not in text


async def test_a_changed_request_updates_its_sep_and_a_cancelled_one_withdraws_it(here: Hospital) -> None:
    await here.write(*whole_visit())
    await here.deliver()
    (number,) = here.seps
    note = {"url": "https://gapura.dev/fhir/StructureDefinition/sep-note", "valueString": "kontrol gula darah"}
    await here.write({**hospital.wish(), "extension": [note]})
    await here.deliver()
    assert here.seps[number]["t_sep"]["catatan"] == "kontrol gula darah"
    assert here.requests("POST", "/SEP/2.0/insert") == here.requests("PUT", "/SEP/2.0/update") == 1
    await here.write({**hospital.wish(), "status": "cancelled"})
    await here.deliver()
    assert here.seps == {}
    assert (await here.response())["status"] == "cancelled"
    identifiers = (await here.read("Encounter", "kunjungan")).get("identifier", [])
    assert not any(identifier["value"] == number for identifier in identifiers)


async def test_a_change_while_the_sep_is_being_issued_is_not_lost(here: Hospital) -> None:
    await here.write(*without(whole_visit(), "Observation"))
    here.sandbox.fail(Fault(kind="latency", seconds=1.0, system="vclaim", path="/SEP/2.0/insert$"))
    note = {"url": "https://gapura.dev/fhir/StructureDefinition/sep-note", "valueString": "naik kelas"}

    async def on_the_wire() -> bool:
        row = (await here.rows()).get("vclaim/sep-insert:insert")
        return bool(row and row["unsettled"])

    async with delivering(here.store, here.settings):
        await until(on_the_wire)
        await here.write({**hospital.wish(), "extension": [note]})
        await until(here.at_rest)
    (sep,) = here.seps.values()
    assert sep["t_sep"]["catatan"] == "naik kelas"


async def test_a_sep_of_another_visit_on_the_same_day_is_not_taken_for_this_ones(here: Hospital) -> None:
    await here.write(*whole_visit())
    await here.deliver()
    await here.write(hospital.encounter("kedua"), hospital.wish("sep-kedua", "kedua"))
    await here.deliver()
    second = (await here.rows())["vclaim/sep-insert:insert"]
    assert second["visit"] == "Encounter/kedua"
    assert second["state"] == "parked"
    assert "telah mendapat Pelayanan" in second["reason"]["id"]
    assert len(here.seps) == 1


async def test_a_sep_that_was_entered_by_hand_is_adopted(here: Hospital) -> None:
    await here.write(*whole_visit())
    await here.deliver()
    (number,) = here.seps
    async with here.store.connection() as connection:
        await connection.execute("DELETE FROM crosswalk WHERE destination = 'vclaim'")
    response = await here.response()
    await here.store.write(here.slug, [Change.delete("CoverageEligibilityResponse", response["id"])])
    await here.write({**hospital.wish(), "created": hospital.day(-1)})
    await here.deliver()
    assert list(here.seps) == [number]
    assert (await here.response())["preAuthRef"] == number


async def test_a_nik_of_two_patients_is_held_and_names_both(here: Hospital) -> None:
    patient = hospital.patient()
    patient["identifier"][0]["value"] = "1371094505880009"
    await here.write(*without(whole_visit(), "Patient"), patient)
    await here.deliver()
    row = (await here.rows())["satusehat/visit:encounter"]
    assert row["state"] == "held"
    assert "P02100000009, P02100000010" in row["reason"]["id"]
    chosen = {"system": "https://fhir.kemkes.go.id/id/ihs-number", "value": "P02100000009"}
    await here.write({**patient, "identifier": [*patient["identifier"], chosen]})
    await here.deliver()
    assert (await here.states())["satusehat/visit:close"] == "done"


async def test_a_broken_rule_holds_its_submission_alone_and_nothing_leaves(here: Hospital) -> None:
    condition = hospital.condition()
    condition["code"] = {"text": "Diabetes"}
    await here.write(*without(whole_visit(), "Condition"), condition)
    await here.deliver()
    row = (await here.rows())["satusehat/visit:clinical"]
    assert row["state"] == "held"
    assert any(issue["key"] == "10003" for issue in row["reason"]["issues"])
    assert here.sent("Condition") == here.sent("Observation") == []
    assert len(here.sent("Encounter")) == 1
    await here.write(hospital.condition())
    await here.deliver()
    assert (await here.states())["satusehat/visit:close"] == "done"
    assert len(here.sent("Condition")) == 1


async def test_a_dispense_is_held_by_the_medication_that_was_sent_before_it(here: Hospital) -> None:
    request = {**hospital.dispense(), "resourceType": "MedicationRequest", "id": "resep", "intent": "order"}
    for key in ("context", "performer", "whenHandedOver"):
        del request[key]
    request |= {
        "category": [hospital.coded(f"{hospital.TERMS}medicationrequest-category", "outpatient", "Outpatient")],
        "encounter": {"reference": "Encounter/kunjungan"},
        "requester": {"reference": "Practitioner/arief"},
        "authoredOn": hospital.at(20),
    }
    template, product = "92001092", "93001019"
    await here.write(*whole_visit(), hospital.medication(template), request)
    await here.deliver()
    assert len(here.sent("Medication")) == len(here.sent("MedicationRequest")) == 1
    await here.write(hospital.dispense())
    await here.deliver()
    row = (await here.rows())["satusehat/visit:clinical"]
    assert [issue["key"] for issue in row["reason"]["issues"]] == ["dispense-actual-product"]
    assert here.sent("MedicationDispense") == []
    await here.write(hospital.medication(product))
    await here.deliver()
    assert len(here.sent("MedicationDispense")) == 1


async def test_a_location_that_satusehat_does_not_know_is_created_once(here: Hospital) -> None:
    places = [r for r in hospital.clinic() if r["resourceType"] == "Location"]
    places[0]["identifier"][0]["value"] = "POLI-BARU"
    places[0]["physicalType"] = hospital.coded(f"{hospital.TERMS}location-physical-type", "ro", "Room")
    await here.write(*without(whole_visit(), "Location"), *places)
    await here.deliver()
    await here.write(hospital.observation("kedua"))
    await here.deliver()
    print({k: (v["state"], v["reason"]) for k, v in (await here.rows()).items()})
    (made,) = here.sent("Location")
    assert made["managingOrganization"] == {"reference": "Organization/10000004"}
    assert here.sent("Encounter")[0]["location"][0]["location"]["reference"] == f"Location/{made['id']}"


async def test_a_replay_sends_again_and_doubles_nothing(here: Hospital) -> None:
    await here.write(*whole_visit())
    await here.deliver()
    assert await admin.replay(here.store, here.settings, [(here.slug, "Encounter/kunjungan")]) == 4
    await here.deliver()
    assert len(here.seps) == len(here.sent("Encounter")) == len(here.sent("Condition")) == 1
    assert here.requests("PUT", "/Encounter/") > 1


async def test_a_facility_without_accounts_plans_nothing(here: Hospital) -> None:
    facility = here.settings.facilities[0].model_copy(update={"vclaim": None, "satusehat": None})
    assert plan(facility) is None
    only_bpjs = here.settings.facilities[0].model_copy(update={"satusehat": None})
    await here.store.write(here.slug, [Change.update(r, r["id"]) for r in whole_visit()], also=plan(only_bpjs))
    async with here.store.connection() as connection:
        wished = await connection.fetch("SELECT DISTINCT operation FROM outbox_wish WHERE operation IS NOT NULL")
    assert [row[0] for row in wished] == ["vclaim/sep-insert"]
