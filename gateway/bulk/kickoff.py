"""Beginning a job: $export, $import, and a search or history with `Prefer: respond-async`.

Source: https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-kick-off-request, https://hl7.org/fhir/R4/async.html
"""

import re
import secrets
import zlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from msgspec import to_builtins

from gateway.bulk import files, interaction, jobs
from gateway.bulk.export import Asked, elements_of
from gateway.errors import FhirError
from gateway.fhir.call import JSON_TYPES, Answer, Call, Query
from gateway.fhir.history import instant
from gateway.fhir.reading import current
from gateway.fhir.search import refusal
from gateway.security import audit
from gateway.security.door import allow
from gateway.store import BadParameter, Connection, Version
from gateway.store.search.parameters import RESULT
from profiles.definitions import RESOURCE_TYPES, compartment
from profiles.fhirjson import Resource

if TYPE_CHECKING:
    from gateway.fhir.routes import Route

NDJSON = ("application/fhir+ndjson", "application/ndjson", "application/x-ndjson", "ndjson")
PARAMETERS = {
    "_outputFormat": "valueString",
    "_since": "valueInstant",
    "_type": "valueString",
    "_typeFilter": "valueString",
    "_elements": "valueString",
    "patient": "valueReference",
}
FILTERS = re.compile(r",(?=[A-Z][A-Za-z]+\?)")
MOST_OPEN = 20
"""Jobs that one key may have under way."""
RETRY = ((b"retry-after", b"30"),)


async def export(call: Call) -> Answer:
    """GET or POST $export, Patient/$export, Group/id/$export"""
    _wants_async(call)
    asked = await _asked(call)
    return await _begin(call, "export", _new_id(), export=to_builtins(asked))


async def import_(call: Call) -> Answer:
    """POST $import with NDJSON: `deliver=true` sends what it brings to BPJS and SATUSEHAT as other writes do."""
    _wants_async(call)
    call.no_parameters("deliver")
    deliver = dict(call.query).get("deliver", "false")
    if deliver not in ("true", "false"):
        raise FhirError("GF-108", name="deliver", value=deliver, wanted="true | false")
    call.expect_media(NDJSON, NDJSON[0])
    coding = call.header(b"content-encoding").strip().lower()
    if coding not in ("", "identity", "gzip"):
        raise FhirError("GF-106", header="Content-Encoding", value=coding, wanted="gzip, or not at all")
    job, home = _new_id(), call.services.settings.home
    path = files.prepared(home, job) / files.INPUT
    try:
        if not await files.save(_pieces(call), path, zipped=coding == "gzip"):
            raise FhirError("GF-111", wanted=f"{NDJSON[0]}: one resource a line")
        return await _begin(call, "import", job, deliver=deliver == "true")
    except zlib.error as bad:
        files.remove(home, job)
        raise FhirError("GF-301", reason=f"gzip: {bad}") from None
    except BaseException:
        files.remove(home, job)
        raise


async def later(call: Call, route: "Route") -> Answer:
    """An interaction that is to be answered later. Raises FhirError GF-106 where it cannot be."""
    code = route.code
    if code in ("$export", "$import"):
        return await route.handler(call)
    if not interaction.possible(code):
        wanted = "respond-async with a search, a history, $export or $import only"
        raise FhirError("GF-106", header="Prefer", value="respond-async", wanted=wanted)
    if code.startswith(("search-", "history-")) and "_count" not in dict(call.query):
        call.query = [*call.query, ("_count", str(call.services.settings.max_page_size))]
    shown = {"summary": call.view.summary, "elements": call.view.elements}
    return await _begin(call, "interaction", _new_id(), view=shown, form=call.body.decode("utf-8", "replace"))


def _wants_async(call: Call) -> None:
    if not call.prefer.later:
        raise FhirError("GF-801", operation=call.path)


def _new_id() -> str:
    return secrets.token_hex(16)


async def _begin(call: Call, kind: jobs.Kind, job: str, **more: Any) -> Answer:
    """Add the job and its AuditEvent, and say where to ask. Raises FhirError GF-804."""
    store, who = call.services.store, call.who
    query = [*call.query, *call.view.asked]
    url = f"{call.base}/{call.path}{'?' if query else ''}{urlencode(query, safe=':|,/$')}"
    asked = {"url": url, "base": call.base, "lang": call.lang, "lenient": call.prefer.lenient}
    asked |= {"method": call.method, "path": call.path, "type": call.type, "id": call.id, "query": call.query}
    asked |= {"media": call.header(b"content-type"), **more}
    now = datetime.now(UTC)

    def audits(_: Sequence[Version]) -> list[Resource]:
        entities = [audit.asked(f"{call.method} {url}", [audit.instant(now)])]
        return [audit.event(call.visitor, "operation", now, entities)]

    async def also(connection: Connection, _: Sequence[Version]) -> None:
        await jobs.begin(connection, job, call.facility.slug, kind, (who.key, call.remote), at=now, **asked)

    async with store.connection() as connection:
        count = await connection.fetchval(jobs.OPEN, who.key)
    if count >= MOST_OPEN:
        raise FhirError("GF-804", count=count, headers=RETRY)
    await store.write(call.facility.slug, [], audits=audits, also=also)
    call.services.bulk.wake()
    where = f"{call.base}/$job?id={job}"
    return Answer(202, resource=_accepted(call, where), headers=((b"content-location", where.encode()),))


