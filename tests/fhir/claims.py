"""What a CapabilityStatement claims, tried on the server that makes it. Each function returns what is not true."""

from collections.abc import Awaitable, Callable, Iterable, Sequence

import httpx

from profiles import fhirxml
from profiles.definitions import RESOURCE_TYPES
from tests.fhir.support import Json, bundle, entry

PATCH = {"Content-Type": "application/json-patch+json"}
STALE = {"If-Match": 'W/"99"'}
LATER = "Fri, 01 Jan 2999 00:00:00 GMT"
VALUES = {
    "date": "2026-01-01",
    "number": "1",
    "quantity": "1",
    "reference": "Patient/1",
    "string": "a",
    "token": "a",
    "uri": "urn:a",
}
MODIFIERS = {
    "string": ("exact", "a"),
    "token": ("not", "a"),
    "uri": ("below", "urn:a"),
    "reference": ("identifier", "a|b"),
}
"""A modifier that no parameter of another type has."""
SPECIALS = {"_filter": "_id eq a", "_list": "a", "_has": "", "_type": "Basic", "near": "-7.5|110.8|1|km"}
WORDS = ("_content", "_text")
HEADS = ("_id", "_lastUpdated")


class Published:
    """What HL7 published: `parameters` and `operations` by canonical address, reference parameters by type and code."""

    def __init__(self, resources: Iterable[Json]) -> None:
        self.parameters: dict[str, Json] = {}
        self.operations: dict[str, Json] = {}
        for one in resources:
            known = self.parameters if one["resourceType"] == "SearchParameter" else self.operations
            known[one["url"]] = one
        self.references = {
            (base, one["code"]): one
            for one in self.parameters.values()
            if one["type"] == "reference"
            for base in one["base"]
        }


def unless(true: bool, claim: str) -> list[str]:
    """The claim, unless it is true."""
    return [] if true else [claim]


async def of_statement(client: httpx.AsyncClient, statement: Json, published: Published, examples: Json) -> list[str]:
    """Everything that it claims."""
    (rest,) = statement["rest"]
    wrong = await of_formats(client, statement)
    wrong += await of_security(client, rest["security"])
    wrong += await of_system(client, rest)
    wrong += of_operations("system", "", rest["operation"], published)
    for parameter in rest["searchParam"]:
        wrong += await of_parameter(client, "", parameter, published)
    policies = await _policies(client)
    for resource in rest["resource"]:
        kind = resource["type"]
        wrong += unless(resource["referencePolicy"] == policies, f"{kind}: referencePolicy")
        found = await of_interactions(client, resource, examples[kind])
        found += await of_flags(client, resource, examples[kind])
        found += of_operations("type", kind, resource["operation"], published)
        found += await of_inclusions(client, resource, published)
        for parameter in resource["searchParam"]:
            found += await of_parameter(client, kind, parameter, published, resource.get("searchRevInclude", ()))
        wrong += [f"{kind}: {claim}" for claim in found]
    return wrong


# --- formats, security, system


async def of_formats(client: httpx.AsyncClient, statement: Json) -> list[str]:
    wrong = []
    for name in statement["format"]:
        answer = await client.get("/Basic", params={"_format": name})
        kind = "application/fhir+xml" if "xml" in name else "application/fhir+json"
        shown = answer.status_code == 200 and answer.headers["content-type"].startswith(kind)
        wrong += unless(shown, f"format {name}")
        if "/" in name:
            one: Json = {"resourceType": "Basic", "code": {"text": "uji"}}
            body = fhirxml.encode(one) if "xml" in name else None
            asked = {"Content-Type": name, "Accept": name}
            made = await client.post("/Basic", headers=asked, **({"content": body} if body else {"json": one}))
            wrong += unless(made.status_code == 201 and made.headers["content-type"].startswith(kind), f"format {name}")
    for name in statement["patchFormat"]:
        wrong += unless((await _patched(client, name)) == 200, f"patchFormat {name}")
    return wrong


async def _patched(client: httpx.AsyncClient, media: str) -> int:
    await client.put("/Basic/patched", json={"resourceType": "Basic", "id": "patched", "code": {"text": "uji"}})
    part = [{"name": "type", "valueCode": "delete"}, {"name": "path", "valueString": "Basic.language"}]
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": part}]}
    bodies = {
        "application/json-patch+json": b"[]",
        "application/merge-patch+json": b"{}",
        "application/fhir+xml": fhirxml.encode(parameters),
    }
    sent: Json = {"content": bodies[media]} if media in bodies else {"json": parameters}
    return (await client.patch("/Basic/patched", headers={"Content-Type": media}, **sent)).status_code


