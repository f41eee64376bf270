"""Histories of an instance, a type and everything: what was when, in which order, how many."""

import asyncio

import httpx
import pytest

from tests.fhir.support import Json, create, error, patient
from tests.support.server import MakeClient


async def life(client: httpx.AsyncClient) -> list[str]:
    """A patient who is created, updated and deleted, and restored; the times at which that happened."""
    stored = [(await client.put("/Patient/p", json=patient(id="p"))).json()]
    await asyncio.sleep(0.01)
    stored.append((await client.put("/Patient/p", json=patient(id="p", active=True))).json())
    await asyncio.sleep(0.01)
    await client.delete("/Patient/p")
    await asyncio.sleep(0.01)
    stored.append((await client.put("/Patient/p", json=patient(id="p"))).json())
    return [one["meta"]["lastUpdated"] for one in stored]


async def test_what_was_at_a_time(client: httpx.AsyncClient) -> None:
    first, second, last = await life(client)
    one, two, three, four = (f'W/"{number}"' for number in (1, 2, 3, 4))

    async def at(time: str, **more: str) -> list[str]:
        answer = await client.get("/Patient/p/_history", params={"_at": time, **more})
        assert answer.status_code == 200, answer.text
        return [row["response"]["etag"] for row in answer.json().get("entry", ())]

    assert await at(first[:4]) == [four, three, two, one], "a year: all that was current at some time of it"
    assert await at("1999") == []
    assert await at("2999-01-01T00:00:00Z") == [four], "what is current stays so"
    assert one in await at(first)
    assert two not in await at(first)
    assert four not in await at(second)
    assert two in await at(second)
    assert (await at(last))[0] == four
    assert await at("2999", _since=last) == [four]
    assert await at(first[:4], _count="1") == [four]
    for wrong in ("yesterday", "gt2026-01-01", "2026-13-01", ""):
        error(await client.get("/Patient/p/_history", params={"_at": wrong}), 400, "GF-108")
    everywhere = await client.get("/_history", params={"_at": second, "_count": "100"})
    assert two in [row["response"]["etag"] for row in everywhere.json()["entry"] if row["fullUrl"].endswith("/p")]


async def test_the_next_page_looks_like_the_first(client: httpx.AsyncClient) -> None:
    await life(client)
    page = (await client.get("/Patient/p/_history?_elements=birthDate&_summary=false&_count=1")).json()
    links = {link["relation"]: link["url"] for link in page["link"]}
    assert "_elements=birthDate" in links["self"]
    following = (await client.get(links["next"])).json()["entry"][0]
    assert following["request"]["method"] == "DELETE"
    last = (await client.get("/Patient/p/_history?_elements=birthDate&_count=2")).json()
    links = {link["relation"]: link["url"] for link in last["link"]}
    (one, _) = (await client.get(links["next"])).json()["entry"]
    assert "birthDate" in one["resource"]
    assert "name" not in one["resource"]


async def test_an_instant_that_does_not_exist_is_refused(client: httpx.AsyncClient) -> None:
    await life(client)
    for wrong in ("2026-13-28T00:00:00Z", "2026-11-28T25:00:00Z", "2026-11-28", "2026-11-28T00:00:00"):
        error(await client.get("/Patient/p/_history", params={"_since": wrong}), 400, "GF-108")
    late = {"Prefer": "respond-async"}
    error(await client.get("/$export?_since=2026-13-28T00:00:00Z", headers=late), 400, "GF-108")


@pytest.mark.parametrize("address", ["/Patient/p/_history", "/Patient/_history", "/_history"])
async def test_pages_go_either_way(client: httpx.AsyncClient, address: str) -> None:
    await life(client)

    async def pages(order: str) -> list[str]:
        url, found = str(httpx.URL(address).copy_merge_params({"_count": 3, "_sort": order})), []
        while url:
            bundle: Json = (await client.get(url)).json()
            assert len(bundle["entry"]) <= 3
            found += [f"{row['fullUrl']} {row['response']['etag']}" for row in bundle["entry"]]
            url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), "")
        return found

    # everything but the audit trail, which grows while it is read
    newest = [row for row in await pages("-_lastUpdated") if "AuditEvent" not in row]
    assert len(newest) == 4
    assert [row for row in await pages("_lastUpdated") if "AuditEvent" not in row] == newest[::-1]
    error(await client.get(address, params={"_sort": "name"}), 400, "GF-108")


async def test_how_many_versions_there_are(client: httpx.AsyncClient, make_client: MakeClient) -> None:
    times = await life(client)
    await create(client, patient("RM-2"))
    for query in ({"_summary": "count"}, {"_count": "0"}):
        for address, number in (("/Patient/p/_history", 4), ("/Patient/_history", 5)):
            answer = (await client.get(address, params=query)).json()
            assert (answer["total"], "entry" in answer) == (number, False)
    assert (await client.get("/Patient/_history", params={"_count": "0", "_since": times[-1]})).json()["total"] == 2
    error(await client.get("/Patient/nobody/_history?_summary=count"), 404, "GF-201")
    simrs, admin = [(await one.get("/_history?_summary=count")).json() for one in (await make_client("simrs"), client)]
    assert simrs["total"] == 5, "the audit trail is not counted for who may not see it"
    assert admin["total"] > 5
