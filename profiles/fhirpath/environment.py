"""What an evaluation knows besides the data: variables, the instant it runs at, and the host's callables."""

from collections.abc import Callable, Collection, Iterable
from functools import cached_property
from time import thread_time
from typing import Any

from profiles.fhirpath import temporal
from profiles.fhirpath.errors import FHIRPathError
from profiles.fhirpath.suggest import nearest
from profiles.fhirpath.syntax import Call, External, Literal, Node, Place
from profiles.fhirpath.temporal import FHIRDateTime
from profiles.fhirpath.values import EMPTY, Items, Json, unwrap, wrap

SYSTEMS = {
    "ucum": "http://unitsofmeasure.org",
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}


MAX_SECONDS = 5
"""Processor time that an evaluation may take."""
STEPS = 16
"""Steps between two looks at the clock."""


class Terminologies:
    """What `%terminologies` is: something to call the terminology functions on."""


TERMINOLOGIES = Terminologies()
RESERVED = frozenset((*SYSTEMS, "context", "resource", "rootResource", "terminologies"))
"""Names that an expression may not define."""
HOSTS = frozenset(("resolver", "conforms", "trace", "terminology"))
"""Variables that are callables of the host: never seen by the expression itself."""


class Environment:
    """One evaluation. `given` are the host's variables, `variables` those that have been read or defined, as items.

    `index` and `total` belong to the innermost iteration. What most evaluations never touch is a class attribute.
    """

    index: int | None = None
    total: Items = EMPTY
    _steps = 0
    _ends: float | None = None

    def __init__(self, root: Items, given: dict[str, Any]) -> None:
        self.root = root
        self.given = given
        self.variables: dict[str, Items] = {}

    def step(self) -> None:
        """Count an evaluation for one more item. Raises FHIRPathError when there is no end to that."""
        self._steps += 1
        if not self._steps % STEPS:
            self._look_at_the_clock()

    def _look_at_the_clock(self) -> None:
        now = thread_time()
        if self._ends is None:
            self._ends = now + MAX_SECONDS
        if now > self._ends:
            raise FHIRPathError(f"the evaluation takes more than {MAX_SECONDS} seconds")

    @cached_property
    def now(self) -> FHIRDateTime:
        """One instant for the whole evaluation."""
        return temporal.now()

    def local(self, reference: str) -> Json | None:
        """What a reference means within the data itself: a contained resource, or another entry of the Bundle."""
        if reference.startswith("#"):
            return self._contained.get(reference[1:])
        return self._entries.get(reference)

    @cached_property
    def _contained(self) -> dict[str, Json]:
        found: dict[str, Json] = {}
        for owner in unwrap([*self.given_items("rootResource"), *self._resource]):
            if owner.__class__ is dict:
                found.update({part["id"]: part for part in _objects(owner.get("contained")) if "id" in part})
                found[""] = owner
        return found

    @cached_property
    def _entries(self) -> dict[str, Json]:
        found: dict[str, Json] = {}
        for bundle in unwrap(self.given_items("rootResource") or self._resource):
            if bundle.__class__ is dict and bundle.get("resourceType") == "Bundle":
                for entry in _objects(bundle.get("entry")):
                    resource = entry.get("resource")
                    if resource.__class__ is dict:
                        found.setdefault(f"{resource.get('resourceType')}/{resource.get('id')}", resource)
                        found[str(entry.get("fullUrl"))] = resource
        return found

    @property
    def _resource(self) -> Items:
        return self.given_items("resource") or self.root

    def given_items(self, name: str) -> Items:
        """A variable of the host as items, empty where it gave none."""
        if name not in self.given or name in HOSTS:
            return EMPTY
        value = self.given[name]
        # Handing over the resource that is being read must not make it a second, untyped thing.
        known = self.root and self.root[0].__class__ is tuple and value is self.root[0][0]
        return self.root if known else wrap(value)

    def host(self, name: str) -> Callable[..., Any] | None:
        """The host's callable of this name, if it gave one."""
        return self.given.get(name)


def _objects(value: Any) -> list[Json]:
    return [part for part in value if part.__class__ is dict] if value.__class__ is list else []


def external(name: str, env: Environment, place: Place) -> Items:
    """A variable: the host's, the context, a code system, a value set's or an extension's URL."""
    found = env.variables.get(name)
    if found is None:
        found = env.variables[name] = _external(name, env, place)
    return found


def _external(name: str, env: Environment, place: Place) -> Items:
    if name in env.given and name not in HOSTS:
        return env.given_items(name)
    if name in ("context", "resource", "rootResource"):
        return env.given_items("resource") if name == "rootResource" and "resource" in env.given else env.root
    if name in SYSTEMS:
        return [SYSTEMS[name]]
    if name == "terminologies":
        return [TERMINOLOGIES]
    if name.startswith("vs-"):
        return [f"http://hl7.org/fhir/ValueSet/{name[3:]}"]
    if name.startswith("ext-"):
        return [f"http://hl7.org/fhir/StructureDefinition/{name[4:]}"]
    raise _unknown(name, env.given).at(place)


def check_variables(tree: Node, given: Collection[str]) -> None:
    """Raises FHIRPathError at the first variable that neither FHIRPath, the host (`given`) nor the expression has."""
    calls = [node for node in tree.walk() if isinstance(node, Call) and node.name == "defineVariable"]
    defined = {part.value for call in calls for part in call.arguments[:1] if isinstance(part, Literal)}
    known = RESERVED | defined | set(given)
    for node in sorted(tree.walk(), key=lambda node: node.place):
        if isinstance(node, External) and node.name not in known and not node.name.startswith(("vs-", "ext-")):
            raise _unknown(node.name, {*given, *defined}).at(node.place)


def _unknown(name: str, given: Iterable[str]) -> FHIRPathError:
    names = ["context", "resource", "rootResource", *SYSTEMS, *(n for n in sorted(given) if n not in HOSTS)]
    known = ", ".join(f"%{n}" for n in names)
    return FHIRPathError(f"there is no variable %{name}{nearest(name, names)}; there are {known}, %`vs-…` and %`ext-…`")
