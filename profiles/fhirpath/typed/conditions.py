"""Generated Python for conditions: for every node one that says "it is true" and one that says "it is false".

Three-valued logic is thereby decided when the code is written: empty is neither, `and`, `or`, `not` are plain Python.
"""

from collections.abc import Callable

from profiles.fhirpath.engine import resolve_type, type_argument
from profiles.fhirpath.model import Type
from profiles.fhirpath.syntax import Binary, Call, Literal, Node, TypeTest, Union
from profiles.fhirpath.typed.paths import Paths
from profiles.fhirpath.typed.value import (
    BOOLEANS,
    NUMERIC,
    QUANTITIES,
    READABLE,
    TEMPORAL,
    TEXTUAL,
    Names,
    Untypable,
    Value,
    is_plain_object,
)

MAX_CONDITIONS = 500
"""Conditions written for one expression (`xor` and values of truths write their parts twice) before closures do it."""

Fallback = Callable[[Node, Value], str]
_NEGATED = {"!=": "=", "!~": "~"}
_STANDS = {
    "<": ("== -1", "in (0, 1)"),
    ">": ("== 1", "in (-1, 0)"),
    "<=": ("in (-1, 0)", "== 1"),
    ">=": ("in (0, 1)", "== -1"),
}
_ORDERS = ((NUMERIC, "numbers"), (TEMPORAL, "dates"), (QUANTITIES, "quantities"), (TEXTUAL, "texts"))
_LOGIC = frozenset(("and", "or", "xor", "implies"))
_CERTAIN = frozenset(("exists", "empty", "all", "hasValue", "isDistinct"))
_LOGICAL = _LOGIC | frozenset(("=", "!=", "~", "!~", "<", ">", "<=", ">=", "in", "contains"))


