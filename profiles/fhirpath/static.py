"""Errors that are already certain from the types: names that no element has, text functions on structures.

Only certainties are errors. Of what is not known (a contained resource, a variable, a host function) nothing is said.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from profiles.fhirpath.engine import resolve_type, type_argument
from profiles.fhirpath.errors import FHIRPathError
from profiles.fhirpath.kinds import never_joined
from profiles.fhirpath.model import SYSTEM, UNTYPED, Type, fhir_type, is_fhir_type
from profiles.fhirpath.suggest import nearest
from profiles.fhirpath.syntax import (
    Binary,
    Call,
    Empty,
    External,
    Index,
    Literal,
    Member,
    Node,
    Special,
    TypeTest,
    Unary,
    Union,
)
from profiles.fhirpath.values import type_of

Types = frozenset[Type] | None
"""The types that a collection's items may have; None where they are not known. Empty: it can only be empty."""

NOTHING: frozenset[Type] = frozenset()
_LOGICAL = frozenset(("and", "or", "xor", "implies", "=", "!=", "~", "!~", "<", ">", "<=", ">=", "in", "contains"))
_SAME = frozenset(
    (
        "first", "last", "tail", "skip", "take", "single", "distinct", "trace", "exclude", "intersect",
        "defineVariable", "sort", "where",
    )
)  # fmt: skip
_OF_INPUT = frozenset(("where", "all", "exists", "sort", "trace", "aggregate", "defineVariable"))
"""Functions whose arguments are read on their input, not on `$this`."""
_TO_TEXT = (
    "substring", "upper", "lower", "toChars", "split", "replace", "replaceMatches", "trim", "encode",
    "decode", "escape", "unescape",
)  # fmt: skip
_OF_TEXT = frozenset(
    (*_TO_TEXT, "startsWith", "endsWith", "contains", "matches", "matchesFull", "indexOf", "lastIndexOf", "length")
)
_TRUTHS = (
    "exists", "empty", "not", "all", "allTrue", "anyTrue", "allFalse", "anyFalse", "subsetOf",
    "supersetOf", "isDistinct", "startsWith", "endsWith", "contains", "matches", "matchesFull", "hasValue", "is",
    "memberOf", "subsumes", "subsumedBy", "conformsTo", "htmlChecks", "comparable", "hasExtension", "toBoolean",
)  # fmt: skip
_ANSWERS: dict[str, str] = {
    **dict.fromkeys(_TRUTHS, "Boolean"),
    **dict.fromkeys(("count", "length", "indexOf", "lastIndexOf", "toInteger", "precision"), "Integer"),
    **dict.fromkeys((*_TO_TEXT, "join", "toString"), "String"),
    "toDate": "Date",
    "toDateTime": "DateTime",
    "toTime": "Time",
    "toDecimal": "Decimal",
    "toQuantity": "Quantity",
    "now": "DateTime",
    "today": "Date",
    "timeOfDay": "Time",
}


def check(tree: Node, type_: Type, host_functions: Iterable[str] = ()) -> Types:
    """The types of the result on items of `type_`. Raises FHIRPathError, with the place, for what cannot be right."""
    checker = _Checker(type_, frozenset(host_functions))
    if isinstance(tree, Union):
        # A search expression lists the paths of many resource types; those of other types are empty here.
        return _joined(checker.types(b, checker.root) for b in tree.branches if not checker.is_elsewhere(b))
    return checker.types(tree, checker.root)


def leading_type(node: Node) -> str | None:
    """The type name that a path begins with (`Patient` of `Patient.name.given`), if it begins with one."""
    while True:
        match node:
            case Member(base=None, name=name):
                return name if name[:1].isupper() and is_fhir_type(name) else None
            case Member(base=Node() as base) | Call(base=Node() as base) | Index(base=base):
                node = base
            case TypeTest(operand=operand):
                node = operand
            case _:
                return None


def _joined(parts: Iterable[Types]) -> Types:
    found = NOTHING
    for part in parts:
        if part is None:
            return None
        found |= part
    return found


