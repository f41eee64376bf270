"""What of a visit leaves the house, in which order, and what each resource looks like outside.

A module that sends FHIR resources names a table (head key `outgoing`) with:

* `public`: prefixes of the systems and URLs that the destination knows; identifiers, codings and extensions of others
  stay inside;
* `local`: resource types that are never sent: a reference to one is left out;
* `resources`: what is sent, in the destination's order; `identifier` is the last part of the type's own identifier
  system, `unless` FHIRPath that keeps a resource inside.

References become the destination's ids, or `urn:uuid:` within the same transaction; dateTimes become UTC; ids,
narratives and local tags stay inside.
Source: reference of SATUSEHAT §2.0, §4, §6.1.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mappings import times
from mappings.errors import MappingError
from mappings.functions import not_there_yet
from mappings.positions import Source
from mappings.run import Run, current
from profiles import fhirpath
from profiles.fhirjson import Resource

SYSTEM_IDS = "http://sys-ids.kemkes.go.id"
_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})\Z")
_FREE_TEXT = frozenset({"div", "display", "text", "value", "valueString"})
_INSIDE = frozenset({"id", "meta", "text"})


@dataclass(frozen=True, slots=True)
class Row:
    """One resource type of the table; `rank` is its place in the destination's order."""

    rank: int
    identifier: str | None
    unless: fhirpath.Expression | None


class Outgoing:
    """The table, and the functions that templates call: `outgoing()`, `send()`, `mentioned('Type')`."""

    def __init__(self, source: Source, condition: Callable[[str, Sequence[str], int], fhirpath.Expression]) -> None:
        fields = source.fields(source.root, "an outgoing table", ("public", "local", "resources"), ())
        self._public = tuple(source.text(node) for node in fields["public"].value)
        self._local = frozenset(source.text(node) for node in fields["local"].value)
        self._rows: dict[str, Row] = {}
        for rank, node in enumerate(fields["resources"].value):
            row = source.fields(node, "a row of resources", ("type",), ("identifier", "unless"))
            kind = source.text(row["type"])
            unless = (
                condition(source.text(row["unless"]), [kind], source.line(row["unless"])) if "unless" in row else None
            )
            identifier = source.text(row["identifier"]) if "identifier" in row else None
            self._rows[kind] = Row(rank, identifier, unless)

    def functions(self) -> dict[str, Callable[..., list[Any]]]:
        """The host functions of a module with this table."""
        return {
            "outgoing": lambda focus: self._outgoing(),
            "send": lambda focus: [self._sent(value) for value in focus],
            "mentioned": lambda focus, kind: self._mentioned(str(kind[0])),
        }

    def _outgoing(self) -> list[Any]:
        run = current.get()
        chosen = self._chosen(run)
        run.sending = frozenset(reference for reference, _ in chosen)
        return [resource for _, resource in _by_dependency(chosen, run)]

    def _chosen(self, run: Run) -> list[tuple[str, Resource]]:
        found = []
        for kind, row in self._rows.items():
            for resource in run.index.by_type.get(kind, ()):
                reference = run.index.reference(resource)
                if reference is None:
                    raise MappingError(f"a {kind} of the visit has neither id nor fullUrl")
                if not self._stays(row, resource):
                    found.append((reference, resource))
        return found

    def _stays(self, row: Row, resource: Resource) -> bool:
        return row.unless is not None and row.unless.test(resource) is True

    def _mentioned(self, kind: str) -> list[str]:
        run = current.get()
        senders = [resource for _, resource in self._chosen(run)] + run.index.by_type.get("Encounter", [])
        found = []
        for resource in senders:
            for reference in _references(resource):
                local = run.index.local(reference)
                target = run.index.resolve(local)
                if (target["resourceType"] if target else local.split("/")[0]) != kind:
                    continue
                if target is None or not _is_the_facility(target, run):
                    found.append(local)
        return list(dict.fromkeys(found))

    # One resource or element ----------------------------------------------------------------------------------------

    def _sent(self, value: Any) -> Any:
        run = current.get()
        if not isinstance(value, dict) or "resourceType" not in value:
            return self._value(value, "", run, "")
        reference = run.index.reference(value) or value["resourceType"]
        made: dict[str, Any] = {"resourceType": value["resourceType"]}
        if remote := run.remote_id(reference):
            made["id"] = remote
        if profiles := [url for url in value.get("meta", {}).get("profile", ()) if self._is_public(url)]:
            made["meta"] = {"profile": profiles}
        for key, element in value.items():
            if key not in _INSIDE and key != "resourceType":
                _put(made, key, self._value(element, key, run, f"{reference}.{key}"))
        row = self._rows.get(value["resourceType"])
        if row and row.identifier:
            self._identify(made, f"{SYSTEM_IDS}/{row.identifier}/{run.facility['organization_id']}", reference, run)
        return made

    def _identify(self, made: dict[str, Any], system: str, reference: str, run: Run) -> None:
        single = isinstance(made.get("identifier"), dict) or made["resourceType"] in _ONE_IDENTIFIER
        given = [made["identifier"]] if isinstance(made.get("identifier"), dict) else made.get("identifier", [])
        if any(identifier.get("system") == system for identifier in given):
            return
        own = {"use": "official", "system": system, "value": run.stable_id(reference)}
        made["identifier"] = own if single else [*given, own]

    def _value(self, value: Any, key: str, run: Run, path: str) -> Any:
        if isinstance(value, list):
            items = [self._value(item, key, run, f"{path}[{i}]") for i, item in enumerate(value)]
            return [item for item in items if item is not None] or None
        if isinstance(value, dict):
            return self._object(value, key, run, path)
        if isinstance(value, str) and key not in _FREE_TEXT and _DATETIME.match(value):
            return times.utc(value, run.zone)
        return value

    def _object(self, value: dict[str, Any], key: str, run: Run, path: str) -> Any:
        if key in ("extension", "modifierExtension") and "://" in value["url"] and not self._is_public(value["url"]):
            return None
        if key in ("identifier", "coding") and not self._is_public(value.get("system", "")):
            return None
        if "reference" in value and isinstance(value["reference"], str):
            target = self._target(value["reference"], run, path)
            if target is None:
                return None
            value = {**value, "reference": target}
        made: dict[str, Any] = {}
        for name, element in value.items():
            _put(made, name, self._value(element, name, run, f"{path}.{name}"))
        return made or None

    def _target(self, reference: str, run: Run, path: str) -> str | None:
        if reference.startswith("#"):
            return reference
        target, local = run.index.resolve(reference), run.index.local(reference)
        kind = target["resourceType"] if target else local.split("/")[0]
        if target is not None and _is_the_facility(target, run):
            return f"Organization/{run.facility['organization_id']}"
        if remote := run.remote_id(local):
            return f"{kind}/{remote}"
        if local in run.sending:
            return f"urn:uuid:{run.stable_id(local)}"
        row = self._rows.get(kind)
        if kind in self._local or (row and target and self._stays(row, target)):
            return None
        run.reasons.append(not_there_yet(local, path))
        return None

    def _is_public(self, url: str) -> bool:
        return url.startswith(self._public)


