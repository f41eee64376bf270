"""The language of `_filter`: `name co "budi" and (birthdate ge 1990 or not (gender eq male))`.

`and` and `or` are taken from left to right, neither before the other. Source: https://hl7.org/fhir/R4/search_filter.html
"""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, Protocol, Self

from ..errors import BadParameter
from .query import Chain, Combined, Condition, Criterion, Has

_PATH = re.compile(r"[^\s()\[\]\"]+")
_OPERATOR = re.compile(r"[a-z]+")
_VALUE = re.compile(r'"((?:[^"\\]|\\.)*)"|[^\s)\]"][^\s)\]]*')
_QUOTED = re.compile(r"\\(.)")
_SPACE = re.compile(r"\s*")
_JOINED = re.compile(r"\b(?:and|or)\b")
DEEPEST = 20
"""Parentheses within parentheses."""
MOST_COMPARISONS = 100

_COMPARED = {operator: ("", operator) for operator in ("eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb")}
_BESIDE = {operator: (operator, "") for operator in ("gt", "lt", "ge", "le")}
OPERATORS: dict[str, dict[str, tuple[str, str]]] = {
    "token": {
        **{"eq": ("", ""), "ne": ("!=", ""), "in": ("in", ""), "ni": ("not-in", "")},
        **{"ss": ("below", ""), "sb": ("above", "")},
    },
    "string": {
        "eq": ("=", ""),
        "ne": ("!=", ""),
        "co": ("contains", ""),
        "sw": ("", ""),
        "ew": ("ends", ""),
        **_BESIDE,
    },
    "date": _COMPARED | {"po": ("overlaps", ""), "co": ("holds", "")},
    "number": _COMPARED,
    "quantity": _COMPARED,
    "reference": {"eq": ("", ""), "ne": ("!=", ""), "re": ("", "")},
    "uri": {"eq": ("", ""), "ne": ("!=", ""), "sb": ("above", ""), "ss": ("below", "")},
    "composite": {"eq": ("", "")},
}
"""Parameter type → operator → (modifier, prefix of the value) of the search that means the same; all know `pr`."""

SYSTEMS = {
    "loinc": "http://loinc.org",
    "snomed": "http://snomed.info/sct",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "ucum": "http://unitsofmeasure.org",
}
"""What may stand for a system."""

PAIRS = {
    ("Group", "characteristic"): ("characteristic-value", ("code", "value")),
    ("DocumentReference", "relatesTo"): ("relationship", ("target", "code")),
}
"""(type, name) of an element with parts → the composite that searches it, and the parts in its order."""


class Asker(Protocol):
    """What a filter may name: the parameters of one resource type."""

    @property
    def type(self) -> str:
        """The resource type."""

    def condition(self, path: str, value: str) -> Condition:
        """The condition of a parameter (or a chain of them) and a value, as a search would read it."""

    def led(self, path: str, ask: Callable[[Self], Condition]) -> Chain:
        """Resources whose reference leads to one that meets what `ask` makes of each of its types."""


