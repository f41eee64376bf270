"""The type model: FHIR types with their elements, and FHIRPath's System types.

Loaded from `model.txt` a type at a time, when something first asks for it. Source: https://hl7.org/fhir/R4/fhirpath.html#types.
"""

from collections.abc import Callable, Iterator
from functools import cache, cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

_PRIMITIVE_NAMES = (
    "base64Binary boolean canonical code date dateTime decimal id instant integer markdown oid positiveInt "
    "string time unsignedInt uri url uuid xhtml"
)
PRIMITIVES = frozenset(_PRIMITIVE_NAMES.split())
SYSTEM_NAMES = ("Any", "Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity")


Reader = Callable[[dict[str, Any], list[Any]], None]


class Element(NamedTuple):
    """One element as its owner's JSON holds it.

    `keys` are the JSON names with the type of each: one, or for a choice one for every type; `many`: it repeats.
    `read(owner, out)` appends the element's items (see values.py) that the owner's JSON object has.
    """

    name: str
    keys: tuple[tuple[str, "Type"], ...]
    many: bool
    choice: bool
    read: Reader


class Type:
    """A FHIR type, a backbone element (named by its path), or a System type."""

    def __init__(self, name: str, base: "Type | None", namespace: str = "FHIR", spec: tuple[str, ...] = ()) -> None:
        self.name, self.base, self.namespace, self._spec = name, base, namespace, spec
        self.primitive = namespace == "FHIR" and name in PRIMITIVES
        self.ancestors: frozenset[Type] = frozenset({self}) | (base.ancestors if base else frozenset())
        self.is_resource: bool = namespace == "FHIR" and (name == "Resource" or (base is not None and base.is_resource))
        # A resource's own type is known only from its `resourceType`: declared Resource or DomainResource say little.
        self.open = name in ("Resource", "DomainResource", "Any")

    def __repr__(self) -> str:
        return f"{self.namespace}.{self.name}"

    @cached_property
    def elements(self) -> dict[str, Element]:
        """Elements by FHIRPath name (a choice by its name without `[x]`), the inherited first."""
        found = dict(self.base.elements) if self.base else {}
        for word in self._spec:
            name, _, codes = word.partition(":")
            choice, many = name.endswith("?"), "*" in name
            name = name.rstrip("*?")
            types = [fhir_type(code) for code in codes.split("|")]
            keys = tuple((choice_key(name, t.name), t) for t in types) if choice else ((name, types[0]),)
            found[name] = Element(name, keys, many, choice, _reader(keys))
        return found

    @cached_property
    def key_elements(self) -> dict[str, Element]:
        """Elements by JSON name: what `children()` walks over."""
        return {key: element for element in self.elements.values() for key, _ in element.keys}


def choice_key(name: str, type_name: str) -> str:
    """The JSON name of a choice that is of this type: `value`, `dateTime` → `valueDateTime`."""
    return name + type_name[0].upper() + type_name[1:]


def _reader(keys: tuple[tuple[str, Type], ...]) -> Reader:
    readers = [
        _read_primitive(k, t) if t.primitive else _read_open(k, t) if t.open else _read_object(k, t) for k, t in keys
    ]
    if len(readers) == 1:
        return readers[0]
    by_key = {name: read for (key, _), read in zip(keys, readers, strict=True) for name in (key, f"_{key}")}

    def read_choice(owner: dict[str, Any], out: list[Any]) -> None:
        for key in owner:
            read = by_key.get(key)
            if read is not None:
                read(owner, out)
                return

    return read_choice


def _read_object(key: str, type_: Type) -> Reader:
    def read(owner: dict[str, Any], out: list[Any]) -> None:
        value = owner.get(key)
        if value.__class__ is list:
            out.extend([(part, type_, None) for part in value])
        elif value is not None:
            out.append((value, type_, None))

    return read


def _read_open(key: str, type_: Type) -> Reader:
    def read(owner: dict[str, Any], out: list[Any]) -> None:
        value = owner.get(key)
        if value is not None:
            for part in value if value.__class__ is list else (value,):
                known = type_of_resource(part) if part.__class__ is dict else None
                out.append((part, known or type_, None))

    return read


def _read_primitive(key: str, type_: Type) -> Reader:
    sibling = f"_{key}"

    def read(owner: dict[str, Any], out: list[Any]) -> None:
        value, extra = owner.get(key), owner.get(sibling)
        if extra is not None:
            _read_pairs(value, extra, type_, out)
        elif value.__class__ is list:
            out.extend([(part, type_, None) for part in value if part is not None])
        elif value is not None:
            out.append((value, type_, None))

    return read


