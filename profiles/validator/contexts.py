"""Where an extension may stand: the contexts that its definition names.

Source: https://hl7.org/fhir/R4/defining-extensions.html#context. `data/contexts.json` holds what R4's own resources
do although the published definitions leave it out.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from profiles.definitions import Definitions
from profiles.validator.context import Context
from profiles.validator.tree import Place
from profiles.validator.wording import DATA

Json = dict[str, Any]

MANY = 4096
"""Places of extensions that are remembered."""


class Where(NamedTuple):
    """A place in a resource: where R4 describes it, the type of its value, and its path from the resource's type."""

    place: Place
    type: str
    path: str


class Holder(NamedTuple):
    """What bears an extension: an object, or the companion of a primitive beside its value."""

    object: Json
    primitive: bool
    value: Any = None


class Contexts:
    """Judges the places of extensions in the resources of one set of definitions."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._stands: dict[tuple[str, Where], bool] = {}

    def allow(self, definition: Json, where: Where, holder: Holder, found: "Found") -> bool:
        """True where one of the definition's contexts is this place; a definition without any may stand anywhere."""
        rows = definition.get("context")
        if not rows or self.names(definition, where):
            return True
        return any(found.has(row["expression"], holder) for row in rows if row["type"] == "fhirpath")

    def names(self, definition: Json, where: Where) -> bool:
        """True where one of the definition's contexts names this place."""
        known = (str(definition["url"]), where)
        if known not in self._stands:
            if len(self._stands) >= MANY:
                self._stands.clear()
            names = set(self._names(where))
            rows = [row for row in definition["context"] if row["type"] != "fhirpath"]
            more = additions(definition["url"]).get("context", [])
            self._stands[known] = any(_plain(e) in names for e in (*(row["expression"] for row in rows), *more))
        return self._stands[known]

    def _names(self, where: Where) -> Iterator[str]:
        """Every expression that names the place: its path, its type and what that specialises."""
        yield from map(_plain, (where.path, where.place.path))
        if where.type.startswith("Extension:"):
            yield where.type.removeprefix("Extension:")
            yield from ("Extension", "Element")
            return
        type_: str | None = where.type
        while type_ is not None:
            yield type_
            definition = self._definitions.structure(type_)
            base = definition.get("baseDefinition") if definition else None
            type_ = base.rpartition("/")[2] if base else None
        yield "Element"  # stands for anything, resources too, in R4's own definitions
        if "." not in where.path:
            yield "Resource"
        element = where.place.element() or {}
        if "contentReference" in element:
            yield element["contentReference"].partition("#")[2]


class Found:
    """What FHIRPath contexts find in one resource; each is evaluated once, however many extensions ask for it."""

    def __init__(self, c: Context) -> None:
        self.c = c
        self._objects: dict[str, frozenset[int]] = {}
        self._values: dict[str, frozenset[Any]] = {}

    def has(self, expression: str, holder: Holder) -> bool:
        """True where the expression finds the bearer of an extension; one that cannot be evaluated forbids nothing."""
        if expression not in self._objects:
            values = _evaluated(expression, self.c.resource, self.c)
            if values is None:
                return True
            self._objects[expression] = frozenset(id(v) for v in values if v.__class__ is dict)
            self._values[expression] = frozenset(str(v) for v in values if v.__class__ is not dict)
        if holder.primitive:
            return holder.value is None or str(holder.value) in self._values[expression]
        return id(holder.object) in self._objects[expression]


def broken(definition: Json, extension: Json, holder: Holder, c: Context) -> str | None:
    """The first condition of the definition (contextInvariant) that the bearer of its extension does not meet."""
    for expression in definition.get("contextInvariant", ()) if not holder.primitive else ():
        values = _evaluated(expression, holder.object, c, extension=extension)
        if values is not None and values != [True]:
            return str(expression)
    return None


def _evaluated(expression: str, value: Any, c: Context, **more: Any) -> list[Any] | None:
    """The values of an expression, None where it cannot be evaluated."""
    from profiles import fhirpath

    try:
        found: list[Any] = fhirpath.compile(expression)(
            value, resource=c.resource, rootResource=c.root, resolver=c.find, **more
        )
    except fhirpath.FHIRPathError:
        return None
    return found


@cache
def _additions() -> dict[str, Json]:
    from msgspec import json

    found: dict[str, Json] = json.decode((DATA / "contexts.json").read_bytes())
    return found


def additions(url: str) -> Json:
    """What is allowed beyond an extension's published definition: its `context`, its `parts`."""
    return _additions().get(url, {})


def _plain(expression: str) -> str:
    return expression.replace("[x]", "")