async def of_security(client: httpx.AsyncClient, security: Json) -> list[str]:
    asked = {"Origin": "https://page.example", "Access-Control-Request-Method": "GET"}
    preflight = await client.options("/Basic", headers=asked)
    wrong = unless((preflight.status_code == 200) is security["cors"], "security.cors")
    without = await client.get("/Basic", headers={"Authorization": ""})
    return wrong + unless(without.status_code == 401 and "Bearer" in security["description"], "security.description")


async def of_system(client: httpx.AsyncClient, rest: Json) -> list[str]:
    tries: dict[str, Callable[[], Awaitable[httpx.Response]]] = {
        "transaction": lambda: client.post("", json=bundle(entry("GET", "Basic"))),
        "batch": lambda: client.post("", json=bundle(entry("GET", "Basic"), kind="batch")),
        "history-system": lambda: client.get("/_history"),
        "search-system": lambda: client.get("?_type=Basic,Patient"),
    }
    wrong = []
    for interaction in rest["interaction"]:
        code = interaction["code"]
        works = code in tries and (await tries[code]()).status_code == 200
        wrong += unless(works, f"interaction {code}")
    wrong += unless(len(rest["interaction"]) == len(tries), "interactions are left out")
    kinds = {kind.lower(): kind for kind in RESOURCE_TYPES}
    for definition in rest["compartment"]:
        name = definition.rpartition("/")[2].lower()
        answer = await client.get(f"/{kinds.get(name, name)}/none/*")
        wrong += unless(answer.status_code == 200, f"compartment {definition}")
    return wrong


async def _policies(client: httpx.AsyncClient) -> list[str]:
    """The kinds of references that are kept."""
    inner = {"resourceType": "Organization", "id": "o", "name": "RS Melati"}
    references: dict[str, Json] = {
        "literal": {"subject": {"reference": "Patient/nobody"}},
        "logical": {"subject": {"identifier": {"value": "RM-1"}}},
        "local": {"subject": {"reference": "#o"}, "contained": [inner]},
    }
    kept = []
    for name, more in references.items():
        answer = await client.post("/Basic", json={"resourceType": "Basic", "code": {"text": "uji"}, **more})
        if answer.status_code == 201 and answer.json()["subject"] == more["subject"]:
            kept.append(name)
    return kept


# --- a type


async def _made(client: httpx.AsyncClient, kind: str, example: Json) -> str:
    answer = await client.post(f"/{kind}", json=example)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"]).split("/")[-3]


async def of_interactions(client: httpx.AsyncClient, resource: Json, example: Json) -> list[str]:
    """Each interaction, done; and what is not declared, refused."""
    kind = resource["type"]
    identity = await _made(client, kind, example)
    address, whole = f"/{kind}/{identity}", {**example, "id": identity}
    tries: dict[str, Callable[[], Awaitable[httpx.Response]]] = {
        "create": lambda: client.post(f"/{kind}", json=example),
        "read": lambda: client.get(address),
        "vread": lambda: client.get(f"{address}/_history/1"),
        "update": lambda: client.put(address, json=whole),
        "patch": lambda: client.patch(address, content="[]", headers=PATCH),
        "history-instance": lambda: client.get(f"{address}/_history"),
        "history-type": lambda: client.get(f"/{kind}/_history"),
        "search-type": lambda: client.get(f"/{kind}?_id={identity}"),
        "delete": lambda: client.delete(address),
    }
    claimed = {interaction["code"] for interaction in resource["interaction"]}
    wrong = [f"interaction {code}" for code in claimed - tries.keys()]
    for code, act in tries.items():
        answer = await act()
        done = answer.is_success and (code == "delete" or _tells(answer.json(), kind, identity, code))
        wrong += unless(done is (code in claimed), f"interaction {code}")
    if "delete" in claimed:
        wrong += unless((await client.get(address)).status_code == 410, "interaction delete")
    return wrong


def _tells(answer: Json, kind: str, identity: str, code: str) -> bool:
    """Whether an answer is about the resource."""
    if code in ("read", "vread", "update", "patch"):
        return bool((answer["resourceType"], answer["id"]) == (kind, identity))
    if code == "create":
        return bool(answer["resourceType"] == kind)
    shown = [row["resource"]["resourceType"] for row in answer["entry"] if "resource" in row]
    return set(shown) == {kind} and answer["type"] == ("searchset" if code == "search-type" else "history")


