"""Extensions: does each stand where its definition allows it, and is it what its definition says?

Source: https://hl7.org/fhir/R4/extensibility.html, https://hl7.org/fhir/R4/defining-extensions.html#context. Runs only
over resources in which the fast pass saw an extension that is worth looking at; time grows as the resource does.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from profiles.definitions import Definitions
from profiles.fhirjson import Resource
from profiles.validator.context import Context
from profiles.validator.tree import Place
from profiles.validator.wording import DATA

Json = dict[str, Any]


_EXTENSIONS = ("extension", "modifierExtension")

Steps = tuple[Any, str, int] | None
"""The way down to an object: the steps above it, its key, its index in a list or -1."""

MANY = 4096
"""Places of extensions that are remembered."""


class Where(NamedTuple):
    """A place in a resource: where R4 describes it, the type of its value, and its path from the resource's type."""

    place: Place
    type: str
    path: str


class Everything:
    """Contains whatever is asked: stands for the known extensions where unknown ones matter too."""

    def __contains__(self, item: object) -> bool:
        return True


class Extensions:
    """Judges the extensions of resources. `strict`: an extension that nobody defined is an error."""

    def __init__(self, definitions: Definitions, strict: bool) -> None:
        self._definitions, self._strict = definitions, strict
        self._steps: dict[tuple[Place, str], Where | None] = {}
        self._stands: dict[tuple[str, Where], bool] = {}

    def report(self, resource: Resource, path: str, c: Context) -> None:
        """Say what is wrong with the extensions of one resource, those within contained or entry resources apart."""
        name = str(resource["resourceType"])
        top = Where(Place(self._definitions, name, name), name, name)
        stack: list[tuple[Json, Steps]] = [(resource, None)]
        while stack:
            value, steps = stack.pop()
            for key, inner in value.items():
                if inner.__class__ is dict:
                    if key != "resource":
                        stack.append((inner, (steps, key, -1)))
                elif inner.__class__ is list:
                    if key in _EXTENSIONS:
                        self._all(inner, key, self._place(steps, top, path), c)
                    elif key != "contained":
                        stack.extend([(x, (steps, key, n)) for n, x in enumerate(inner) if x.__class__ is dict])

    def _all(self, extensions: list[Any], key: str, place: tuple[Where, str] | None, c: Context) -> None:
        if place is not None:
            where, at = place
            for n, extension in _objects(extensions):
                self._one(extension, where, f"{at}.{key}[{n}]", key == "modifierExtension", c)

    def _place(self, steps: Steps, where: Where, at: str) -> tuple[Where, str] | None:
        """The place that steps from `where`, whose FHIRPath is `at`, lead to; None where R4 does not know it."""
        way = []
        while steps is not None:
            steps, key, n = steps
            way.append((key, n))
        for key, n in reversed(way):
            step = self._step(where, key.removeprefix("_"))
            if step is None:
                return None
            where, at = step, at + step.path[step.path.rindex(".") :] + (f"[{n}]" if n >= 0 else "")
        return where, at

    def _step(self, where: Where, key: str) -> Where | None:
        """The place of a property, None for one that R4 does not know."""
        known = (where.place, key)
        if known not in self._steps:
            self._steps[known] = self._find(where, key)
        found = self._steps[known]
        return found and found._replace(path=f"{where.path}.{found.path.rpartition('.')[2]}")

    def _find(self, where: Where, key: str) -> Where | None:
        types = [{"code": where.type}]
        place = where.place.child(key, types)
        element = place.element()
        if element is not None:
            codes = [t["code"] for t in element.get("type", ())]
            return Where(place, codes[0] if codes else "BackboneElement", key)
        for n in range(1, len(key)):  # valueQuantity: value[x] of type Quantity
            if key[n].isupper():
                choice = where.place.child(key[:n] + "[x]", types)
                for type_ in (choice.element() or {}).get("type", ()):
                    if type_["code"][0].upper() + type_["code"][1:] == key[n:]:
                        return Where(choice, type_["code"], f"{key[:n]}[x]")
        return None

    def _one(self, extension: Json, where: Where, path: str, modifies: bool, c: Context) -> None:
        url = extension.get("url")
        if url.__class__ is not str:
            return
        definition = self._definitions.structure(url) if ":" in str(url) else None
        if definition is None or definition["type"] != "Extension":
            self._unknown(str(url), path, modifies, c)
            return
        is_modifier = (
            bool(definition["snapshot"]["element"][0].get("isModifier")) if "snapshot" in definition else modifies
        )
        if is_modifier != modifies:
            c.bad("extension-plain" if modifies else "extension-modifier", path, str(url), url)
        if not self._may_stand(definition, where):
            places = ", ".join(row["expression"] for row in definition.get("context", ()))
            c.bad("extension-context", path, str(url), url, {"where": where.path, "context": places})
        fast = c.engine.profile_fast(str(url))
        c.doubtful = False
        if fast is not None and (not fast(extension, c) or c.doubtful):
            c.profile(extension, str(url), path, str(url))
        inner = Where(where.place, f"Extension:{url}", where.path)
        for n, part in _objects(extension.get("extension")):
            if ":" in str(part.get("url", "")):
                self._one(part, inner, f"{path}.extension[{n}]", False, c)

    def _unknown(self, url: str, path: str, modifies: bool, c: Context) -> None:
        if self._strict:
            c.bad("extension-unknown", path, "Extension.url", url)
        elif modifies:
            c.warn("extension-unknown", path, "Extension.url", url)

    def _may_stand(self, definition: Json, where: Where) -> bool:
        known = (str(definition["url"]), where)
        if known not in self._stands:
            if len(self._stands) >= MANY:
                self._stands.clear()
            self._stands[known] = self._stand(definition, where)
        return self._stands[known]

    def _stand(self, definition: Json, where: Where) -> bool:
        rows = definition.get("context")
        if not rows:
            return True
        names = set(self._names(where))
        if not names.isdisjoint(_more_places().get(definition["url"], {}).get("context", ())):
            return True
        return any(row["type"] == "fhirpath" or _plain(row["expression"]) in names for row in rows)

    def _names(self, where: Where) -> Iterator[str]:
        """Every expression that names the place: its path, its type and what that specialises."""
        yield where.path
        yield where.place.path
        yield where.place.path.replace("[x]", "")
        yield where.path.replace("[x]", "")
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


@cache
def _more_places() -> dict[str, dict[str, Any]]:
    """Places that R4's own resources use although the published contexts leave them out, by the extension's url."""
    from msgspec import json

    found: dict[str, dict[str, Any]] = json.decode((DATA / "contexts.json").read_bytes())
    return found


def _plain(expression: str) -> str:
    return expression.replace("[x]", "")


def _objects(value: Any) -> Iterator[tuple[int, Json]]:
    if value.__class__ is list:
        yield from ((n, item) for n, item in enumerate(value) if item.__class__ is dict)
