"""What a subscriber is sent: notification Bundles of the backport guide, and SubscriptionStatus as R4 Parameters.

Source: https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/notifications.html
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from msgspec import Raw

from gateway.errors import Language
from gateway.security.audit import instant
from gateway.settings import Settings
from gateway.subscriptions.events import Event, State
from gateway.subscriptions.model import BACKPORT, Wanted, now
from profiles.fhirjson import Resource

BUNDLE_PROFILE = f"{BACKPORT}backport-subscription-notification-r4"
STATUS_PROFILE = f"{BACKPORT}backport-subscription-status-r4"

REASONS = "urn:gapura:reason"
"""System of the codes of `gateway/outbox/reasons.yaml`."""
REQUEST = {"create": ("POST", "201"), "update": ("PUT", "200"), "delete": ("DELETE", "204"), "parked": ("GET", "200")}
"""What happened → the method that did it and the status that answered it, as a history Bundle must have them."""


def base(settings: Settings, facility: str) -> str:
    """The FHIR root of a facility as its subscribers know it: `public_url`, else where this gateway listens."""
    root = settings.public_url or f"http://{settings.host}:{settings.port}"
    return f"{root}/fhir" if facility == settings.facilities[0].slug else f"{root}/{facility}/fhir"


def own_addresses(settings: Settings, facility: str) -> tuple[str, ...]:
    """The addresses below which a reference means a resource of this facility, as the search index has them."""
    root = settings.public_url or f"http://{settings.host}:{settings.port}"
    return tuple({f"{root}/{facility}/fhir/", f"{base(settings, facility)}/"})


def bundle(
    wanted: Wanted,
    state: State,
    kind: str,
    root: str,
    events: Sequence[Event] = (),
    contents: Mapping[int, bytes] | None = None,
    content: str = "",
    lang: Language = "id",
) -> Resource:
    """A notification of one kind: handshake, heartbeat, event-notification or query-event.

    `content` is how much is told (of CONTENTS; the Subscription's own where it is empty); `contents` are the bytes of
    the events' versions by event number, where they are told whole; `lang` is the language of what is told in words.
    """
    content = content or wanted.content
    told = content != "empty"
    status = {
        "fullUrl": f"urn:uuid:{uuid4()}",
        "resource": parameters(wanted, state, kind, root, events, told=told),
        "request": {"method": "GET", "url": f"{root}/{wanted.reference}/$status"},
        "response": {"status": "200"},
    }
    words = lang if content == "full-resource" else None
    focuses = [_focus(event, root, (contents or {}).get(event.number), words) for event in events] if told else []
    return {
        "resourceType": "Bundle",
        "id": str(uuid4()),
        "meta": {"profile": [BUNDLE_PROFILE]},
        "type": "history",
        "timestamp": instant(now()),
        "entry": [status, *focuses],
    }


def parameters(
    wanted: Wanted, state: State, kind: str, root: str, events: Sequence[Event] = (), *, told: bool = True
) -> Resource:
    """The SubscriptionStatus. `told`: which resources the events are about may be said."""
    rows: list[dict[str, Any]] = [
        {"name": "subscription", "valueReference": {"reference": f"{root}/{wanted.reference}"}}
    ]
    if wanted.topic and told:
        rows.append({"name": "topic", "valueCanonical": wanted.topic.url})
    rows += [
        {"name": "status", "valueCode": state.status},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(state.events)},
    ]
    rows += [{"name": "notification-event", "part": _event(event, root, told=told)} for event in events]
    return {
        "resourceType": "Parameters",
        "id": str(uuid4()),
        "meta": {"profile": [STATUS_PROFILE]},
        "parameter": rows,
    }


def _event(event: Event, root: str, *, told: bool) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [
        {"name": "event-number", "valueString": str(event.number)},
        {"name": "timestamp", "valueInstant": instant(event.happened)},
    ]
    if told:
        parts.append({"name": "focus", "valueReference": {"reference": f"{root}/{event.focus}"}})
    return parts


def _focus(event: Event, root: str, content: bytes | None, words: Language | None) -> dict[str, Any]:
    method, status = REQUEST[event.act]
    url = event.focus.partition("/")[0] if method == "POST" else event.focus
    entry: dict[str, Any] = {"fullUrl": f"{root}/{event.focus}"}
    if content is not None:
        entry["resource"] = Raw(content)
    entry["request"] = {"method": method, "url": url}
    response = {"status": status, "etag": f'W/"{event.version}"', "lastModified": instant(event.happened)}
    entry["response"] = {**response, "outcome": _outcome(event.reason, words)} if event.reason else response
    return entry


def _outcome(reason: Mapping[str, Any], words: Language | None) -> Resource:
    """Why a delivery is parked: its code, and in words, which may name a person, where resources are told whole."""
    details = {"coding": [{"system": REASONS, "code": reason["code"]}]}
    told = {**details, "text": reason[words]} if words else details
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "processing", "details": told}],
    }
