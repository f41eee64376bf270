"""The public door: an expression compiled once, called often."""

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any, Protocol, cast

from profiles.fhirpath.engine import Compiler, HostFunction
from profiles.fhirpath.environment import Environment, check_variables
from profiles.fhirpath.errors import FHIRPathError
from profiles.fhirpath.model import UNTYPED, Type, fhir_type, is_fhir_type, type_of_resource
from profiles.fhirpath.parser import parse
from profiles.fhirpath.static import check
from profiles.fhirpath.strict import check_order
from profiles.fhirpath.syntax import Node
from profiles.fhirpath.typed import BAILS, Runner, Typed, compile_typed
from profiles.fhirpath.values import EMPTY, Items, Json, truth, type_of, unwrap, wrap

CACHED = 4096
"""Expressions that `compile` keeps."""


WORTH_IT = 3
"""Evaluations on one resource type after which an expression is turned into Python for it."""


class Expression(Protocol):
    """What `compile` gives: a function of a resource (or an element of the type it was compiled for) and variables.

    It is a plain function with attributes, for calling an object takes Python half as long again.
    """

    source: str
    type: str | None
    """The type that it was compiled for, None for any."""

    def __call__(self, resource: Any, /, **variables: Any) -> list[Any]:
        """The result as Python values. Raises FHIRPathError."""

    def test(self, resource: Any, /, **variables: Any) -> bool | None:
        """The result as a condition: True, False, or None when it is empty."""

    def typed(self, resource: Any, /, **variables: Any) -> list[tuple[str, Any]]:
        """As a call, each value with its type's name: `[("code", "home"), ("Quantity", {…}), ("System.Integer", 3)]`.

        A primitive that has only extensions is there with None.
        """

    def python(self, type_name: str | None = None) -> str | None:
        """The generated source for a type (that of the expression, if None), None where closures do it all."""


def expression(source: str, tree: Node, type_: Type | None, compiler: Compiler) -> Expression:
    """The expression of a tree."""
    evaluator = Evaluator(tree, type_, compiler)
    plain, general = evaluator.plain, evaluator.items

    def evaluate(resource: Any, /, **variables: Any) -> list[Any]:
        try:
            if not variables:
                return plain[resource.get("resourceType")](resource)
        except BAILS:
            pass
        return general(resource, variables)

    evaluate.__qualname__ = f"FHIRPath {source!r}"
    vars(evaluate).update(
        source=source,
        type=type_.name if type_ else None,
        test=evaluator.test,
        typed=evaluator.typed,
        python=evaluator.python,
    )
    return cast(Expression, evaluate)


class Evaluator:
    """An expression at work.

    Closures can evaluate it on anything. For a type that is met often, or that it was compiled for, the same tree is
    turned into plain Python, which runs on well-formed data and leaves the rest to the closures.
    """

    def __init__(self, tree: Node, type_: Type | None, compiler: Compiler) -> None:
        self._tree, self._type, self._compiler = tree, type_, compiler
        self._run = compiler.items(tree)
        self._quick: dict[str | None, Typed] = {}
        self._met: dict[str | None, int] = {}
        self.plain: dict[str | None, Callable[[Json], list[Any]]] = {}
        if type_ is not None:
            check(tree, type_, compiler.functions)
            self._met[type_.name if type_.is_resource else None] = WORTH_IT - 1

    def python(self, type_name: str | None = None) -> str | None:
        """See Expression."""
        type_ = fhir_type(type_name) if type_name else self._type
        found = compile_typed(self._tree, type_, self._compiler) if type_ else None
        return found.source if found else None

    def items(self, resource: Any, variables: dict[str, Any]) -> list[Any]:
        """See Expression: where there are variables, or the plain way was not taken."""
        if variables and resource.__class__ is dict:
            quick = self._quick.get(resource.get("resourceType"))
            if quick is not None and not quick.minds(variables):
                try:
                    return self._fast(quick, quick.items, resource, variables)  # type: ignore[no-any-return]
                except BAILS:
                    pass
        return unwrap(self._items(resource, variables))

    def test(self, resource: Any, /, **variables: Any) -> bool | None:
        """See Expression."""
        if resource.__class__ is dict:
            quick = self._quick.get(resource.get("resourceType"))
            if quick is not None and quick.holds and quick.fails and not (variables and quick.minds(variables)):
                try:
                    if self._fast(quick, quick.holds, resource, variables):
                        return True
                    return False if self._fast(quick, quick.fails, resource, variables) else None
                except BAILS:
                    pass
        return truth(self._items(resource, variables))

    def typed(self, resource: Any, /, **variables: Any) -> list[tuple[str, Any]]:
        """See Expression."""
        return [
            (item[1].name, item[0]) if item.__class__ is tuple else (f"System.{type_of(item).name}", *unwrap([item]))
            for item in self._items(resource, variables)
        ]

    def _fast(self, quick: Typed, run: Runner, resource: Json, variables: dict[str, Any]) -> Any:
        env = Environment(self._root(resource), dict(variables)) if quick.needs_environment else None
        within = variables.get("resource", resource)
        return run(resource, within, variables.get("rootResource", within), env)

    def _items(self, resource: Any, variables: dict[str, Any]) -> Items:
        root = self._root(resource)
        if resource.__class__ is dict:
            self._meet(resource.get("resourceType"), root[0][1])
        return self._run(root, Environment(root, variables))

    def _meet(self, name: str | None, type_: Type) -> None:
        """Note that a type was met; when it is worth it, write the Python for it."""
        if type_ is UNTYPED or name not in (None, type_.name):
            return
        times = self._met[name] = self._met.get(name, 0) + 1
        if times == WORTH_IT:
            quick = compile_typed(self._tree, type_, self._compiler)
            if quick is not None:
                self._quick[name] = quick
            self.plain[name] = quick.plain if quick is not None else self._closures_only

    def _closures_only(self, resource: Json) -> list[Any]:
        root = self._root(resource)
        return unwrap(self._run(root, Environment(root, {})))

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


def compile(
    expr: str,
    type: str | None = None,
    functions: Mapping[str, HostFunction] | None = None,
    strict: bool = False,
    variables: Collection[str] | None = None,
) -> Expression:
    """Compile an expression, for resources or elements of `type` if named (`Patient`, `Period`, `Patient.contact`).

    `functions` maps names to host functions `f(focus: list, *args: list) -> list` on Python values. Raises
    FHIRPathError with the column for a bad expression: always for syntax, unknown functions, types and wrong
    arity, with `type` also for elements that it does not have and values that never compare, and with `variables` (the
    names that will be given) for any other. `strict` refuses what depends on an order that the specification leaves
    open (`children().first()`; here children come in the order of the JSON).
    """
    given = None if variables is None else frozenset(variables)
    return _compiled(expr, type, tuple(sorted(functions.items())) if functions else (), strict, given)


@lru_cache(CACHED)
def _compiled(
    expr: str,
    type_name: str | None,
    functions: tuple[tuple[str, Callable[..., Any]], ...],
    strict: bool,
    variables: frozenset[str] | None,
) -> Expression:
    if type_name is not None and not is_fhir_type(type_name):
        raise FHIRPathError(f"there is no FHIR type {type_name}", 1)
    type_ = fhir_type(type_name) if type_name else None
    tree = parse(expr)
    if strict:
        check_order(tree)
    if variables is not None:
        check_variables(tree, variables)
    return expression(expr, tree, type_, Compiler(dict(functions)))


def evaluate(expr: str, resource: Any, /, **variables: Any) -> list[Any]:
    """Compile (or take from the cache) and evaluate once."""
    return compile(expr)(resource, **variables)