class Conditions(Paths):
    """Writes the Python of conditions. What it cannot write it hands to `fallback`, where there is one."""

    def __init__(
        self, root: Value, resource: str, root_resource: str, names: Names, fallback: Fallback | None = None,
        constant: Callable[[str], str] = str,
    ) -> None:  # fmt: skip
        super().__init__(root, resource, root_resource, names, constant)
        self._fallback = fallback
        self._written = 0
        self.reads_references = False

    def is_condition(self, node: Node) -> bool:
        """Whether the node's value is a truth."""
        if isinstance(node, Binary):
            return node.operator in _LOGICAL
        if isinstance(node, TypeTest):
            return node.operator == "is"
        if isinstance(node, Call) and node.name in self.hosts:
            return False
        return isinstance(node, Call) and (node.name in _CALLS or self._is_choice_of_truths(node))

    def is_certain(self, node: Node) -> bool:
        """Whether a condition is always true or false, and never empty."""
        if isinstance(node, Binary):
            return node.operator in _LOGIC and self.is_certain(node.left) and self.is_certain(node.right)
        if not isinstance(node, Call) or node.name in self.hosts:
            return isinstance(node, Literal) and isinstance(node.value, bool)
        return node.name in _CERTAIN or (node.name == "not" and node.base is not None and self.is_certain(node.base))

    def _is_choice_of_truths(self, node: Call) -> bool:
        results = node.arguments[1:]
        return node.name == "iif" and node.base is None and all(map(self.is_condition, results))

    def truth(self, node: Node, me: Value, want: bool) -> str:
        """The Python condition that the node is true (or, with `want` False, false). Raises Untypable."""
        self._written += 1
        if self._written > MAX_CONDITIONS:
            raise Untypable
        try:
            return self._truth(node, me, want)
        except Untypable:
            if self._fallback is None or self._written > MAX_CONDITIONS:
                raise
            return f"{self._fallback(node, me)} is {want}"

    def _truth(self, node: Node, me: Value, want: bool) -> str:
        if isinstance(node, Literal) and isinstance(node.value, bool):
            return str(node.value is want)
        if isinstance(node, Binary) and node.operator in _LOGICAL:
            return self._binary(node, me, want)
        if isinstance(node, TypeTest) and node.operator == "is":
            return self.is_of(node.operand, me, node, node.type, want)
        if isinstance(node, Call) and node.name in self.hosts:
            raise Untypable
        if isinstance(node, Call) and node.name in _CALLS:
            return _CALLS[node.name](self, node, me, want)
        if isinstance(node, Call) and self._is_choice_of_truths(node):
            return self._iif(node, me, want)
        return self._truth_of(self.value(node, me), want)

    def _truth_of(self, value: Value, want: bool) -> str:
        if value.choice is not None or value.type is None:
            raise Untypable
        if value.kind in BOOLEANS:
            return f"fp_boolean({value.single}) is {want}"
        if not want and value.clauses:
            return f"fp_single({value.iterable}) is fp_single"  # never, but it minds more than one item
        if not want or value.constant is not None:
            return str(want)
        # A lone item that is no Boolean is true; a primitive with only extensions has no truth.
        return f"({value.single}) is not None"

    def _binary(self, node: Binary, me: Value, want: bool) -> str:
        operator = node.operator
        left, right = node.left, node.right
        if operator in _LOGIC:
            return self._logic(operator, left, right, me, want)
        if operator in _NEGATED:
            operator, want = _NEGATED[operator], not want
        if operator == "=":
            return self._equal(left, right, me, want)
        if operator in _STANDS:
            a, b = self.value(left, me), self.value(right, me)
            if a.is_count and b.is_count:
                return _no(f"{a.code} {operator} {b.code}", want)
            return f"{self._order(a, b)} {_STANDS[operator][not want]}"
        if operator in ("in", "contains"):
            one, many = (left, right) if operator == "in" else (right, left)
            return self._in(one, many, me, want)
        raise Untypable

    def _logic(self, operator: str, left: Node, right: Node, me: Value, want: bool) -> str:
        def is_(node: Node, wanted: bool) -> str:
            return self.truth(node, me, wanted)

        if operator == "xor":
            same = not want
            first = f"({is_(left, True)}) and ({is_(right, same)})"
            return f"(({first}) or (({is_(left, False)}) and ({is_(right, not same)})))"
        if operator == "implies":
            return (
                f"(({is_(left, False)}) or ({is_(right, True)}))"
                if want
                else f"(({is_(left, True)}) and ({is_(right, False)}))"
            )
        joined = "and" if (operator == "and") is want else "or"
        return f"(({is_(left, want)}) {joined} ({is_(right, want)}))"

    def _equal(self, left: Node, right: Node, me: Value, want: bool) -> str:
        if self.is_condition(left) and self.is_condition(right):
            return self._logic("xor", left, right, me, not want)
        a, b = self.value(left, me), self.value(right, me)
        if b.choice is not None or (a.constant is not None and b.constant is None):
            a, b = b, a
        if a.choice is not None:
            return self._equal_choice(a, b, want)
        if a.kind in BOOLEANS and b.kind in BOOLEANS:
            return self._equal_booleans(a, b, want)
        if (a.kind in TEXTUAL and b.kind in TEXTUAL) or (a.kind in NUMERIC and b.kind in NUMERIC):
            return self._equal_plain(a, b, want)
        if a.clauses or b.clauses:
            raise Untypable
        alike = (TEMPORAL, QUANTITIES)
        if not any(a.kind in kinds and b.kind in kinds for kinds in alike):
            raise Untypable
        return f"fp_equal({a.code}, {a.kind!r}, {b.code}, {b.kind!r}) is {want}"

    def _equal_choice(self, a: Value, b: Value, want: bool) -> str:
        if not isinstance(b.constant, bool) or a.clauses:
            raise Untypable
        return f"{a.code} is {b.code}" if want else f"{a.code} not in (None, {b.code})"

    def _equal_booleans(self, a: Value, b: Value, want: bool) -> str:
        if isinstance(b.constant, bool):
            return f"fp_boolean({a.single}) is {b.constant is want}"
        return f"fp_eq({a.single}, {b.single}) is {want}"

    def _equal_plain(self, a: Value, b: Value, want: bool) -> str:
        if a.clauses and b.clauses:
            return f"fp_eq_lists({a.iterable}, {b.iterable}) is {want}"
        if a.clauses or b.clauses:
            many, one = (a, b) if a.clauses else (b, a)
            return f"fp_eq_list({many.iterable}, {one.code}) is {want}"
        if b.constant is not None:
            return f"{a.code} == {b.code}" if want else f"{a.code} not in (None, {b.code})"
        return f"fp_eq({a.code}, {b.code}) is {want}"

    def _order(self, a: Value, b: Value) -> str:
        if a.clauses or b.clauses:
            raise Untypable
        for kinds, helper in _ORDERS:
            if a.kind in kinds and b.kind in kinds:
                return f"fp_order_{helper}({a.code}, {b.code})"
        raise Untypable

    def _in(self, one: Node, many: Node, me: Value, want: bool) -> str:
        wanted = self.value(one, me)
        texts = _texts(many)
        if texts is not None and wanted.kind in TEXTUAL:
            known = ", ".join(map(repr, texts))
            return f"{wanted.single} in ({known},)" if want else f"{wanted.single} not in (None, {known})"
        among = self.value(many, me)
        if wanted.kind not in TEXTUAL or among.kind not in TEXTUAL:
            raise Untypable
        return f"fp_in({wanted.single}, {among.iterable}) is {want}"

    def is_of(self, operand: Node, me: Value, node: Node, text: str, want: bool) -> str:
        """`operand is Type`."""
        kinds = [t for t in resolve_type(node, text).types if t.namespace == "FHIR"]
        if isinstance(operand, Call) and operand.name == "resolve":
            return self._is_target(operand, me, kinds, want)
        value = self.value(operand, me)
        if not kinds or value.clauses:
            raise Untypable
        wanted = kinds[0]
        if value.choice is not None:
            narrowed = self.among(value, wanted, [(k, t) for k, t in value.choice.keys if wanted in t.ancestors]).exists
        elif value.type is None or value.type.open:
            narrowed = self.narrow(value, wanted).exists
        elif wanted is not value.type and value.type in wanted.ancestors:
            raise Untypable
        else:
            return value.exists if (wanted in value.type.ancestors) is want else "False"
        return narrowed if want else f"(({value.exists}) and not ({narrowed}))"

    def _is_target(self, resolve: Call, me: Value, kinds: list[Type], want: bool) -> str:
        base = self.base(resolve, me)
        # Whoever inlines a condition has a resolver to ask; without one the reference's own text decides.
        if self._fallback is None or not want or base.clauses or base.kind != "Reference" or not kinds:
            raise Untypable
        if not kinds[0].is_resource or kinds[0].open:
            raise Untypable
        self.reads_references = True
        return f"fp_is_target({base.code}, {kinds[0].name + '/'!r})"

    def _iif(self, node: Call, me: Value, want: bool) -> str:
        criterion, chosen, *otherwise = node.arguments
        other = self.truth(otherwise[0], me, want) if otherwise else "False"
        return f"(({self.truth(chosen, me, want)}) if ({self.truth(criterion, me, True)}) else ({other}))"


