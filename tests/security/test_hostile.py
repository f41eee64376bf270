"""What is sent to do harm is refused with a number, nothing of it is kept, and the next caller is served."""

import gzip
import json
from typing import Any, NamedTuple

import httpx
import pytest

from tests.fhir.support import bundle, create, entry, patient

JSON, XML = {"Content-Type": "application/fhir+json"}, {"Content-Type": "application/fhir+xml"}
FORM, PATCH = {"Content-Type": "application/x-www-form-urlencoded"}, {"Content-Type": "application/json-patch+json"}
IMPORT = {"Content-Type": "application/fhir+ndjson", "Content-Encoding": "gzip", "Prefer": "respond-async"}
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">'
FILE = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
ENTITIES = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 9))
MANY = 100_000


class Attack(NamedTuple):
    """A request, and how it is answered: the status, and the number or rule of one of the issues."""

    path: str
    content: str | bytes
    headers: dict[str, str]
    status: int
    number: str
    method: str = "POST"


def person(elements: str) -> str:
    """A Patient in JSON."""
    return f'{{"resourceType":"Patient",{elements}}}'


def narrative(inner: str) -> str:
    """A Patient with a narrative."""
    return json.dumps({"resourceType": "Patient", "text": {"status": "generated", "div": f"{DIV}{inner}</div>"}})


def xml(inner: str, before: str = "") -> str:
    """A Patient in XML."""
    return f'{before}<Patient xmlns="http://hl7.org/fhir">{inner}</Patient>'


def measured(value: str) -> str:
    """An Observation in XML."""
    head = '<Observation xmlns="http://hl7.org/fhir"><status value="final"/><code><text value="x"/></code>'
    return f'{head}<valueQuantity><value value="{value}"/></valueQuantity></Observation>'


def repeated(part: str, times: int, sign: str = "&") -> str:
    """`part` again and again, numbered where it has `{}`."""
    return sign.join(part.format(n) for n in range(times))


ATTRIBUTES = repeated("a{}='1'", MANY, " ")
BODIES = {
    "a key twice": Attack("/Patient", person('"name":[{"text":"a","text":"b"}]'), JSON, 400, "GF-301"),
    "half a surrogate pair": Attack("/Patient", person('"name":[{"text":"\\ud800"}]'), JSON, 400, "GF-301"),
    "NUL": Attack("/Patient", person('"name":[{"text":"a\\u0000b"}]'), JSON, 400, "GF-301"),
    "depth": Attack("/Patient", person(f'"name":{"[" * MANY}{"]" * MANY}'), JSON, 400, "GF-301"),
    "a long number": Attack("/Patient", person(f'"multipleBirthInteger":{"9" * MANY}'), JSON, 400, "GF-301"),
    "a vast number": Attack(
        "/Patient", person('"multipleBirthInteger":1e999999999'), JSON, 422, "Patient.multipleBirth[x]"
    ),
    "a long body": Attack("/Patient", b" " * 21_000_000, JSON, 413, "GF-304"),
    "a long text": Attack("/Patient", person(f'"name":[{{"text":"{"a" * 2_000_000}"}}]'), JSON, 422, "HumanName.text"),
    "gzip": Attack("/Patient", gzip.compress(b" " * 50_000_000), {**JSON, "Content-Encoding": "gzip"}, 413, "GF-304"),
    "gzip for the disk": Attack("/$import", gzip.compress(b" " * 50_000_000), IMPORT, 400, "GF-301"),
    "a deep narrative": Attack("/Patient", narrative("<b>" * MANY + "x" + "</b>" * MANY), JSON, 422, "txt-1"),
    "a deep short one": Attack("/Patient", narrative("<b>" * 101 + "x" + "</b>" * 101), JSON, 422, "txt-1"),
    "a script": Attack("/Patient", narrative("<script>x</script>"), JSON, 422, "txt-1"),
    "entities": Attack(
        "/Patient", xml('<id value="&e8;"/>', f'<!DOCTYPE x [<!ENTITY e0 "ha">{ENTITIES}]>'), XML, 400, "GF-309"
    ),
    "an entity": Attack("/Patient", xml('<id value="&e;"/>', '<!DOCTYPE x [<!ENTITY e "a">]>'), XML, 400, "GF-309"),
    "a file": Attack(
        "/Patient",
        xml('<id value="&e;"/>', FILE),
        XML,
        400,
        "GF-309",
    ),
    "XML depth": Attack("/Patient", xml('<name id="a">' * MANY + "</name>" * MANY), XML, 400, "GF-309"),
    "attributes": Attack("/Patient", xml(f"<name {ATTRIBUTES}/>"), XML, 400, "GF-309"),
    "attributes of a value": Attack("/Patient", xml(f"<id {ATTRIBUTES}/>"), XML, 400, "GF-309"),
    "NUL in XML": Attack("/Patient", xml('<id value="&#0;"/>'), XML, 400, "GF-309"),
    "NaN": Attack("/Observation", measured("NaN"), XML, 400, "GF-309"),
    "Infinity": Attack("/Observation", measured("-Infinity"), XML, 400, "GF-309"),
    "Python's numbers": Attack("/Observation", measured("1_0.5"), XML, 400, "GF-309"),
    "Python's integers": Attack("/Patient", xml('<multipleBirthInteger value="1_0"/>'), XML, 400, "GF-309"),
    "entries": Attack("", json.dumps(bundle(*[entry("POST", "Patient", patient())] * 10_000)), JSON, 413, "GF-502"),
}
SEARCHES = {
    "parameters": Attack("/Patient/_search", repeated("name=a{}", 10_000), FORM, 400, "GF-402"),
    "alternatives": Attack("/Patient/_search", "name=" + repeated("a{}", MANY, ","), FORM, 400, "GF-402"),
    "comparisons": Attack("/Patient/_search", f"_filter={repeated('name eq a', 1_000, ' or ')}", FORM, 400, "GF-402"),
    "parentheses": Attack("/Patient/_search", f"_filter={'(' * MANY}name eq a{')' * MANY}", FORM, 400, "GF-402"),
    "links": Attack("/Patient/_search", "link:Patient." * 1_000 + "name=a", FORM, 400, "GF-402"),
    "ways": Attack("/Basic/_search", "subject." * 5 + "name=a", FORM, 400, "GF-402"),
    "orders": Attack("/Patient/_search", "_sort=" + repeated("name", 1_000, ","), FORM, 400, "GF-402"),
    "inclusions": Attack("/Patient/_search", repeated("_include=*", 1_000), FORM, 400, "GF-402"),
    "a condition": Attack(f"/Patient?{repeated('name=a{}', 500)}", json.dumps(patient()), JSON, 400, "GF-402", "PUT"),
    "digits": Attack("/Observation/_search", f"value-quantity={'9' * MANY}", FORM, 400, "GF-402"),
    "NUL": Attack("/Patient/_search", "name=a%00", FORM, 400, "GF-108"),
    "NUL in an address": Attack("/Patient?_id=%00", "", {}, 400, "GF-108", "GET"),
    "NUL for a job": Attack("/$job?id=%00", "", {}, 400, "GF-108", "GET"),
    "NUL for an operation": Attack("/Subscription/$status?id=%00", "", {}, 400, "GF-108", "GET"),
    "half a pair": Attack("/Patient?name=%ED%A0%80", "", {}, 400, "GF-108", "GET"),
    "before all time": Attack("/_history?_since=0001-01-01T00:00:00%2B14:00", "", {}, 400, "GF-108", "GET"),
    "a long id": Attack(f"/Patient/{'a' * 10_000}", "", {}, 400, "GF-107", "GET"),
    "a way out": Attack("/Patient/..%2F..%2Fetc", "", {}, 404, "GF-102", "GET"),
}


