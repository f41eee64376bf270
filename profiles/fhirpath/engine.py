"""From the tree to closures `(this, env) -> items`, made once and run often.

Conditions have a second form `(this, env) -> True | False | None`, so that `and`, `where` and their like make no lists.
"""

from collections.abc import Callable
from typing import Any

from profiles.fhirpath import operators
from profiles.fhirpath.environment import Environment, external
from profiles.fhirpath.errors import FHIRPathError
from profiles.fhirpath.model import Specifier, fhir_type, is_fhir_type, specifier
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
    Unary,
    Union,
)
from profiles.fhirpath.values import EMPTY, FALSE, TRUE, Items, distinct, single, truth, type_of

Closure = Callable[[Items, Environment], Items]
Condition = Callable[[Items, Environment], bool | None]
HostFunction = Callable[..., list[Any]]


class Compiler:
    """Makes closures; `functions` are the host's own, by name."""

    def __init__(self, functions: dict[str, HostFunction]) -> None:
        self.functions = functions

    def items(self, node: Node) -> Closure:
        """The closure that yields the node's items."""
        return _ITEMS[type(node)](self, node)

    def condition(self, node: Node) -> Condition:
        """The closure that yields the node's truth."""
        make = _CONDITIONS.get(type(node))
        found = make(self, node) if make else None
        if found is not None:
            return found
        items, place = self.items(node), node.place

        def condition(this: Items, env: Environment) -> bool | None:
            try:
                return truth(items(this, env))
            except FHIRPathError as error:
                raise error.at(place) from None

        return condition


def from_condition(condition: Condition) -> Closure:
    """A condition as a closure of items."""

    def items(this: Items, env: Environment) -> Items:
        value = condition(this, env)
        return TRUE if value else EMPTY if value is None else FALSE

    return items


def resolve_type(node: Node, text: str) -> Specifier:
    """The type that an expression names; FHIRPathError where there is none."""
    found = specifier(text)
    if found is None:
        raise FHIRPathError(f"there is no type {text}").at(node.place)
    return found


def type_argument(node: Node) -> str:
    """The type name written as an argument: `Patient`, `FHIR.Patient`, `'Patient'`."""
    if isinstance(node, Member):
        if node.base is None:
            return node.name
        if isinstance(node.base, Member) and node.base.base is None:
            return f"{node.base.name}.{node.name}"
    if isinstance(node, Literal) and isinstance(node.value, str):
        return node.value
    raise FHIRPathError("expected the name of a type").at(node.place)


def _literal(compiler: Compiler, node: Literal) -> Closure:
    constant = TRUE if node.value is True else FALSE if node.value is False else [node.value]
    return lambda this, env: constant


def _empty(compiler: Compiler, node: Empty) -> Closure:
    return lambda this, env: EMPTY


def _special(compiler: Compiler, node: Special) -> Closure:
    if node.name == "this":
        return lambda this, env: this
    if node.name == "total":
        return lambda this, env: env.total
    return lambda this, env: [env.index] if env.index is not None else EMPTY


def _external(compiler: Compiler, node: External) -> Closure:
    name, place = node.name, node.place

    return lambda this, env: external(name, env, place)


def _member(compiler: Compiler, node: Member) -> Closure:
    names = [node.name]
    start = node.base
    while isinstance(start, Member):
        names.insert(0, start.name)
        start = start.base
    if start is not None:
        return _path(compiler.items(start), names)
    if names[0][:1].isupper() and is_fhir_type(names[0]):
        root = _root_type(names[0])
        return _path(root, names[1:]) if names[1:] else root
    return _path(None, names)


def _path(start: Closure | None, names: list[str]) -> Closure:
    """The steps of a path in one closure."""
    steps = tuple(names)

    def path(this: Items, env: Environment) -> Items:
        items = this if start is None else start(this, env)
        for name in steps:
            out: Items = []
            for item in items:
                if item.__class__ is tuple:
                    value, type_, _ = item
                    element = type_.elements.get(name)
                    if element is not None and value.__class__ is dict:
                        element.read(value, out)
                        continue
                _rare_step(item, name, out)
            items = out
        return items

    return path


def _rare_step(item: Any, name: str, out: Items) -> None:
    """A step into what is no JSON object with that element: a primitive's parts, a System value's fields."""
    if item.__class__ is tuple:
        value, type_, extra = item
        if type_.primitive or value.__class__ is not dict:
            element = type_.elements.get(name)
            if element is not None and extra.__class__ is dict:
                element.read(extra, out)
            elif name == "value" and type_.primitive and value is not None:
                out.append(value)
    elif name in getattr(item, "_fields", ()):
        out.append(getattr(item, name))


