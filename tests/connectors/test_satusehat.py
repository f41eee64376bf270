"""The SATUSEHAT client against the simulated ministry: tokens, look-ups, resources, transactions, and its silences."""

import asyncio
import json

import pytest

from gateway.connectors.errors import (
    Ambiguous,
    DestinationError,
    Duplicate,
    Held,
    Misconfigured,
    NotFound,
    OutcomeUnknown,
    Refused,
    Throttled,
    Unavailable,
)
from gateway.connectors.satusehat import Satusehat, Stored
from gateway.connectors.wire import Exchange
from gateway.sandbox import Fault, Sandbox
from tests.connectors.fixtures import Script
from tests.connectors.resources import ENCOUNTER, condition, encounter, patient, transaction, urn

SRI, SRI_IHS = "1371015203850001", "P02100000001"
ARIEF, ARIEF_IHS = "1371010101750101", "10021000001"


def tokens(evidence: list[Exchange]) -> int:
    return sum("accesstoken" in exchange.url for exchange in evidence)


async def test_one_token_is_fetched_for_all_who_wait(satusehat: Satusehat, evidence: list[Exchange]) -> None:
    found = await asyncio.gather(*(satusehat.find_patient(SRI) for _ in range(10)))
    assert found == [SRI_IHS] * 10
    assert tokens(evidence) == 1


async def test_a_token_is_renewed_before_it_ends(sandbox: Sandbox) -> None:
    now = 1000.0
    seen: list[Exchange] = []
    client = Satusehat(sandbox.satusehat_account(), seen.append, clock=lambda: now)
    await client.find_patient(SRI)
    now += 3599 - 301
    await client.find_patient(SRI)
    assert tokens(seen) == 1
    now += 2
    await client.find_patient(SRI)
    assert tokens(seen) == 2
    await client.close()


async def test_a_refused_token_is_renewed_once_and_the_request_repeated(
    sandbox: Sandbox, satusehat: Satusehat, evidence: list[Exchange]
) -> None:
    await satusehat.find_patient(SRI)
    sandbox.state.tokens.expire()
    created = await asyncio.gather(*(satusehat.create(encounter(f"RJ-{n}")) for n in range(4)))
    assert len({row["id"] for row in created}) == 4
    assert tokens(evidence) == 2
    assert len(sandbox.state.shelf.sent()["Encounter"]) == 4


async def test_a_new_token_that_is_refused_too_stops_everything(sandbox: Sandbox, satusehat: Satusehat) -> None:
    sandbox.fail(Fault(kind="expired_token", path="/Patient", times=2))
    with pytest.raises(Misconfigured, match="expired"):
        await satusehat.find_patient(SRI)
    assert await satusehat.find_patient(SRI) == SRI_IHS


@pytest.mark.parametrize("field", ["client_id", "client_secret"])
async def test_wrong_credentials_stop_everything(sandbox: Sandbox, field: str) -> None:
    account = sandbox.satusehat_account()
    wrong = type(account).model_validate(account.model_dump() | {field: "wrong"})
    seen: list[Exchange] = []
    client = Satusehat(wrong, seen.append)
    with pytest.raises(Misconfigured, match="ClientId is Invalid") as caught:
        await client.find_patient(SRI)
    assert caught.value.code == "invalid_client"
    assert len(seen) == 1
    await client.close()


async def test_no_token_to_be_had_means_nothing_was_sent(sandbox: Sandbox, satusehat: Satusehat) -> None:
    for fault in (
        Fault(kind="status", path="oauth2"),
        Fault(kind="drop", path="oauth2"),
        Fault(kind="html", path="oauth2"),
    ):
        sandbox.fail(fault)
        with pytest.raises(DestinationError) as caught:
            await satusehat.create(encounter())
        assert type(caught.value) is Unavailable
    assert sandbox.state.shelf.sent() == {}


async def test_something_that_is_no_token_is_not_taken_for_one(script: Script) -> None:
    client = script.satusehat()
    script.replies.clear()
    script.says('{"status": "approved"}')
    with pytest.raises(Unavailable, match="not a token"):
        await client.find_patient(SRI)
    await client.close()


