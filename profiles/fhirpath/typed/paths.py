"""Generated Python for what yields items: paths, filters, projections."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from profiles.fhirpath.engine import resolve_type, type_argument
from profiles.fhirpath.model import SYSTEM, Type, fhir_type, is_fhir_type, selects
from profiles.fhirpath.syntax import (
    Binary,
    Call,
    Empty,
    External,
    Index,
    Literal,
    Member,
    Node,
    Special,
    TypeTest,
    Union,
)
from profiles.fhirpath.typed.texts import TEXTS
from profiles.fhirpath.typed.value import TEXTUAL, Names, Untypable, Value, get, has, keys_of, names_of, system

_EXTERNAL = {
    "ucum": "http://unitsofmeasure.org",
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}


class Paths:
    """Writes the Python of items. `truth` writes conditions (see conditions.py)."""

    hosts: frozenset[str] = frozenset()
    """Names of host functions, which come before FHIRPath's own and which only closures call."""

    def __init__(self, root: Value, resource: str, root_resource: str, names: Names) -> None:
        self.root, self.resource, self.root_resource, self.names = root, resource, root_resource, names

    def truth(self, node: Node, me: Value, want: bool) -> str:
        """The Python condition that the node is true (or, with `want` False, false)."""
        raise Untypable

    def is_condition(self, node: Node) -> bool:
        """Whether the node's value is a truth."""
        raise Untypable

    def value(self, node: Node, me: Value) -> Value:
        """The node's items, with `me` as `$this`. Raises Untypable."""
        if self.is_condition(node):
            yes, no = self.truth(node, me, True), self.truth(node, me, False)
            return system("Boolean", f"(True if {yes} else False if {no} else None)")
        make = _VALUES.get(type(node))
        if make is None:
            raise Untypable
        return make(self, node, me)

    def base(self, node: Member | Call, me: Value) -> Value:
        """The items that a step or function is applied to."""
        return me if node.base is None else self.value(node.base, me)

    def step(self, base: Value, name: str) -> Value:
        """The items of an element of the base's items."""
        if base.code == "None":
            return base
        if base.choice is not None:
            types = [t for _, t in base.choice.keys if name in t.elements and not t.primitive]
            if len(types) != 1:
                raise Untypable
            base = self.narrow(base, types[0])
        if base.type is None or base.type.primitive or base.type.namespace != "FHIR":
            raise Untypable
        element = base.type.elements.get(name)
        if element is None and base.type.open:
            element = fhir_type("DomainResource").elements.get(name)
        if element is None:
            raise Untypable
        if base.clauses:
            base = self.names.each(base)
        keys = keys_of(element)
        present = has(base.code, keys)
        if element.choice:
            clauses = (*base.clauses, f"if {present}") if base.clauses else ()
            picked = f"fp_pick({base.code}, {tuple(key for key, _ in element.keys)!r})"
            return Value(picked, None, clauses, None if clauses else present, element, base.code)
        key, type_ = element.keys[0]
        if element.many:
            return self._repeating(base, key, type_)
        code = get(base.code, key)
        if base.clauses:
            return Value(code, type_, (*base.clauses, f"if {present}"))
        return Value(code, type_, present=present)

    def _repeating(self, base: Value, key: str, type_: Type) -> Value:
        item = self.names.new()
        clauses = base.clauses
        owner = base.code
        if not owner.isidentifier():
            owner = self.names.new()
            clauses = (*clauses, f"for {owner} in fp_one({base.code})")
        source = f"{owner}.get({key!r}, ())"
        if type_.primitive:
            source = (
                f"({owner}[{key!r}] if {key!r} in {owner} and '_{key}' not in {owner} else fp_many({owner}, {key!r}))"
            )
        keys = (key, f"_{key}") if type_.primitive else (key,)
        present = None if base.clauses else has(base.code, keys)
        return Value(item, type_, (*clauses, f"for {item} in {source}"), present)

    def narrow(self, value: Value, type_: Type) -> Value:
        """Those of the items that are of a type."""
        if value.code == "None":
            return value
        if value.choice is not None:
            return self.among(value, type_, [(k, t) for k, t in value.choice.keys if selects(type_, t)])
        if value.type is None:
            raise Untypable
        if value.type is type_ or (not type_.primitive and type_ in value.type.ancestors):
            return value
        if not value.type.open or not type_.is_resource or type_.open:
            raise Untypable
        if value.clauses:
            each = self.names.each(value)
            return Value(each.code, type_, (*each.clauses, f"if {each.code}.get('resourceType') == {type_.name!r}"))
        return Value(f"fp_resource({value.code}, {type_.name!r})", type_)

    def among(self, value: Value, type_: Type, keys: list[tuple[str, Type]]) -> Value:
        """Those of a choice's items that are under some of its keys, all of which hold `type_`."""
        if not keys:
            return Value("None", type_, present="False")
        present = has(value.owner, names_of(keys))
        first = keys[0][0]
        many = len(keys) > 1
        code = f"fp_pick({value.owner}, {tuple(k for k, _ in keys)!r})" if many else get(value.owner, first)
        kind = type_ if many else keys[0][1]
        if value.clauses:
            return Value(code, kind, (*value.clauses[:-1], f"if {present}"))
        return Value(code, kind, present=present)

    def where(self, value: Value, criteria: Node) -> Value:
        """The items that fulfil a condition."""
        if value.code == "None":
            return value
        each = self.names.each(value)
        me = replace(each, clauses=(), present=None)
        return replace(each, clauses=(*each.clauses, f"if {self.truth(criteria, me, True)}"), present=None)

    def select(self, value: Value, projection: Node) -> Value:
        """The items of a projection of each item."""
        if value.code == "None":
            return value
        each = self.names.each(value)
        me = replace(each, clauses=(), present=None)
        part = self.value(projection, me)
        if part.clauses:
            return replace(part, clauses=(*each.clauses, *part.clauses), present=None)
        name = self.names.new()
        if part.present is None:
            return Value(name, part.type, (*each.clauses, f"for {name} in fp_one({part.code})"))
        return replace(part, clauses=(*each.clauses, f"if {part.present}"), present=None)


