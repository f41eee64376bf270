"""A shorter way for the commonest expression of a mapping: a path in one resource, then functions on what it gives.

`%coverage.subscriberId.need('card')` is split into the variable, the path (which the FHIRPath engine turns into plain
Python for the resource's type) and the calls, which take and give Python values without being wrapped in between. What
does not have this form, and data that does not fit it, goes the general way.
"""

from collections.abc import Callable
from copy import copy
from typing import Any, TypeAlias

from mappings.expressions import Functions, Scope, unwrap
from mappings.run import current
from profiles.definitions import RESOURCE_TYPES
from profiles.fhirpath import Expression
from profiles.fhirpath.compiled import expression
from profiles.fhirpath.engine import Compiler
from profiles.fhirpath.model import UNTYPED
from profiles.fhirpath.parser import parse
from profiles.fhirpath.syntax import Call, External, Literal, Member, Node

Step: TypeAlias = Callable[[list[Any]], list[Any]]
Values: TypeAlias = Callable[[Scope], list[Any] | None]
"""Python values, None where the general way must be gone."""


def quick(text: str, functions: Functions) -> Values | None:
    """The shorter way of an expression, None where it has not the form."""
    steps: list[Step] = []
    node, begins_with_path = parse(text), False
    while not isinstance(node, External):
        step = _call(node, functions)
        begins_with_path = step is None
        if step is not None and isinstance(node, Call) and node.base is not None:
            node = node.base
        else:
            split = _path(node, functions)
            if split is None:
                return None
            node, path = split
            step = _step_of(path, expression(text, path, None, Compiler({})))
        steps.insert(0, step)
    return _values(node.name, steps, begins_with_path)


def keeps_no_type(text: str, functions: Functions) -> bool:
    """Whether the results are resources or a host function's, so that as Python values they lose no FHIR type."""
    node = parse(text)
    return isinstance(node, Call) and (node.name in functions or node.name == "resolve" or _after_resolve(node))


def quick_truth(text: str, functions: Functions) -> Callable[[Scope], Any]:
    """The shorter way of a condition that asks one resource: its truth, or GENERAL for the general way."""
    split = _path(parse(text), functions)
    if split is None or not isinstance(split[0], External):
        return lambda scope: GENERAL
    name, compiled = split[0].name, expression(text, split[1], None, Compiler({}))

    def truth(scope: Scope) -> Any:
        items = scope.variables.get(name)
        if items is None or len(items) != 1 or items[0].__class__ is not tuple or not items[0][1].is_resource:
            return GENERAL
        return compiled.test(items[0][0])

    return truth


GENERAL: Any = object()


class _General(Exception):
    """Data that the shorter way does not cover."""


def _values(name: str, steps: list[Step], begins_with_path: bool) -> Values:
    def values(scope: Scope) -> list[Any] | None:
        items = scope.variables.get(name)
        if items is None or (begins_with_path and items and _is_typed_element(items[0])):
            return None
        found = unwrap(items)
        try:
            for step in steps:
                found = step(found)
        except _General:
            return None
        return found

    return values


def _is_typed_element(item: Any) -> bool:
    return item.__class__ is tuple and item[1] is not UNTYPED and not item[1].is_resource


def _call(node: Node, functions: Functions) -> Step | None:
    """A call that stands for itself: `resolve()`, `ofType(Resource)` after it, a host function of literals."""
    if not isinstance(node, Call) or node.base is None:
        return None
    if node.name == "resolve":
        return _resolved
    if _after_resolve(node):
        kind = node.arguments[0]
        return _of_type(kind.name) if isinstance(kind, Member) and kind.name in RESOURCE_TYPES else None
    if node.name not in functions or not all(isinstance(argument, Literal) for argument in node.arguments):
        return None
    function, arguments = functions[node.name], [[a.value] for a in node.arguments if isinstance(a, Literal)]
    return lambda values: function(values, *arguments)


def _after_resolve(node: Call) -> bool:
    return node.name == "ofType" and isinstance(node.base, Call) and node.base.name == "resolve"


def _resolved(values: list[Any]) -> list[Any]:
    index, found = current.get().index, []
    for value in values:
        reference = value.get("reference") if value.__class__ is dict else value
        if reference.__class__ is not str or reference.startswith("#"):
            raise _General
        target = index.resolve(reference)
        if target is not None:
            found.append(target)
    return found


def _of_type(kind: str) -> Step:
    return lambda values: [value for value in values if value["resourceType"] == kind]


def _path(node: Node, functions: Functions) -> tuple[Node, Node] | None:
    """Where a path begins (a variable or a call that stands for itself), and the path with its beginning cut off."""
    if not isinstance(node, Member | Call) or node.base is None:
        return None
    if any(_needs_scope(part, functions) for other in node.parts()[1:] for part in other.walk()):
        return None
    if isinstance(node.base, External) or _call(node.base, functions) is not None:
        return node.base, _rebased(node, None)
    inner = _path(node.base, functions)
    return (inner[0], _rebased(node, inner[1])) if inner else None


def _rebased(node: Member | Call, base: Node | None) -> Node:
    # Nodes are shared and not meant to be changed, so the copy gets its base before anyone sees it.
    made = copy(node)
    object.__setattr__(made, "base", base)
    return made


def _step_of(path: Node, compiled: Expression) -> Step:
    names = _names(path)

    def step(values: list[Any]) -> list[Any]:
        if not values:
            return values
        value = values[0]
        if len(values) > 1 or value.__class__ is not dict:
            raise _General
        if "resourceType" in value:
            return compiled(value)
        if names is None:
            raise _General
        return _walked(value, names)

    return step


def _names(path: Node) -> list[str] | None:
    """The names of a path that is nothing but names."""
    names: list[str] = []
    while isinstance(path, Member):
        names.insert(0, path.name)
        if path.base is None:
            return names
        path = path.base
    return None


def _walked(value: Any, names: list[str]) -> list[Any]:
    """Names followed in plain JSON; elements of FHIR types have choices and siblings, so these go the general way."""
    for name in names:
        value = value.get(name) if value.__class__ is dict else None
    if value is None:
        return []
    return list(value) if value.__class__ is list else [value]


def _needs_scope(node: Node, functions: Functions) -> bool:
    return isinstance(node, External) or (isinstance(node, Call) and (node.name in functions or node.name == "resolve"))