async def test_evidence_holds_neither_token_nor_secret(satusehat: Satusehat, evidence: list[Exchange]) -> None:
    await satusehat.create(encounter())
    token, sent = evidence
    assert (token.body, token.reply) == (b"***", b"***")
    assert sent.headers["authorization"] == "***"
    assert json.loads(sent.body or b"") == encounter()
    assert (sent.method, sent.status) == ("POST", 201)
    assert "sandbox-satusehat-secret" not in repr(evidence)


async def test_one_person_nobody_and_several(satusehat: Satusehat) -> None:
    assert await satusehat.find_patient(SRI) == SRI_IHS
    assert await satusehat.find_practitioner(ARIEF) == ARIEF_IHS
    with pytest.raises(NotFound):
        await satusehat.find_patient("1371101708010011")
    with pytest.raises(NotFound):
        await satusehat.find_practitioner(SRI)
    with pytest.raises(Ambiguous) as caught:
        await satusehat.find_patient("1371094505880009")
    assert caught.value.candidates == ("P02100000009", "P02100000010")


async def test_a_patient_of_the_civil_register_is_registered_once(satusehat: Satusehat) -> None:
    rizky = patient("1371101708010011", "2001-08-17", "male", "RIZKY RAMADHAN")
    ihs = await satusehat.create_patient(rizky)
    assert await satusehat.find_patient("1371101708010011") == ihs
    with pytest.raises(Duplicate) as caught:
        await satusehat.create_patient(rizky)
    assert caught.value.existing == ihs


async def test_a_person_whom_the_register_does_not_know_is_refused(satusehat: Satusehat) -> None:
    with pytest.raises(Refused, match="Citizen Not Exists") as caught:
        await satusehat.create_patient(patient("1371109999999999", "1999-09-09", "male", "SIAPA INI"))
    assert caught.value.fix["id"]


@pytest.mark.parametrize("key", ["Patient ID:", "patient_id", "Patient_id", "Patient_Id"])
async def test_every_spelling_of_the_new_number_is_read(script: Script, key: str) -> None:
    client = script.satusehat()
    script.says(json.dumps({"create_patient": {"success": True, "message": "x", "data": {key: "P02000000042"}}}))
    assert await client.create_patient({"resourceType": "Patient"}) == "P02000000042"
    await client.close()


async def test_a_registration_without_a_number_is_unknown(script: Script) -> None:
    client = script.satusehat()
    script.says('{"success": true, "message": "New Patient has been created successfully"}')
    with pytest.raises(OutcomeUnknown):
        await client.create_patient({"resourceType": "Patient"})
    await client.close()


async def test_a_resource_is_created_read_found_replaced_and_patched(satusehat: Satusehat) -> None:
    created = await satusehat.create(encounter())
    assert await satusehat.read("Encounter", created["id"]) == created
    assert await satusehat.find("Encounter", ENCOUNTER, "RJ-1") == created
    assert await satusehat.find("Encounter", ENCOUNTER, "RJ-2") is None
    start = "2026-01-15T02:00:00+00:00"
    later = encounter(
        id=created["id"],
        status="in-progress",
        statusHistory=[
            {"status": "arrived", "period": {"start": start, "end": "2026-01-15T02:30:00+00:00"}},
            {"status": "in-progress", "period": {"start": "2026-01-15T02:30:00+00:00"}},
        ],
    )
    assert (await satusehat.update(later))["status"] == "in-progress"
    display = {"op": "replace", "path": "/subject/display", "value": "SRI"}
    assert (await satusehat.patch("Encounter", created["id"], [display]))["subject"]["display"] == "SRI"
    assert len(await satusehat.search("Encounter", {"subject": SRI_IHS})) == 1


async def test_a_second_with_the_same_identifier_is_a_duplicate(satusehat: Satusehat) -> None:
    await satusehat.create(encounter())
    with pytest.raises(Duplicate) as caught:
        await satusehat.create(encounter())
    assert caught.value.code == "20002"


