"""What an evaluation knows besides the data: variables, the instant it runs at, and the host's callables."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from profiles.fhirjson import Resource
from profiles.fhirpath import temporal
from profiles.fhirpath.errors import FHIRPathError
from profiles.fhirpath.syntax import Place
from profiles.fhirpath.temporal import FHIRDateTime
from profiles.fhirpath.values import EMPTY, Items, unwrap, wrap

SYSTEMS = {
    "ucum": "http://unitsofmeasure.org",
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}
HOSTS = ("resolver", "conforms", "trace", "terminology")
"""Variables that are callables of the host: never seen by the expression itself."""


class Environment:
    """One evaluation. `variables` maps names to items; `index` and `total` belong to the innermost iteration."""

    def __init__(self, root: Items, given: dict[str, Any]) -> None:
        self.root = root
        self.hosts = {name: given.pop(name) for name in HOSTS if name in given} if given else {}
        self.variables: dict[str, Items] = {name: _items(value, root) for name, value in given.items()} if given else {}
        self.index: int | None = None
        self.total: Items = []

    @cached_property
    def now(self) -> FHIRDateTime:
        """One instant for the whole evaluation."""
        return temporal.now()

    def local(self, reference: str) -> Resource | None:
        """What a reference means within the data itself: a contained resource, or another entry of the Bundle."""
        if reference.startswith("#"):
            return self._contained.get(reference[1:])
        return self._entries.get(reference)

    @cached_property
    def _contained(self) -> dict[str, Resource]:
        found: dict[str, Resource] = {}
        for owner in (*unwrap(self.variables.get("rootResource", EMPTY)), *unwrap(self._resource)):
            if owner.__class__ is dict:
                found.update({part["id"]: part for part in _objects(owner.get("contained")) if "id" in part})
                found[""] = owner
        return found

    @cached_property
    def _entries(self) -> dict[str, Resource]:
        found: dict[str, Resource] = {}
        for bundle in unwrap(self.variables.get("rootResource") or self._resource):
            if bundle.__class__ is dict and bundle.get("resourceType") == "Bundle":
                for entry in _objects(bundle.get("entry")):
                    resource = entry.get("resource")
                    if resource.__class__ is dict:
                        found.setdefault(f"{resource.get('resourceType')}/{resource.get('id')}", resource)
                        found[str(entry.get("fullUrl"))] = resource
        return found

    @property
    def _resource(self) -> Items:
        return self.variables.get("resource") or self.root

    def host(self, name: str) -> Callable[..., Any] | None:
        """The host's callable of this name, if it gave one."""
        return self.hosts.get(name)


def _objects(value: Any) -> list[Resource]:
    return [part for part in value if part.__class__ is dict] if value.__class__ is list else []


def _items(value: Any, root: Items) -> Items:
    # Handing over the resource that is being read must not make it a second, untyped thing.
    return root if root and root[0].__class__ is tuple and value is root[0][0] else wrap(value)


def external(name: str, env: Environment, place: Place) -> Items:
    """A variable that was not handed in: the context, a code system, a value set's or an extension's URL."""
    if name in ("context", "resource", "rootResource"):
        return env.root
    if name in SYSTEMS:
        return [SYSTEMS[name]]
    if name.startswith("vs-"):
        return [f"http://hl7.org/fhir/ValueSet/{name[3:]}"]
    if name.startswith("ext-"):
        return [f"http://hl7.org/fhir/StructureDefinition/{name[4:]}"]
    known = ", ".join(f"%{n}" for n in ("context", "resource", "rootResource", *SYSTEMS, *sorted(env.variables)))
    raise FHIRPathError(f"there is no variable %{name}; there are {known}, %`vs-…` and %`ext-…`").at(place)