def _member(paths: Paths, node: Member, me: Value) -> Value:
    if node.base is None and node.name[:1].isupper() and is_fhir_type(node.name):
        wanted = fhir_type(node.name)
        if me.type is not None and wanted in me.type.ancestors:
            return me
        if me.type is not None and not me.type.open and wanted.is_resource:
            return Value("None", wanted, present="False")
        raise Untypable
    return paths.step(paths.base(node, me), node.name)


def _literal(paths: Paths, node: Literal, me: Value) -> Value:
    kinds = {str: "String", int: "Integer", bool: "Boolean"}
    kind = kinds.get(type(node.value))
    if kind is None:
        raise Untypable
    return system(kind, repr(node.value), constant=node.value, present="True")


def _external(paths: Paths, node: External, me: Value) -> Value:
    if node.name == "context":
        return paths.root
    if node.name == "resource":
        known = paths.root.type if paths.root.type is not None and paths.root.type.is_resource else None
        return Value(paths.resource, known or _resource_of(paths.root.type))
    if node.name == "rootResource":
        return Value(paths.root_resource, fhir_type("DomainResource"))
    if node.name in _EXTERNAL:
        text = _EXTERNAL[node.name]
        return system("String", repr(text), constant=text, present="True")
    raise Untypable


def _resource_of(type_: Type | None) -> Type:
    """The resource that a backbone element is part of; for a data type any."""
    name = type_.name.partition(".")[0] if type_ else ""
    found = fhir_type(name) if is_fhir_type(name) else None
    return found if found is not None and found.is_resource else fhir_type("DomainResource")


def _special(paths: Paths, node: Special, me: Value) -> Value:
    if node.name != "this":
        raise Untypable
    return me


