"""How an answer is to look: `_format`, `_pretty`, `_summary`, `_elements`, `Prefer`.

Source: https://hl7.org/fhir/R4/search.html#summary, https://hl7.org/fhir/R4/http.html#ops (Prefer, _format).
"""

from functools import cache, lru_cache
from typing import Any, Literal, NamedTuple

import msgspec

from gateway.errors import FhirError
from gateway.media import Format, named
from profiles import definitions
from profiles.fhirjson import Resource

SUMMARIES = ("true", "text", "data", "count", "false")
SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
PREFERENCES = {"return": ("representation", "minimal", "OperationOutcome"), "handling": ("strict", "lenient")}

Tree = dict[str, "Tree | None"]
"""Elements to keep by JSON key; None keeps the element whole."""


class View(NamedTuple):
    """What the caller asked an answer to look like. `format` is empty where `_format` and Accept leave it open."""

    pretty: bool = False
    summary: str = "false"
    elements: tuple[str, ...] = ()
    format: Literal["", "json", "xml"] = ""

    @property
    def asked(self) -> list[tuple[str, str]]:
        """As parameters of the address of a page like this one."""
        how = [("_summary", self.summary)] if self.summary != "false" else []
        return how + ([("_elements", ",".join(self.elements))] if self.elements else [])

    @property
    def subset(self) -> bool:
        """Whether resources are to be cut down."""
        return bool(self.elements) or self.summary not in ("false", "count")


PLAIN = View()


class Prefer(NamedTuple):
    """The Prefer header. `returns` is empty where nothing was asked for; `later`: respond-async."""

    returns: str = ""
    lenient: bool = False
    later: bool = False


@lru_cache(maxsize=256)
def prefer(header: bytes) -> Prefer:
    """Parse a Prefer header. What FHIR does not know is left out, as RFC 7240 §2 demands.

    Raises FhirError GF-106 for a value that a preference of FHIR does not have.
    """
    found = Prefer()
    for part in header.decode("latin-1").replace(";", ",").split(","):
        name, _, value = (side.strip(' "') for side in part.lower().partition("="))
        if name == "respond-async":
            found = found._replace(later=True)
        elif name in PREFERENCES:
            known = {one.lower(): one for one in PREFERENCES[name]}
            if value not in known:
                wanted = f"{name}={'|'.join(known.values())}"
                raise FhirError("GF-106", header="Prefer", value=part.strip(), wanted=wanted)
            kept = {"returns": known[value]} if name == "return" else {"lenient": value == "lenient"}
            found = found._replace(**kept)
    return found


def view(query: list[tuple[str, str]]) -> tuple[View, list[tuple[str, str]]]:
    """Split the general parameters off a query. Raises FhirError GF-104, GF-108 (a NUL, which no value has, too)."""
    pretty, summary = False, "false"
    form: Format | Literal[""] = ""
    elements: tuple[str, ...] = ()
    rest = []
    for name, value in query:
        if "\0" in name or "\0" in value:
            shown = (name.replace("\0", "%00"), value.replace("\0", "%00"))
            raise FhirError("GF-108", name=shown[0], value=shown[1], wanted="text without NUL (%00)")
        if name == "_format":
            form = named(value)
        elif name == "_pretty":
            pretty = _one_of(name, value, ("true", "false")) == "true"
        elif name == "_summary":
            summary = _one_of(name, value, SUMMARIES)
        elif name == "_elements":
            elements = tuple(item.strip() for item in value.split(",") if item.strip())
        else:
            rest.append((name, value))
    return View(pretty, summary, elements, form), rest


def _one_of(name: str, value: str, wanted: tuple[str, ...]) -> str:
    if value not in wanted:
        raise FhirError("GF-108", name=name, value=value, wanted=" | ".join(wanted))
    return value


def subset(resource: Resource, how: View) -> Resource:
    """The part of a resource that `_summary` or `_elements` asks for, tagged SUBSETTED.

    Raises FhirError GF-108 for an element that the type does not have.
    """
    kind = resource["resourceType"]
    if how.summary == "data":
        kept = {key: value for key, value in resource.items() if key not in ("text", "_text")}
    else:
        tree = _asked(kind, how.elements) if how.elements else _summary(kind, how.summary)
        kept = _cut(resource, tree)
    meta = dict(resource.get("meta", {}))
    meta["tag"] = [*meta.get("tag", ()), SUBSETTED]
    result = {"resourceType": kind}
    if "id" in resource:
        result["id"] = resource["id"]
    result["meta"] = meta
    return {**result, **{key: value for key, value in kept.items() if key not in result}}


