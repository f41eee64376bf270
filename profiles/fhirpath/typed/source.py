"""The text of generated functions: loops outermost, for they are quicker than comprehensions, which are within."""

import re

from profiles.fhirpath.syntax import Node
from profiles.fhirpath.typed.conditions import Conditions, search
from profiles.fhirpath.typed.value import Untypable, Value, is_plain_object

# Names that no FHIR key and no literal is likely to hold, for they are replaced in the source of `plain`.
_PLAIN = {"fp0resource": "o", "fp0root": "o", "fp0environment": "fp_environment(o)"}
_OUTSIDE = re.compile("|".join(_PLAIN))
_ARGUMENTS = ", ".join(("o", *_PLAIN))
_SINGLE = re.compile(r"for (\w+) in \((.*),\)")
MAX_LOOPS = 12
"""Loops within each other (Python allows 20)."""


def source(writer: Conditions, tree: Node) -> str:
    """The source of `items`, of `plain` for a resource with nothing else, and for a condition of `holds` and `fails`.

    Raises Untypable.
    """
    return "\n".join(_condition(writer, tree) if writer.is_condition(tree) else _items(writer, tree)) + "\n"


def _condition(writer: Conditions, tree: Node) -> list[str]:
    looked_for = _search(writer, tree)
    if looked_for is not None:
        value, found = looked_for
        return [
            *_function("holds", _looped(value, [f"return {found}"], f"return {not found}")),
            *_function("fails", _looped(value, [f"return {not found}"], f"return {found}")),
            *_both(_looped(value, [f"return [{found}]"], f"return [{not found}]")),
        ]
    yes = writer.truth(tree, writer.root, True)
    no = f"not ({yes})" if writer.is_certain(tree) else writer.truth(tree, writer.root, False)
    otherwise = "[False]" if writer.is_certain(tree) else f"[False] if {no} else []"
    return [
        *_function("holds", [f"return {yes}"]),
        *_function("fails", [f"return {no}"]),
        *_both([f"return [True] if {yes} else {otherwise}"]),
    ]


def _search(writer: Conditions, tree: Node) -> tuple[Value, bool] | None:
    """What a condition comes down to looking for, if that takes a loop."""
    try:
        found = search(writer, tree, writer.root)
    except Untypable:
        return None
    return found if found and found[0].clauses and found[0].present is None else None


def _items(writer: Conditions, tree: Node) -> list[str]:
    value = writer.value(tree, writer.root)
    if not value.clauses:
        return _both([f"v = {value.code}", "return [] if v is None else [v]"])
    if is_plain_object(value.type) or (value.type and value.type.open):
        body = [f"found.append({value.code})"]
        if value.listed.startswith("[*"):
            return _both([f"return {value.listed}"])
    else:
        body = [f"v = {value.code}", "if v is not None:", "    found.append(v)"]
    return _both(["found = []", *_looped(value, body, "return found")])


def _looped(value: Value, body: list[str], end: str) -> list[str]:
    """Statements for each of the items, and one after them all."""
    lines: list[str] = []
    depth = ""
    for clause in value.clauses:
        single = _SINGLE.fullmatch(clause)
        lines.append(f"{depth}{single[1]} = {single[2]}" if single else f"{depth}{clause}:")
        depth += "" if single else "    "
    if sum(clause.startswith("for ") for clause in value.clauses) > MAX_LOOPS:
        raise Untypable
    return [*lines, *(f"{depth}{line}" for line in body), end]


def _function(name: str, body: list[str], arguments: str = _ARGUMENTS) -> list[str]:
    return [f"def {name}({arguments}):", *(f"    {line}" for line in body)]


def _both(body: list[str]) -> list[str]:
    """`items`, and `plain` for a resource with nothing else."""
    plain = [_OUTSIDE.sub(lambda match: _PLAIN[match[0]], line) for line in body]
    return [*_function("items", body), *_function("plain", plain, "o")]
