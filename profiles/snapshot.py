"""Snapshots: a profile's differential worked into the snapshot of its base.

Source: https://hl7.org/fhir/R4/profiling.html#snapshot. Slices are clones of the element that they
slice, children of data types appear where a differential names them, `valueQuantity` is short for the slice of
`value[x]` of that type.
"""

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
Find = Callable[[str], Json | None]
"""Finds a StructureDefinition by canonical url or R4 type name."""

BASE = "http://hl7.org/fhir/StructureDefinition/"
TYPE_SLICING: Json = {"discriminator": [{"type": "type", "path": "$this"}], "rules": "open"}
EXTENSION_SLICING: Json = {"discriminator": [{"type": "value", "path": "url"}], "rules": "open"}
MERGED_LISTS = {"constraint": "key", "condition": None, "mapping": None}


class SnapshotError(ValueError):
    """A differential that does not fit its base; the message names profile and element."""


def with_snapshot(definition: Json, find: Find, _above: tuple[str, ...] = ()) -> Json:
    """The StructureDefinition with a snapshot: itself where it has one. Bases are found and completed in turn."""
    if "snapshot" in definition:
        return definition
    url, base_url = definition["url"], definition.get("baseDefinition")
    if base_url is None:
        raise SnapshotError(f"{url} has neither a snapshot nor a baseDefinition")
    if url in _above:
        raise SnapshotError(f"{url} is its own base: {' → '.join((*_above, url))}")
    base = find(base_url.partition("|")[0])
    if base is None:
        raise SnapshotError(f"{url}: its base {base_url} is not known")
    base = with_snapshot(base, find, (*_above, url))
    worker = _Snapshot(definition, base, find)
    for element in definition.get("differential", {}).get("element", ()):
        worker.apply(element)
    return {**definition, "snapshot": {"element": worker.elements}}


