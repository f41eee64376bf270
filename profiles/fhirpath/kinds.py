"""Which types an operator can join: what `<`, `+` or `=` on values of other types can never answer is an error.

Source: https://hl7.org/fhirpath/N1/#comparison, #math, #equality.
"""

from collections.abc import Iterable

from profiles.fhirpath.model import Type

_KINDS: dict[str, str] = {
    name: kind
    for kind, names in {
        "text": "String string code id markdown uri url canonical oid uuid base64Binary xhtml",
        "number": "Integer Decimal integer positiveInt unsignedInt decimal",
        "moment": "Date DateTime date dateTime instant",
        "time": "Time time",
        "quantity": "Quantity Age Count Distance Duration",
        "truth": "Boolean boolean",
    }.items()
    for name in names.split()
}
_AMOUNTS = frozenset((("number", "number"), ("quantity", "quantity"), ("number", "quantity"), ("quantity", "number")))
_ORDERED = _AMOUNTS | {(kind, kind) for kind in ("text", "moment", "time")}
_MOVED = frozenset((("moment", "quantity"), ("time", "quantity")))
_JOINED: dict[str, frozenset[tuple[str, str]]] = {
    **dict.fromkeys(("<", ">", "<=", ">="), _ORDERED),
    "+": _AMOUNTS | _MOVED | {("text", "text")},
    "-": _AMOUNTS | _MOVED,
    **dict.fromkeys(("*", "/"), _AMOUNTS),
    **dict.fromkeys(("div", "mod"), frozenset((("number", "number"),))),
    "&": frozenset((("text", "text"),)),
}


def never_joined(operator: str, left: Iterable[Type], right: Iterable[Type]) -> str | None:
    """What is wrong where an operator has no answer for any of the types on either side; None where it may have one."""
    pairs = {(_kind(a), _kind(b)) for a in left for b in right}
    if not pairs or any("any" in pair for pair in pairs):
        return None
    if operator in ("=", "!=", "~", "!~"):
        return "never equal" if all((a == "object") is not (b == "object") for a, b in pairs) else None
    if operator not in _JOINED or not pairs.isdisjoint(_JOINED[operator]):
        return None
    return "without order" if operator[0] in "<>" else f"not joined by {operator}"


def _kind(type_: Type) -> str:
    # What is abstract may turn out to be anything.
    if type_.open or type_.name in ("Element", "BackboneElement"):
        return "any"
    return _KINDS.get(type_.name, "object")
