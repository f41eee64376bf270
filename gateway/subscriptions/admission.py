"""What a client's write of a Subscription becomes before it is stored: checked, its status ours, its headers hidden.

The values of `channel.header` are credentials. They are kept apart from the resource, which holds `Name: ***`, and so
no read, search, history, export or log can show them, to anyone.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from zoneinfo import ZoneInfo

from gateway.errors import FhirError
from gateway.parts import Secrets
from gateway.security.door import allow
from gateway.security.keys import Principal
from gateway.settings import Facility
from gateway.store import BadParameter, Change, Store
from gateway.store.search.query import Search
from gateway.subscriptions import events
from gateway.subscriptions.endpoint import Allowed, NotAllowed, origin
from gateway.subscriptions.model import WHERE, read
from profiles.fhirjson import Resource

HIDDEN = "***"
HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)", re.ASCII)
OURS = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection", "x-gapura-event"})
"""Headers that a notification sets itself."""
ASKED = {"active": "requested"}
"""Status as a client writes it → as it is stored: only the gateway says that a Subscription is active."""


async def admit(
    store: Store, allowed: Allowed, facility: Facility, who: Principal, changes: Sequence[Change]
) -> tuple[list[Change], Secrets]:
    """The changes as they are to be stored, and the secrets of the Subscriptions among them.

    Raises FhirError GF-751 to GF-755 for a Subscription that cannot be, GF-603 where the caller may not see what it
    would be told.
    """
    admitted: list[Change] = []
    secrets: dict[str, tuple[str, Mapping[str, str]]] = {}
    for change in changes:
        resource = change.resource
        if change.type == "Subscription" and resource is not None:
            resource, secrets[change.id] = await _admit(store, allowed, facility, who, change.id, resource)
            change = Change(change.method, change.type, change.id, resource, change.expected, change.judgement)
        admitted.append(change)
    return admitted, secrets


async def _admit(
    store: Store, allowed: Allowed, facility: Facility, who: Principal, id: str, resource: Resource
) -> tuple[Resource, tuple[str, Mapping[str, str]]]:
    wanted = read(resource, ZoneInfo(facility.zone), partial(store.understood, facility.slug))
    for letter in "rs":
        allow(who, facility.slug, letter, wanted.type or "*", "subscribe")
    for criteria in wanted.filters:
        if criteria.search:
            await _ask(store, facility, who, criteria.search)
    try:
        place = origin(allowed.check(wanted.endpoint))
    except NotAllowed as error:
        raise FhirError(
            "GF-754", endpoint=wanted.endpoint.partition("?")[0], reason=str(error), expression="Subscription.channel"
        ) from None
    headers = await _headers(store, facility.slug, id, resource["channel"].get("header", ()), place)
    channel = dict(resource["channel"])
    if headers:
        channel["header"] = [f"{name}: {HIDDEN}" for name in headers]
    status = ASKED.get(resource["status"], resource["status"])
    stored = {**resource, "status": status, "channel": channel}
    if status == "requested":
        stored.pop("error", None)
    return stored, (place, headers)


async def _ask(store: Store, facility: Facility, who: Principal, search: Search) -> None:
    """Ask once what every write will ask, of no resource: what cannot be asked, or not by this caller, is refused."""
    for kind in search.types():
        allow(who, facility.slug, "s", kind, "subscribe")
    try:
        async with store.connection() as connection:
            await store.meeting(connection, facility.slug, search, [])
    except BadParameter as bad:
        raise FhirError("GF-752", criteria=search.type, reason=str(bad), expression=WHERE) from None


async def _headers(store: Store, facility: str, id: str, given: Sequence[str], place: str) -> dict[str, str]:
    """Name → value. A value that came back as it is shown stays what it was, unless it would go somewhere else."""
    found: dict[str, str] = {}
    for line in given:
        match = HEADER.fullmatch(line)
        if match is None or match[1].lower() in OURS:
            name = line.partition(":")[0]
            raise FhirError("GF-755", header=name, reason="name: value", expression="Subscription.channel.header")
        found[match[1]] = match[2].strip()
    if HIDDEN in found.values():
        async with store.connection() as connection:
            known = await events.state(connection, facility, id)
        same = known.headers if known is not None and known.origin == place else {}
        for name, value in found.items():
            if value == HIDDEN:
                if name not in same:
                    raise FhirError(
                        "GF-755", header=name, reason=f"not {HIDDEN}", expression="Subscription.channel.header"
                    )
                found[name] = same[name]
    return found