def _union(paths: Paths, node: Union, me: Value) -> Value:
    parts = [paths.value(branch, me) for branch in node.branches]
    parts = [part for part in parts if part.code != "None"]
    if not parts:
        return Value("None", SYSTEM["Any"], present="False")
    if len(parts) == 1 and (parts[0].present or not parts[0].clauses):
        return parts[0]
    return _joined(paths, parts, "fp_union")


def _joined(paths: Paths, parts: list[Value], function: str) -> Value:
    types = {part.type for part in parts}
    textual = all(part.type is not None and part.type.name in TEXTUAL for part in parts)
    objects = len(types) == 1 and all(_is_plain_object(part.type) for part in parts)
    kind = parts[0].type if len(types) == 1 else SYSTEM["String"] if textual else SYSTEM["Any"]
    if not textual and not objects and function == "fp_union":
        function = "fp_union_of_one"
    name = paths.names.new()
    lists = ", ".join(part.listed for part in parts)
    return Value(name, kind or SYSTEM["Any"], (f"for {name} in {function}({lists})",))


def _is_plain_object(type_: Type | None) -> bool:
    return type_ is not None and type_.namespace == "FHIR" and not type_.primitive and not type_.open


def _index(paths: Paths, node: Index, me: Value) -> Value:
    base = paths.value(node.base, me)
    if not (isinstance(node.index, Literal) and type(node.index.value) is int) or base.type is None:
        raise Untypable
    position = node.index.value
    return Value(f"fp_at({base.listed}, {position})", base.type)


def _type_test(paths: Paths, node: TypeTest, me: Value) -> Value:
    return _cast(paths, paths.value(node.operand, me), node, node.type)


def _cast(paths: Paths, value: Value, node: Node, text: str) -> Value:
    kinds = [t for t in resolve_type(node, text).types if t.namespace == "FHIR"]
    if not kinds or value.clauses:
        raise Untypable
    return paths.narrow(value, kinds[0])


def _of_type(paths: Paths, node: Call, me: Value) -> Value:
    kinds = [
        t for t in resolve_type(node.arguments[0], type_argument(node.arguments[0])).types if t.namespace == "FHIR"
    ]
    if not kinds:
        raise Untypable
    return paths.narrow(paths.base(node, me), kinds[0])


def _first(paths: Paths, node: Call, me: Value) -> Value:
    base = paths.base(node, me)
    if base.type is None:
        raise Untypable
    return Value(f"fp_at({base.listed}, 0)", base.type) if base.clauses else base


def _last(paths: Paths, node: Call, me: Value) -> Value:
    base = paths.base(node, me)
    if base.type is None:
        raise Untypable
    return Value(f"fp_last({base.listed})", base.type) if base.clauses else base


def _single(paths: Paths, node: Call, me: Value) -> Value:
    base = paths.base(node, me)
    return Value(base.single, base.type) if base.type is not None and base.clauses else base


def _slice(text: str) -> Callable[[Paths, Call, Value], Value]:
    def run(paths: Paths, node: Call, me: Value) -> Value:
        base = paths.base(node, me)
        argument = node.arguments[0] if node.arguments else None
        number = argument.value if isinstance(argument, Literal) else None
        if base.type is None or (argument is not None and type(number) is not int):
            raise Untypable
        name = paths.names.new()
        return Value(name, base.type, (f"for {name} in {base.listed}[{text.format(number)}]",))

    return run


def _count(paths: Paths, node: Call, me: Value) -> Value:
    base = paths.base(node, me)
    code = f"len({base.listed})" if base.clauses else f"(1 if {base.exists} else 0)"
    return system("Integer", code, present="True")


def _extension(paths: Paths, node: Call, me: Value) -> Value:
    base = paths.base(node, me)
    url = paths.value(node.arguments[0], me)
    if base.type is None or base.type.primitive or not isinstance(url.constant, str):
        raise Untypable
    owner = base.code
    clauses = base.clauses
    if clauses or not owner.isidentifier():
        each = paths.names.each(base)
        owner, clauses = each.code, each.clauses
    name = paths.names.new()
    return Value(name, fhir_type("Extension"), (*clauses, f"for {name} in fp_extensions({owner}, {url.constant!r})"))