def _root_type(name: str) -> Closure:
    wanted = fhir_type(name)

    def root(this: Items, env: Environment) -> Items:
        return [item for item in this if item.__class__ is tuple and wanted in item[1].ancestors]

    return root


def _index(compiler: Compiler, node: Index) -> Closure:
    base, index, place = compiler.items(node.base), compiler.items(node.index), node.place

    def at(this: Items, env: Environment) -> Items:
        items = base(this, env)
        try:
            position = single(index(this, env))
        except FHIRPathError as error:
            raise error.at(place) from None
        if position is None:
            return EMPTY
        if position.__class__ is not int:
            raise FHIRPathError("an index is an Integer").at(place)
        return [items[position]] if 0 <= position < len(items) else EMPTY

    return at


def _unary(compiler: Compiler, node: Unary) -> Closure:
    operand, place, negative = compiler.items(node.operand), node.place, node.operator == "-"

    def sign(this: Items, env: Environment) -> Items:
        try:
            return operators.signed(operand(this, env), negative)
        except FHIRPathError as error:
            raise error.at(place) from None

    return sign


def _union(compiler: Compiler, node: Union) -> Closure:
    branches = [compiler.items(branch) for branch in node.branches]

    def union(this: Items, env: Environment) -> Items:
        outer = env.variables
        found: Items = []
        for branch in branches:
            found += branch(this, env)
            env.variables = outer
        return distinct(found)

    return union


def _binary(compiler: Compiler, node: Binary) -> Closure:
    condition = _binary_condition(compiler, node)
    if condition is not None:
        return from_condition(condition)
    calculate = operators.CALCULATIONS[node.operator]
    left, right, place = compiler.items(node.left), compiler.items(node.right), node.place

    def calculation(this: Items, env: Environment) -> Items:
        try:
            return calculate(left(this, env), right(this, env))
        except FHIRPathError as error:
            raise error.at(place) from None

    return calculation


def _binary_condition(compiler: Compiler, node: Binary) -> Condition | None:
    logic = operators.LOGIC.get(node.operator)
    if logic is not None:
        return logic(compiler.condition(node.left), compiler.condition(node.right))
    relation = operators.RELATIONS.get(node.operator)
    if relation is None:
        return None
    known = relation
    left, right, place = compiler.items(node.left), compiler.items(node.right), node.place

    def related(this: Items, env: Environment) -> bool | None:
        try:
            return known(left(this, env), right(this, env))
        except FHIRPathError as error:
            raise error.at(place) from None

    return related


def _type_test(compiler: Compiler, node: TypeTest) -> Closure:
    operand = compiler.items(node.operand)
    kind = resolve_type(node, node.type)
    return is_type(operand, kind, node) if node.operator == "is" else as_type(operand, kind, node)


def is_type(operand: Closure, kind: Specifier, node: Node) -> Closure:
    """`operand is Type`. Source: https://hl7.org/fhirpath/N1/#is-type-specifier."""

    def test(this: Items, env: Environment) -> Items:
        items = operand(this, env)
        if not items:
            return EMPTY
        if len(items) > 1:
            raise FHIRPathError("`is` asks the type of one item").at(node.place)
        return TRUE if kind.covers(type_of(items[0])) else FALSE

    return test


def as_type(operand: Closure, kind: Specifier, node: Node) -> Closure:
    """`operand as Type`: the item when it is of that type. Source: https://hl7.org/fhirpath/N1/#as-type-specifier."""

    def cast(this: Items, env: Environment) -> Items:
        items = operand(this, env)
        if len(items) > 1:
            raise FHIRPathError("`as` takes one item; `ofType` filters many").at(node.place)
        return items if items and kind.selects(type_of(items[0])) else EMPTY

    return cast


def _call(compiler: Compiler, node: Call) -> Closure:
    from profiles.fhirpath.functions import call

    return call(compiler, node)


def _call_condition(compiler: Compiler, node: Call) -> Condition | None:
    from profiles.fhirpath.functions import call_condition

    return call_condition(compiler, node)


_ITEMS: dict[type[Node], Callable[[Compiler, Any], Closure]] = {
    Literal: _literal,
    Empty: _empty,
    Special: _special,
    External: _external,
    Member: _member,
    Index: _index,
    Unary: _unary,
    Union: _union,
    Binary: _binary,
    TypeTest: _type_test,
    Call: _call,
}
_CONDITIONS: dict[type[Node], Callable[[Compiler, Any], Condition | None]] = {
    Binary: _binary_condition,
    Call: _call_condition,
}
