"""UCUM: is a unit code valid, what does a quantity amount to in base units, do two quantities compare.

`valid(code)`, `canonical(value, code)`, `common(…)`, `multiply`, `divide`. Numbers are exact: factors are fractions,
and a Decimal that comes out is rounded only where it does not terminate (34 digits). Source: https://ucum.org/ucum.
"""

from profiles.ucum.conversion import (
    canonical,
    common,
    comparable,
    convert,
    divide,
    exact,
    is_reasonable,
    multiply,
    ratio,
)
from profiles.ucum.units import UcumError, Unit, unit, valid

__all__ = [
    "UcumError",
    "Unit",
    "canonical",
    "common",
    "comparable",
    "convert",
    "divide",
    "exact",
    "is_reasonable",
    "multiply",
    "ratio",
    "unit",
    "valid",
]
