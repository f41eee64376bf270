"""FHIRPath within a mapping: all expressions of one call share one evaluation environment.

The engine's public door makes an environment for every evaluation and wraps each variable anew, which costs more than
most expressions of a mapping themselves. Here variables stay the engine's own items, so they keep their FHIR types too.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

from profiles.fhirpath.engine import Compiler
from profiles.fhirpath.environment import RESERVED, Environment
from profiles.fhirpath.parser import parse
from profiles.fhirpath.values import Items, unwrap, wrap

Scope: TypeAlias = Environment
"""The focus (`root`) and the variables that an expression sees."""
Evaluate: TypeAlias = Callable[[Scope], Items]

__all__ = ["Evaluate", "Items", "Scope", "compiled", "focused", "scope", "unwrap", "with_variables", "wrap"]


def compiled(text: str, functions: Mapping[str, Callable[..., list[Any]]]) -> Evaluate:
    """Compile an expression; `functions` are host functions on Python values. Raises FHIRPathError."""
    return _compiled(text, tuple(sorted(functions.items())))


@lru_cache(4096)
def _compiled(text: str, functions: tuple[tuple[str, Callable[..., list[Any]]], ...]) -> Evaluate:
    closure = Compiler(dict(functions)).items(parse(text))
    if "defineVariable" not in text:
        return lambda scope: closure(scope.root, scope)

    def apart(scope: Scope) -> Items:
        # What an expression defines ends with it.
        return closure(scope.root, with_variables(scope, {}))

    return apart


def scope(focus: Any, variables: Mapping[str, Any], resolver: Callable[[str], Any]) -> Scope:
    """The outermost scope of a call."""
    outermost = Environment(wrap(focus), {"resolver": resolver})
    outermost.variables = {name: wrap(value) for name, value in variables.items()}
    return outermost


def with_variables(outer: Scope, added: Mapping[str, Items]) -> Scope:
    """The same focus with more variables. What the engine has looked up on the focus stays looked up."""
    inner = object.__new__(Environment)
    inner.__dict__.update(outer.__dict__)
    inner.variables = {**outer.variables, **added}
    return inner


def focused(outer: Scope, item: Any) -> Scope:
    """Another focus with the same variables."""
    inner = Environment([item], {"resolver": outer.host("resolver")})
    inner.variables = {name: items for name, items in outer.variables.items() if name not in RESERVED}
    return inner