def _texts(node: Node) -> list[str] | None:
    """The strings of a union of string literals."""
    branches = node.branches if isinstance(node, Union) else (node,)
    found = [b.value for b in branches if isinstance(b, Literal) and isinstance(b.value, str)]
    return found if len(found) == len(branches) else None


def _no(condition: str, want: bool) -> str:
    return condition if want else f"not ({condition})"


def _there(c: Conditions, node: Call, me: Value) -> Value:
    base = c.base(node, me)
    return c.where(base, node.arguments[0]) if node.arguments else base


def _exceptions(c: Conditions, node: Call, me: Value) -> Value:
    each = c.names.each(c.base(node, me))
    with c.iterating():
        return each.only(f"not ({c.truth(node.arguments[0], each.item, True)})")


_SOUGHT: dict[str, tuple[Callable[[Conditions, Call, Value], Value], bool]] = {
    "exists": (_there, True),
    "empty": (_there, False),
    "all": (_exceptions, False),
}
"""What to look for, and what the answer is when it is found."""


def search(c: Conditions, node: Node, me: Value) -> tuple[Value, bool] | None:
    """What a condition looks for, and its answer when that is found; None where it is no search."""
    if not isinstance(node, Call) or node.name not in _SOUGHT or node.name in c.hosts:
        return None
    if node.base is not None and c.is_condition(node.base):
        return None
    look_for, found = _SOUGHT[node.name]
    return look_for(c, node, me), found


