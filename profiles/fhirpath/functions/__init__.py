"""FHIRPath's functions, by family. Importing this fills the table."""

from profiles.fhirpath.engine import Closure, Compiler, Condition
from profiles.fhirpath.environment import Environment
from profiles.fhirpath.errors import FHIRPathError
from profiles.fhirpath.functions import collections, conversions, dates, fhir, iteration, maths, strings, terminology
from profiles.fhirpath.functions.registry import FUNCTIONS, Function
from profiles.fhirpath.suggest import nearest
from profiles.fhirpath.syntax import Call
from profiles.fhirpath.values import Items, unwrap, wrap

__all__ = [
    "FUNCTIONS",
    "Function",
    "call",
    "call_condition",
    "collections",
    "conversions",
    "dates",
    "fhir",
    "iteration",
    "maths",
    "strings",
    "terminology",
]


def call(compiler: Compiler, node: Call) -> Closure:
    """The closure of a call: the host's function of that name, or FHIRPath's."""
    if node.name in compiler.functions:
        return _host(compiler, node)
    return _entry(compiler, node).form(compiler, node, _base(compiler, node))


def call_condition(compiler: Compiler, node: Call) -> Condition | None:
    """The condition of a call whose answer is a Boolean, None for any other."""
    if node.name in compiler.functions:
        return None
    make = _entry(compiler, node).condition
    return make(compiler, node, _base(compiler, node)) if make else None


def _base(compiler: Compiler, node: Call) -> Closure:
    return (lambda this, env: this) if node.base is None else compiler.items(node.base)


def _entry(compiler: Compiler, node: Call) -> Function:
    entry = FUNCTIONS.get(node.name)
    if entry is None:
        guess = nearest(node.name, (*FUNCTIONS, *compiler.functions))
        raise FHIRPathError(f"there is no function {node.name}(){guess}").at(node.place)
    if not entry.least <= len(node.arguments) <= entry.most:
        wanted = str(entry.least) if entry.least == entry.most else f"{entry.least} to {entry.most}"
        raise FHIRPathError(f"{node.name}() takes {wanted} arguments, not {len(node.arguments)}").at(node.place)
    return entry


def _host(compiler: Compiler, node: Call) -> Closure:
    python, base, place = compiler.functions[node.name], _base(compiler, node), node.place
    arguments = [compiler.items(argument) for argument in node.arguments]

    def run(this: Items, env: Environment) -> Items:
        try:
            given = [unwrap(argument(this, env)) for argument in arguments]
            return wrap(python(unwrap(base(this, env)), *given))
        except FHIRPathError as error:
            raise error.at(place) from None

    return run