async def test_a_refusal_names_rule_and_element(satusehat: Satusehat) -> None:
    with pytest.raises(Refused) as caught:
        await satusehat.create({k: v for k, v in encounter().items() if k != "serviceProvider"})
    assert (caught.value.code, caught.value.element) == ("10124", "Encounter.serviceProvider")


async def test_another_organisations_identifier_stops_everything(satusehat: Satusehat) -> None:
    foreign = [{"system": "http://sys-ids.kemkes.go.id/encounter/10000005", "value": "X"}]
    with pytest.raises(Misconfigured, match="Wrong organization ID"):
        await satusehat.create(encounter(identifier=foreign))


async def test_what_is_not_there_yet_holds_what_needs_it(satusehat: Satusehat) -> None:
    with pytest.raises(Held, match="reference target"):
        await satusehat.create(condition("Encounter/6d3f4e0a-8f3c-4a60-9d0e-0d2f1f6b7a10"))


async def test_an_unknown_id_is_not_found(satusehat: Satusehat) -> None:
    nowhere = "6d3f4e0a-8f3c-4a60-9d0e-0d2f1f6b7a10"
    for call in (satusehat.read("Encounter", nowhere), satusehat.update(encounter(id=nowhere))):
        with pytest.raises(NotFound):
            await call


async def test_a_search_is_read_to_its_last_page(satusehat: Satusehat) -> None:
    for number in range(45):
        await satusehat.create(encounter(f"RJ-{number}"))
    rows = await satusehat.search("Encounter", {"subject": SRI_IHS})
    assert [row["identifier"][0]["value"] for row in rows] == [f"RJ-{number}" for number in range(45)]


async def test_rows_that_are_withheld_are_not_taken_for_none(script: Script) -> None:
    client = script.satusehat()
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "information", "code": "suppressed", "details": {"text": "privacy rules"}}],
    }
    bundle = {"resourceType": "Bundle", "type": "searchset", "total": 1, "entry": [{"resource": outcome}]}
    script.says(json.dumps(bundle))
    with pytest.raises(Refused) as caught:
        await client.find("Condition", "http://sys-ids.kemkes.go.id/condition/10000004", "1")
    assert caught.value.code == "suppressed"
    await client.close()


