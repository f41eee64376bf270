"""Unit codes: which are valid, what they amount to, and which convert."""

from decimal import Decimal as D

import pytest

from profiles import ucum

VALID = (
    "1 % mg/dL mmol/L 10*3/uL 10*9/L {score} /min kg/m2 mL/min/{1.73_m2} [iU]/L mm[Hg] ug/kg/h [pH] mosm/kg /[HPF] U/L "
    "mg/(24.h) Cel [degF] mg{creatinine}/g dB B[SPL] [in_i'Hg] m[H2O] 10*-3 10^3 L/(min.m2) meq/L kcal_th [lb_av] "
    "g/dL{calc} a mo wk d h min s ms us (mg.h)/L cm[H2O].s/L [arb'U]/mL Kibit deg [drp] kat cal g% mg/mg{creat} ng/L"
)
INVALID = ["", "mgg", "ml ", "kg..m", "{", "x", "mmHg", "lbs", "deg C", "mg/", "/", "(mg", "mg)", "m-", "0", "kmin",
    "mg dl",            "m" * 300, "(" * 50 + "m" + ")" * 50, "m999999999", "µg"]  # fmt: skip
CONVERSIONS = [
    ("1", "kg", "1000", "g"),
    ("1", "[in_i]", "2.54", "cm"),
    ("1", "[lb_av]", "453.59237", "g"),
    ("37", "Cel", "98.6", "[degF]"),
    ("0", "Cel", "273.15", "K"),
    ("760", "mm[Hg]", "101324.72", "Pa"),
    ("1", "wk", "168", "h"),
    ("1", "a", "365.25", "d"),
    ("1", "mmol/L", "1", "mol/m3"),
    ("1", "mL/min", "0.06", "L/h"),
    ("1", "U", "1", "umol/min"),
    ("100", "%", "1", "1"),
    ("5", "10*3/uL", "5", "10*9/L"),
    ("1", "[IU]", "1", "[iU]"),
    ("1", "mg{total}", "1", "mg"),
    ("1", "[degRe]", "274.4", "K"),
]


@pytest.mark.parametrize("code", [*VALID.split(" "), "{# of fetuses}"])
def test_valid(code: str) -> None:
    assert ucum.valid(code)


@pytest.mark.parametrize("code", INVALID)
def test_invalid(code: str) -> None:
    assert not ucum.valid(code)
    with pytest.raises(ucum.UcumError):
        ucum.canonical(D(1), code)


@pytest.mark.parametrize(("value", "code", "other", "to"), CONVERSIONS)
def test_converts_both_ways(value: str, code: str, other: str, to: str) -> None:
    assert ucum.convert(D(value), code, to) == D(other)
    back = ucum.convert(D(other), to, code)
    assert back is not None
    assert abs(back - D(value)) < D("1e-30")
    assert ucum.canonical(D(value), code)[1] == ucum.canonical(D(other), to)[1]


@pytest.mark.parametrize(
    ("left", "right"), [("kg", "m"), ("[iU]", "U"), ("[pH]", "mol/L"), ("mg", "nonsense"), ("[iU]", "[arb'U]")]
)
def test_does_not_convert(left: str, right: str) -> None:
    assert not ucum.comparable(left, right)
    assert ucum.convert(D(1), left, right) is None
    assert ucum.common(D(1), left, D(1), right) is None


def test_canonical_is_exact_and_the_same_for_equal_amounts() -> None:
    assert ucum.canonical(D(185), "[lb_av]") == (D("83914.58845"), "g")
    assert ucum.canonical(D("5.5"), "g/L") == ucum.canonical(D("0.55"), "g/dL")
    assert ucum.canonical(D("0.1"), "mg") == (D("0.0001"), "g")


def test_every_unit_of_the_table_is_defined() -> None:
    from profiles.ucum.units import _table

    assert len(_table()) > 250
    assert [code for code in _table() if not ucum.valid(code)] == []


def test_a_value_beyond_reason_is_refused() -> None:
    with pytest.raises(ucum.UcumError):
        ucum.canonical(D("1E+999999999"), "kg")
    assert ucum.common(D("1E+999999999"), "kg", D(1), "g") is None


def test_products() -> None:
    assert ucum.multiply(D(2), "cm", D(2), "m") == (D("0.04"), "m2")
    assert ucum.divide(D(4), "g", D(2), "m") == (D(2), "g.m-1")
    assert ucum.divide(D(4), "g", D(0), "m") is None
