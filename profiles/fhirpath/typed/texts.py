"""Generated Python for functions of text."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from profiles.fhirpath.model import Element
from profiles.fhirpath.syntax import Call, Literal
from profiles.fhirpath.typed.value import NUMERIC, QUANTITIES, READABLE, TEXTUAL, Untypable, Value, pick, system

if TYPE_CHECKING:
    from profiles.fhirpath.typed.paths import Paths

Writer = Callable[["Paths", Call, Value], Value]


def _to_integer(paths: "Paths", node: Call, me: Value) -> Value:
    base = paths.base(node, me)
    if base.kind not in TEXTUAL and base.kind not in ("integer", "Integer"):
        raise Untypable
    return system("Integer", f"fp_to_integer({base.single})")


def _substring(paths: "Paths", node: Call, me: Value) -> Value:
    base = paths.base(node, me)
    if base.kind not in READABLE or not all(isinstance(a, Literal) and type(a.value) is int for a in node.arguments):
        raise Untypable
    numbers = ", ".join(repr(a.value) for a in node.arguments if isinstance(a, Literal))
    return system("String", f"fp_substring({base.single}, {numbers})")


def _text(name: str) -> Writer:
    """A function of a text and literal texts that yields a text."""

    def run(paths: "Paths", node: Call, me: Value) -> Value:
        base = paths.base(node, me)
        if base.kind not in READABLE:
            raise Untypable
        return system("String", f"fp_{name}({', '.join([base.single, *_literal_texts(node)])})")

    return run


def _literal_texts(node: Call) -> list[str]:
    values = [argument.value for argument in node.arguments if isinstance(argument, Literal)]
    if len(values) != len(node.arguments) or not all(isinstance(value, str) and value for value in values):
        raise Untypable
    return [repr(value) for value in values]


def _to_string(paths: "Paths", node: Call, me: Value) -> Value:
    base = paths.base(node, me)
    if base.choice is not None:
        base = _readable(base, base.choice)
    if base.kind in READABLE and not node.arguments:
        return system("String", f"fp_text({base.single})")
    if base.kind not in NUMERIC or node.arguments:
        raise Untypable
    return system("String", f"fp_written({base.single})")


def _readable(base: Value, choice: Element) -> Value:
    """The text of a choice whose other types have none."""
    keys = [key for key, type_ in choice.keys if type_.name in READABLE]
    if base.clauses or any(type_.primitive != (type_.name in READABLE) for _, type_ in choice.keys) or not keys:
        raise Untypable
    if any(type_.name in QUANTITIES for _, type_ in choice.keys):
        raise Untypable
    return system("String", pick(base.owner, tuple(keys)))


def _length(paths: "Paths", node: Call, me: Value) -> Value:
    base = paths.base(node, me)
    if base.kind not in READABLE:
        raise Untypable
    return system("Integer", f"fp_length({base.single})")


def _split(paths: "Paths", node: Call, me: Value) -> Value:
    base = paths.base(node, me)
    if base.kind not in READABLE:
        raise Untypable
    name = paths.names.new()
    return system("String", name, clauses=(f"for {name} in fp_split({base.single}, {_literal_texts(node)[0]})",))


def _join(paths: "Paths", node: Call, me: Value) -> Value:
    base = paths.base(node, me)
    if base.kind not in READABLE:
        raise Untypable
    separator = _literal_texts(node)[0] if node.arguments else "''"
    return system("String", f"fp_join_all({base.iterable}, {separator})")


TEXTS: dict[str, Writer] = {
    "toInteger": _to_integer,
    "substring": _substring,
    "toString": _to_string,
    "length": _length,
    "upper": _text("upper"),
    "lower": _text("lower"),
    "trim": _text("trim"),
    "replace": _text("replace"),
    "split": _split,
    "join": _join,
}
"""By the function's name."""