def _read_pairs(value: Any, extra: Any, type_: Type, out: list[Any]) -> None:
    if value.__class__ is not list and extra.__class__ is not list:
        out.append((value, type_, extra))
        return
    values, extras = (part if part.__class__ is list else [] if part is None else [part] for part in (value, extra))
    for v, x in zip_longest(values, extras):
        if v is not None or x is not None:
            out.append((v, type_, x))


@cache
def _table() -> dict[str, str]:
    text = Path(__file__).with_name("model.txt").read_text("utf-8")
    return {line.partition(" ")[0]: line for line in text.splitlines()}


@cache
def fhir_type(name: str) -> Type:
    """The FHIR type of this name or backbone path; KeyError where there is none."""
    _, base, *spec = _table()[name].split(" ")
    return Type(name, None if base == "Any" else fhir_type(base), spec=tuple(spec))


def type_names() -> Iterator[str]:
    """The names of all FHIR types, backbone paths included."""
    return iter(_table())


def is_fhir_type(name: str) -> bool:
    """Whether there is such a FHIR type (a backbone path counts)."""
    return name in _table()


SYSTEM: dict[str, Type] = {name: Type(name, None, "System") for name in SYSTEM_NAMES}


class _Untyped(Type):
    """An object that nothing is known about: any name may be asked for, a choice is found by its JSON name."""

    def __init__(self) -> None:
        super().__init__("Any", None, "")
        self.__dict__["elements"] = _AnyElements()


class _AnyElements(dict[str, Element]):
    def get(self, name: str, default: Any = None) -> Any:
        """An element that reads whatever is there under the name."""
        return Element(name, (), True, True, lambda owner, out: _read_any(owner, name, out))


def _read_any(owner: dict[str, Any], name: str, out: list[Any]) -> None:
    key, type_ = name, UNTYPED
    if name not in owner and f"_{name}" not in owner:
        for candidate in owner:
            suffix = candidate.removeprefix("_").removeprefix(name)
            for type_name in (suffix, suffix[:1].lower() + suffix[1:]):
                if f"_{name}{suffix}".endswith(candidate) and is_fhir_type(type_name) and suffix[:1].isupper():
                    key, type_ = name + suffix, fhir_type(type_name)
    if type_ is UNTYPED:
        (_read_open if isinstance(owner.get(key), dict) else _read_primitive)(key, UNTYPED)(owner, out)
    else:
        _reader(((key, type_),))(owner, out)


UNTYPED: Type = _Untyped()
"""The type of a dict without `resourceType` that a caller handed in."""


def type_of_resource(resource: dict[str, Any]) -> Type | None:
    """The type that `resourceType` names, or None."""
    name = resource.get("resourceType")
    return fhir_type(name) if isinstance(name, str) and name in _table() else None


class Specifier(NamedTuple):
    """A type as an expression names it: one, or two where an unqualified name means both (`Quantity`)."""

    text: str
    types: tuple[Type, ...]

    def covers(self, type_: Type) -> bool:
        """`is`: the type itself or one derived from it."""
        return any(t in type_.ancestors for t in self.types)

    def selects(self, type_: Type) -> bool:
        """`as`, `ofType`: as `is`, but a primitive only of exactly this type (HL7's suite, testFHIRPathAsFunction)."""
        return any(selects(t, type_) for t in self.types)


def selects(wanted: Type, type_: Type) -> bool:
    """Whether `as(wanted)` lets a type through: itself or one derived from it, but of primitives only itself."""
    return type_ is wanted if type_.primitive else wanted in type_.ancestors


def specifier(text: str) -> Specifier | None:
    """Resolve `Patient`, `FHIR.Patient`, `System.String`, `string`; None where there is no such type."""
    namespace, _, name = text.rpartition(".")
    found = []
    if namespace in ("", "FHIR") and name and is_fhir_type(name):
        found.append(fhir_type(name))
    if namespace in ("", "System") and name in SYSTEM:
        found.append(SYSTEM[name])
    if namespace == "System" and not found and is_fhir_type(name):
        return Specifier(text, ())  # `is(System.Patient)` is false, not an error (HL7's suite, testType22)
    return Specifier(text, tuple(found)) if found else None