class _Checker:
    def __init__(self, type_: Type, host_functions: frozenset[str]) -> None:
        self.root: Types = None if type_.open else frozenset((type_,))
        self.type = type_
        self.host_functions = host_functions
        self.is_lenient = False

    @contextmanager
    def lenient(self) -> Iterator[None]:
        """Within it an element that there is not is taken as empty."""
        outer, self.is_lenient = self.is_lenient, True
        yield
        self.is_lenient = outer

    def is_elsewhere(self, branch: Node) -> bool:
        name = leading_type(branch)
        return name is not None and fhir_type(name).is_resource and fhir_type(name) not in self.type.ancestors

    def types(self, node: Node, this: Types) -> Types:
        return _RULES[type(node)](self, node, this)

    def each(self, nodes: Iterable[Node], this: Types) -> None:
        for node in nodes:
            self.types(node, this)


def _literal(checker: _Checker, node: Literal, this: Types) -> Types:
    return frozenset((type_of(node.value),))


def _special(checker: _Checker, node: Special, this: Types) -> Types:
    if node.name == "this":
        return this
    return frozenset((SYSTEM["Integer"],)) if node.name == "index" else None


def _external(checker: _Checker, node: External, this: Types) -> Types:
    return checker.root if node.name == "context" else None


def _member(checker: _Checker, node: Member, this: Types) -> Types:
    name = node.name
    if node.base is None and name[:1].isupper() and is_fhir_type(name):
        wanted = fhir_type(name)
        if this is None:
            return frozenset((wanted,))
        found = frozenset(t for t in this if wanted in t.ancestors)
        if this and not found:
            raise FHIRPathError(f"the path begins with {name}, but is read on {_listed(this)}").at(node.place)
        return found
    owners = this if node.base is None else checker.types(node.base, this)
    try:
        return None if owners is None else step(owners, node)
    except FHIRPathError:
        if checker.is_lenient:
            return NOTHING
        raise


def step(owners: frozenset[Type], node: Member) -> Types:
    """The types of an element of items of these types; FHIRPathError where none of them can have it."""
    name = node.name
    found: Types = NOTHING
    missing = bool(owners)
    for owner in owners:
        if owner is UNTYPED or owner.open or (owner.namespace == "System" and owner.name in ("Any", "Quantity")):
            return None
        element = owner.elements.get(name)
        if element is not None:
            missing = False
            types = frozenset(type_ for _, type_ in element.keys)
            found = None if found is None or any(t.open for t in types) else found | types
        elif owner.primitive and name == "value":
            return None
    if missing:
        raise FHIRPathError(f"{_listed(owners)} has no element {name!r}{_hint(owners, name)}").at(node.place)
    return found


def _hint(owners: frozenset[Type], name: str) -> str:
    for owner in owners:
        for element in owner.elements.values():
            for key, type_ in element.keys if element.choice else ():
                if key == name:
                    return f"; write {element.name}.ofType({type_.name})"
    return nearest(name, {known for owner in owners for known in owner.elements})


def _listed(types: Iterable[Type]) -> str:
    return " or ".join(sorted(t.name if t.namespace == "FHIR" else repr(t) for t in types)[:3])


def _index(checker: _Checker, node: Index, this: Types) -> Types:
    checker.types(node.index, this)
    return checker.types(node.base, this)


def _unary(checker: _Checker, node: Unary, this: Types) -> Types:
    return checker.types(node.operand, this)


def _binary(checker: _Checker, node: Binary, this: Types) -> Types:
    left, right = checker.types(node.left, this), checker.types(node.right, this)
    wrong = never_joined(node.operator, left, right) if left and right and not checker.is_lenient else None
    if wrong:
        raise FHIRPathError(f"{_listed(left or NOTHING)} and {_listed(right or NOTHING)} are {wrong}").at(node.place)
    if node.operator in _LOGICAL:
        return frozenset((SYSTEM["Boolean"],))
    if node.operator == "&":
        return frozenset((SYSTEM["String"],))
    return left if left == right and left is not None and all(t.namespace == "System" for t in left) else None


def _union(checker: _Checker, node: Union, this: Types) -> Types:
    return _joined([checker.types(branch, this) for branch in node.branches])