def _sought(c: Conditions, node: Call, me: Value, want: bool) -> str:
    found = search(c, node, me)
    if found is not None:
        return _no(found[0].exists, want is found[1])
    if node.base is None or node.arguments:
        raise Untypable
    yes, no = c.truth(node.base, me, True), c.truth(node.base, me, False)
    return _no(f"(({yes}) or ({no}))", want is _SOUGHT[node.name][1])


def _not(c: Conditions, node: Call, me: Value, want: bool) -> str:
    if node.base is None:
        raise Untypable
    return c.truth(node.base, me, not want)


def _has_value(c: Conditions, node: Call, me: Value, want: bool) -> str:
    base = c.base(node, me)
    if is_plain_object(base.type):
        return str(not want)
    if base.clauses or base.type is None or not base.type.primitive:
        raise Untypable
    return _no(f"({base.code}) is not None", want)


def _is(c: Conditions, node: Call, me: Value, want: bool) -> str:
    if node.base is None:
        raise Untypable
    return c.is_of(node.base, me, node, type_argument(node.arguments[0]), want)


def _is_distinct(c: Conditions, node: Call, me: Value, want: bool) -> str:
    base = c.base(node, me)
    if base.kind not in TEXTUAL:
        raise Untypable
    return _no(f"fp_distinct({base.iterable})", want)


def _text_test(template: str) -> Callable[[Conditions, Call, Value, bool], str]:
    def run(c: Conditions, node: Call, me: Value, want: bool) -> str:
        base, argument = c.base(node, me), c.value(node.arguments[0], me)
        if base.kind not in READABLE or argument.kind not in TEXTUAL:
            raise Untypable
        return f"{template.format(base.single, argument.single)} is {want}"

    return run


def _matches(c: Conditions, node: Call, me: Value, want: bool) -> str:
    base, argument = c.base(node, me), node.arguments[0]
    if base.kind not in READABLE or len(node.arguments) > 1:
        raise Untypable
    if not isinstance(argument, Literal) or not isinstance(argument.value, str):
        raise Untypable
    test = c.constant(f"fp_matches({argument.value!r}, {node.name == 'matchesFull'})")
    return f"{test}({base.single}) is {want}"


def _html_checks(c: Conditions, node: Call, me: Value, want: bool) -> str:
    base = c.base(node, me)
    if base.kind not in TEXTUAL:
        raise Untypable
    return f"fp_html({base.single}) is {want}"


_CALLS: dict[str, Callable[[Conditions, Call, Value, bool], str]] = {
    **dict.fromkeys(_SOUGHT, _sought),
    "not": _not,
    "hasValue": _has_value,
    "is": _is,
    "isDistinct": _is_distinct,
    "startsWith": _text_test("fp_starts({}, {})"),
    "endsWith": _text_test("fp_ends({}, {})"),
    "contains": _text_test("fp_contains({}, {})"),
    "matches": _matches,
    "matchesFull": _matches,
    "htmlChecks": _html_checks,
}
