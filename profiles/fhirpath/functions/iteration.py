"""Functions that evaluate an argument for each item. Source: https://hl7.org/fhirpath/N1/#filtering-and-projection."""

from collections.abc import Callable, Iterator
from functools import cmp_to_key
from typing import Any

from profiles.fhirpath.engine import Closure, Compiler, Condition, as_type, is_type, resolve_type, type_argument
from profiles.fhirpath.environment import RESERVED, Environment
from profiles.fhirpath.errors import FHIRPathError
from profiles.fhirpath.functions.registry import condition_form, form
from profiles.fhirpath.functions.strings import text
from profiles.fhirpath.syntax import Call, Node, Special, Unary
from profiles.fhirpath.values import EMPTY, Items, bounded, identity, order, single, truth, type_of, unwrap

MAX_REPEAT = 1_000_000
MAX_ROUNDS = 2_000
"""Items that `repeat()` may gather, and rounds it may take, before it is taken to run for ever."""


def _uses(node: Node, name: str) -> bool:
    return any(isinstance(part, Special) and part.name == name for part in node.walk())


def _defines(node: Node) -> bool:
    return any(isinstance(part, Call) and part.name == "defineVariable" for part in node.walk())


def scoped(node: Node, run: Any) -> Any:
    """A per-item closure that sees `$index`, and whose own variables end with it, where the expression uses these."""
    if _uses(node, "index"):
        inner = run

        def indexed(this: Items, env: Environment) -> Any:
            outer = env.index
            env.index = this.position if isinstance(this, _Indexed) else outer
            try:
                return inner(this, env)
            finally:
                env.index = outer

        run = indexed
    if _defines(node):
        within = run

        def own_variables(this: Items, env: Environment) -> Any:
            outer = env.variables
            try:
                return within(this, env)
            finally:
                env.variables = outer

        run = own_variables
    return run


class _Indexed(list[Any]):
    """The collection of one item that is `$this`, which knows its `$index`."""

    def __init__(self, item: Any, position: int) -> None:
        super().__init__((item,))
        self.position = position


Iteration = Callable[[Items, Environment], Iterator[Items]]


def _iteration(node: Node) -> Iteration:
    """How every item becomes a `$this` of its own, which knows its `$index` where the expression asks for it."""
    return _numbered if _uses(node, "index") else _each


def _each(items: Items, env: Environment) -> Iterator[Items]:
    for item in items:
        env.step()
        yield [item]


def _numbered(items: Items, env: Environment) -> Iterator[Items]:
    for index, item in enumerate(items):
        env.step()
        yield _Indexed(item, index)


def _condition(compiler: Compiler, node: Node) -> Condition:
    found: Condition = scoped(node, compiler.condition(node))
    return found


def _projection(compiler: Compiler, node: Node) -> Closure:
    found: Closure = scoped(node, compiler.items(node))
    return found


@form("where", least=1)
def where(compiler: Compiler, call: Call, base: Closure) -> Closure:
    """`where(criteria)`."""
    each, criteria = _iteration(call.arguments[0]), _condition(compiler, call.arguments[0])
    return lambda this, env: [one[0] for one in each(base(this, env), env) if criteria(one, env)]


@form("select", least=1)
def select(compiler: Compiler, call: Call, base: Closure) -> Closure:
    """`select(projection)`."""
    each, projection = _iteration(call.arguments[0]), _projection(compiler, call.arguments[0])

    def run(this: Items, env: Environment) -> Items:
        found: Items = []
        for one in each(base(this, env), env):
            found += bounded(projection(one, env))
            bounded(found)
        return found

    return run


@condition_form("exists", most=1)
def exists(compiler: Compiler, call: Call, base: Closure) -> Condition:
    """`exists([criteria])`."""
    if not call.arguments:
        return lambda this, env: bool(base(this, env))
    each, criteria = _iteration(call.arguments[0]), _condition(compiler, call.arguments[0])
    return lambda this, env: any(criteria(one, env) for one in each(base(this, env), env))


@condition_form("all", least=1)
def all_(compiler: Compiler, call: Call, base: Closure) -> Condition:
    """`all(criteria)`."""
    each, criteria = _iteration(call.arguments[0]), _condition(compiler, call.arguments[0])
    return lambda this, env: all(criteria(one, env) for one in each(base(this, env), env))


@form("repeat", least=1)
def repeat(compiler: Compiler, call: Call, base: Closure) -> Closure:
    """`repeat(projection)`: the projection of the input, of what came out, and so on, without repeats."""
    projection = _projection(compiler, call.arguments[0])

    def run(this: Items, env: Environment) -> Items:
        seen: dict[Any, Any] = {}
        rounds = 0
        pending = base(this, env)
        while pending:
            found: Items = []
            for one in _each(pending, env):
                for part in projection(one, env):
                    key = id(part[0]) if part.__class__ is tuple and part[0].__class__ is dict else identity(part)
                    if key not in seen:
                        seen[key] = part
                        found.append(part)
            rounds += 1
            if len(seen) > MAX_REPEAT or rounds > MAX_ROUNDS:
                raise FHIRPathError("repeat() does not come to an end").at(call.place)
            pending = found
        return list(seen.values())

    return run


@form("repeatAll", least=1)
def repeat_all(compiler: Compiler, call: Call, base: Closure) -> Closure:
    """`repeatAll(projection)`: as repeat(), repeats kept."""
    projection = _projection(compiler, call.arguments[0])

    def run(this: Items, env: Environment) -> Items:
        gathered: Items = []
        rounds = 0
        pending = base(this, env)
        while pending:
            found: Items = []
            rounds += 1
            for one in _each(pending, env):
                found += projection(one, env)
                if len(gathered) + len(found) > MAX_REPEAT or rounds > MAX_ROUNDS:
                    raise FHIRPathError("repeatAll() does not come to an end").at(call.place)
            gathered += found
            pending = found
        return gathered

    return run


