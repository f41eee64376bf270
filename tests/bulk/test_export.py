"""$export: what it holds, what it refuses. Source: https://hl7.org/fhir/uv/bulkdata/STU2/export.html"""

import httpx

from tests.bulk.support import ASYNC, error, exported, lines, manifest
from tests.fhir.support import condition, create, observation, patient


async def test_a_system_export_holds_everything_as_it_is_stored(client: httpx.AsyncClient) -> None:
    person = await create(client, patient())
    sick = await create(client, condition(f"Patient/{person['id']}"))
    found = await manifest(client, await client.get("/$export?_type=Patient,Condition", headers=ASYNC))
    assert found["requiresAccessToken"] is True
    assert found["request"] == "http://gateway.test/fhir/$export?_type=Patient,Condition"
    assert found["transactionTime"] >= sick["meta"]["lastUpdated"]
    assert (found["deleted"], found["error"]) == ([], [])
    assert await lines(client, found) == [sick, person]


async def test_it_must_be_asked_for_in_the_background(client: httpx.AsyncClient) -> None:
    error(await client.get("/$export"), 400, "GF-801")