class _Snapshot:
    def __init__(self, definition: Json, base: Json, find: Find) -> None:
        self.url, self.type, self.find = definition["url"], definition["type"], find
        self.elements: list[Json] = [_with_base(e) for e in base["snapshot"]["element"]]
        self.places: dict[str, Json] = {e["id"]: e for e in self.elements}
        self.named: dict[str, list[str]] = {}
        self.offered: dict[str, list[Json]] = {}

    def apply(self, change: Json) -> None:
        """Work one element of the differential in."""
        id_ = self._normal(change.get("id") or _id_of(change))
        element = self._element(id_)
        _merge(element, {k: v for k, v in change.items() if k not in ("id", "path")})
        if ":" in id_.rpartition(".")[2]:
            element.setdefault("sliceName", id_.rpartition(":")[2])

    def _normal(self, id_: str) -> str:
        """The id with `valueQuantity` written as `value[x]:valueQuantity`."""
        steps = id_.split(".")
        for n in range(1, len(steps)):
            if "[x]" in steps[n] or ".".join(steps[: n + 1]) in self.places:
                continue
            parent = ".".join(steps[:n])
            for e in self.elements:
                head, _, last = e["id"].rpartition(".")
                if head == parent and last.endswith("[x]") and steps[n].startswith(last[:-3]):
                    kinds = [t["code"][0].upper() + t["code"][1:] for t in e.get("type", ())]
                    if steps[n][len(last) - 3 :] in kinds:
                        self._narrow(e, steps[n][len(last) - 3 :])
                        steps[n] = f"{last}:{steps[n]}"
                        break
        return ".".join(steps)

    def _narrow(self, choice: Json, kind: str) -> None:
        """A choice named by one of its types has no others, but for those that the differential names as well."""
        named = self.named.setdefault(choice["id"], [])
        if not named:
            self.offered[choice["id"]] = choice.get("type", [])
        if kind not in named:
            named.append(kind)
        choice["type"] = [t for t in self.offered[choice["id"]] if t["code"][0].upper() + t["code"][1:] in named]
        choice["slicing"] = {**TYPE_SLICING, "rules": "closed"}

    def _element(self, id_: str) -> Json:
        """The element of an id, made from its type or from what it slices if it is not there yet."""
        found = self.places.get(id_)
        if found is not None:
            return found
        head, _, last = id_.rpartition(".")
        if not head:
            raise SnapshotError(f"{self.url}: {id_} is not an element of {self.type}")
        name, _, slice_ = last.partition(":")
        if slice_:
            return self._slice(id_, slice_)
        self._element(head)
        self._unfold(head)
        found = self.places.get(id_)
        if found is None:
            raise SnapshotError(f"{self.url}: there is no element {name} in {head}")
        return found

    def _slice(self, id_: str, name: str) -> Json:
        whole = id_.rpartition("/")[0] if "/" in name else id_[: -len(name) - 1]
        sliced = self._element(whole)
        clone = {k: v for k, v in sliced.items() if k not in ("slicing", "sliceName", "min")}
        clone |= {"id": id_, "sliceName": name, "min": 0}
        if sliced["path"].endswith("[x]"):
            last = sliced["path"].rpartition(".")[2][:-3]
            types = [t for t in sliced.get("type", ()) if last + t["code"][0].upper() + t["code"][1:] == name]
            clone["type"] = types or sliced.get("type", [])
            clone["max"] = "1"
            sliced.setdefault("slicing", TYPE_SLICING)
        elif sliced["path"].endswith((".extension", ".modifierExtension")):
            sliced.setdefault("slicing", EXTENSION_SLICING)
        children = [e for e in self.elements if e["id"].startswith(whole + ".")]
        group = tuple(whole + mark for mark in (".", ":", "/"))
        place = max(n for n, e in enumerate(self.elements) if e["id"] == whole or e["id"].startswith(group)) + 1
        copies = [{**e, "id": id_ + e["id"][len(whole) :]} for e in children]
        self._insert(place, [clone, *copies])
        return clone

    def _unfold(self, id_: str) -> None:
        """Put the children of an element's type below it."""
        element = self.places[id_]
        if any(e["id"].startswith(id_ + ".") for e in self.elements):
            return
        if "contentReference" in element:
            origin = element["contentReference"].partition("#")[2]
            source = [e for e in self.elements if e["id"].startswith(origin + ".") and ":" not in e["id"]]
            self._graft(element, origin, source)
            return
        types = element.get("type", ())
        if not types:
            raise SnapshotError(f"{self.url}: {id_} has no type whose children could be constrained")
        profiles = [p for t in types for p in t.get("profile", ())] if len(types) == 1 else []
        known = self.find(profiles[0].partition("|")[0]) if len(profiles) == 1 else None
        definition = known or self.find(types[0]["code"] if len(types) == 1 else "Element")
        if definition is None:
            raise SnapshotError(f"{self.url}: the type {types[0]['code']} of {id_} is not known")
        source = with_snapshot(definition, self.find, (self.url,))["snapshot"]["element"]
        self._graft(element, source[0]["id"], source[1:])

    def _graft(self, element: Json, origin: str, source: list[Json]) -> None:
        path, id_ = element["path"], element["id"]
        start = origin.partition(":")[0]
        copies = [
            {**_with_base(e), "id": id_ + e["id"][len(origin) :], "path": path + e["path"][len(start) :]}
            for e in source
        ]
        self._insert(self.elements.index(element) + 1, copies)

    def _insert(self, place: int, new: list[Json]) -> None:
        self.elements[place:place] = new
        self.places.update((e["id"], e) for e in new)


def _id_of(change: Json) -> str:
    """The id that a differential element without one has."""
    return f"{change['path']}:{change['sliceName']}" if "sliceName" in change else str(change["path"])


def _with_base(element: Json) -> Json:
    if "base" in element:
        return dict(element)
    return {**element, "base": {"path": element["path"], "min": element["min"], "max": element["max"]}}


def _merge(element: Json, change: Json) -> None:
    for key, value in change.items():
        if key in MERGED_LISTS and key in element:
            known = element[key]
            name = MERGED_LISTS[key]
            names = {row[name] for row in value} if name else set()
            element[key] = [row for row in known if not name or row[name] not in names] + value
        else:
            element[key] = value
