"""The simulated SATUSEHAT: masks people, keeps organisations apart, and refuses in the ministry's order and words."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from gateway.connectors.errors import DestinationError, Held, NotFound, Refused
from gateway.connectors.satusehat import Satusehat
from gateway.sandbox import Sandbox, running_sandbox
from profiles import fhirjson
from tests.connectors.resources import condition, encounter, patient, transaction, urn

SRI = "1371015203850001"
NIK = "https://fhir.kemkes.go.id/id/nik"


async def test_people_are_masked_and_by_how_much_depends_on_the_question(satusehat: Satusehat) -> None:
    read = await satusehat.read("Patient", "P02100000001")
    (by_nik,) = await satusehat.search("Patient", {"identifier": f"{NIK}|{SRI}"})
    asked = {"name": "SRI", "birthdate": "1985-03-12", "gender": "female"}
    (by_name,) = await satusehat.search("Patient", asked)
    for seen in (read, by_nik, by_name):
        assert {i["system"]: i["value"] for i in seen["identifier"]}[NIK] == "#" * 16
    assert ("name" in read, "name" in by_nik, "name" in by_name) == (False, True, False)
    assert ("birthDate" in read, "birthDate" in by_nik, by_name["birthDate"]) == (False, False, "1985-03-12")


async def test_a_patient_search_needs_enough_to_go_by(satusehat: Satusehat) -> None:
    with pytest.raises(Refused, match="Missing query parameters"):
        await satusehat.search("Patient", {"name": "SRI"})


async def test_a_newborn_is_registered_under_its_mother(satusehat: Satusehat) -> None:
    baby = patient("", "2026-01-15", "female", "BAYI NY SRI WAHYUNI")
    baby["identifier"] = [{"system": "https://fhir.kemkes.go.id/id/nik-ibu", "use": "official", "value": SRI}]
    ihs = await satusehat.create_patient(baby)
    with pytest.raises(Refused, match="another identifier has found") as caught:
        await satusehat.create_patient(baby)
    assert getattr(caught.value, "existing", None) == ihs
    fathers = baby | {"identifier": [baby["identifier"][0] | {"value": "1371020407680002"}]}
    with pytest.raises(Refused, match="not female"):
        await satusehat.create_patient(fathers)


async def test_patients_may_not_be_edited(satusehat: Satusehat) -> None:
    sri = patient(SRI, "1985-03-12", "female", "SRI WAHYUNI") | {"id": "P02100000001"}
    with pytest.raises(Refused) as caught:
        await satusehat.update(sri)
    assert caught.value.code == "20016"


async def test_one_organisation_does_not_see_anothers_visits(sandbox: Sandbox, satusehat: Satusehat) -> None:
    mine = await satusehat.create(encounter())
    other = Satusehat(sandbox.satusehat_account("0301R012"))
    with pytest.raises(NotFound):
        await other.read("Encounter", mine["id"])
    assert await other.search("Encounter", {"subject": "P02100000001"}) == []
    with pytest.raises(Held):
        await other.create(condition(f"Encounter/{mine['id']}"))
    await other.close()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"status": 7}, "unparseable_resource"),
        ({"statuss": "arrived"}, "unparseable_resource"),
        ({"subject": {"reference": "Patient/dummy"}}, "value"),
        ({"subject": {}}, "10118"),
        ({"statusHistory": []}, "10122"),
    ],
)
async def test_shape_rules_and_references_are_judged(satusehat: Satusehat, change: dict[str, Any], code: str) -> None:
    with pytest.raises(DestinationError) as caught:
        await satusehat.create(encounter(**change))
    assert caught.value.code == code


async def test_the_rule_number_stands_in_the_details_and_nowhere_else(sandbox: Sandbox, satusehat: Satusehat) -> None:
    broken = {k: v for k, v in encounter().items() if k != "serviceProvider"}
    seen: list[Any] = []
    with pytest.raises(Refused):
        await satusehat.observing(seen.append).create(broken)
    body = json.loads(seen[-1].reply)
    (issue,) = body["issue"]
    assert body["text"] == {"status": "generated"}
    assert issue["details"]["text"] == "Reference is mandatory : Encounter.serviceProvider (RuleNumber: 10124)"
    assert "diagnostics" not in issue
    assert issue["expression"] == ["Encounter.serviceProvider"]


def _entry(resource: dict[str, Any], **changes: Any) -> dict[str, Any]:
    bundle = transaction(resource)
    bundle["entry"][0] |= changes
    return bundle


@pytest.mark.parametrize(
    ("bundle", "code"),
    [
        (_entry(encounter(), fullUrl=None), "20021"),
        (_entry(encounter(), fullUrl="http://x/Encounter/1"), "20018"),
        (_entry(encounter(), fullUrl="urn:uuid:abc"), "20019"),
        (_entry(transaction(encounter())), "20011"),
        (_entry(encounter(), request={"method": "DELETE", "url": "Encounter"}), "unparseable_resource"),
        (_entry(encounter(), request={"method": "POST", "url": "Condition"}), "unparseable_resource"),
        (transaction(encounter(), condition(urn(7))), "10126"),
        ({"resourceType": "Bundle", "type": "collection", "entry": []}, "unparseable_resource"),
    ],
)
async def test_a_transaction_that_is_not_one(sandbox: Sandbox, satusehat: Satusehat, bundle: Any, code: str) -> None:
    bundle["entry"] = [{k: v for k, v in row.items() if v is not None} for row in bundle["entry"]]
    with pytest.raises(DestinationError) as caught:
        await satusehat.transaction(bundle)
    assert caught.value.code == code
    assert sandbox.state.shelf.sent() == {}


async def test_an_entry_that_is_kept_already_is_a_duplicate(sandbox: Sandbox, satusehat: Satusehat) -> None:
    await satusehat.create(encounter())
    with pytest.raises(Refused) as caught:
        await satusehat.transaction(transaction(encounter("RJ-2"), encounter()))
    assert caught.value.code == "20002"
    assert len(sandbox.state.shelf.sent()["Encounter"]) == 1


async def test_the_replys_ids_are_not_in_fhirs_place(satusehat: Satusehat) -> None:
    seen: list[Any] = []
    await satusehat.observing(seen.append).transaction(transaction(encounter()))
    (row,) = json.loads(seen[-1].reply)["entry"]
    told = row["response"]
    assert told["resourceType"] == "Encounter"
    assert told["location"].split("/_history/")[0].endswith(f"/fhir-r4/v1/Encounter/{told['resourceID']}")


async def test_a_put_in_a_transaction_makes_what_was_not_there(satusehat: Satusehat) -> None:
    own = "5b3c6a2e-3f3c-4b39-9c40-0d6f2e5b8c11"
    bundle = transaction(encounter(id=own))
    bundle["entry"][0]["request"] = {"method": "PUT", "url": f"Encounter/{own}"}
    assert (await satusehat.transaction(bundle))[0].id == own
    assert (await satusehat.read("Encounter", own))["status"] == "arrived"


async def test_a_dispense_search_needs_its_subject_and_ignores_its_encounter(satusehat: Satusehat) -> None:
    with pytest.raises(Refused, match="Missing query parameters: subject"):
        await satusehat.search("MedicationDispense", {"context": "x"})
    assert await satusehat.search("MedicationDispense", {"subject": "P02100000001", "encounter": "x"}) == []


async def test_without_a_token_only_the_capabilities_are_told(sandbox: Sandbox) -> None:
    async with httpx.AsyncClient() as http:
        assert (await http.get(f"{sandbox.fhir_url}/metadata")).status_code == 200
        refused = await http.get(f"{sandbox.fhir_url}/Patient/P02100000001")
        assert (refused.status_code, refused.json()["fault"]["faultstring"]) == (401, "Invalid access token")


async def test_a_patch_with_the_wrong_type_and_a_part_of_the_operational_status(satusehat: Satusehat) -> None:
    place = "/Location/3a1d7b10-5a3f-4a53-8d7e-2f0f4a9c0003"
    status = {"system": "http://terminology.hl7.org/CodeSystem/v2-0116", "code": "O", "display": "Occupied"}
    with pytest.raises(Refused, match="invalid_headers"):
        await satusehat.call("PATCH", place, [{"op": "add", "path": "/operationalStatus", "value": status}])
    with pytest.raises(Refused) as caught:
        await satusehat.patch(
            "Location", place[-36:], [{"op": "replace", "path": "/operationalStatus/code", "value": "O"}]
        )
    assert caught.value.code == "10171"


async def test_the_ministrys_own_bundle_is_stored(shared: Path, tmp_path: Path) -> None:
    raw = (shared / "samples/satusehat/bundle_rajal_transaction.json").read_text("utf-8")
    # The study reaches the ministry by the DICOM router, not in this Bundle.
    study = "354e1828-b094-493a-b393-2c18a28476ea"
    raw = raw.replace(f"urn:uuid:{study}", f"ImagingStudy/{study}")
    named = set(re.findall(r'"((?:Location|Organization|ImagingStudy)/[^"]+)"', raw))
    people = set(re.findall(r'"Patient/([^"]+)"', raw))
    doctors = set(re.findall(r'"Practitioner/([^"]+)"', raw))
    seed = {
        "people": [
            {"nik": f"13710152038500{n:02d}", "name": "CONTOH", "sex": "P", "birth": "1985-03-12", "ihs": [ihs]}
            for n, ihs in enumerate(people, 50)
        ],
        "doctors": [
            {"nik": f"13710101017501{n:02d}", "name": "dr. Contoh", "sex": "L", "ihs": ihs}
            for n, ihs in enumerate(doctors, 50)
        ],
        "resources": [
            {"owner": "10000004", "resourceType": name.split("/")[0], "id": name.split("/")[1]}
            for name in sorted(named)
        ],
    }
    path = tmp_path / "seed.yaml"
    path.write_text(yaml.safe_dump(seed), "utf-8")
    bundle = fhirjson.decode(raw.encode())
    async with running_sandbox(seeds=[path]) as sandbox:
        client = Satusehat(sandbox.satusehat_account())
        places = await client.transaction(bundle)
        await client.close()
    assert [place.resource_type for place in places] == [row["resource"]["resourceType"] for row in bundle["entry"]]