async def answered(client: httpx.AsyncClient, attack: Attack) -> str:
    """Empty, or how else it was answered than it should be."""
    answer = await client.request(attack.method, attack.path, content=attack.content, headers=attack.headers)
    issues: list[dict[str, Any]] = answer.json().get("issue", [])
    numbers = {coding["code"] for issue in issues for coding in issue.get("details", {}).get("coding", [])}
    fits = answer.status_code == attack.status and attack.number in numbers
    return "" if fits else f"{answer.status_code} {answer.text[:300]}"


async def kept(client: httpx.AsyncClient) -> int:
    """How many versions of records there are."""
    totals = [(await client.get(f"/{kind}/_history?_count=0")).json()["total"] for kind in ("Patient", "Observation")]
    return sum(totals)


@pytest.mark.parametrize("attacks", [BODIES, SEARCHES], ids=["bodies", "searches"])
async def test_it_is_refused_with_a_number(client: httpx.AsyncClient, attacks: dict[str, Attack]) -> None:
    stored = await create(client, patient())
    said = {name: wrong for name, attack in attacks.items() if (wrong := await answered(client, attack))}
    assert said == {}
    assert await kept(client) == 1
    assert (await client.get(f"/Patient/{stored['id']}")).json() == stored


async def test_times_at_the_ends_of_time_are_answered(client: httpx.AsyncClient) -> None:
    await create(client, patient())
    for query, found in (
        ("_history?_at=0001", 0),
        ("_history?_at=0001-01-01T00:00:00%2B14:00", 0),
        ("_history?_at=9999-12-31T23:59:59-14:00", 1),
        ("?birthdate=gt9999-12-31T23:59:59-14:00", 0),
        ("?_lastUpdated=lt0001-01-01T00:00:00%2B14:00", 0),
    ):
        answer = await client.get(f"/Patient{'/' if query[0] == '_' else ''}{query}")
        assert answer.status_code == 200, answer.text
        assert len(answer.json().get("entry", ())) == found, query


async def test_numbers_keep_their_digits_in_xml(client: httpx.AsyncClient) -> None:
    for value in ("1", "-1.50", "0.000", "1e400", "12345678901234567890.123"):
        made = await client.post("/Observation", content=measured(value), headers=XML)
        assert made.status_code == 201, made.text
        there = await client.get(f"/Observation/{made.json()['id']}?_format=xml")
        assert f'<value value="{value.upper().replace("E", "E+")}"/>' in there.text
