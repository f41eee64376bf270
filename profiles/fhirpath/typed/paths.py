"""Generated Python for what yields items: paths, filters, projections."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from profiles.fhirpath.engine import resolve_type
from profiles.fhirpath.environment import SYSTEMS
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
from profiles.fhirpath.typed.calls import CALLS
from profiles.fhirpath.typed.texts import TEXTS
from profiles.fhirpath.typed.value import (
    TEXTUAL,
    Names,
    Untypable,
    Value,
    get,
    has,
    is_plain_object,
    keys_of,
    names_of,
    pick,
    system,
)


class Paths:
    """Writes the Python of items. `truth` writes conditions (see conditions.py)."""

    hosts: frozenset[str] = frozenset()
    """Names of host functions, which come before FHIRPath's own and which only closures call."""

    def __init__(
        self, root: Value, resource: str, root_resource: str, names: Names, constant: Callable[[str], str]
    ) -> None:
        self.root, self.resource, self.root_resource, self.names = root, resource, root_resource, names
        self.constant = constant
        self._depth = 0

    @contextmanager
    def iterating(self) -> Iterator[None]:
        """Within it an expression is written that is evaluated for each item."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def again(self, outside: Value) -> Value:
        """What is outside of the items that are gone over: once for each of them is enough."""
        if self._depth > 1:
            raise Untypable
        return replace(outside, again=bool(self._depth))

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
        present = has(base.code, keys_of(element))
        if element.choice:
            found = Value(pick(base.code, tuple(key for key, _ in element.keys)), None, present=present)
            return replace(_within(base, found), choice=element, owner=base.code)
        key, type_ = element.keys[0]
        if element.many:
            return self._repeating(base, key, type_, present)
        return _within(base, Value(get(base.code, key), type_, present=present))

    def _repeating(self, base: Value, key: str, type_: Type, present: str) -> Value:
        item = self.names.new()
        each = base if base.code.isidentifier() else self.names.each(base)
        owner = each.code
        source = f"{owner}.get({key!r}, ())"
        if type_.primitive:
            source = (
                f"({owner}[{key!r}] if {key!r} in {owner} and '_{key}' not in {owner} else fp_many({owner}, {key!r}))"
            )
        if base.again:
            if base.clauses:
                raise Untypable
            source = f"fp_few({source})"
        found = each.then(item, type_, f"for {item} in {source}")
        if base.clauses:
            return found
        return replace(found, present=present, guard=present if each is base else each.guard)

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
            return each.then(each.code, type_, f"if {each.code}.get('resourceType') == {type_.name!r}")
        return Value(f"fp_resource({value.code}, {type_.name!r})", type_)

    def among(self, value: Value, type_: Type, keys: list[tuple[str, Type]]) -> Value:
        """Those of a choice's items that are under some of its keys, all of which hold `type_`."""
        if not keys:
            return Value("None", type_, present="False")
        present = has(value.owner, names_of(keys))
        names = tuple(key for key, _ in keys)
        code = get(value.owner, *names) if len(names) == 1 else pick(value.owner, names)
        found = Value(code, keys[0][1] if len(keys) == 1 else type_, present=present)
        if value.clauses and value.choice and value.clauses[-1] == f"if {has(value.owner, keys_of(value.choice))}":
            value = replace(value, clauses=value.clauses[:-1])  # the condition that it is of any type
        return _within(value, found)

    def where(self, value: Value, criteria: Node) -> Value:
        """The items that fulfil a condition."""
        if value.code == "None":
            return value
        each = self.names.each(value)
        with self.iterating():
            return each.only(self.truth(criteria, each.item, True))

    def select(self, value: Value, projection: Node) -> Value:
        """The items of a projection of each item."""
        if value.code == "None":
            return value
        each = self.names.each(value)
        with self.iterating():
            part = self.value(projection, each.item)
        if part.clauses or part.present is not None:
            return replace(_within(each, part), constant=None)
        name = self.names.new()
        return each.then(name, part.type, f"for {name} in ({part.code},)", f"if {name} is not None")

    def cast(self, value: Value, node: Node, text: str) -> Value:
        """The one item if it is of the type that is named."""
        kinds = [t for t in resolve_type(node, text).types if t.namespace == "FHIR"]
        if not kinds or value.clauses:
            raise Untypable
        return self.narrow(value, kinds[0])

    def joined(self, parts: list[Value], function: str) -> Value:
        """The items that a function makes of several lists."""
        types = {part.type for part in parts}
        textual = all(part.type is not None and part.type.name in TEXTUAL for part in parts)
        objects = len(types) == 1 and all(is_plain_object(part.type) for part in parts)
        kind = parts[0].type if len(types) == 1 else SYSTEM["String"] if textual else SYSTEM["Any"]
        if not textual and not objects and function == "fp_union":
            function = "fp_union_of_one"
        name = self.names.new()
        lists = ", ".join(part.iterable for part in parts)
        return Value(name, kind or SYSTEM["Any"], (f"for {name} in {function}({lists})",))


def _within(base: Value, found: Value) -> Value:
    """What each of the base's items has: `found` itself for a single base, else where it is present."""
    if not base.clauses:
        return replace(found, again=base.again)
    condition = (f"if {found.present}",) if found.present and not found.clauses else ()
    return replace(found, clauses=(*base.clauses, *condition, *found.clauses), present=None, guard=base.guard)


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
        return paths.again(paths.root)
    if node.name == "resource":
        known = paths.root.type if paths.root.type is not None and paths.root.type.is_resource else None
        return paths.again(Value(paths.resource, known or _resource_of(paths.root.type)))
    if node.name == "rootResource":
        return paths.again(Value(paths.root_resource, fhir_type("DomainResource")))
    if node.name in SYSTEMS:
        text = SYSTEMS[node.name]
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
    return paths.joined(parts, "fp_union")


def _index(paths: Paths, node: Index, me: Value) -> Value:
    base = paths.value(node.base, me)
    if not (isinstance(node.index, Literal) and type(node.index.value) is int) or base.type is None:
        raise Untypable
    return base.at(node.index.value)


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


def _call(paths: Paths, node: Call, me: Value) -> Value:
    make = TEXTS.get(node.name) or CALLS.get(node.name)
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
    TypeTest: lambda paths, node, me: paths.cast(paths.value(node.operand, me), node, node.type),
    Binary: _binary,
    Call: _call,
}
