"""The public door: an expression compiled once, called often."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from profiles.fhirpath.engine import Closure, Compiler, HostFunction
from profiles.fhirpath.environment import Environment
from profiles.fhirpath.errors import FHIRPathError
from profiles.fhirpath.model import Type, fhir_type, is_fhir_type, type_of_resource
from profiles.fhirpath.parser import parse
from profiles.fhirpath.static import check
from profiles.fhirpath.syntax import Node
from profiles.fhirpath.typed import BAILS, Typed, compile_typed
from profiles.fhirpath.values import EMPTY, Items, truth, type_of, unwrap, wrap

CACHED = 4096
"""Expressions that `compile` keeps."""


class Expression:
    """A compiled expression. `source` is its text, `type` the name of the type that it was compiled for, `tree` its syntax.

    `python` is the Python source that runs on well-formed data, None where closures do it all.
    """

    __slots__ = ("_run", "_type", "_typed", "source", "tree")

    def __init__(self, source: str, tree: Node, type_: Type | None, run: Closure, typed: Typed | None) -> None:
        self.source, self.tree, self._type, self._run, self._typed = source, tree, type_, run, typed

    def __repr__(self) -> str:
        return f"<FHIRPath {self.source!r}>"

    @property
    def type(self) -> str | None:
        """The type that it was compiled for, None for any."""
        return self._type.name if self._type else None

    @property
    def python(self) -> str | None:
        """The generated source, for those who want to read it."""
        return self._typed.source if self._typed else None

    def __call__(self, resource: Any, /, **variables: Any) -> list[Any]:
        """Evaluate on a resource (or an element, when compiled for its type). Raises FHIRPathError."""
        typed = self._typed
        if typed is not None and typed.items is not None and self._fits(resource):
            found = self._quick(typed.items, resource, variables)
            if found is not None:
                return found  # type: ignore[no-any-return]
        return unwrap(self._items(resource, variables))

    def typed(self, resource: Any, /, **variables: Any) -> list[tuple[str, Any]]:
        """As a call, each value with its type's name: `[("code", "home"), ("Quantity", {…}), ("System.Integer", 3)]`.

        A primitive that has only extensions is there with None.
        """
        items = self._items(resource, variables)
        return [
            (item[1].name, item[0]) if item.__class__ is tuple else (f"System.{type_of(item).name}", *unwrap([item]))
            for item in items
        ]

    def test(self, resource: Any, /, **variables: Any) -> bool | None:
        """The result as a condition: True, False, or None when it is empty."""
        typed = self._typed
        if typed is not None and typed.holds is not None and typed.fails is not None and self._fits(resource):
            found = self._quick(typed.holds, resource, variables)
            if found:
                return True
            if found is not None and self._quick(typed.fails, resource, variables):
                return False
        return truth(self._items(resource, variables))

    def _fits(self, resource: Any) -> bool:
        if resource.__class__ is not dict:
            return False
        name = resource.get("resourceType")
        return name is None or name == self._type.name  # type: ignore[union-attr]

    def _quick(self, run: Callable[..., Any], resource: Any, variables: dict[str, Any]) -> Any:
        """The generated code's answer, None where the closures must judge."""
        try:
            if not variables:
                env = None if not self._typed.needs_environment else Environment(self._root(resource), {})
                return run(resource, resource, resource, env)
            env = Environment(self._root(resource), dict(variables)) if self._typed.needs_environment else None
            within = variables.get("resource", resource)
            return run(resource, within, variables.get("rootResource", within), env)
        except BAILS:
            return None

    def _items(self, resource: Any, variables: dict[str, Any]) -> Items:
        root = self._root(resource)
        return self._run(root, Environment(root, variables))

    def _root(self, resource: Any) -> Items:
        return _root(resource, self._type)


def _root(resource: Any, type_: Type | None) -> Items:
    if resource.__class__ is dict:
        known = type_of_resource(resource) or type_
        return [(resource, known, None)] if known else wrap(resource)
    if resource is None:
        return EMPTY
    if type_ is not None and type_.primitive:
        return [(resource, type_, None)]
    return wrap(resource)


def compile(expr: str, type: str | None = None, functions: Mapping[str, HostFunction] | None = None) -> Expression:
    """Compile an expression, for resources or elements of `type` if named (`Patient`, `Period`, `Patient.contact`).

    `functions` maps names to host functions `f(focus: list, *args: list) -> list` on Python values. Raises
    FHIRPathError with the column for a bad expression: always for syntax, unknown functions, types and wrong
    arity, and with `type` also for elements that it does not have.
    """
    return _compiled(expr, type, tuple(sorted(functions.items())) if functions else ())


@lru_cache(CACHED)
def _compiled(expr: str, type_name: str | None, functions: tuple[tuple[str, Callable[..., Any]], ...]) -> Expression:
    if type_name is not None and not is_fhir_type(type_name):
        raise FHIRPathError(f"there is no FHIR type {type_name}", 1)
    type_ = fhir_type(type_name) if type_name else None
    tree = parse(expr)
    compiler = Compiler(dict(functions))
    run = compiler.items(tree)
    typed = None
    if type_ is not None:
        check(tree, type_, (name for name, _ in functions))
        typed = compile_typed(tree, type_, compiler)
    return Expression(expr, tree, type_, run, typed)


def evaluate(expr: str, resource: Any, /, **variables: Any) -> list[Any]:
    """Compile (or take from the cache) and evaluate once."""
    return compile(expr)(resource, **variables)