_ONE_IDENTIFIER = frozenset({"Composition", "QuestionnaireResponse"})


def _put(made: dict[str, Any], key: str, value: Any) -> None:
    if value is not None:
        made[key] = value


def _is_the_facility(target: Resource, run: Run) -> bool:
    own = run.facility.get("organization_id")
    return target["resourceType"] == "Organization" and any(
        identifier.get("system") == "https://fhir.kemkes.go.id/id/org-number" and identifier.get("value") == own
        for identifier in target.get("identifier", ())
    )


def _references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [reference for item in value for reference in _references(item)]
    if not isinstance(value, dict):
        return []
    own = [value["reference"]] if isinstance(value.get("reference"), str) else []
    return own + [reference for item in value.values() for reference in _references(item)]


def _by_dependency(chosen: list[tuple[str, Resource]], run: Run) -> list[tuple[str, Resource]]:
    """The table's order, but nothing before what it refers to (a circle is cut where it is entered)."""
    resources = dict(chosen)
    done: dict[str, Resource] = {}

    def visit(reference: str, above: frozenset[str]) -> None:
        if reference in done or reference in above:
            return
        for other in _references(resources[reference]):
            if (local := run.index.local(other)) in resources:
                visit(local, above | {reference})
        done.setdefault(reference, resources[reference])

    for reference, _ in chosen:
        visit(reference, frozenset())
    return list(done.items())
