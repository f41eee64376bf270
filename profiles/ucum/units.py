"""Unit codes parsed to a factor and base dimensions. The table is `units.txt`. Source: https://ucum.org/ucum#section-Syntax-Rules."""

import re
from fractions import Fraction
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

PREFIXES: dict[str, int] = {
    "Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1,
    "d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18, "z": -21, "y": -24,
}  # fmt: skip
BINARY_PREFIXES: dict[str, int] = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40}
MAX_LENGTH = 200
MAX_EXPONENT = 100
_MAX_NESTING = 20

_ATOM = re.compile(r"10[*^]|(?:[^\s./(){}\[\]0-9+\-\"]|\[[^\]\s]*\])+")
_EXPONENT = re.compile(r"[+-]?\d+")
_INTEGER = re.compile(r"\d+")
# Spaces are not UCUM's, but HL7's own value sets have annotations with them ("{# of fetuses}").
_ANNOTATION = re.compile(r"\{[\x20-\x7a\x7c\x7e]*\}")


class UcumError(ValueError):
    """The code is not a UCUM unit."""


class Unit(NamedTuple):
    """`factor` × the base units in `dimensions` (name, exponent; sorted); `special` names a special unit's function."""

    factor: Fraction
    dimensions: tuple[tuple[str, int], ...] = ()
    special: str | None = None

    def times(self, other: "Unit", sign: int = 1) -> "Unit":
        """The product, or with `sign` -1 the quotient."""
        exponents = dict(self.dimensions)
        for base, exponent in other.dimensions:
            exponents[base] = exponents.get(base, 0) + sign * exponent
        factor = self.factor * other.factor if sign > 0 else self.factor / other.factor
        return Unit(factor, tuple(sorted((b, e) for b, e in exponents.items() if e)))

    def power(self, exponent: int) -> "Unit":
        """The unit to an integer power."""
        return Unit(self.factor**exponent, tuple((b, e * exponent) for b, e in self.dimensions if exponent))

    @property
    def text(self) -> str:
        """The base units as a UCUM term (`g.m-3`; `1` where there are none)."""
        return ".".join(base if e == 1 else f"{base}{e}" for base, e in self.dimensions) or "1"


_ONE = Unit(Fraction(1))


@lru_cache(2048)
def unit(code: str) -> Unit:
    """The unit that a code means. Raises UcumError for what is not UCUM (case-sensitive)."""
    if not code or len(code) > MAX_LENGTH:
        raise UcumError(f"{code[:MAX_LENGTH]!r} is not a UCUM unit")
    parser = _Parser(code)
    found = parser.term(0)
    if parser.at != len(code):
        raise parser.error()
    return found


def valid(code: str) -> bool:
    """Whether `code` is a UCUM unit (case-sensitive, annotations allowed)."""
    try:
        unit(code)
    except UcumError:
        return False
    return True


class _Parser:
    def __init__(self, code: str) -> None:
        self.code, self.at = code, 0

    def error(self) -> UcumError:
        return UcumError(f"{self.code!r} is not a UCUM unit: {self.code[self.at :]!r} is not understood")

    def _sign(self, signs: str) -> str:
        if self.at < len(self.code) and self.code[self.at] in signs:
            self.at += 1
            return self.code[self.at - 1]
        return ""

    def _match(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.code, self.at)
        if match is None:
            return ""
        self.at = match.end()
        return match.group()

    def term(self, nesting: int) -> Unit:
        if nesting > _MAX_NESTING:
            raise self.error()
        found = _ONE
        divides = self._sign("/") == "/"
        only = not divides
        while True:
            part = self._component(nesting)
            sign = self._sign("./")
            if only and not sign:
                return part  # a special unit stands alone
            only = False
            found = found.times(part, -1 if divides else 1)
            if not sign:
                return found
            divides = sign == "/"

    def _component(self, nesting: int) -> Unit:
        if self._sign("("):
            found = self.term(nesting + 1)
            if not self._sign(")"):
                raise self.error()
            self._match(_ANNOTATION)
            return found
        if self._match(_ANNOTATION):
            return _ONE
        atom = self._match(_ATOM)
        if not atom:
            digits = self._match(_INTEGER)
            if not digits or int(digits) == 0:
                raise self.error()
            self._match(_ANNOTATION)
            return Unit(Fraction(int(digits)))
        known = _simple(atom)
        if known is None:
            self.at -= len(atom)
            raise self.error()
        exponent = self._match(_EXPONENT)
        self._match(_ANNOTATION)
        if not exponent:
            return known
        if abs(int(exponent)) > MAX_EXPONENT:
            raise self.error()
        return known.power(int(exponent))


@cache
def _table() -> dict[str, list[str]]:
    lines = Path(__file__).with_name("units.txt").read_text("utf-8").splitlines()
    return {row[0]: row[1:] for row in (line.split() for line in lines if line and not line.startswith("# "))}


@cache
def _simple(symbol: str) -> Unit | None:
    if symbol in _table():
        return _defined(symbol)
    for prefixes, base in ((PREFIXES, 10), (BINARY_PREFIXES, 2)):
        for size in (2, 1):
            exponent, rest = prefixes.get(symbol[:size]), symbol[size:]
            if exponent is not None and rest in _table() and _table()[rest][0] == "m":
                known = _defined(rest)
                return known._replace(factor=known.factor * Fraction(base) ** exponent)
    return None


@cache
def _defined(symbol: str) -> Unit:
    _, *definition = _table()[symbol]
    if not definition:
        return Unit(Fraction(1), ((symbol, 1),))
    kind, *rest = definition
    if kind == "arbitrary":
        return Unit(Fraction(1), ((symbol, 1),))
    if kind == "=":
        return _defined(rest[0])
    if kind == "special":
        from profiles.ucum.special import SPECIAL

        function = SPECIAL[rest[0]]
        return Unit(Fraction(1), unit(function.unit).dimensions if function.unit else ((symbol, 1),), rest[0])
    value = Fraction(10) ** int(kind[3:]) if kind.startswith("10*") else Fraction(kind)
    known = unit(rest[0]) if rest[0] != symbol else _ONE
    return known._replace(factor=known.factor * value)
