"""Searches over HTTP: the answer's shape, paging, strictness. (What each parameter means is tested with the store.)"""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.fhir.support import MRN, condition, create, error, patient


async def test_a_search_answers_a_searchset_of_stored_bytes(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient("RM-1"))
    await create(client, patient("RM-2"))
    answer = await client.get("/Patient", params={"identifier": f"{MRN}|RM-1"})
    found = answer.json()
    assert answer.status_code == 200
    assert (found["resourceType"], found["type"]) == ("Bundle", "searchset")
    assert found["entry"] == [
        {
            "fullUrl": f"http://gateway.test/fhir/Patient/{stored['id']}",
            "resource": stored,
            "search": {"mode": "match"},
        }
    ]
    (link,) = found["link"]
    assert link["relation"] == "self"
    assert parse_qs(urlsplit(link["url"]).query) == {"identifier": [f"{MRN}|RM-1"]}


async def test_nothing_found_is_an_empty_searchset(client: httpx.AsyncClient) -> None:
    found = (await client.get("/Patient", params={"identifier": "nobody"})).json()
    assert found["type"] == "searchset"
    assert "entry" not in found


async def test_a_form_in_the_body_asks_the_same_as_the_address(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient("RM-1"))
    await create(client, patient("RM-2"))
    answer = await client.post("/Patient/_search", data={"identifier": f"{MRN}|RM-1"})
    assert [e["resource"] for e in answer.json()["entry"]] == [stored]
    both = await client.post("/Patient/_search?gender=male", data={"identifier": f"{MRN}|RM-1"})
    assert "entry" not in both.json(), "address and body count together"
    error(await client.post("/Patient/_search", json={"identifier": "x"}), 415, "GF-105")
    raw = await client.post(
        "/Patient/_search", content=b"name=%FF", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert raw.status_code == 400


async def test_pages_follow_their_next_links_to_the_end(client: httpx.AsyncClient) -> None:
    made = {(await create(client, patient(f"RM-{n}")))["id"] for n in range(5)}
    url, seen, pages = "/Patient?_count=2&gender=female", [], 0
    while url:
        page = (await client.get(url)).json()
        assert len(page["entry"]) <= 2
        seen += [e["resource"]["id"] for e in page["entry"]]
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
        pages += 1
    assert pages == 3
    assert len(seen) == 5
    assert set(seen) == made
    links = {link["relation"]: link["url"] for link in page["link"]}
    before = (await client.get(links["previous"])).json()
    assert [e["resource"]["id"] for e in before["entry"]] == seen[2:4]
    first = (await client.get(links["first"])).json()
    assert [e["resource"]["id"] for e in first["entry"]] == seen[:2]
    assert {link["relation"] for link in first["link"]} == {"self", "next"}


async def test_included_resources_say_that_they_are_included(client: httpx.AsyncClient) -> None:
    person = await create(client, patient())
    sick = await create(client, condition(f"Patient/{person['id']}"))
    found = (await client.get("/Condition", params={"_include": "Condition:subject"})).json()
    modes = {(e["resource"]["id"], e["search"]["mode"]) for e in found["entry"]}
    assert modes == {(sick["id"], "match"), (person["id"], "include")}


async def test_totals_are_told_when_asked_for(client: httpx.AsyncClient) -> None:
    for n in range(3):
        await create(client, patient(f"RM-{n}"))
    counted = (await client.get("/Patient", params={"_summary": "count"})).json()
    assert (counted["total"], "entry" in counted) == (3, False)
    nothing = (await client.get("/Patient", params={"_count": 0})).json()
    assert (nothing["total"], "entry" in nothing) == (3, False)
    page = (await client.get("/Patient", params={"_total": "accurate", "_count": 1})).json()
    assert (page["total"], len(page["entry"])) == (3, 1)


async def test_an_unknown_parameter_is_refused_with_the_valid_ones(client: httpx.AsyncClient) -> None:
    issue = error(await client.get("/Patient", params={"nmae": "x"}), 400, "GF-401")
    assert "birthdate" in issue["diagnostics"]
    assert "nmae" in issue["details"]["text"]
    error(await client.get("/Patient", params={"birthdate": "soon"}), 400)
    error(await client.get("/Patient", params={"_count": "many"}), 400)
    error(await client.get("/Patient", params={"_cursor": "nonsense"}), 400)


async def test_a_lenient_caller_is_warned_instead(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient())
    answer = await client.get(
        "/Patient", params={"nmae": "x", "gender": "female"}, headers={"Prefer": "handling=lenient"}
    )
    match, outcome = answer.json()["entry"]
    assert match["resource"] == stored
    assert outcome["search"] == {"mode": "outcome"}
    assert outcome["resource"]["issue"][0]["severity"] == "warning"
    assert "nmae" in outcome["resource"]["issue"][0]["details"]["text"]
    (link,) = answer.json()["link"]
    assert "nmae" not in link["url"], "the self link says what was really searched"


async def test_a_reader_does_not_see_another_facilitys_matches(client: httpx.AsyncClient) -> None:
    await create(client, patient("RM-1"))
    there = await client.get("http://gateway.test/rs-kenanga/fhir/Patient", params={"identifier": "RM-1"})
    assert "entry" not in there.json()


async def test_several_types_are_searched_at_once(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient("RM-1"))
    ill = await create(client, condition(f"Patient/{stored['id']}"))
    asked = {"_type": "Patient,Condition", "_lastUpdated": "gt2000"}
    found = (await client.get("", params=asked)).json()
    assert [e["resource"] for e in found["entry"]] == [ill, stored]
    assert found["link"][0]["url"].startswith("http://gateway.test/fhir?_type=")
    assert (await client.post("/_search", data=asked)).json()["entry"] == found["entry"]
    assert (await client.get("", params={**asked, "_summary": "count"})).json()["total"] == 2
    error(await client.get("", params={"_type": "Patient,Pasien"}), 400, "GF-402")
    assert "birthdate" in (await client.get("", params={"_type": "Patient", "nama": "x"})).text


async def test_a_search_of_everything_shows_no_type_that_the_caller_may_not_search(
    client: httpx.AsyncClient, make_client: Callable[[str], Awaitable[httpx.AsyncClient]]
) -> None:
    stored = await create(client, patient("RM-1"))
    everything = (await client.get("", params={"_lastUpdated": "gt2000"})).json()
    assert {e["resource"]["resourceType"] for e in everything["entry"]} == {"Patient", "AuditEvent"}
    reader = await make_client("reader")
    seen = (await reader.get("", params={"_lastUpdated": "gt2000"})).json()
    assert [e["resource"] for e in seen["entry"]] == [stored]
    assert (await reader.get("", params={"_type": "Patient,AuditEvent"})).status_code == 403


async def test_words_lists_and_filters_are_searched(client: httpx.AsyncClient) -> None:
    told = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Alergi <b>kacang</b></div>'}
    stored = await create(client, {**patient("RM-1"), "text": told})
    await create(client, patient("RM-2"))
    watched = {"resourceType": "List", "status": "current", "mode": "working"}
    kept = await create(client, {**watched, "entry": [{"item": {"reference": f"Patient/{stored['id']}"}}]})
    for asked in ({"_text": "alergi kacang"}, {"_list": kept["id"]}, {"_filter": f"identifier eq {MRN}|RM-1"}):
        found = (await client.get("/Patient", params=asked)).json()
        assert [e["resource"]["id"] for e in found["entry"]] == [stored["id"]], asked
