"""One call of a module: the source's index, the context, and the reasons for holding that templates have found."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any
from uuid import UUID, uuid5

from mappings.errors import Reason
from profiles.fhirjson import Resource

Crosswalk = Callable[[str], str | None]
"""Local `Type/id` → the id that the destination gave it, None where it has none yet."""

LOCAL_IDS = UUID("6f0d3c9e-8f1e-5a0b-9b1c-6b1a1f7c2d54")
"""Namespace of the ids that stand for local resources at a destination: a resource has the same id in every send."""


class Index:
    """The resources of a visit Bundle by type and by reference. A lone resource is a visit of one."""

    def __init__(self, source: Mapping[str, Any]) -> None:
        self.by_type: dict[str, list[Resource]] = {}
        self.by_reference: dict[str, Resource] = {}
        self.references: dict[int, str] = {}
        if source.get("resourceType") == "Bundle":
            for entry in source.get("entry", ()):
                if "resource" in entry:
                    self._add(entry["resource"], entry.get("fullUrl"))
        elif "resourceType" in source:
            self._add(dict(source), None)

    def _add(self, resource: Resource, full_url: str | None) -> None:
        kind = resource["resourceType"]
        self.by_type.setdefault(kind, []).append(resource)
        reference = f"{kind}/{resource['id']}" if "id" in resource else full_url
        if reference is None:
            return
        self.references[id(resource)] = reference
        self.by_reference[reference] = resource
        if full_url is not None:
            self.by_reference[full_url] = resource

    def resolve(self, reference: str) -> Resource | None:
        """The resource that a reference (relative, versioned, absolute or urn) names, if the visit holds it."""
        found = self.by_reference.get(reference)
        if found is None and "/" in reference:
            parts = reference.split("/_history/")[0].split("/")
            found = self.by_reference.get("/".join(parts[-2:]))
        return found

    def local(self, reference: str) -> str:
        """A reference as the visit writes it, `Type/id`; one to a resource outside the visit stays as it is."""
        target = self.resolve(reference)
        return (self.references.get(id(target)) if target is not None else None) or reference

    def reference(self, resource: Resource) -> str | None:
        """`Type/id` of a resource of the visit; its fullUrl where it has no id yet."""
        return self.references.get(id(resource))


class Run:
    """State of one call, reached by the host functions through `current`."""

    __slots__ = ("crosswalk", "facility", "index", "now", "options", "reasons", "sending", "zone")

    def __init__(
        self,
        index: Index,
        facility: Mapping[str, Any],
        options: Mapping[str, Any],
        crosswalk: Crosswalk | None,
        now: str | None,
    ) -> None:
        self.index, self.facility, self.options = index, facility, options
        self.crosswalk, self.now = crosswalk, now
        self.zone = str(facility.get("zone", "Asia/Jakarta"))
        self.reasons: list[Reason] = []
        self.sending: frozenset[str] = frozenset()

    def remote_id(self, reference: str) -> str | None:
        """The destination's id of a local `Type/id`, None without a crosswalk or before it was sent."""
        return self.crosswalk(reference) if self.crosswalk else None

    def stable_id(self, reference: str) -> str:
        """The uuid that stands for a local resource in every send of this organisation."""
        return str(uuid5(LOCAL_IDS, f"{self.facility['organization_id']}/{reference}"))


current: ContextVar[Run] = ContextVar("mappings.run.current")