def _accepted(call: Call, where: str) -> Resource:
    text = (
        f"Diterima; tanyakan hasilnya di {where}." if call.lang == "id" else f"Accepted; ask for the result at {where}."
    )
    issue = {"severity": "information", "code": "informational", "details": {"text": text}}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


async def _pieces(call: Call) -> AsyncIterator[bytes]:
    assert call.receive is not None
    while True:
        message = await call.receive()
        if message["type"] == "http.disconnect":
            raise FhirError("GF-111", wanted="the whole body before you leave")
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


# --- what an export is asked for


async def _asked(call: Call) -> Asked:
    """The parameters of an export, checked. Raises FhirError, and what `current` raises for a Group."""
    pairs = _parameters(call) if call.method == "POST" and call.body else []
    call.add_parameters(pairs)
    valid = [name for name in PARAMETERS if name != "patient" or call.type]
    call.no_parameters(*valid)
    given = dict(call.query)
    form = given.get("_outputFormat", NDJSON[0]).replace(" ", "+")
    if form not in NDJSON:
        raise FhirError("GF-108", name="_outputFormat", value=form, wanted=" | ".join(NDJSON))
    if call.view.summary == "count":
        raise FhirError("GF-108", name="_summary", value="count", wanted="true | text | data | false")
    if call.type == "Group":
        await current(call)
    filters = await _filters(call)
    types = _types(call, filters)
    if stray := [name for name in call.view.elements if not any(elements_of(type, [name]) for type in types)]:
        raise FhirError("GF-108", name="_elements", value=", ".join(stray), wanted="element or Type.element")
    return Asked(
        types=types,
        since=instant("_since", given["_since"]) if "_since" in given else None,
        filters=filters,
        compartment=bool(call.type),
        group=call.id,
        patients=_patients(call),
        summary=call.view.summary,
        elements=list(call.view.elements),
    )


def _parameters(call: Call) -> Query:
    """A Parameters resource as name and text of each parameter."""
    call.expect_media(JSON_TYPES, "application/fhir+json")
    resource = call.resource or call.json()
    if resource.get("resourceType") != "Parameters":
        raise FhirError("GF-303", body=resource.get("resourceType"), address="Parameters")
    found: Query = []
    for row in resource.get("parameter", ()):
        name = row.get("name") if isinstance(row, dict) else None
        if name not in PARAMETERS:
            raise FhirError("GF-109", names=str(name), valid=", ".join(PARAMETERS))
        value = row.get(PARAMETERS[name])
        text = value.get("reference") if isinstance(value, dict) else value
        if not isinstance(text, str):
            raise FhirError("GF-108", name=name, value=str(value), wanted=PARAMETERS[name])
        found.append((name, text))
    return found


def _all(call: Call, name: str) -> list[str]:
    return [value for given, value in call.query if given == name]


def _types(call: Call, filters: dict[str, list[str]]) -> list[str]:
    """The types to be exported, in the order of the alphabet; without `_type` all that the role may search."""
    there = {"Patient", *compartment("Patient")} if call.type else set(RESOURCE_TYPES)
    named = [type.strip() for value in _all(call, "_type") for type in value.split(",")]
    if not named:
        return sorted(type for type in there if call.who.role.may("s", type))
    unknown = sorted({*named, *filters} - there)
    if unknown:
        raise FhirError("GF-108", name="_type", value=", ".join(unknown), wanted=", ".join(sorted(there)))
    if stray := sorted(filters.keys() - set(named)):
        raise FhirError("GF-108", name="_typeFilter", value=", ".join(stray), wanted=", ".join(sorted(set(named))))
    for type in named:
        allow(call.who, call.facility.slug, "s", type, "$export")
    return sorted(set(named))


async def _filters(call: Call) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in (part for value in _all(call, "_typeFilter") for part in FILTERS.split(value)):
        type, mark, query = text.partition("?")
        if not mark or type not in RESOURCE_TYPES:
            raise FhirError("GF-108", name="_typeFilter", value=text, wanted="Type?parameter=value")
        pairs = parse_qsl(query, keep_blank_values=True)
        if not pairs or any(name.partition(":")[0] in RESULT for name, _ in pairs):
            raise FhirError("GF-108", name="_typeFilter", value=text, wanted="search criteria, nothing about pages")
        try:
            named = await call.services.store.checked(call.facility.slug, type, pairs)
        except BadParameter as bad:
            raise refusal(type, bad) from None
        for kind in named:  # the search is made later, by nobody: what leads to a hidden type says so now
            allow(call.who, call.facility.slug, "s", kind, "$export")
        found.setdefault(type, []).append(query)
    return found


def _patients(call: Call) -> list[str] | None:
    named = [reference for value in _all(call, "patient") for reference in value.split(",")]
    for reference in named:
        type, _, identity = reference.partition("/")
        if type != "Patient" or not identity:
            raise FhirError("GF-108", name="patient", value=reference, wanted="Patient/id")
    return [reference.partition("/")[2] for reference in named] or None
