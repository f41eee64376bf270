"""Generated Python for functions that pick, gather and choose items."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from profiles.fhirpath.engine import resolve_type, type_argument
from profiles.fhirpath.model import SYSTEM, fhir_type
from profiles.fhirpath.syntax import Call, Literal
from profiles.fhirpath.typed.value import TEXTUAL, Untypable, Value, is_plain_object, system

if TYPE_CHECKING:
    from profiles.fhirpath.typed.paths import Paths

Writer = Callable[["Paths", Call, Value], Value]


def _of_type(paths: "Paths", node: Call, me: Value) -> Value:
    argument = node.arguments[0]
    kinds = [t for t in resolve_type(argument, type_argument(argument)).types if t.namespace == "FHIR"]
    if not kinds:
        raise Untypable
    return paths.narrow(paths.base(node, me), kinds[0])


def _typed_base(paths: "Paths", node: Call, me: Value) -> Value:
    base = paths.base(node, me)
    if base.type is None:
        raise Untypable
    return base


def _first(paths: "Paths", node: Call, me: Value) -> Value:
    base = _typed_base(paths, node, me)
    return base.at(0) if base.clauses else base


def _last(paths: "Paths", node: Call, me: Value) -> Value:
    base = _typed_base(paths, node, me)
    return Value(f"fp_last({base.iterable})", base.type) if base.clauses else base


def _single(paths: "Paths", node: Call, me: Value) -> Value:
    base = paths.base(node, me)
    return Value(base.single, base.type) if base.type is not None and base.clauses else base


def _slice(text: str) -> Writer:
    def run(paths: "Paths", node: Call, me: Value) -> Value:
        base = _typed_base(paths, node, me)
        argument = node.arguments[0] if node.arguments else None
        number = argument.value if isinstance(argument, Literal) else None
        if argument is not None and type(number) is not int:
            raise Untypable
        name = paths.names.new()
        return Value(name, base.type, (f"for {name} in {base.iterable}[{text.format(number)}]",))

    return run


def _count(paths: "Paths", node: Call, me: Value) -> Value:
    if isinstance(node.base, Call) and node.base.name == "children" and not node.base.arguments:
        return _count_children(paths, node.base, me)
    base = paths.base(node, me)
    code = f"len({base.iterable})" if base.clauses else f"(1 if {base.exists} else 0)"
    return system("Integer", code, present="True")


def _count_children(paths: "Paths", node: Call, me: Value) -> Value:
    base = paths.base(node, me)
    if base.clauses or base.type is None or base.type.primitive or base.type.open or base.type.namespace != "FHIR":
        raise Untypable
    keys = paths.constant(f"fp_keys({base.type.name!r})")
    return system("Integer", f"fp_count_children({base.code}, {keys})", present="True")


def _extension(paths: "Paths", node: Call, me: Value) -> Value:
    base = paths.base(node, me)
    url = paths.value(node.arguments[0], me)
    if base.type is None or base.type.primitive or not isinstance(url.constant, str):
        raise Untypable
    each = base if base.code.isidentifier() and not base.clauses else paths.names.each(base)
    name = paths.names.new()
    return each.then(name, fhir_type("Extension"), f"for {name} in fp_extensions({each.code}, {url.constant!r})")


def _iif(paths: "Paths", node: Call, me: Value) -> Value:
    if node.base is not None:
        raise Untypable
    if not paths.is_condition(node.arguments[0]):
        raise Untypable  # what is no Boolean is an error there, not a truth
    condition = paths.truth(node.arguments[0], me, True)
    chosen, *rest = [paths.value(argument, me) for argument in node.arguments[1:]]
    other = rest[0] if rest else Value("None", chosen.type)
    if chosen.type is None or other.type is None:
        raise Untypable
    textual = chosen.kind in TEXTUAL and other.kind in TEXTUAL
    kind = chosen.type if chosen.type is other.type else SYSTEM["String" if textual else "Any"]
    if not (chosen.clauses or other.clauses):
        return Value(f"({chosen.code} if {condition} else {other.code})", kind)
    name = paths.names.new()
    return Value(name, kind, (f"for {name} in ({chosen.listed} if {condition} else {other.listed})",))


def _intersect(paths: "Paths", node: Call, me: Value) -> Value:
    parts = [paths.base(node, me), paths.value(node.arguments[0], me)]
    if not all(is_plain_object(part.type) or (part.type and part.type.name in TEXTUAL) for part in parts):
        raise Untypable
    return paths.joined(parts, "fp_intersect")


def _distinct(paths: "Paths", node: Call, me: Value) -> Value:
    return paths.joined([paths.base(node, me)], "fp_union")


def _combine(paths: "Paths", node: Call, me: Value) -> Value:
    if len(node.arguments) != 1:
        raise Untypable
    parts = [paths.base(node, me), paths.value(node.arguments[0], me)]
    return paths.joined(parts, "fp_union" if node.name == "union" else "fp_combine")


CALLS: dict[str, Writer] = {
    "where": lambda paths, node, me: paths.where(paths.base(node, me), node.arguments[0]),
    "select": lambda paths, node, me: paths.select(paths.base(node, me), node.arguments[0]),
    "ofType": _of_type,
    "as": lambda paths, node, me: paths.cast(paths.base(node, me), node, type_argument(node.arguments[0])),
    "iif": _iif,
    "trace": lambda paths, node, me: paths.base(node, me),
    "first": _first,
    "last": _last,
    "single": _single,
    "tail": _slice("1:"),
    "skip": _slice("{}:"),
    "take": _slice(":{}"),
    "count": _count,
    "extension": _extension,
    "intersect": _intersect,
    "distinct": _distinct,
    "combine": _combine,
    "union": _combine,
}
"""By the function's name."""