async def of_flags(client: httpx.AsyncClient, resource: Json, example: Json) -> list[str]:
    """Versions and conditions."""
    kind = resource["type"]
    one, two = await _made(client, kind, example), await _made(client, kind, example)
    whole, address = {**example, "id": one}, f"/{kind}/{one}"
    create = await client.post(f"/{kind}", json=example, headers={"If-None-Exist": f"_id={one}"})
    reads = [
        await client.get(address, headers=headers)
        for headers in ({"If-None-Match": 'W/"1"'}, {"If-Modified-Since": LATER}, {"If-None-Match": 'W/"7"'})
    ]
    update = await client.put(f"/{kind}?_id={one}", json=whole)
    new = await client.put(f"/{kind}/{one}-new", json={**example, "id": f"{one}-new"})
    stale = await client.put(address, json=whole, headers=STALE)
    past = await client.get(f"{address}/_history/1")
    several = await client.delete(f"/{kind}?_id={one},{two}")
    single = await client.delete(f"/{kind}?_id={two}")
    deletes = {(204, 204): "multiple", (412, 204): "single"}.get((several.status_code, single.status_code))
    changes = update.status_code != 405
    true = {
        "conditionalCreate": create.status_code == 200,
        "conditionalRead": "full-support" if [r.status_code for r in reads] == [304, 304, 200] else "not-supported",
        "conditionalUpdate": update.status_code == 200,
        "conditionalDelete": deletes or "not-supported",
        "updateCreate": new.status_code == 201,
        "versioning": "versioned-update" if stale.status_code == 412 or not changes else "versioned",
        "readHistory": past.status_code == 200,
    }
    return [name for name, value in true.items() if resource[name] != value]


def of_operations(level: str, kind: str, operations: list[Json], published: Published) -> list[str]:
    """What HL7 defines is what is declared, where it is defined for; tests/fhir/operations does each."""
    wrong = []
    for operation in operations:
        url = operation["definition"]
        if url.startswith("http://hl7.org/fhir/OperationDefinition/"):
            defined = published.operations.get(url, {})
            levels = ("system",) if level == "system" else ("type", "instance")
            fits = defined.get("code") == operation["name"] and any(defined[one] for one in levels)
            fits = fits and (not kind or bool({kind, "Resource"} & {*defined["resource"]}))
            wrong += unless(fits, f"operation {operation['name']}")
        else:
            known = ("http://hl7.org/fhir/uv/", "urn:gapura:operation:")
            wrong += unless(url.startswith(known) and url.endswith(operation["name"]), f"operation {operation['name']}")
    return wrong


# --- searches


async def of_parameter(
    client: httpx.AsyncClient, kind: str, parameter: Json, published: Published, pointing: Sequence[str] = ()
) -> list[str]:
    """It is understood, and as the type that it is declared to have; HL7's definition says the same of it."""
    name, type = parameter["name"], parameter["type"]
    claim = f"searchParam {name}"
    if "definition" in parameter:
        defined = published.parameters.get(parameter["definition"], {})
        fits = (defined.get("code"), defined.get("type")) == (name, type)
        if not fits or not {kind, "Resource", "DomainResource"} & {*defined["base"]}:
            return [claim]
    elif name not in SPECIALS:
        return [claim]

    async def status(*query: tuple[str, str]) -> int:
        return (await client.get(f"/{kind}", params=[("_count", "1"), *query])).status_code

    if name == "_has":
        return unless(bool(pointing) and await status((f"_has:{pointing[0]}:_id", "a")) == 200, claim)
    if type == "composite":
        wrong = unless(await status((name, "a")) == 400, claim)
        return wrong + unless(await status((f"{name}:missing", "true")) == 200, claim)
    if type == "special":
        return unless(await status((name, SPECIALS[name])) == 200, claim)
    if name in WORDS:
        return unless(await status((name, "a")) == 200, claim)
    query = [(name, VALUES[type])]
    if type in MODIFIERS and name not in HEADS:
        modifier, value = MODIFIERS[type]
        query.append((f"{name}:{modifier}", value))
    wrong = unless(await status(*query) == 200, claim)
    if type not in MODIFIERS:
        wrong += unless(await status((name, "a")) == 400, claim)
    return wrong


async def of_inclusions(client: httpx.AsyncClient, resource: Json, published: Published) -> list[str]:
    """Each is understood, and of a reference that leads from the type, or may lead to it."""
    kind, wrong = resource["type"], []
    for name, written in (
        ("_include", resource["searchInclude"]),
        ("_revinclude", resource.get("searchRevInclude", ())),
    ):
        answer = await client.get(f"/{kind}", params=[("_count", "1"), *((name, value) for value in written)])
        wrong += unless(answer.status_code == 200, f"{name} {', '.join(written)}")
        for value in written:
            source, _, code = value.partition(":")
            defined = published.references.get((source, code), {})
            leads = source == kind if name == "_include" else kind in defined.get("target", ())
            wrong += unless((bool(defined) and leads) or (value, name) == ("*", "_include"), f"{name} {value}")
    return wrong
