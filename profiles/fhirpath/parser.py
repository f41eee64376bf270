"""From tokens to the tree: a precedence climber with the grammar's own levels.

Source: https://hl7.org/fhirpath/N1/#operator-precedence.
"""

from decimal import Decimal

from profiles.fhirpath import temporal
from profiles.fhirpath.errors import FHIRPathError
from profiles.fhirpath.lexer import Token, tokens
from profiles.fhirpath.quantity import CALENDAR, Quantity
from profiles.fhirpath.syntax import (
    Binary,
    Call,
    Empty,
    External,
    Index,
    Literal,
    Member,
    Node,
    Place,
    Special,
    TypeTest,
    Unary,
    Union,
)

MAX_DEPTH = 100
"""Nesting of brackets, and length of a chain of operators of one level (`|` excepted), that is still parsed."""

LEVELS: dict[str, int] = {
    **dict.fromkeys(("implies",), 1),
    **dict.fromkeys(("or", "xor"), 2),
    **dict.fromkeys(("and",), 3),
    **dict.fromkeys(("in", "contains"), 4),
    **dict.fromkeys(("=", "~", "!=", "!~"), 5),
    **dict.fromkeys(("<", ">", "<=", ">="), 6),
    **dict.fromkeys(("|",), 7),
    **dict.fromkeys(("is", "as"), 8),
    **dict.fromkeys(("+", "-", "&"), 9),
    **dict.fromkeys(("*", "/", "div", "mod"), 10),
}
_UNARY_LEVEL = 11
_SPECIALS = ("this", "index", "total")
_TEMPORAL = {
    "date": (1, temporal.parse_date),
    "datetime": (1, temporal.parse_datetime),
    "time": (2, temporal.parse_time),
}


def parse(expression: str) -> Node:
    """The tree of an expression. Raises FHIRPathError with the column where it does not follow the grammar."""
    return _Parser(expression).whole()


class _Parser:
    def __init__(self, expression: str) -> None:
        self._tokens = tokens(expression)
        self._at = 0
        self._depth = 0

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _is_sign(self, text: str) -> bool:
        return self._next.kind == "sign" and self._next.text == text

    def _expect(self, text: str) -> None:
        if not self._is_sign(text):
            raise self._unexpected(f"{text!r}")
        self._at += 1

    def _unexpected(self, wanted: str) -> FHIRPathError:
        token = self._next
        found = "the end of the expression" if token.kind == "end" else repr(token.text)
        return FHIRPathError(f"expected {wanted}, found {found}", token.place[1], token.place[0])

    def whole(self) -> Node:
        node = self._binary(1)
        if self._next.kind != "end":
            raise self._unexpected("an operator or the end")
        return node

    def _deeper(self, place: Place) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise FHIRPathError(f"nested deeper than {MAX_DEPTH} levels", place[1], place[0])

    def _binary(self, level: int) -> Node:
        outer = self._depth
        self._deeper(self._next.place)
        left = self._unary()
        while True:
            token = self._next
            found = LEVELS.get(token.text, 0) if token.kind in ("sign", "name") else 0
            if found < level:
                break
            self._deeper(token.place)
            left = self._operation(left, self._take(), found)
        self._depth = outer
        return left

    def _operation(self, left: Node, operator: Token, level: int) -> Node:
        if operator.text in ("is", "as"):
            return TypeTest(operator.place, left, operator.text, self._type_name())
        right = self._binary(level + 1)
        if operator.text != "|":
            return Binary(operator.place, left, operator.text, right)
        self._depth -= 1  # a chain of unions is one flat node, so its length is not depth
        return Union(operator.place, (*(left.branches if isinstance(left, Union) else (left,)), right))

    def _type_name(self) -> str:
        first = self._identifier("a type name")
        if self._is_sign("."):
            self._at += 1
            return f"{first}.{self._identifier('a type name')}"
        return first

    def _identifier(self, wanted: str) -> str:
        if self._next.kind not in ("name", "quoted"):
            raise self._unexpected(wanted)
        return self._take().text

    def _unary(self) -> Node:
        token = self._next
        if token.kind == "sign" and token.text in ("-", "+"):
            self._at += 1
            self._deeper(token.place)
            operand = self._unary()
            self._depth -= 1
            return Unary(token.place, operand, token.text)
        return self._postfix(self._term())

    def _postfix(self, node: Node) -> Node:
        outer = self._depth
        while True:
            place = self._next.place
            if self._is_sign("."):
                self._deeper(place)
                self._at += 1
                node = self._invocation(node)
            elif self._is_sign("["):
                self._deeper(place)
                self._at += 1
                index = self._binary(1)
                self._expect("]")
                node = Index(place, node, index)
            else:
                self._depth = outer
                return node

    def _invocation(self, base: Node | None) -> Node:
        token = self._next
        if token.kind == "special" and base is not None:
            self._at += 1
            return base  # `a.$this` is a
        name = self._identifier("a name")
        if not self._is_sign("("):
            return Member(token.place, base, name)
        self._at += 1
        arguments: list[Node] = []
        while not self._is_sign(")"):
            if arguments:
                self._expect(",")
            arguments.append(self._binary(1))
        self._at += 1
        return Call(token.place, tuple(arguments), base, name)

    def _special(self) -> Node:
        token = self._take()
        if token.text[1:] not in _SPECIALS:
            raise FHIRPathError(
                f"unknown {token.text}; there are $this, $index and $total", token.place[1], token.place[0]
            )
        return Special(token.place, token.text[1:])

    def _term(self) -> Node:
        token = self._next
        if token.kind in ("name", "quoted"):
            if token.kind == "name" and token.text in ("true", "false"):
                self._at += 1
                return Literal(token.place, token.text == "true")
            return self._invocation(None)
        if token.kind == "special":
            return self._special()
        if token.kind in _TEMPORAL or token.kind in ("number", "string", "external"):
            self._at += 1
            return self._constant(token)
        if self._is_sign("("):
            self._at += 1
            node = self._binary(1)
            self._expect(")")
            return node
        if self._is_sign("{"):
            self._at += 1
            self._expect("}")
            return Empty(token.place)
        raise self._unexpected("an expression")

    def _constant(self, token: Token) -> Node:
        if token.kind == "external":
            return External(token.place, token.text)
        if token.kind == "string":
            return Literal(token.place, token.text)
        if token.kind == "number":
            return self._number(token)
        skip, parse_text = _TEMPORAL[token.kind]
        value = parse_text(token.text[skip:])
        if value is None:
            raise FHIRPathError(f"there is no {token.text}", token.place[1], token.place[0])
        return Literal(token.place, value)

    def _number(self, token: Token) -> Node:
        unit = self._next
        if unit.kind == "string":
            self._at += 1
            return Literal(token.place, Quantity(Decimal(token.text), unit.text))
        if unit.kind == "name" and unit.text in CALENDAR:
            self._at += 1
            return Literal(token.place, Quantity(Decimal(token.text), CALENDAR[unit.text], calendar=True))
        return Literal(token.place, Decimal(token.text) if "." in token.text else int(token.text))