class Reader:
    """Reads one expression about the resources of `asker.type`."""

    def __init__(self, text: str, asker: Asker) -> None:
        self._text, self._asker, self._position, self._depth = text, asker, 0, 0
        if len(_JOINED.findall(text)) >= MOST_COMPARISONS:
            raise BadParameter("_filter", f"has more than {MOST_COMPARISONS} comparisons")

    def read(self) -> Condition:
        """The whole expression. Raises BadParameter."""
        found = self._joined()
        if self._rest():
            raise BadParameter("_filter", f"{self._rest()[:20]!r} is not expected after a whole expression")
        return found

    def _joined(self) -> Condition:
        found = self._term()
        while by := self._word("and", "or"):
            sign: Literal["and", "or"] = "and" if by == "and" else "or"
            more = self._term()
            before = found.of if isinstance(found, Combined) and found.by == sign else (found,)
            found = Combined(sign, (*before, more))
        return found

    def _term(self) -> Condition:
        if self._word("not"):
            return Combined("not", (self._term(),))
        if not self._sign("("):
            return self._comparison()
        self._depth += 1
        if self._depth > DEEPEST:
            raise BadParameter("_filter", f"has more than {DEEPEST} parentheses in each other")
        found = self._joined()
        if not self._sign(")"):
            raise BadParameter("_filter", "a parenthesis is not closed")
        self._depth -= 1
        return found

    def _comparison(self) -> Condition:
        path = self._next(_PATH, "a parameter")
        if not self._sign("["):
            return compared(self._asker.condition(path, (said := self._said())[1]), said[0])
        within = self._bracketed()
        rest = self._next(_PATH, "a chained parameter")
        if not rest.startswith(".") or len(rest) < 2:
            raise BadParameter("_filter", f"wants .parameter after {path}[…] where {rest!r} is")
        operator, value = self._said()
        if pair := PAIRS.get((self._asker.type, path)):
            return self._pair(*pair, within, rest[1:], value, operator)

        def ask(asker: Asker) -> Condition:
            return Combined("and", (Reader(within, asker).read(), compared(asker.condition(rest[1:], value), operator)))

        return self._asker.led(path, ask)

    def _pair(self, code: str, parts: tuple[str, str], within: str, name: str, value: str, operator: str) -> Condition:
        """`relatesTo[code eq replaces].target re DocumentReference/1`: both in one element."""
        match = re.fullmatch(r"\s*(\w+)\s+eq\s+(\S.*?)\s*", within)
        if match is None or {match[1], name} != set(parts) or operator not in ("eq", "re"):
            raise BadParameter("_filter", f"wants {' and '.join(parts)} with eq, one of them in the brackets", parts)
        said = {match[1]: match[2].strip('"'), name: value}
        return self._asker.condition(code, "$".join(said[part] for part in parts))

    def _bracketed(self) -> str:
        """What stands up to the closing bracket."""
        begin, depth = self._position, 1
        for match in re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]]').finditer(self._text, begin):
            depth += {"[": 1, "]": -1}.get(match[0], 0)
            if depth == 0:
                self._position = match.end()
                return self._text[begin : match.start()]
        raise BadParameter("_filter", "a bracket is not closed")

    def _said(self) -> tuple[str, str]:
        """Operator and value."""
        operator = self._next(_OPERATOR, "an operator")
        match = _VALUE.match(self._text, self._skipped())
        if match is None:
            raise BadParameter("_filter", f"wants a value where {self._rest()[:20] or 'its end'!r} is")
        self._position = match.end()
        if match[1] is not None:
            # a quoted text is one value: what parts alternatives and pieces elsewhere has no meaning in it
            return operator, re.sub(r"([\\,$|])", r"\\\1", _QUOTED.sub(r"\1", match[1]))
        system, bar, code = match[0].partition("|")
        return operator, f"{SYSTEMS.get(system, system)}{bar}{code}"

    def _skipped(self) -> int:
        space = _SPACE.match(self._text, self._position)
        self._position = space.end() if space else self._position
        return self._position

    def _rest(self) -> str:
        return self._text[self._skipped() :]

    def _sign(self, sign: str) -> bool:
        found = self._text.startswith(sign, self._skipped())
        self._position += found
        return found

    def _word(self, *words: str) -> str:
        match = _PATH.match(self._text, self._skipped())
        if match is None or match[0] not in words:
            return ""
        self._position = match.end()
        return match[0]

    def _next(self, pattern: re.Pattern[str], wanted: str) -> str:
        match = pattern.match(self._text, self._skipped())
        if match is None:
            raise BadParameter("_filter", f"wants {wanted} where {self._rest()[:20] or 'its end'!r} is")
        self._position = match.end()
        return match[0]


def compared(condition: Condition, operator: str) -> Condition:
    """The condition with its operator, wherever a chain has it. Raises BadParameter."""
    if isinstance(condition, Chain):
        return Chain(condition.parameter, tuple((type, compared(inner, operator)) for type, inner in condition.of))
    if isinstance(condition, Has):
        return Has(condition.parameter, compared(condition.of, operator))
    if isinstance(condition, Combined):  # a canonical url with its version
        return Combined(condition.by, tuple(compared(inner, operator) for inner in condition.of))
    if not isinstance(condition, Criterion):
        raise BadParameter("_filter", "takes no special parameter")
    known = OPERATORS.get(condition.parameter.kind, {})
    if operator == "pr":
        return _present(condition)
    if operator not in known or condition.modifier:
        kind = condition.parameter.kind
        raise BadParameter("_filter", f"{operator!r} is not an operator of a {kind}", [*known, "pr"])
    modifier, prefix = known[operator]
    return replace(condition, modifier=modifier, values=tuple(prefix + value for value in condition.values))


def _present(condition: Criterion) -> Condition:
    if condition.values not in (("true",), ("false",)):
        raise BadParameter("_filter", "pr takes true or false", ("true", "false"))
    return replace(condition, modifier="missing", values=("false" if condition.values == ("true",) else "true",))
