"""$status and $events of Subscriptions.

Source: https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/OperationDefinition-backport-subscription-status.html and
OperationDefinition-backport-subscription-events.html
"""

from functools import partial
from zoneinfo import ZoneInfo

from gateway.errors import FhirError
from gateway.fhir.call import Answer, Call
from gateway.fhir.operations.operation import Asked, Operation, Parameter
from gateway.fhir.reading import current
from gateway.security.door import allow
from gateway.store import Gone, NotFound, Version
from gateway.subscriptions import events, notification
from gateway.subscriptions.model import CONTENTS, Wanted, read
from profiles import fhirjson
from profiles.fhirjson import Resource

GUIDE = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/"
STATUSES = ("requested", "active", "error", "off")
MOST = 1_000
"""Events of one answer; whoever wants more asks on behind the last."""


async def status(call: Call, asked: Asked) -> Answer:
    """How each Subscription stands: those that are named, or all of the facility."""
    for wanted in asked.many("status"):
        if wanted not in STATUSES:
            raise FhirError("GF-108", name="status", value=wanted, wanted=" | ".join(STATUSES))
    named = [id for value in asked.many("id") for id in value.split(",")]
    if call.id:
        versions = [await current(call)]
    elif named:
        versions = [version for id in dict.fromkeys(named) if (version := await _found(call, id))]
    else:
        versions = await _all(call)
    entries = [entry for version in versions if (entry := await _status(call, version, asked.many("status")))]
    answer: Resource = {"resourceType": "Bundle", "type": "searchset", "total": len(entries)}
    return Answer(200, resource={**answer, "entry": entries} if entries else answer)


async def happened(call: Call, asked: Asked) -> Answer:
    """The events of a Subscription from one number to another, as its subscriber was or will be told of them."""
    since, until = (_number(asked, name) for name in ("eventsSinceNumber", "eventsUntilNumber"))
    version = await current(call)
    wanted = _read(call, version)
    content = asked.one("content", wanted.content)
    if content not in CONTENTS:
        raise FhirError("GF-108", name="content", value=content, wanted=" | ".join(CONTENTS))
    async with call.services.store.connection() as connection:
        state = await events.state(connection, call.facility.slug, call.id)
        if state is None:
            raise FhirError("GF-201", reference=call.reference, type=call.type)
        after = max(since or 1, 1) - 1
        found = await events.some(connection, call.facility.slug, call.id, after, MOST, until)
        contents: dict[int, bytes] = {}
        for event in found if content == "full-resource" else ():
            allow(call.who, call.facility.slug, "r", event.focus.partition("/")[0], "$events")
            if stored := await events.content(connection, call.facility.slug, event.focus, event.version):
                contents[event.number] = stored
    call.audited("operation", f"{call.path}?content={content}")
    made = notification.bundle(wanted, state, "query-event", call.base, found, contents, content, call.lang)
    return Answer(200, resource=made)


async def _all(call: Call) -> list[Version]:
    found: list[Version] = []
    cursor: str | None = ""
    while cursor is not None:
        query = [("_count", str(MOST)), *([("_cursor", cursor)] if cursor else [])]
        page = await call.services.store.search(call.facility.slug, "Subscription", query)
        found += page.matches
        cursor = page.next
    return found


async def _found(call: Call, id: str) -> Version | None:
    try:
        return await call.services.store.read(call.facility.slug, "Subscription", id)
    except (NotFound, Gone):
        return None


async def _status(call: Call, version: Version, statuses: list[str]) -> Resource | None:
    async with call.services.store.connection() as connection:
        state = await events.state(connection, call.facility.slug, version.id)
    if state is None or (statuses and state.status not in statuses):
        return None
    made = notification.parameters(_read(call, version), state, "query-status", call.base)
    return {"fullUrl": f"urn:uuid:{made['id']}", "resource": made, "search": {"mode": "match"}}


def _read(call: Call, version: Version) -> Wanted:
    understand = partial(call.services.store.understood, call.facility.slug)
    return read(fhirjson.decode(version.content), ZoneInfo(call.facility.zone), understand)


def _number(asked: Asked, name: str) -> int | None:
    text = asked.one(name)
    if text is None:
        return None
    if not (isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 19):
        raise FhirError("GF-108", name=name, value=text, wanted="a whole number, 0 or more")
    return int(text)


_ONLY = frozenset({"Subscription"})
OPERATIONS = (
    Operation(
        "$status",
        f"{GUIDE}backport-subscription-status",
        ("Type", "Type/id"),
        status,
        "r",
        {"id": Parameter("id", many=True), "status": Parameter("code", many=True)},
        _ONLY,
    ),
    Operation(
        "$events",
        f"{GUIDE}backport-subscription-events",
        ("Type/id",),
        happened,
        "r",
        {
            "eventsSinceNumber": Parameter("string"),
            "eventsUntilNumber": Parameter("string"),
            "content": Parameter("code"),
        },
        _ONLY,
    ),
)
