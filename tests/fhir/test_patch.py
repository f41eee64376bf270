"""JSON Patch and JSON Merge Patch, over HTTP and by themselves (RFC 6902 and 7396, with their examples)."""

import asyncio
import base64
import json
from decimal import Decimal
from typing import Any

import httpx
import pytest

from gateway.errors import FhirError
from gateway.fhir import mergepatch
from gateway.fhir.jsonpatch import apply
from tests.fhir.support import bundle, create, entry, error, patient

PATCH = {"Content-Type": "application/json-patch+json"}


@pytest.mark.parametrize(
    ("document", "patch", "expected"),
    [
        ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"foo": "bar", "baz": "qux"}),
        ({"foo": ["bar", "baz"]}, [{"op": "add", "path": "/foo/1", "value": "qux"}], {"foo": ["bar", "qux", "baz"]}),
        ({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
        ({"foo": ["bar", "qux", "baz"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["bar", "baz"]}),
        (
            {"baz": "qux", "foo": "bar"},
            [{"op": "replace", "path": "/baz", "value": "boo"}],
            {"baz": "boo", "foo": "bar"},
        ),
        (
            {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
            [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
            {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
        ),
        (
            {"foo": ["all", "grass", "cows", "eat"]},
            [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
            {"foo": ["all", "cows", "eat", "grass"]},
        ),
        ({"baz": "qux"}, [{"op": "test", "path": "/baz", "value": "qux"}], {"baz": "qux"}),
        ({"foo": "bar"}, [{"op": "add", "path": "/child", "value": {"g": {}}}], {"foo": "bar", "child": {"g": {}}}),
        ({"foo": ["bar"]}, [{"op": "add", "path": "/foo/-", "value": ["abc"]}], {"foo": ["bar", ["abc"]]}),
        ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
        ({"a": [1]}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": [1], "b": [1]}),
        ({"a": Decimal("1.0")}, [{"op": "test", "path": "/a", "value": 1}], {"a": Decimal("1.0")}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}),
    ],
)
def test_operations_do_what_the_rfc_shows(document: Any, patch: Any, expected: Any) -> None:
    before = repr(document)
    assert apply(patch, document) == expected
    assert list(apply(patch, document)) == list(expected), "the order of the members is kept"
    assert repr(document) == before, "the source is not touched"


@pytest.mark.parametrize(
    ("patch", "number"),
    [
        ({"op": "add"}, "GF-305"),
        ([{"op": "increase", "path": "/a"}], "GF-305"),
        ([{"op": "add", "path": "/a"}], "GF-305"),
        ([{"op": "add", "path": "a", "value": 1}], "GF-305"),
        ([{"op": "remove", "path": ""}], "GF-305"),
        (["add"], "GF-305"),
        ([{"op": "remove", "path": "/missing"}], "GF-306"),
        ([{"op": "replace", "path": "/missing", "value": 1}], "GF-306"),
        ([{"op": "add", "path": "/missing/deep", "value": 1}], "GF-306"),
        ([{"op": "add", "path": "/list/5", "value": 1}], "GF-306"),
        ([{"op": "add", "path": "/list/01", "value": 1}], "GF-306"),
        ([{"op": "remove", "path": "/list/-"}], "GF-306"),
        ([{"op": "test", "path": "/flag", "value": 1}], "GF-306"),
        ([{"op": "test", "path": "/list", "value": [True]}], "GF-306"),
        ([{"op": "move", "from": "/object", "path": "/object/in"}], "GF-306"),
        ([{"op": "add", "path": "/flag/deeper", "value": 1}], "GF-306"),
    ],
)
def test_what_cannot_be_applied_is_refused(patch: Any, number: str) -> None:
    with pytest.raises(FhirError) as refused:
        apply(patch, {"list": [1], "flag": True, "object": {"in": 1}})
    assert refused.value.refusal.number == number


async def test_a_patch_makes_the_next_version(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient())
    patch = (
        '[{"op":"test","path":"/gender","value":"female"},{"op":"replace","path":"/gender","value":"other"},'
        '{"op":"add","path":"/name/0/given","value":["Wulan"]}]'
    )
    answer = await client.patch(f"/Patient/{stored['id']}", content=patch, headers=PATCH)
    assert answer.status_code == 200
    assert answer.headers["etag"] == 'W/"2"'
    assert answer.json()["gender"] == "other"
    assert answer.json()["name"][0]["given"] == ["Wulan"]
    assert answer.json()["birthDate"] == stored["birthDate"]


async def test_a_patch_changes_all_or_nothing(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient())
    address = f"/Patient/{stored['id']}"

    async def refused(patch: str, status: int, number: str | None, **headers: str) -> None:
        error(await client.patch(address, content=patch, headers={**PATCH, **headers}), status, number)

    half = '[{"op":"add","path":"/active","value":true},{"op":"remove","path":"/photo"}]'
    await refused(half, 422, "GF-306")
    await refused('[{"op":"replace","path":"/gender","value":"x"}]', 422, None)
    await refused('[{"op":"replace","path":"/id","value":"x"}]', 422, "GF-307")
    await refused('[{"op":"add","path":"/active","value":true}]', 412, "GF-204", **{"If-Match": 'W/"7"'})
    await refused('[], "patch": []', 400, "GF-301")
    await refused('[], "more": []', 400, "GF-305")
    await refused("[", 400, "GF-301")
    await refused("", 400, "GF-305")
    plain = {"Content-Type": "text/plain"}
    error(await client.patch(address, content="[]", headers=plain), 415, "GF-105")
    error(await client.patch("/Patient/none", content="[]", headers=PATCH), 404, "GF-201")
    assert (await client.get(address)).json() == stored


async def test_a_small_patch_makes_nothing_huge_or_deep(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient())
    address = f"/Patient/{stored['id']}"

    async def said(*operations: dict[str, Any], status: int = 400, number: str = "GF-305") -> str:
        answer = await client.patch(address, content=json.dumps(operations), headers=PATCH)
        text: str = error(answer, status, number)["details"]["text"]
        return text

    twice = {"op": "copy", "from": "/name", "path": "/name/0"}
    assert "longer than" in await said(*[twice] * 60, status=422, number="GF-306")
    within = {"op": "copy", "from": "/x", "path": "/x/x"}
    assert "deep" in await said({"op": "add", "path": "/x", "value": {}}, *[within] * 150)
    assert "deep" in await said({"op": "add", "path": "/x", "value": {}}, *[within] * 400)
    assert "more than" in await said(*[{"op": "add", "path": "/active", "value": True}] * 5_001)
    parts = [{"name": "type", "valueCode": "delete"}, {"name": "path", "valueString": "Patient.active"}]
    many = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}] * 5_001}
    error(await client.patch(address, json=many), 400, "GF-310")
    assert (await client.get(address)).json() == stored


async def test_patches_at_the_same_moment_are_all_kept(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient(address=[{"city": "Solo"}]))
    patch = '[{"op":"add","path":"/address/-","value":{"city":"Kota"}}]'
    answers = await asyncio.gather(
        *(client.patch(f"/Patient/{stored['id']}", content=patch, headers=PATCH) for _ in range(20))
    )
    assert [answer.status_code for answer in answers] == [200] * 20
    now = (await client.get(f"/Patient/{stored['id']}")).json()
    assert len(now["address"]) == 21


@pytest.mark.parametrize(
    ("document", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_does_what_its_standard_shows(document: Any, patch: Any, expected: Any) -> None:
    before = repr(document)
    assert mergepatch.apply(patch, document) == expected
    assert repr(document) == before, "the source stays as it is"


async def test_every_kind_of_patch_under_every_name(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient())
    address = f"/Patient/{stored['id']}"

    async def patched(body: Any, kind: str) -> Any:
        answer = await client.patch(address, content=json.dumps(body), headers={"Content-Type": kind})
        assert answer.status_code == 200, answer.text
        return answer.json()

    operations = [{"op": "add", "path": "/active", "value": True}]
    part = [
        {"name": "type", "valueCode": "delete"},
        {"name": "path", "valueString": "Patient.active"},
    ]
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": part}]}
    assert (await patched(operations, "application/json-patch+json"))["active"] is True
    assert "active" not in await patched(parameters, "application/fhir+json")
    assert (await patched(operations, "application/json"))["active"] is True
    assert "active" not in await patched(parameters, "application/json; charset=utf-8")
    merged = await patched({"active": True, "birthDate": None}, "application/merge-patch+json")
    assert (merged["active"], "birthDate" in merged) == (True, False)
    merged = await patched({"active": None}, "application/json")
    assert ("active" in merged, merged["meta"]["versionId"]) == (False, "7")
    for wrong in ([], "x", None):
        answer = await client.patch(
            address, content=json.dumps(wrong), headers={"Content-Type": "application/merge-patch+json"}
        )
        error(answer, 400, "GF-305")
    error(await client.patch(address, json={"id": "other"}), 422, "GF-307")
    data = base64.b64encode(b'{"active": true}').decode()
    binary = {"resourceType": "Binary", "contentType": "application/merge-patch+json", "data": data}
    answer = await client.post("", json=bundle(entry("PATCH", address[1:], binary)))
    assert answer.status_code == 200, answer.text
    assert (await client.get(address)).json()["active"] is True
