"""FHIRPath within a mapping: all expressions of one call share one evaluation environment.

The engine's public door makes an environment for every evaluation and wraps each variable anew, which costs more than
most expressions of a mapping themselves. Here variables stay the engine's own items, so they keep their FHIR types too.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from profiles.fhirpath.engine import Compiler
from profiles.fhirpath.environment import RESERVED, Environment
from profiles.fhirpath.parser import parse
from profiles.fhirpath.values import Items, unwrap, wrap

Scope: TypeAlias = Environment
"""The focus (`root`) and the variables that an expression sees."""
Closure: TypeAlias = Callable[[Items, Scope], Items]
Condition: TypeAlias = Callable[[Items, Scope], bool | None]
Functions: TypeAlias = Mapping[str, Callable[..., list[Any]]]
"""Host functions on Python values, by name."""

__all__ = ["Closure", "Condition", "Functions", "Items", "Scope", "compiled", "condition", "focused", "scope", "unwrap"]
__all__ += ["with_variables", "wrap"]


def compiled(text: str, functions: Functions) -> Closure:
    """Compile an expression to `(focus, scope) -> items`. Raises FHIRPathError."""
    closure = Compiler(dict(functions)).items(parse(text))
    if "defineVariable" not in text:
        return closure
    # What an expression defines ends with it.
    return lambda focus, scope: closure(focus, with_variables(scope, {}))


def condition(text: str, functions: Functions) -> Condition:
    """Compile an expression to `(focus, scope) -> truth`, None for an empty result. Raises FHIRPathError."""
    closure = Compiler(dict(functions)).condition(parse(text))
    if "defineVariable" not in text:
        return closure
    return lambda focus, scope: closure(focus, with_variables(scope, {}))


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
