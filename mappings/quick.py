"""A shorter way for the commonest expression of a mapping: a path in one resource, then functions on what it gives.

`%coverage.subscriberId.need('card')` is split into the variable, the path (which the FHIRPath engine turns into plain
Python for the resource's type) and the calls, which take and give Python values without being wrapped in between. What
does not have this form, and data that does not fit it, goes the general way.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

from mappings.expressions import Functions, Scope, unwrap
from mappings.run import current
from profiles.definitions import RESOURCE_TYPES
from profiles.fhirpath import Expression
from profiles.fhirpath.engine import Compiler
from profiles.fhirpath.parser import parse
from profiles.fhirpath.syntax import Call, External, Index, Literal, Member, Node

Step: TypeAlias = Callable[[list[Any]], list[Any]]
Values: TypeAlias = Callable[[Scope], list[Any] | None]
"""Python values, None where the general way must be gone."""


def quick(text: str, functions: Functions) -> Values | None:
    """The shorter way of an expression, None where it has not the form."""
    steps: list[Step] = []
    node = parse(text)
    while isinstance(node, Call) and node.base is not None and (step := _step(node, functions)):
        steps.insert(0, step)
        node = node.base
    if isinstance(node, External):
        return _on_variable(node.name, steps) if steps else None
    split = _split(node, functions)
    if split is None:
        return None
    name, path = split
    return _on_resource(name, Expression(text, path, None, Compiler({})), steps)


def ends_in_host_function(text: str, functions: Functions) -> bool:
    """Whether the last call is a host function, so that the result has no FHIR type to lose."""
    node = parse(text)
    return isinstance(node, Call) and node.name in functions


class _General(Exception):
    """Data that the shorter way does not cover."""


def _on_variable(name: str, steps: list[Step]) -> Values:
    def values(scope: Scope) -> list[Any] | None:
        items = scope.variables.get(name)
        if items is None:
            return None
        found = unwrap(items)
        for step in steps:
            found = step(found)
        return found

    return values


def _on_resource(name: str, path: Expression, steps: list[Step]) -> Values:
    def values(scope: Scope) -> list[Any] | None:
        items = scope.variables.get(name)
        if items is None or len(items) != 1 or items[0].__class__ is not tuple:
            return None
        resource = items[0][0]
        if resource.__class__ is not dict or "resourceType" not in resource:
            return None
        found = path(resource)
        try:
            for step in steps:
                found = step(found)
        except _General:
            return None
        return found

    return values


def _step(call: Call, functions: Functions) -> Step | None:
    if call.name == "resolve" and not call.arguments:
        return _resolved
    if call.name == "ofType" and isinstance(call.base, Call) and call.base.name == "resolve":
        kind = call.arguments[0]
        named = isinstance(kind, Member) and kind.base is None and kind.name in RESOURCE_TYPES
        return _of_type(kind.name) if named and isinstance(kind, Member) else None
    if call.name not in functions or not all(isinstance(argument, Literal) for argument in call.arguments):
        return None
    function, arguments = functions[call.name], [[a.value] for a in call.arguments if isinstance(a, Literal)]
    return lambda values: function(values, *arguments)


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


def _split(node: Node, functions: Functions) -> tuple[str, Node] | None:
    """The variable at the left end and the path that follows it, if nothing else in it needs the mapping's scope."""
    if not isinstance(node, Member | Call | Index) or node.base is None:
        return None
    others = node.parts()[1:]
    if any(_needs_scope(part, functions) for other in others for part in other.walk()):
        return None
    if isinstance(node, Call) and (node.name in functions or node.name == "resolve"):
        return None
    if isinstance(node.base, External):
        return (node.base.name, replace(node, base=None)) if not isinstance(node, Index) else None
    inner = _split(node.base, functions)
    return (inner[0], replace(node, base=inner[1])) if inner else None


def _needs_scope(node: Node, functions: Functions) -> bool:
    return isinstance(node, External) or (isinstance(node, Call) and (node.name in functions or node.name == "resolve"))