def is_subsetted(tag: Resource) -> bool:
    """Whether a tag says that its resource is not the whole of it."""
    return tag.get("code") == SUBSETTED["code"] and tag.get("system") == SUBSETTED["system"]


def _cut(node: dict[str, Any], tree: Tree) -> dict[str, Any]:
    kept = {}
    for key, value in node.items():
        if key not in tree:
            continue
        inner = tree[key]
        if inner is None:
            kept[key] = value
        elif isinstance(value, dict):
            kept[key] = _cut(value, inner)
        elif isinstance(value, list):
            kept[key] = [_cut(item, inner) if isinstance(item, dict) else item for item in value]
        else:
            kept[key] = value
    return kept


@cache
def _summary(kind: str, how: str) -> Tree:
    if how == "text":
        return _tree(
            kind, lambda element, top: top and (element["path"] == f"{kind}.text" or element.get("min", 0) > 0)
        )
    return _tree(kind, lambda element, top: bool(element.get("isSummary")))


def _asked(kind: str, names: tuple[str, ...]) -> Tree:
    wanted = {name.removeprefix(f"{kind}.") for name in names}
    # elements of other types in a Bundle are asked for as Type.element
    wanted = {name for name in wanted if name.partition(".")[0] not in definitions.RESOURCE_TYPES} - {"resourceType"}
    known = _names(kind)
    # what is inside a data type comes with the whole element
    wanted = {name if name in known else name.rpartition(".")[0] or name for name in wanted}
    unknown = sorted(wanted - known)
    if unknown:
        raise FhirError("GF-108", name="_elements", value=", ".join(unknown), wanted=", ".join(sorted(known)))
    return _asked_tree(kind, frozenset(wanted))


@lru_cache(maxsize=512)
def _asked_tree(kind: str, wanted: frozenset[str]) -> Tree:
    def keep(element: dict[str, Any], top: bool) -> bool:
        name = element["path"].partition(".")[2].removesuffix("[x]")
        return top and (name in wanted or element.get("min", 0) > 0 or bool(element.get("isModifier")))

    tree = _tree(kind, keep)
    for name in wanted:
        tree.setdefault(name.partition(".")[0], None)
    return tree


@cache
def _names(kind: str) -> frozenset[str]:
    return frozenset(
        element["path"].partition(".")[2].removesuffix("[x]") for element in _elements(kind) if "." in element["path"]
    )


def _elements(kind: str) -> list[dict[str, Any]]:
    structure = definitions.structure(kind)
    assert structure is not None
    found: list[dict[str, Any]] = structure["snapshot"]["element"]
    return found


def _tree(kind: str, keep: Any) -> Tree:
    """The tree of the elements that `keep(element, is_top_level)` wants; a kept backbone is cut to its kept children,
    or stays whole where none of them is kept."""
    tree: Tree = {"resourceType": None, "id": None, "meta": None}
    inner: dict[str, Tree] = {kind: tree}
    for element in _elements(kind)[1:]:
        parent, _, name = element["path"].rpartition(".")
        branch = inner.get(parent)
        if branch is None or not keep(element, parent == kind):
            continue
        kinds = [kind["code"] for kind in element.get("type", ())]
        for key in [name[:-3] + k[0].upper() + k[1:] for k in kinds] if name.endswith("[x]") else [name]:
            branch[key] = branch[f"_{key}"] = None
        if kinds == ["BackboneElement"]:
            inner[element["path"]] = {}
    for path, below in inner.items():
        if path != kind and below:
            parent, _, name = path.rpartition(".")
            inner[parent][name] = {"id": None, "extension": None, "modifierExtension": None, **below}
    return tree


def pretty(content: bytes) -> bytes:
    """The same JSON, indented; numbers keep their digits."""
    return msgspec.json.format(content, indent=2)