def _type_test(checker: _Checker, node: TypeTest, this: Types) -> Types:
    operand = checker.types(node.operand, this)
    if node.operator == "is":
        return frozenset((SYSTEM["Boolean"],))
    return _narrowed(operand, node, node.type)


def _narrowed(types: Types, node: Node, text: str) -> Types:
    kind = resolve_type(node, text)
    if types is None:
        return frozenset(kind.types)
    within = frozenset(t for t in types if kind.selects(t))
    return within | frozenset(k for k in kind.types if any(t in k.ancestors for t in types))


def _call(checker: _Checker, node: Call, this: Types) -> Types:
    owners = this if node.base is None else checker.types(node.base, this)
    if node.name in checker.host_functions:
        checker.each(node.arguments, this)
        return None
    rule = _CALLS.get(node.name)
    if rule is not None:
        return rule(checker, node, owners, this)
    if node.name in _OF_TEXT and owners and all(t.namespace == "FHIR" and not t.primitive for t in owners):
        raise FHIRPathError(f"{node.name}() is for text, not for {_listed(owners)}").at(node.place)
    checker.each(node.arguments, owners if node.name in _OF_INPUT else this)
    if node.name in _SAME:
        return owners
    answer = _ANSWERS.get(node.name)
    return frozenset((SYSTEM[answer],)) if answer else None


def _call_type(checker: _Checker, node: Call, owners: Types, this: Types) -> Types:
    if len(node.arguments) != 1:
        return None  # the engine says so
    return _narrowed(owners, node.arguments[0], type_argument(node.arguments[0]))


def _call_is(checker: _Checker, node: Call, owners: Types, this: Types) -> Types:
    return frozenset((SYSTEM["Boolean"],))


def _call_select(checker: _Checker, node: Call, owners: Types, this: Types) -> Types:
    return _joined([checker.types(argument, owners) for argument in node.arguments])


def _call_repeat(checker: _Checker, node: Call, owners: Types, this: Types) -> Types:
    if len(node.arguments) != 1 or owners is None:
        return None  # the engine says so
    # What the first round does not have a later one may: `repeat(item | answer)`.
    reached: Types = owners
    with checker.lenient():
        while reached is not None:
            produced = checker.types(node.arguments[0], reached)
            if produced is not None and produced <= reached:
                break
            reached = None if produced is None else reached | produced
    return None if reached is None else checker.types(node.arguments[0], reached)


def _call_iif(checker: _Checker, node: Call, owners: Types, this: Types) -> Types:
    subject = this if node.base is None else owners
    found = [checker.types(argument, subject) for argument in node.arguments]
    criterion = found[0] if found else None
    if criterion and all(t.name not in ("Boolean", "boolean", "Any") for t in criterion):
        raise FHIRPathError(f"the criterion is {_listed(criterion)}, not a Boolean").at(node.arguments[0].place)
    return _joined(found[1:])


def _call_combined(checker: _Checker, node: Call, owners: Types, this: Types) -> Types:
    return _joined([owners, *(checker.types(argument, this) for argument in node.arguments)])


def _call_extension(checker: _Checker, node: Call, owners: Types, this: Types) -> Types:
    checker.each(node.arguments, this)
    return frozenset((fhir_type("Extension"),))


_CALLS: dict[str, Callable[[_Checker, Call, Types, Types], Types]] = {
    **dict.fromkeys(("as", "ofType"), _call_type),
    "is": _call_is,
    "select": _call_select,
    **dict.fromkeys(("repeat", "repeatAll"), _call_repeat),
    "iif": _call_iif,
    **dict.fromkeys(("combine", "union"), _call_combined),
    "extension": _call_extension,
}

_RULES: dict[type[Node], Callable[[_Checker, Any, Types], Types]] = {
    Literal: _literal,
    Empty: lambda checker, node, this: NOTHING,
    Special: _special,
    External: _external,
    Member: _member,
    Index: _index,
    Unary: _unary,
    Binary: _binary,
    Union: _union,
    TypeTest: _type_test,
    Call: _call,
}