@form("aggregate", least=1, most=2)
def aggregate(compiler: Compiler, call: Call, base: Closure) -> Closure:
    """`aggregate(aggregator[, init])`, with `$total`."""
    each, step = _iteration(call.arguments[0]), _projection(compiler, call.arguments[0])
    begin = compiler.items(call.arguments[1]) if len(call.arguments) > 1 else (lambda this, env: EMPTY)

    def run(this: Items, env: Environment) -> Items:
        outer = env.total
        try:
            items = base(this, env)
            env.total = begin(this, env)
            for one in each(items, env):
                env.total = step(one, env)
            return env.total
        finally:
            env.total = outer

    return run


@form("iif", least=2, most=3)
def iif(compiler: Compiler, call: Call, base: Closure) -> Closure:
    """`iif(criterion, true-result[, otherwise-result])`: only the chosen result is evaluated."""
    criterion = compiler.items(call.arguments[0])
    chosen = compiler.items(call.arguments[1])
    otherwise = compiler.items(call.arguments[2]) if len(call.arguments) > 2 else (lambda this, env: EMPTY)

    def run(this: Items, env: Environment) -> Items:
        items = base(this, env)
        if len(items) > 1:
            raise FHIRPathError("iif() takes one item at most").at(call.place)
        subject = items if call.base is not None else this
        return (chosen if _criterion(criterion(subject, env), call) else otherwise)(subject, env)

    return run


def _criterion(items: Items, call: Call) -> bool:
    try:
        value = truth(items)
    except FHIRPathError as error:
        raise error.at(call.arguments[0].place) from None
    if items and type_of(items[0]).name not in ("Boolean", "boolean"):
        raise FHIRPathError(f"the criterion is {type_of(items[0])}, not a Boolean").at(call.arguments[0].place)
    return bool(value)


@form("sort", most=20)
def sort(compiler: Compiler, call: Call, base: Closure) -> Closure:
    """`sort([key, …])`: a key with a minus sign sorts downward. Items without the key come first, either way."""
    keys: list[tuple[Closure, int]] = []
    for node in call.arguments:
        descending = isinstance(node, Unary) and node.operator == "-"
        keys.append((_projection(compiler, node.operand if descending else node), -1 if descending else 1))  # type: ignore[attr-defined]
    keys = keys or [(lambda this, env: this, 1)]

    def run(this: Items, env: Environment) -> Items:
        rows = [([single(key(one, env)) for key, _ in keys], one[0]) for one in _each(base(this, env), env)]

        def compare(a: Any, b: Any) -> int:
            env.step()
            for (_, direction), x, y in zip(keys, a[0], b[0], strict=True):
                if x is None or y is None:
                    if x is not y:
                        return -1 if x is None else 1
                    continue
                found = order(x, y)
                if found:
                    return found * direction
            return 0

        try:
            return [item for _, item in sorted(rows, key=cmp_to_key(compare))]
        except FHIRPathError as error:
            raise error.at(call.place) from None

    return run


@form("is", least=1)
def is_(compiler: Compiler, call: Call, base: Closure) -> Closure:
    """`is(type)`."""
    return is_type(base, resolve_type(call.arguments[0], type_argument(call.arguments[0])), call)


@form("as", least=1)
def as_(compiler: Compiler, call: Call, base: Closure) -> Closure:
    """`as(type)`."""
    return as_type(base, resolve_type(call.arguments[0], type_argument(call.arguments[0])), call)


@form("ofType", least=1)
def of_type(compiler: Compiler, call: Call, base: Closure) -> Closure:
    """`ofType(type)`: those of the items that are of the type."""
    kind = resolve_type(call.arguments[0], type_argument(call.arguments[0]))
    return lambda this, env: [item for item in base(this, env) if kind.selects(type_of(item))]


@form("trace", least=1, most=2)
def trace(compiler: Compiler, call: Call, base: Closure) -> Closure:
    """`trace(name[, projection])`: hands both to the host's `trace`, if there is one; the input passes through."""
    name = compiler.items(call.arguments[0])
    projection = _projection(compiler, call.arguments[1]) if len(call.arguments) > 1 else None

    def run(this: Items, env: Environment) -> Items:
        items = base(this, env)
        told = env.host("trace")
        if told is not None:
            shown = (
                items if projection is None else [part for one in _each(items, env) for part in projection(one, env)]
            )
            told(single(name(this, env)), unwrap(shown))
        return items

    return run


@form("defineVariable", least=1, most=2)
def define_variable(compiler: Compiler, call: Call, base: Closure) -> Closure:
    """`defineVariable(name[, value])`: `%name` for the rest of the expression; the input passes through."""
    name = compiler.items(call.arguments[0])
    value = compiler.items(call.arguments[1]) if len(call.arguments) > 1 else None

    def run(this: Items, env: Environment) -> Items:
        items = base(this, env)
        chosen = text(name(this, env))
        if chosen is None:
            raise FHIRPathError("defineVariable() needs a name").at(call.place)
        if chosen in RESERVED or chosen in env.variables or chosen in env.given:
            raise FHIRPathError(f"%{chosen} is already defined").at(call.place)
        found = items if value is None else value(items, env)
        env.variables = {**env.variables, chosen: found}
        return items

    return run


@form("coalesce", least=1, most=100)
def coalesce(compiler: Compiler, call: Call, base: Closure) -> Closure:
    """`coalesce(a, b, …)`: the first argument that is not empty."""
    choices = [compiler.items(argument) for argument in call.arguments]

    def run(this: Items, env: Environment) -> Items:
        return next((found for choice in choices if (found := choice(this, env))), EMPTY)

    return run
