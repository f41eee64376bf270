"""Extensions: does each stand where its definition allows it, and is it what its definition says?

Source: https://hl7.org/fhir/R4/extensibility.html, https://hl7.org/fhir/R4/defining-extensions.html#context. Runs only
over resources in which the fast pass saw an extension that is worth looking at; time grows as the resource does.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from profiles.definitions import RESOURCE_TYPES, Definitions
from profiles.fhirjson import Resource
from profiles.snapshot import with_snapshot
from profiles.validator.context import Context
from profiles.validator.contexts import MANY, Contexts, Found, Holder, Where, additions, broken
from profiles.validator.tree import Place

Json = dict[str, Any]


_EXTENSIONS = ("extension", "modifierExtension")

Steps = tuple[Any, str, int, Json] | None
"""The way down to an object: the steps above it, its key, its index in a list or -1, what it stands in."""


class Everything:
    """Contains whatever is asked: stands for the known extensions where unknown ones matter too."""

    def __contains__(self, item: object) -> bool:
        return True


class Extensions:
    """Judges the extensions of resources. `strict`: an extension that nobody defined is an error."""

    def __init__(self, definitions: Definitions, strict: bool) -> None:
        self._definitions, self._strict = definitions, strict
        self._contexts = Contexts(definitions)
        self._steps: dict[tuple[Place, str], Where | None] = {}
        self._facts: dict[str, _Facts] = {}
        self._usual: dict[tuple[str, str], _Usual | None] = {}

    def stands(self, extension: Json, path: str, c: Context) -> bool:
        """True where an extension of an object that R4 describes at `path` is as it should be; False says nothing."""
        key = (extension["url"], path)
        if key not in self._usual:
            if len(self._usual) >= MANY:
                self._usual.clear()
            self._usual[key] = self._as_usual(*key, c)
        usual = self._usual[key]
        if usual is None:
            return False
        if usual.parts and any(
            ":" not in part["url"] and part["url"] not in usual.parts for part in extension.get("extension", ())
        ):
            return False
        doubtful, c.doubtful = c.doubtful, False
        good = usual.fast is None or (usual.fast(extension, c) and not c.doubtful)
        c.doubtful = doubtful
        return good

    def _as_usual(self, url: str, path: str, c: Context) -> "_Usual | None":
        """What makes an extension good at a path whatever it stands in; None where more must be known of that."""
        definition = self._definitions.structure(url) if ":" in url else None
        if definition is None or definition["type"] != "Extension" or definition.get("contextInvariant"):
            return None
        facts, type_ = self._known(definition), path.partition(".")[0]
        own = type_ if "." not in path else "BackboneElement"
        where = Where(Place(self._definitions, type_, path), own, path if type_ in RESOURCE_TYPES else f"….{path}")
        if facts.modifies or (definition.get("context") and not self._contexts.names(definition, where)):
            return None
        return _Usual(facts.parts, c.engine.profile_fast(url))

    def report(self, resource: Resource, path: str, c: Context) -> None:
        """Say what is wrong with the extensions of one resource, those within contained or entry resources apart."""
        name = str(resource["resourceType"])
        top, found = Where(Place(self._definitions, name, name), name, name), Found(c)
        stack: list[tuple[Json, Steps]] = [(resource, None)]
        while stack:
            value, steps = stack.pop()
            for key, inner in value.items():
                if inner.__class__ is dict:
                    if key != "resource":
                        stack.append((inner, (steps, key, -1, value)))
                elif inner.__class__ is list:
                    if key in _EXTENSIONS:
                        self._all(inner, key, self._place(steps, top, path), _holder(value, steps), found)
                    if key != "contained":
                        stack.extend([(x, (steps, key, n, value)) for n, x in enumerate(inner) if x.__class__ is dict])

    def _all(
        self, extensions: list[Any], key: str, place: tuple[Where, str] | None, holder: Holder, found: Found
    ) -> None:
        if place is None:
            return
        where, at = place
        within = where.type == "Extension"
        if within:
            where = where._replace(type=f"Extension:{holder.object.get('url')}")
        for n, extension in _objects(extensions):
            url = extension.get("url")
            if url.__class__ is str and not (within and ":" not in str(url)):
                self._one(extension, where, f"{at}.{key}[{n}]", key == "modifierExtension", holder, found)

    def _place(self, steps: Steps, where: Where, at: str) -> tuple[Where, str] | None:
        """The place that steps from `where`, whose FHIRPath is `at`, lead to; None where R4 does not know it."""
        way = []
        while steps is not None:
            steps, key, n, _ = steps
            way.append((key, n))
        for key, n in reversed(way):
            step = self._step(where, key.removeprefix("_"))
            if step is None:
                return None
            last = step.path[step.path.rindex(".") :]
            spelt = f"{last[:-3]}.ofType({step.type})" if last.endswith("[x]") else last
            where, at = step, at + spelt + (f"[{n}]" if n >= 0 else "")
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

    def _one(self, extension: Json, where: Where, path: str, modifies: bool, holder: Holder, found: Found) -> None:
        url, c = str(extension["url"]), found.c
        definition = self._definitions.structure(url) if ":" in url else None
        if definition is None or definition["type"] != "Extension":
            self._unknown(url, path, modifies, c)
            return
        facts = self._known(definition)
        if facts.modifies != modifies:
            c.bad("extension-plain" if modifies else "extension-modifier", path, url, url)
        if not self._contexts.allow(definition, where, holder, found):
            places = ", ".join(row["expression"] for row in definition.get("context", ()))
            c.bad("extension-context", path, url, url, {"where": where.path, "context": places})
        elif condition := broken(definition, extension, holder, c):
            c.bad("extension-condition", path, url, url, {"condition": condition})
        for n, part in _objects(extension.get("extension")):
            name = part.get("url")
            if facts.parts and name.__class__ is str and ":" not in str(name) and name not in facts.parts:
                parts = ", ".join(sorted(facts.parts))
                c.bad("extension-part", f"{path}.extension[{n}]", url, name, {"extension": url, "parts": parts})
        fast = c.engine.profile_fast(url)
        c.doubtful = False
        if fast is not None and (not fast(extension, c) or c.doubtful):
            c.profile(extension, url, path, url)

    def _known(self, definition: Json) -> "_Facts":
        url = str(definition["url"])
        if url not in self._facts:
            self._facts[url] = _Facts(definition, self._definitions)
        return self._facts[url]

    def _unknown(self, url: str, path: str, modifies: bool, c: Context) -> None:
        if self._strict:
            c.bad("extension-unknown", path, "Extension.url", url)
        elif modifies:
            c.warn("extension-unknown", path, "Extension.url", url)


class _Usual(NamedTuple):
    """What an extension must be where it may stand: the names of its parts, the yes or no of its definition."""

    parts: frozenset[str]
    fast: Callable[[Any, Any], bool] | None


class _Facts:
    """What a definition says of its extension as a whole: whether it modifies, and the names of its parts."""

    def __init__(self, definition: Json, definitions: Definitions) -> None:
        elements = with_snapshot(definition, definitions.structure)["snapshot"]["element"]
        self.modifies = bool(elements[0].get("isModifier"))
        names = {e["fixedUri"] for e in elements if e["path"] == "Extension.extension.url" and "fixedUri" in e}
        self.parts = frozenset(names and names | set(additions(definition["url"]).get("parts", ())))


def _holder(value: Json, steps: Steps) -> Holder:
    """An object as the bearer of extensions; that of a `_key` bears them for the primitive beside it."""
    if steps is None or steps[1][0] != "_":
        return Holder(value, False)
    _, key, n, owner = steps
    beside = owner.get(key[1:])
    if n >= 0:
        beside = beside[n] if beside.__class__ is list and n < len(beside) else None
    return Holder(value, True, beside)


def _objects(value: Any) -> Iterator[tuple[int, Json]]:
    if value.__class__ is list:
        yield from ((n, item) for n, item in enumerate(value) if item.__class__ is dict)