async def test_rows_that_were_not_asked_for_are_left_out(script: Script) -> None:
    client = script.satusehat()
    other = {"resourceType": "Encounter", "id": "x", "identifier": [{"system": ENCOUNTER, "value": "RJ-99"}]}
    script.says(json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": other}]}))
    assert await client.find("Encounter", ENCOUNTER, "RJ-1") is None
    await client.close()


async def test_two_with_the_same_identifier_are_ambiguous(script: Script) -> None:
    client = script.satusehat()
    rows = [{"resourceType": "Encounter", "id": i, "identifier": [{"system": ENCOUNTER, "value": "1"}]} for i in "ab"]
    script.says(json.dumps({"resourceType": "Bundle", "entry": [{"resource": row} for row in rows]}))
    with pytest.raises(Ambiguous) as caught:
        await client.find("Encounter", ENCOUNTER, "1")
    assert caught.value.candidates == ("a", "b")
    await client.close()


async def test_a_transaction_is_stored_whole_and_in_order(sandbox: Sandbox, satusehat: Satusehat) -> None:
    places = await satusehat.transaction(transaction(encounter(), condition(urn(0)), condition(urn(0), "I10")))
    assert [place.resource_type for place in places] == ["Encounter", "Condition", "Condition"]
    first = await satusehat.read("Condition", places[1].id)
    assert first["encounter"] == {"reference": f"Encounter/{places[0].id}"}
    assert (await satusehat.find("Encounter", ENCOUNTER, "RJ-1") or {})["id"] == places[0].id


async def test_one_refused_entry_refuses_the_whole_transaction(sandbox: Sandbox, satusehat: Satusehat) -> None:
    broken = {k: v for k, v in condition(urn(0)).items() if k != "subject"}
    with pytest.raises(Refused) as caught:
        await satusehat.transaction(transaction(encounter(), broken))
    assert str(caught.value.element).startswith("Bundle.entry[1].resource")
    assert sandbox.state.shelf.sent() == {}


async def test_places_are_read_from_the_location_where_the_reply_has_no_ids(script: Script) -> None:
    client = script.satusehat()
    rows = [
        {"status": "201 Created", "location": "https://x/fhir-r4/v1/Encounter/abc-1/_history/MTcx"},
        {"status": "200", "location": "Condition/def-2", "resourceType": "Condition", "resourceID": "def-9"},
    ]
    script.says(json.dumps({"resourceType": "Bundle", "entry": [{"response": row} for row in rows]}))
    places = await client.transaction(transaction(encounter(), condition(urn(0))))
    assert places == [Stored("Encounter", "abc-1"), Stored("Condition", "def-9")]
    await client.close()


def _entry(status: str, code: str = "") -> dict[str, object]:
    if not code:
        return {"response": {"status": status, "resourceType": "Encounter", "resourceID": "x"}}
    issue = {"severity": "error", "code": "value", "details": {"text": f"Element not found (RuleNumber: {code})"}}
    return {"response": {"status": status, "outcome": {"resourceType": "OperationOutcome", "issue": [issue]}}}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([_entry("201 Created")], OutcomeUnknown),
        ([], OutcomeUnknown),
        ([_entry("201 Created"), _entry("400 Bad Request", "10121")], OutcomeUnknown),
        ([_entry("400 Bad Request", "10121"), _entry("400 Bad Request", "20013")], Refused),
        ([{"response": {"status": "201 Created"}}, _entry("201 Created")], OutcomeUnknown),
    ],
)
async def test_a_reply_that_does_not_account_for_every_entry(
    script: Script, entries: list[dict[str, object]], expected: type[DestinationError]
) -> None:
    client = script.satusehat()
    script.says(json.dumps({"resourceType": "Bundle", "type": "transaction-response", "entry": entries}))
    with pytest.raises(DestinationError) as caught:
        await client.transaction(transaction(encounter(), condition(urn(0))))
    assert type(caught.value) is expected
    await client.close()


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("kind", ["drop", "stall", "html", "status"])
async def test_a_lost_answer_is_settled_by_identifier(sandbox: Sandbox, kind: str, committed: bool) -> None:
    client = Satusehat(sandbox.satusehat_account(timeout_s=0.4))
    await client.find_patient(SRI)
    sandbox.fail(Fault(kind=kind, committed=committed, seconds=1.0 if kind == "stall" else 0.0, path="/Encounter"))  # type: ignore[arg-type]
    with pytest.raises(OutcomeUnknown):
        await client.create(encounter())
    found = await client.find("Encounter", ENCOUNTER, "RJ-1")
    assert (found is not None) is committed
    await client.close()


@pytest.mark.parametrize("kind", ["drop", "html", "status"])
async def test_a_lost_answer_to_a_read_may_be_asked_again(sandbox: Sandbox, satusehat: Satusehat, kind: str) -> None:
    sandbox.fail(Fault(kind=kind, path="/Patient"))  # type: ignore[arg-type]
    with pytest.raises(DestinationError) as caught:
        await satusehat.find_patient(SRI)
    assert type(caught.value) is Unavailable
    assert await satusehat.find_patient(SRI) == SRI_IHS


@pytest.mark.parametrize("told", [3, None])
async def test_too_many_requests(sandbox: Sandbox, satusehat: Satusehat, told: int | None) -> None:
    sandbox.fail(Fault(kind="throttle", retry_after=told, path="/Encounter"))
    with pytest.raises(Throttled) as caught:
        await satusehat.create(encounter())
    assert caught.value.retry_after == told


async def test_where_nobody_listens_nothing_was_done(sandbox: Sandbox) -> None:
    account = sandbox.satusehat_account().model_copy(update={"base_url": "http://127.0.0.1:9/fhir-r4/v1"})
    client = Satusehat(account)
    with pytest.raises(DestinationError) as caught:
        await client.create(encounter())
    assert type(caught.value) is Unavailable
    await client.close()
