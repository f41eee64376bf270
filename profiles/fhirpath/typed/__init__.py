"""Expressions on known types as plain Python source: fields are dict lookups, conditions are `and` and `or`.

`condition(expression, type, …)` is for a generator that inlines an invariant; `compile_typed` makes the callables that
`profiles.fhirpath.compile` uses. Both leave to closures what the types do not decide. Generated code takes
well-formed JSON; on other shapes it raises one of `BAILS`, and the closures judge.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from profiles.fhirpath.engine import Compiler
from profiles.fhirpath.environment import Environment
from profiles.fhirpath.errors import FHIRPathError
from profiles.fhirpath.model import Type, fhir_type
from profiles.fhirpath.parser import parse
from profiles.fhirpath.syntax import Call, External, Node, Special
from profiles.fhirpath.typed.conditions import Conditions
from profiles.fhirpath.typed.helpers import BAILS, NAMES, Bail
from profiles.fhirpath.typed.source import source
from profiles.fhirpath.typed.value import Names, Untypable, Value

__all__ = ["BAILS", "NAMES", "Bail", "Typed", "compile_typed", "condition"]

Runner = Callable[[Any, Any, Any, Environment | None], Any]
MAX_SOURCE = 20_000


def condition(
    expression: str,
    type: str,
    value: str,
    resource: str,
    root_resource: str,
    constant: Callable[[str], str],
    prefix: str = "v",
) -> str | None:
    """The Python condition that `expression` is true on an element of `type`, to be inlined; None where closures must
    judge.

    `value`, `resource`, `root_resource` are Python for the element (a name that is not None), the resource it is in and
    the outermost resource. `constant(source)` gives the name under which the value of a Python expression will be at
    hand. Names bound begin with `prefix`; names used are those of `NAMES`. The condition may raise one of `BAILS` on
    JSON that is not of the type's shape, or not simple: ask `compile(expression, type).test` then.
    """
    writer = Conditions(Value(value, fhir_type(type)), resource, root_resource, Names(prefix), None, constant)
    try:
        found = writer.truth(parse(expression), writer.root, True)
    except Untypable:
        return None
    return found if len(found) <= MAX_SOURCE else None


class Typed(NamedTuple):
    """Generated callables `(value, resource, rootResource, environment)`; `source` is their text.

    `items` yields Python values, `plain` the same of a resource and nothing else, `holds` and `fails` (of conditions
    only) tell whether it is true or false. `needs_environment` tells that a part is left to closures,
    `reads_references` that `resolve()` is answered from the text of references, which a host's resolver overrules.
    """

    source: str
    plain: Callable[[Any], list[Any]]
    items: Runner
    holds: Runner | None
    fails: Runner | None
    needs_environment: bool
    reads_references: bool

    def minds(self, variables: dict[str, Any]) -> bool:
        """Whether variables are given that only closures heed."""
        return not _HEEDED.isdisjoint(variables) or (self.reads_references and "resolver" in variables)


class _Parts:
    """Sub-expressions that stay closures, and constants: the globals of one generated module."""

    def __init__(self, compiler: Compiler) -> None:
        self._compiler = compiler
        self.globals: dict[str, Any] = dict(NAMES)
        self.closures = 0

    def fallback(self, node: Node, me: Value) -> str:
        # A primitive's extensions are beside its value, and `$index` is not told to closures.
        if me.type is None or me.type.primitive or me.type.namespace != "FHIR" or _reads_index(node):
            raise Untypable
        name = f"k{len(self.globals)}"
        self.globals[name] = self._compiler.condition(node)
        self.closures += 1
        return f"{name}(fp_items({me.code}, {me.type.name!r}), fp0environment)"

    def constant(self, source: str) -> str:
        name = f"k{len(self.globals)}"
        self.globals[name] = eval(source, self.globals)  # noqa: S307 - our own source, repr of literals only
        return name


def _reads_index(node: Node) -> bool:
    if isinstance(node, Special):
        return node.name == "index"
    if isinstance(node, Call) and node.name in _ITERATING:
        return node.base is not None and _reads_index(node.base)
    return any(map(_reads_index, node.parts()))


def compile_typed(tree: Node, type_: Type, compiler: Compiler) -> Typed | None:
    """Generated code for a tree, or None where nothing of it can be typed."""
    if type_.open or any(isinstance(part, External) and part.name not in _KNOWN for part in tree.walk()):
        return None
    parts = _Parts(compiler)
    writer = Conditions(Value("o", type_), "fp0resource", "fp0root", Names(), parts.fallback, parts.constant)
    writer.hosts = frozenset(compiler.functions)
    try:
        text = source(writer, tree)
    except (Untypable, FHIRPathError):
        return None
    if len(text) > MAX_SOURCE:
        return None
    made = parts.globals
    exec(compile(text, "<fhirpath>", "exec"), made)  # noqa: S102 - written above from a checked tree
    holds, fails = made.get("holds"), made.get("fails")
    return Typed(text, made["plain"], made["items"], holds, fails, parts.closures > 0, writer.reads_references)


_ITERATING = frozenset(("where", "select", "all", "exists", "aggregate"))
_HEEDED = frozenset(("context", "ucum", "sct", "loinc", "trace"))
_KNOWN = frozenset(("context", "resource", "rootResource", "ucum", "sct", "loinc"))