def _iif(paths: Paths, node: Call, me: Value) -> Value:
    if node.base is not None:
        raise Untypable
    if not paths.is_condition(node.arguments[0]):
        raise Untypable  # what is no Boolean is an error there, not a truth
    condition = paths.truth(node.arguments[0], me, True)
    chosen, *rest = [paths.value(argument, me) for argument in node.arguments[1:]]
    other = rest[0] if rest else Value("None", chosen.type)
    if chosen.type is None or other.type is None:
        raise Untypable
    textual = chosen.kind in TEXTUAL and other.kind in TEXTUAL
    kind = chosen.type if chosen.type is other.type else SYSTEM["String" if textual else "Any"]
    if not (chosen.clauses or other.clauses):
        return Value(f"({chosen.code} if {condition} else {other.code})", kind)
    name = paths.names.new()
    return Value(name, kind, (f"for {name} in ({chosen.listed} if {condition} else {other.listed})",))


def _intersect(paths: Paths, node: Call, me: Value) -> Value:
    parts = [paths.base(node, me), paths.value(node.arguments[0], me)]
    if not all(_is_plain_object(part.type) or (part.type and part.type.name in TEXTUAL) for part in parts):
        raise Untypable
    return _joined(paths, parts, "fp_intersect")


def _distinct(paths: Paths, node: Call, me: Value) -> Value:
    return _joined(paths, [paths.base(node, me)], "fp_union")


def _combine(paths: Paths, node: Call, me: Value) -> Value:
    if len(node.arguments) != 1:
        raise Untypable
    parts = [paths.base(node, me), paths.value(node.arguments[0], me)]
    return _joined(paths, parts, "fp_union" if node.name == "union" else "fp_combine")


_INTEGERS = frozenset(("integer", "positiveInt", "unsignedInt", "Integer"))


def _binary(paths: Paths, node: Binary, me: Value) -> Value:
    left, right = paths.value(node.left, me), paths.value(node.right, me)
    if node.operator == "&" and left.kind in TEXTUAL and right.kind in TEXTUAL:
        return system("String", f"fp_join({left.single}, {right.single})", present="True")
    if node.operator == "+" and left.kind == right.kind == "Integer":
        return system("Integer", f"fp_add({left.single}, {right.single})")
    if node.operator == "mod" and left.kind in _INTEGERS and right.kind in _INTEGERS:
        return system("Integer", f"fp_mod({left.single}, {right.single})")
    raise Untypable


_CALLS: dict[str, Callable[[Paths, Call, Value], Value]] = {
    **TEXTS,
    "where": lambda paths, node, me: paths.where(paths.base(node, me), node.arguments[0]),
    "select": lambda paths, node, me: paths.select(paths.base(node, me), node.arguments[0]),
    "ofType": _of_type,
    "as": lambda paths, node, me: _cast(paths, paths.base(node, me), node, type_argument(node.arguments[0])),
    "iif": _iif,
    "trace": lambda paths, node, me: paths.base(node, me),
    "first": _first,
    "last": _last,
    "single": _single,
    "tail": _slice("1:"),
    "skip": _slice("{}:"),
    "take": _slice(":{}"),
    "count": _count,
    "extension": _extension,
    "intersect": _intersect,
    "distinct": _distinct,
    "combine": _combine,
    "union": _combine,
}


def _call(paths: Paths, node: Call, me: Value) -> Value:
    make = _CALLS.get(node.name)
    if make is None or node.name in paths.hosts:
        raise Untypable
    return make(paths, node, me)


_VALUES: dict[type[Node], Callable[[Paths, Any, Value], Value]] = {
    Member: _member,
    Literal: _literal,
    Empty: lambda paths, node, me: Value("None", SYSTEM["Any"], present="False"),
    External: _external,
    Special: _special,
    Union: _union,
    Index: _index,
    TypeTest: _type_test,
    Binary: _binary,
    Call: _call,
}
