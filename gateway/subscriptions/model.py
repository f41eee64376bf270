"""A Subscription resource, understood: what it wants to be told, where, and how much of it.

Source: https://hl7.org/fhir/R4/subscription.html, https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from gateway.errors import FhirError
from gateway.store import BadParameter
from gateway.store.values import span
from gateway.subscriptions.criteria import Criteria, Understand
from gateway.subscriptions.topics import SILENT, Topic, topics
from profiles.definitions import RESOURCE_TYPES
from profiles.fhirjson import Resource

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
FILTER = f"{BACKPORT}backport-filter-criteria"
CONTENT = f"{BACKPORT}backport-payload-content"
HEARTBEAT = f"{BACKPORT}backport-heartbeat-period"
TIMEOUT = f"{BACKPORT}backport-timeout"
MAX_COUNT = f"{BACKPORT}backport-max-count"

CANONICAL = ("http://", "https://", "urn:")
CONTENTS = ("empty", "id-only", "full-resource")
JSON = "application/fhir+json"
PAYLOADS = (JSON, "application/json")
MOST_AT_ONCE = 100
"""Events of one notification Bundle where the subscriber sets no limit."""
TIMEOUT_S = 20
SHORTEST_HEARTBEAT_S = 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one Subscription asks for. `topic` None: R4's own form, whose criteria are a search.

    `content` is of CONTENTS: of the R4 form `empty` (a POST without body) or `full-resource` (a PUT of the resource).
    Any one of `filters` suffices; none at all let everything through.
    """

    id: str
    version: int
    status: str
    endpoint: str
    topic: Topic | None
    type: str | None
    filters: tuple[Criteria, ...]
    content: str
    end: datetime | None
    heartbeat_s: int
    timeout_s: int
    max_count: int

    @property
    def reference(self) -> str:
        """`Subscription/id`."""
        return f"Subscription/{self.id}"

    @property
    def acts(self) -> frozenset[str]:
        """Which acts it is told of: the R4 form knows no deletions."""
        return self.topic.acts if self.topic else frozenset({"create", "update"})

    def ended(self, now: datetime) -> bool:
        """Its `end` has come."""
        return self.end is not None and now >= self.end


def read(resource: Resource, zone: tzinfo, understand: Understand) -> Wanted:
    """Understand a Subscription; `understand` reads searches of its facility.

    Raises FhirError GF-751 to GF-753 for what cannot be done here.
    """
    channel = resource["channel"]
    if channel["type"] != "rest-hook":
        raise _not_here("channel.type", channel["type"], "rest-hook")
    if not channel.get("endpoint"):
        raise _not_here("channel.endpoint", "", "https://…")
    payload = channel.get("payload")
    if payload is not None and payload not in PAYLOADS:
        raise _not_here("channel.payload", payload, JSON)
    criteria = resource["criteria"]
    read_criteria = partial(_criteria, zone=zone, understand=understand)
    by_topic = criteria.startswith(CANONICAL)
    topic, kind, filters = (_of_topic if by_topic else _of_search)(resource, read_criteria)
    content = _content(channel) if topic else ("full-resource" if payload else "empty")
    end = span(resource["end"], zone) if "end" in resource else None
    return Wanted(
        resource.get("id", ""),
        int(resource.get("meta", {}).get("versionId", 0)),
        resource["status"],
        channel["endpoint"],
        topic,
        kind,
        filters,
        content,
        end.low if end else None,
        _number(channel, HEARTBEAT, "valueUnsignedInt", 0, SHORTEST_HEARTBEAT_S, 86_400) if topic else 0,
        _number(channel, TIMEOUT, "valueUnsignedInt", TIMEOUT_S, 1, 120),
        _number(channel, MAX_COUNT, "valuePositiveInt", MOST_AT_ONCE, 1, 1_000) if topic else 1,
    )


ReadCriteria = Callable[[str, str], Criteria]
About = tuple[Topic | None, str | None, tuple[Criteria, ...]]


def _of_search(resource: Resource, read_criteria: ReadCriteria) -> About:
    criteria = resource["criteria"]
    kind, _, query = criteria.partition("?")
    if kind not in RESOURCE_TYPES or kind in SILENT:
        raise FhirError("GF-752", criteria=criteria, reason=f"{kind!r} cannot be observed", expression=WHERE)
    return None, kind, (read_criteria(kind, query),)


def _of_topic(resource: Resource, read_criteria: ReadCriteria) -> About:
    url = resource["criteria"]
    topic = topics().get(url)
    if topic is None:
        raise FhirError("GF-753", topic=url, expression=WHERE)
    filters = [
        _filter(topic, str(row.get("valueString", "")), read_criteria)
        for row in _extensions(resource, "_criteria", FILTER)
    ]
    return topic, topic.type, tuple(filters)


def _filter(topic: Topic, text: str, read_criteria: ReadCriteria) -> Criteria:
    kind, mark, query = text.partition("?")
    if not mark:
        kind, query = topic.type or "", text
    if topic.type is None or kind != topic.type:
        reason = f"the topic is about {topic.type or 'no type in particular'}" + ("" if topic.type else ", unfiltered")
        raise FhirError("GF-752", criteria=text, reason=reason, expression=WHERE)
    return read_criteria(kind, query)


def _criteria(kind: str, query: str, zone: tzinfo, understand: Understand) -> Criteria:
    try:
        return Criteria(kind, parse_qsl(query, keep_blank_values=True), zone, understand)
    except BadParameter as bad:
        raise FhirError("GF-752", criteria=f"{kind}?{query}", reason=str(bad), expression=WHERE) from None


WHERE = "Subscription.criteria"


def _content(channel: Mapping[str, Any]) -> str:
    found = [row.get("valueCode") for row in _extensions(channel, "_payload", CONTENT)]
    if len(found) != 1 or found[0] not in CONTENTS:
        raise _not_here(f"channel.payload.extension({CONTENT})", str(found), " | ".join(CONTENTS))
    return str(found[0])


def _number(channel: Mapping[str, Any], url: str, key: str, default: int, least: int, most: int) -> int:
    for row in channel.get("extension", ()):
        if row.get("url") == url:
            value = row.get(key)
            if not isinstance(value, int) or not least <= value <= most:
                raise _not_here(f"channel.extension({url})", str(value), f"{key}, {least} to {most}")
            return value
    return default


def _extensions(holder: Mapping[str, Any], name: str, url: str) -> Iterator[Mapping[str, Any]]:
    return (row for row in holder.get(name, {}).get("extension", ()) if row.get("url") == url)


def _not_here(element: str, value: str, wanted: str) -> FhirError:
    return FhirError("GF-751", element=element, value=value, wanted=wanted, expression=f"Subscription.{element}")


def now() -> datetime:
    """This moment."""
    return datetime.now(UTC)
