"""The language of `_filter`: `name co "budi" and (birthdate ge 1990 or not (gender eq male))`.

`not` binds closer than `and`, `and` closer than `or`. Source: https://hl7.org/fhir/R4/search_filter.html
"""

import re
from collections.abc import Callable
from dataclasses import replace

from ..errors import BadParameter
from .query import Chain, Combined, Condition, Criterion, Has

_TOKENS = re.compile(r'\s*(?:(?P<sign>[()\[\]])|(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<word>[^\s()\[\]"]+))')
_QUOTED = re.compile(r"\\(.)")
DEEPEST = 20
"""Parentheses within parentheses."""

_COMPARED = {operator: ("", operator) for operator in ("eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb")}
OPERATORS: dict[str, dict[str, tuple[str, str]]] = {
    "token": {"eq": ("", ""), "ne": ("not", ""), "in": ("in", ""), "ss": ("below", ""), "sb": ("above", "")},
    "string": {"eq": ("=", ""), "ne": ("!=", ""), "co": ("contains", ""), "sw": ("", ""), "ew": ("ends", "")},
    "date": _COMPARED | {"po": ("overlaps", "")},
    "number": _COMPARED,
    "quantity": _COMPARED,
    "reference": {"eq": ("", ""), "ne": ("!=", "")},
    "uri": {"eq": ("", ""), "ne": ("!=", ""), "sb": ("above", ""), "ss": ("below", "")},
}
"""Parameter type → operator → (modifier, prefix of the value) of the search that means the same; all know `pr`."""

Leaf = Callable[[str, str], Condition]
"""From a parameter's path and a value to its condition."""


class Reader:
    """Reads one expression. `leaf` makes the condition of a parameter and a value as a search would."""

    def __init__(self, text: str, leaf: Leaf) -> None:
        self._leaf, self._depth = leaf, 0
        self._tokens: list[str] = []
        position = 0
        while position < len(text.rstrip()):
            match = _TOKENS.match(text, position)
            if match is None:
                raise BadParameter("_filter", f"cannot be read from {text[position : position + 20]!r} on")
            self._tokens.append(match[0].strip())
            position = match.end()
        self._tokens.reverse()

    def read(self) -> Condition:
        """The whole expression. Raises BadParameter."""
        found = self._or()
        if self._tokens:
            raise BadParameter("_filter", f"{self._tokens[-1]!r} is not expected after a whole expression")
        return found

    def _or(self) -> Condition:
        parts = [self._and()]
        while self._taken("or"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else Combined("or", tuple(parts))

    def _and(self) -> Condition:
        parts = [self._term()]
        while self._taken("and"):
            parts.append(self._term())
        return parts[0] if len(parts) == 1 else Combined("and", tuple(parts))

    def _term(self) -> Condition:
        if self._taken("not"):
            return Combined("not", (self._term(),))
        if not self._taken("("):
            return self._comparison()
        self._depth += 1
        if self._depth > DEEPEST:
            raise BadParameter("_filter", f"has more than {DEEPEST} parentheses in each other")
        found = self._or()
        if not self._taken(")"):
            raise BadParameter("_filter", "a parenthesis is not closed")
        self._depth -= 1
        return found

    def _comparison(self) -> Condition:
        path, operator, value = self._next("a parameter"), self._next("an operator"), self._next("a value")
        if value.startswith('"'):
            # a quoted text is one value: what parts alternatives and pieces elsewhere has no meaning in it
            value = re.sub(r"([\\,$|])", r"\\\1", _QUOTED.sub(r"\1", value[1:-1]))
        return compared(self._leaf(path, value), operator)

    def _taken(self, word: str) -> bool:
        if self._tokens and self._tokens[-1] == word:
            self._tokens.pop()
            return True
        return False

    def _next(self, wanted: str) -> str:
        if not self._tokens or self._tokens[-1] in "()[]":
            found = repr(self._tokens[-1]) if self._tokens else "its end"
            raise BadParameter("_filter", f"wants {wanted} where {found} is")
        return self._tokens.pop()


def compared(condition: Condition, operator: str) -> Condition:
    """The condition with its operator, wherever a chain has it. Raises BadParameter."""
    if isinstance(condition, Chain):
        return Chain(condition.parameter, tuple((type, compared(inner, operator)) for type, inner in condition.of))
    if isinstance(condition, Has):
        return Has(condition.parameter, compared(condition.of, operator))
    if not isinstance(condition, Criterion):
        raise BadParameter("_filter", "takes no special parameter")
    known = OPERATORS.get(condition.parameter.kind, {})
    if operator == "pr":
        return _present(condition)
    if operator not in known or condition.modifier:
        kind = condition.parameter.kind
        raise BadParameter("_filter", f"{operator!r} is not an operator of a {kind}", [*known, "pr"])
    modifier, prefix = known[operator]
    if modifier == "!=":
        same = replace(condition, modifier="=" if condition.parameter.kind == "string" else "")
        return Combined("not", (same,))
    return replace(condition, modifier=modifier, values=tuple(prefix + value for value in condition.values))


def _present(condition: Criterion) -> Condition:
    if condition.values not in (("true",), ("false",)):
        raise BadParameter("_filter", "pr takes true or false", ("true", "false"))
    absent = replace(condition, modifier="missing", values=("true",))
    return absent if condition.values == ("false",) else Combined("not", (absent,))
