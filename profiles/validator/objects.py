"""What R4 lets stand in an object: the members of each type and backbone element, as its StructureDefinition has them.

Source: https://hl7.org/fhir/R4/json.html
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from profiles.definitions import BASE, Definitions
from profiles.validator.primitives import CONDITIONS

Json = dict[str, Any]

SYSTEM_TYPE = "http://hl7.org/fhirpath/System."
FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"
QUANTITIES = ("SimpleQuantity", "MoneyQuantity")
"""The constraints on data types that base elements name as their profile; they get functions like types."""
OFTEN_FIRST = (
    "system", "code", "value", "coding", "display", "reference", "text", "url", "status", "subject", "use", "type",
    "identifier", "name", "period",
)  # fmt: skip
"""Keys that are asked for first, because most objects have them."""
SELDOM = ("id", "extension", "modifierExtension")
"""Keys that every object may have and few do: asked for last."""


class Member(NamedTuple):
    """One JSON property of an object: an element, or one type of a choice element."""

    key: str
    element: Json
    type: str
    target: str
    """Suffix of the function that checks a complex value; the primitive's name otherwise."""
    many: bool
    choice: int
    """Number of the choice element it belongs to, -1 for none."""
    primitive: bool

    @property
    def step(self) -> str:
        """Its step in a FHIRPath."""
        return f"{self.key[: -len(self.type)]}.ofType({self.type})" if self.choice >= 0 else self.key


class Choice(NamedTuple):
    """A choice element `name[x]` and its keys; `least` of them must be there."""

    name: str
    least: int
    keys: list[str]


class Object:
    """A type or backbone element, and all that may stand in it."""

    def __init__(self, name: str, definition: Json, element: Json) -> None:
        self.element, self.path, self.type = element, str(element["path"]), name
        self.name = suffix(self.path) if "." in self.path else name
        """Suffix of its functions."""
        self.is_root = "." not in self.path
        self.is_resource = definition["kind"] == "resource" and self.is_root
        self.choices: list[Choice] = []
        self.members = list(self._members(definition))

    @property
    def required(self) -> list[Member]:
        """Members that must be there, choices apart."""
        return [m for m in self.members if m.element["min"] and m.choice < 0]

    @property
    def companions(self) -> dict[str, Member]:
        """`_key` → the primitive whose id and extensions it holds."""
        found = {f"_{m.key}": m for m in self.members if m.primitive and m.type != "xhtml"}
        if not self.is_resource:
            found.pop("_id", None)
        if self.name == "Extension":
            del found["_url"]  # an attribute in XML, as the id of an element is: nothing can be beside it
        return found

    @property
    def needed_values(self) -> list[str]:
        """The companions of codes from a required set: an extension does not stand for the code."""
        return [
            key
            for key, m in self.companions.items()
            if m.type == "code" and not m.many and m.element.get("binding", {}).get("strength") == "required"
        ]

    def _members(self, definition: Json) -> Iterator[Member]:
        depth = self.path.count(".") + 1
        for e in definition["snapshot"]["element"]:
            path = e["path"]
            if not path.startswith(self.path + ".") or path.count(".") != depth or ":" in e["id"] or e["max"] == "0":
                continue
            name, choice = path.rpartition(".")[2], -1
            if name.endswith("[x]"):
                choice = len(self.choices)
                self.choices.append(Choice(name[:-3], e["min"], []))
            for type_ in e.get("type") or [{"code": "BackboneElement"}]:
                member = self._member(e, name, type_, choice)
                if choice >= 0:
                    self.choices[choice].keys.append(member.key)
                yield member

    def _member(self, e: Json, name: str, type_: Json, choice: int) -> Member:
        code: str = type_["code"]
        if code.startswith(SYSTEM_TYPE):
            code = next((x["valueUrl"] for x in type_.get("extension", ()) if x["url"] == FHIR_TYPE), "string")
            if self.is_resource and name == "id":
                code = "id"
        key = name[:-3] + code[0].upper() + code[1:] if choice >= 0 else name
        many = e.get("base", e)["max"] not in ("0", "1")
        if code in CONDITIONS:
            return Member(key, e, code, code, many, choice, True)
        if "contentReference" in e:
            target = suffix(e["contentReference"].partition("#")[2])
        elif code in ("BackboneElement", "Element"):
            target = suffix(e["path"])
        else:
            profiles = [p.removeprefix(BASE) for p in type_.get("profile", ())]
            target = profiles[0] if len(profiles) == 1 and profiles[0] in QUANTITIES else code
        return Member(key, e, code, target, many, choice, False)


def suffix(path: str) -> str:
    return path.replace(".", "_").replace("[x]", "")


def objects(definitions: Definitions, name: str) -> Iterator[Object]:
    """A type and its backbone elements. Raises KeyError for an unknown type."""
    definition = definitions.structure(name)
    if definition is None:
        raise KeyError(name)
    elements = definition["snapshot"]["element"]
    parents = {e["path"].rpartition(".")[0] for e in elements}
    for element in elements:
        if element["path"] in parents and ":" not in element["id"]:
            yield Object(name, definition, element)


def data_types(definitions: Definitions) -> list[str]:
    """Every complex data type with a structure of its own."""
    names = [
        s["type"]
        for s in definitions.structures()
        if s["kind"] == "complex-type" and s.get("derivation") != "constraint" and "snapshot" in s
    ]
    return [*names, *QUANTITIES]


def targets(member: Member) -> list[str]:
    """The resource types that a reference may point to, nothing where that is any."""
    row = next(t for t in member.element["type"] if t["code"] == member.type)
    found = sorted(t.removeprefix(BASE) for t in row.get("targetProfile", ()))
    return [] if "Resource" in found else found


def rank(key: str) -> int:
    """The place of a key in the order in which keys are asked for."""
    if key in SELDOM:
        return len(OFTEN_FIRST) + 1
    return OFTEN_FIRST.index(key) if key in OFTEN_FIRST else len(OFTEN_FIRST)
