"""Bad expressions are told with their place; hostile ones cost bounded time and depth."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from profiles.fhirpath import FHIRPathError, compile, environment, evaluate

SYNTAX = [
    ("", 1, 1, "the end"),
    ("name.", 1, 6, "a name"),
    ("1 +", 1, 4, "an expression"),
    ("name given", 1, 6, "operator or the end"),
    ("(1", 1, 3, "')'"),
    ("'abc", 1, 1, "not closed"),
    ("1 /* a", 1, 3, "not closed"),
    ("name.where(\n  use = )", 2, 9, "an expression"),
    ("@2024-13-01", 1, 1, "@2024-13-01"),
    ("@T25:00", 1, 1, "@T25:00"),
    (r"'\q'", 1, 1, r"\q"),
    ("$that", 1, 1, "$this"),
    ("a ? b", 1, 3, "'?'"),
    ("name.foo()", 1, 6, "foo()"),
    ("name.frist()", 1, 6, "'first'"),
    ("name.first(1)", 1, 6, "takes 0"),
    ("name.where()", 1, 6, "takes 1"),
    ("gender is Gender", 1, 8, "Gender"),
    ("gender.ofType(1)", 1, 15, "a type"),
]
SEMANTIC = [
    ("Patient.nam", 1, 9, "'name'"),
    ("name.given1", 1, 6, "'given'"),
    ("name.where(us = 'x')", 1, 12, "'use'"),
    ("deceasedBoolean", 1, 1, "deceased.ofType(boolean)"),
    ("multipleBirthInteger > 1", 1, 1, "multipleBirth.ofType(integer)"),
    ("Encounter.name", 1, 1, "Encounter"),
    ("(deceased as dateTime).unit", 1, 24, "'unit'"),
    ("identifier.startsWith('a')", 1, 12, "Identifier"),
    ("iif(gender, 1)", 1, 5, "Boolean"),
    ("contact.select(name.given | name.foo)", 1, 34, "'foo'"),
    ("birthDate < 5", 1, 11, "without order"),
    ("active > gender", 1, 8, "boolean and code are without order"),
    ("name.where(family > 1)", 1, 19, "without order"),
    ("maritalStatus = 'M'", 1, 15, "CodeableConcept and System.String are never equal"),
    ("'M' != maritalStatus.coding", 1, 5, "never equal"),
    ("name.select(family + 1)", 1, 20, "not joined by +"),
    ("name.count() & 'x'", 1, 14, "not joined by &"),
    ("gender * 2", 1, 8, "not joined by *"),
    ("birthDate mod 2", 1, 11, "not joined by mod"),
    ("contact.repeat(name | foo)", 1, 23, "'foo'"),
    ("name.defineVariable('x', system)", 1, 26, "'system'"),
]
EXECUTION = [
    ("name.single()", 6),
    ("active and name", 12),
    ("1 < 'a'", 3),
    ("birthDate + 7", 11),
    ("birthDate + 1 'mo'", 11),
    ("@T10:00 + 1 day", 9),
    ("@T10:00 - 1 month", 9),
    ("1 day + birthDate", 7),
    (r"'a'.matches('\\p{Klingon}')", 5),
    ("(1 | 2) & 'a'", 9),
    ("-'a'", 1),
    ("%nothing", 1),
    ("'a'.matches('(')", 5),
    ("name.as(HumanName)", 6),
    ("conformsTo('http://example.org/none')", 1),
    ("defineVariable('ucum')", 1),
    ("'a'.encode('rot13')", 5),
]


@pytest.mark.parametrize(("expression", "line", "column", "word"), SYNTAX)
def test_a_bad_expression_is_told_with_its_place(expression: str, line: int, column: int, word: str) -> None:
    with pytest.raises(FHIRPathError) as caught:
        compile(expression)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert word in str(caught.value)


@pytest.mark.parametrize(("expression", "line", "column", "word"), SEMANTIC)
def test_with_a_type_it_is_told_what_cannot_be(expression: str, line: int, column: int, word: str) -> None:
    with pytest.raises(FHIRPathError) as caught:
        compile(expression, "Patient")
    assert (caught.value.line, caught.value.column) == (line, column)
    assert word in str(caught.value)
    compile(expression)  # without a type nothing is certain


@pytest.mark.parametrize(("expression", "column"), EXECUTION)
def test_what_cannot_be_evaluated_is_told_with_its_place(expression: str, column: int, patient: dict[str, Any]) -> None:
    with pytest.raises(FHIRPathError) as caught:
        evaluate(expression, patient)
    assert caught.value.column == column


@pytest.mark.parametrize(
    ("expression", "column"),
    [
        ("children().first()", 12),
        ("name.descendants().where($this is string)[0]", 42),
        ("(name.given | name.family).take(1)", 28),
        ("active or name.combine(contact.name).given.last().exists()", 44),
    ],
)
def test_strict_evaluation_wants_an_order_to_pick_by(expression: str, column: int, patient: dict[str, Any]) -> None:
    with pytest.raises(FHIRPathError, match="order") as caught:
        compile(expression, "Patient", strict=True)
    assert caught.value.column == column
    compile(expression, "Patient")(patient)


@pytest.mark.parametrize(
    "expression", ["name.skip(1).given", "(name.family | telecom.value).sort().first()", "children().count().first()"]
)
def test_strict_evaluation_takes_what_has_an_order(expression: str, patient: dict[str, Any]) -> None:
    assert len(compile(expression, "Patient", strict=True)(patient)) == 1


@pytest.mark.parametrize(
    ("expression", "column", "word"),
    [
        ("%facilty.zone", 1, "did you mean 'facility'?"),
        ("name.where(use = %x).given & %resource.id", 18, "there are %context, %resource"),
        ("%`us-zip`", 1, "%us-zip"),
        ("defineVariable('a', %b)", 21, "%a, %facility"),
    ],
)
def test_a_variable_that_will_not_be_given_is_told(expression: str, column: int, word: str) -> None:
    with pytest.raises(FHIRPathError, match="no variable") as caught:
        compile(expression, variables=["facility"])
    assert caught.value.column == column
    assert word in str(caught.value)
    compile(expression)


def test_variables_that_are_known_are_no_error() -> None:
    known = "%facility | %resource | %ucum | %`vs-x` | %`ext-y` | defineVariable('z', 1).select(%z)"
    assert compile(known, variables=["facility"])({}, facility="a")[:1] == ["a"]


def test_a_search_expression_may_speak_of_other_types() -> None:
    found = compile("Patient.birthDate | Person.birthDate | RelatedPerson.birthDate", "Patient")
    assert found({"resourceType": "Patient", "birthDate": "2001"}) == ["2001"]


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(FHIRPathError, match="no FHIR type Patien"):
        compile("name", "Patien")


HOSTILE = [
    "(" * 10_000 + "1" + ")" * 10_000,
    "-" * 10_000 + "1",
    "a" + ".a" * 10_000,
    "1" + "+1" * 10_000,
    "a[" * 5_000 + "]" * 5_000,
    "iif(" * 3_000,
    "1" * 5_000,
    "'" + "a" * 200_000 + "'",
]


@pytest.mark.parametrize("expression", HOSTILE, ids=lambda text: text[:6])
def test_depth_and_length_are_limited(expression: str) -> None:
    with pytest.raises(FHIRPathError):
        compile(expression)


def test_a_long_union_is_no_depth() -> None:
    assert evaluate(" | ".join(str(n) for n in range(2_000)) + " | 5", {})[-1] == 1_999


def test_nested_truths_do_not_multiply() -> None:
    expression = " xor ".join(f"(gender = '{n}' xor active)" for n in range(45))
    assert compile(expression, "Patient")({"resourceType": "Patient", "active": True, "gender": "7"}) == [False]


@pytest.mark.parametrize(
    ("regex", "text", "found"),
    [
        ("(a+)+$", "a" * 60_000 + "b", False),
        (r"(\s*([0-9a-zA-Z+/=]){4}\s*)+", "QUJD" * 20_000, True),
        (".*.*.*.*=x", "=" * 30_000, False),
        (r"(x|xx)*\b", "x" * 30_000 + "!", True),
        (r"^(?=.*\d)(?=.*[a-z]).{8,}$", "sandi2026", True),
        ("a?" * 60 + "a" * 60, "a" * 60, True),
        ("((a|b)|(a|c))*d", "a" * 5_000, False),
        ("(a|b|ab)" * 12 + "c", "ab" * 400, False),
        ("(a*b?){9}c", "ab" * 400, False),
        (r"(?<!\d)\d{4}(?!\d)", "tahun 02026, 2026", True),
    ],
)
def test_a_regular_expression_bomb_does_not_go_off(regex: str, text: str, found: bool) -> None:
    assert evaluate("%text.matches(%regex)", {}, text=text, regex=regex) == [found]


def test_a_replacement_that_could_explode_is_refused() -> None:
    with pytest.raises(FHIRPathError, match="too long"):
        evaluate("%text.replaceMatches('(a+)+$', '')", {}, text="a" * 50 + "b")


@pytest.mark.parametrize("regex", [r"((?=a*).)*b", r"(a*)\1*c", r"(?=(a+)+c)"])
def test_what_cannot_be_matched_in_time_is_refused(regex: str) -> None:
    with pytest.raises(FHIRPathError, match="too long"):
        evaluate("%text.matches(%regex)", {}, text="a" * 30_000, regex=regex)


def test_numbers_beyond_reason_cost_no_memory() -> None:
    huge = {"resourceType": "Observation", "valueQuantity": {"value": Decimal("1E+999999999"), "code": "kg"}}
    for expression in ("value.value.toString()", "value.value.truncate()", "value < 1 'kg'", "value.value mod 3"):
        with pytest.raises(FHIRPathError):
            evaluate(expression, huge)
    assert evaluate("value.exists()", huge) == [True]
    assert evaluate("(1 | 2 | 3 | 4 | 5 | 6).aggregate($total * $total, 99999.9)", {}) != []


def test_endless_repetition_ends() -> None:
    with pytest.raises(FHIRPathError, match="repeatAll"):
        evaluate("(1).repeatAll($this | $this)", {})


GROWING = [
    "%many.select(%many.select(%many))",
    "%many.aggregate($total.combine($total), 1)",
    "%many.aggregate($total & $total, 'ab')",
    "%many.aggregate($total + $total, 'ab')",
    "%many.repeatAll(%many)",
    "1.repeat($this + 1)",
    "'aaaaaaaaaa'" + ".encode('hex')" * 60,
    "%many.join('" + "x" * 90_000 + "')",
]


@pytest.mark.parametrize("expression", GROWING, ids=lambda text: text[:40])
def test_what_grows_without_bounds_is_refused(expression: str) -> None:
    with pytest.raises(FHIRPathError, match=r"more than|come to an end"):
        evaluate(expression, {}, many=[str(n) for n in range(3_000)])


@pytest.mark.parametrize(
    "expression",
    [
        "entry.all(%resource.entry.all(%resource.entry.all(fullUrl != 'x')))",
        "entry.where(%resource.entry.exists(fullUrl = 'x')).empty()",
        "entry.select(%context.descendants().count()).sort()",
    ],
)
@pytest.mark.parametrize("type_", [None, "Bundle"])
def test_a_join_without_end_is_given_up(expression: str, type_: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "MAX_SECONDS", 0.05)
    bundle = {"resourceType": "Bundle", "entry": [{"fullUrl": f"urn:{n}"} for n in range(3_000)]}
    compiled = compile(expression, type_)
    for _ in range(3):
        with pytest.raises(FHIRPathError, match="seconds"):
            compiled(bundle)


def test_one_expression_serves_many_threads_and_itself(patient: dict[str, Any]) -> None:
    expression = "name.where($index = %n).select(defineVariable('f', family).select(%f & gender.ask()))"
    inner = compile("name[0].given.first()", "Patient")

    def ask(focus: list[Any]) -> list[Any]:
        return inner(patient)

    compiled = compile(expression, None, {"ask": ask})

    def run(n: int) -> list[Any]:
        names = [{"family": f"f{n}-{k}"} for k in range(5)]
        return compiled({"resourceType": "Patient", "name": names}, n=n % 5)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(run, range(400)))
    assert found == [[f"f{n}-{n % 5}Siti"] for n in range(400)]


def test_distinct_is_not_quadratic() -> None:
    many = [{"resourceType": "Basic", "id": str(n % 50_000)} for n in range(100_000)]
    assert evaluate("%many.distinct().count()", {}, many=many) == [50_000]
