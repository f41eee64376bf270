"""The language: each expression on the patient and what it yields; the core, and what HL7's suite leaves out."""

from decimal import Decimal as D
from typing import Any

import pytest

from profiles.fhirpath import FHIRDate, FHIRDateTime, FHIRTime, Quantity, compile, evaluate

LITERALS = [
    ("{}", []),
    ("1", [1]),
    ("1.50", [D("1.50")]),
    (r"'a\'b\u0041\n'", ["a'bA\n"]),
    ("true and {}", []),
    ("@2026-03-01", [FHIRDate((2026, 3, 1))]),
    ("4 'mg'", [Quantity(D(4), "mg")]),
    ("4 days", [Quantity(D(4), "day", calendar=True)]),
    ("1 /* a */ + // b\n 2", [3]),
    ("$this.gender", ["female"]),
    ("(gender)", ["female"]),
    ("`gender`", ["female"]),
]
OPERATORS = [
    ("1 + 2 * 3", [7]),
    ("-2 + 1", [-1]),
    ("7 div 2 | 7 mod 2", [3, 1]),
    ("7 / 2", [D("3.5")]),
    ("1 / 0", []),
    ("2147483647 + 1", []),
    ("'a' & {} & 'b'", ["ab"]),
    ("'a' + {}", []),
    ("1 = 1.0", [True]),
    ("true = 1", [False]),
    ("'a' = 1", [False]),
    ("(1 | 2) = (2 | 1)", [False]),
    ("(1 | 2) ~ (2 | 1)", [True]),
    (r"'A\tb' ~ 'a B'", [True]),
    ("'A  b' ~ 'a b'", [False]),
    ("' a' ~ 'a'", [False]),
    ("1.55 ~ 1.5", [False]),
    ("{} ~ {}", [True]),
    ("1 in {}", [False]),
    ("{} in (1 | 2)", []),
    ("(1 | 2) contains 2", [True]),
    ("true xor false", [True]),
    ("{} implies true", [True]),
    ("{} implies false", []),
    ("{} or true", [True]),
    ("{} and false", [False]),
    ("'b' > 'a'", [True]),
    ("(1 | 1 | 2).count()", [2]),
]
TEMPORAL = [
    ("@2026-03 < @2026-03-01", []),
    ("@2026-03 < @2026-04-01", [True]),
    ("@2026-03-01T00:00:00+07:00 = @2026-02-28T17:00:00Z", [True]),
    ("@2026-03-01T00:00:00 < @2026-03-05T00:00:00Z", [True]),
    ("@2026-03-01T00:00:00 < @2026-03-01T05:00:00Z", []),
    ("@T10:30 = @T10:30:00", []),
    ("@2024-02-29 + 1 year", [FHIRDate((2025, 2, 28))]),
    ("@2024-01-31 + 1 month", [FHIRDate((2024, 2, 29))]),
    ("@2024 + 23 months", [FHIRDate((2025,))]),
    ("@2024-05 - 31 days", [FHIRDate((2024, 4))]),
    ("@2024-03-01 - 24 hours", [FHIRDate((2024, 2, 29))]),
    ("@2024-01-01T00:00:00Z + 0.1 's'", [FHIRDateTime((2024, 1, 1, 0, 0, 100_000_000), 0, 3)]),
    ("@T23:59 + 2 minutes", [FHIRTime((1, 1, 1, 0, 1))]),
    ("@9999-12-31 + 1 day", []),
    ("@T01:00 - 2 hours", [FHIRTime((1, 1, 1, 23, 0))]),
    ("@2012-01-01T10 + 90 minutes", [FHIRDateTime((2012, 1, 1, 11))]),
    ("@2012-01-01T10:00:00Z + 1.5 hours", [FHIRDateTime((2012, 1, 1, 11, 0, 0), 0)]),
    ("@2012-01-01T10:30:00.1 = @2012-01-01T10:30:00.10", [True]),
    ("@2012-01-01T10:30 ~ @2012-01-01T10:30:00", [False]),
    ("@2012-01-01 < @2012-01-02T10:00", [True]),
    ("'2015-02-04T10:00:00Z'.toDate()", []),
    ("'2015-02-04T10:00:00Z'.toDateTime().toDate()", [FHIRDate((2015, 2, 4))]),
    (
        "@T10:30:05.highBoundary(9) | @T10:30:05.lowBoundary(9)",
        [FHIRTime((1, 1, 1, 10, 30, 5_999_000_000), None, 3), FHIRTime((1, 1, 1, 10, 30, 5_000_000_000), None, 3)],
    ),
    (
        "@T10:30:05.2.highBoundary() | @T10:30:05.25.highBoundary()",
        [FHIRTime((1, 1, 1, 10, 30, 5_299_000_000), None, 3), FHIRTime((1, 1, 1, 10, 30, 5_259_000_000), None, 3)],
    ),
    ("@2024-01-01T23:30:00-02:00 + 1 hour", [FHIRDateTime((2024, 1, 2, 0, 30, 0), -120)]),
    ("today() = now().toDate()", [True]),
    ("now() = now()", [True]),
    ("birthDate.yearOf() | birthDate.monthOf() | birthDate.dayOf()", [1987, 9, 5]),
    ("birthDate < today()", [True]),
    ("birthDate + 1 day", [FHIRDate((1987, 9, 6))]),
    ("birthDate.toString()", ["1987-09-05"]),
    ("@2024-02.highBoundary() | @2024.lowBoundary(6)", [FHIRDate((2024, 2, 29)), FHIRDate((2024, 1))]),
    ("@2024-01-05T10:30:00.000.precision()", [17]),
    ("'2024-02-30'.convertsToDate() | '2024-02-29'.convertsToDate()", [False, True]),
]
QUANTITIES = [
    ("1 'kg' = 1000 'g'", [True]),
    ("1 'kg' > 999 'g'", [True]),
    ("1 'kg' = 1 'm'", [False]),
    ("1 'kg' < 1 'm'", []),
    ("37 'Cel' = 310.15 'K'", [True]),
    ("1 'mg' + 2 'g'", [Quantity(D(2001), "mg")]),
    ("2 'cm' * 3 'm'", [Quantity(D("0.06"), "m2")]),
    ("6 'g' / 2 'g'", [Quantity(D(3), "1")]),
    ("4 'mg' * 2", [Quantity(D(8), "mg")]),
    ("1 year = 12 months", [True]),
    ("1 year = 365 days and 1 month = 30 days and 1 month < 31 days", [True]),
    ("1 month = 30 'd'", []),
    ("1 'mg' + 1", []),
    ("1 '1' + 1", [Quantity(D(2), "1")]),
    ("1 'mg' < 2", []),
    ("2 * 1 day | 1 day * 3", [Quantity(D(2), "day", calendar=True), Quantity(D(3), "day", calendar=True)]),
    ("1 day + 1 hour", [Quantity(D(25), "hour", calendar=True)]),
    ("1 month + 1 day", [Quantity(D(31), "day", calendar=True)]),
    ("12 'cm' * 3 'cm'", [Quantity(D(36), "cm2")]),
    ("12 'cm2' / 3 'cm'", [Quantity(D(4), "cm")]),
    ("2 'foo' * 3 'foo'", []),
    ("1 day.toQuantity('h')", [Quantity(D(24), "h")]),
    ("1 week.toQuantity('days')", [Quantity(D(7), "day", calendar=True)]),
    ("90 'min'.toQuantity('hours')", [Quantity(D("1.5"), "hour", calendar=True)]),
    ("1 year.toQuantity('d') | 1 year.toQuantity('kg')", []),
    ("1 year = 1 'a'", []),
    ("1 year ~ 1 'a'", [True]),
    ("2 weeks = 14 'd'", [True]),
    ("'5.4 \\'mg\\''.toQuantity()", [Quantity(D("5.4"), "mg")]),
    ("'3 weeks'.toQuantity().toString()", ["3 weeks"]),
    ("1 'kg'.toQuantity('g')", [Quantity(D(1000), "g")]),
    ("1 'cm'.comparable(1 's')", [False]),
    ("1.5 'cm'.lowBoundary(3)", [Quantity(D("1.450"), "cm")]),
]
PATHS = [
    ("Patient.name.given", ["Siti", "Iti"]),
    ("name.given.count()", [3]),
    ("name.given.where(hasValue()).count()", [2]),
    ("name[1].given", ["Iti"]),
    ("name[7]", []),
    ("name.where(use = 'official').family", ["Rahayu"]),
    ("name.select(given.first() & '.')", ["Siti.", "Iti."]),
    ("telecom.where(rank > 1).value", ["021-555"]),
    ("telecom.select($index)", [0, 1]),
    ("contact.all(name.exists() or telecom.exists())", [True]),
    ("multipleBirth", [2]),
    ("multipleBirth is integer", [True]),
    ("multipleBirth.ofType(boolean)", []),
    ("multipleBirth.as(integer) + 1", [3]),
    ("birthDate.extension(%`ext-patient-birthTime`).value", ["1987-09-05T04:10:00+07:00"]),
    ("birthDate.extension.url.count()", [1]),
    ("language.id", ["l1"]),
    ("language.exists() and language.hasValue().not()", [True]),
    ("managingOrganization.resolve().name", ["Klinik Melati"]),
    ("generalPractitioner.where(resolve() is Practitioner).reference", ["Practitioner/dr-1"]),
    ("contained.ofType(Organization).name", ["Klinik Melati"]),
    ("contained.is(DomainResource)", [True]),
    ("descendants().where($this is code).distinct()", ["female", "official", "nickname", "phone", "email", "a"]),
    ("children().count() > 10", [True]),
    ("Observation.status", []),
    ("%resource.id | %context.id | %rootResource.id", ["siti"]),
    ("%`vs-administrative-gender`", ["http://hl7.org/fhir/ValueSet/administrative-gender"]),
    ("gender.memberOf(%`vs-administrative-gender`)", [True]),
    ("type().name | gender.type().name | 1.type().namespace", ["Patient", "code", "System"]),
    ("gender.is(string) and gender.is(System.String).not()", [True]),
    ("gender.as(string)", []),
    ("name.given = name.given", [True]),
    ("(name.given | name.given).count()", [3]),
    ("telecom.where($index = 1).value", ["s@example.org"]),
    ("name.exists($index = 1 and use = 'nickname')", [True]),
    ("birthDate.exists(extension.exists())", [True]),
    ("birthDate.where(extension.exists()).count()", [1]),
    ("extension.value.ofType(Quantity).code", ["a"]),
    ("extension.select(value is uri)", [False, True]),
    ("extension.value.ofType(uri)", []),
]
FUNCTIONS = [
    ("(1 | 2 | 3).aggregate($total + $this, 0)", [6]),
    ("(1 | 2 | 3).aggregate($total + $index, 10)", [13]),
    ("(3 | 1 | 2).sort() = (1 | 2 | 3)", [True]),
    ("telecom.sort(-value).value", ["s@example.org", "021-555"]),
    ("name.sort(family).use", ["nickname", "official"]),
    ("defineVariable('n', gender).select(%n & '!')", ["female!"]),
    ("name.select(defineVariable('f', family.first()).select(%f))", ["Rahayu"]),
    ("contact.repeat(name | telecom).count()", [2]),
    ("name.defineVariable('u', use).first().family", ["Rahayu"]),
    ("(1 | 2).repeat(iif($this < 5, $this + 1, {}))", [2, 3, 4, 5]),
    ("{}.coalesce({}, 2)", [2]),
    ("iif(gender = 'male', 1 / 0, 'no')", ["no"]),
    ("(true | false).allTrue() | (true | false).anyTrue()", [False, True]),
    ("(1 | 2 | 3).exclude(2) | (1 | 2).intersect(2 | 3)", [1, 3, 2]),
    ("(1 | 2).subsetOf(1 | 2 | 3) and (1 | 2).supersetOf(1)", [True]),
    ("(1).combine(1).isDistinct()", [False]),
    ("(1 | 2 | 3).skip(1).take(1) | (1 | 2 | 3).last()", [2, 3]),
    ("'Jl. Melati 5'.substring(4, 6).upper()", ["MELATI"]),
    ("'a-b-c'.split('-').join('+')", ["a+b+c"]),
    ("'abc'.indexOf('c') | 'abcabc'.lastIndexOf('b')", [2, 4]),
    ("'abc'.toChars().count() + 'abc'.length()", [6]),
    ("'2024-01'.replaceMatches('(\\\\d+)-(\\\\d+)', '$2/$1')", ["01/2024"]),
    ("'  x '.trim()", ["x"]),
    (
        r"'11/30/1972'.replaceMatches('\\b(?<m>\\d{1,2})/(?<d>\\d{1,2})/(?<y>\\d{4})\\b', '${d}-${m}-${y}')",
        ["30-11-1972"],
    ),
    (r"'Étienne Ng'.matches('^\\p{Lu}[\\p{L} ]+$') | 'a1'.matches('\\P{L}') | 'ab'.matches('\\P{L}')", [True, False]),
    (r"'a(?<b'.matches('[(?<b]{4}') and 'a'.matches('(?<!b)a\\z')", [True]),
    ("'AbC'.matches('^[a-z]+$', 'i')", [True]),
    ("'é<'.escape('html').unescape('html')", ["é<"]),
    ("'%%'.decode('base64')", []),
    ("'ya'.encode('urlbase64').decode('urlbase64')", ["ya"]),
    ("'yes'.toBoolean() | '2'.toInteger() | '2.50'.toDecimal()", [True, 2, D("2.50")]),
    ("0.power(0)", [1]),
    ("2.power(10) | 9.sqrt() | (-2.5).abs()", [1024, D(3), D("2.5")]),
    ("2.5.round() | (-1.5).floor() | 1.2.ceiling() | 1.9.truncate()", [D(3), -2, 2, 1]),
    ("100.log(10) | 1.ln()", [D(2), D(0)]),
    ("1.587.lowBoundary(2) | 1.587.highBoundary()", [D("1.58"), D("1.58750000")]),
    ("%terminologies.validateVS(%`vs-administrative-gender`, 'male').parameter.value", [True]),
    ("%terminologies.expand(%`vs-administrative-gender`).expansion.contains.code.count()", [4]),
]
ALL = [*LITERALS, *OPERATORS, *TEMPORAL, *QUANTITIES, *PATHS, *FUNCTIONS]


@pytest.mark.parametrize(("expression", "expected"), ALL)
def test_yields(expression: str, expected: list[Any], patient: dict[str, Any]) -> None:
    found = evaluate(expression, patient)
    assert [str(v) for v in found] == [str(v) for v in expected]
    assert [type(v) for v in found] == [type(v) for v in expected]
    assert compile(expression, "Patient" if not expression.startswith("Observation") else None)(patient) == found


def test_choices_of_an_observation(observation: dict[str, Any]) -> None:
    assert evaluate("value.unit", observation) == ["kg"]
    assert evaluate("Observation.value > 70 'kg' and value < 73000 'g'", observation) == [True]
    assert evaluate("component.value.ofType(Quantity).value", observation) == [120]
    assert evaluate("component.value.ofType(string)", observation) == ["eighty"]
    assert evaluate("value.value.toString()", observation) == ["72.50"]
    assert evaluate("effective + 30 minutes", observation) == [FHIRDateTime((2026, 3, 1, 10, 0, 0), 420)]


def test_what_comes_out_has_its_type(observation: dict[str, Any]) -> None:
    typed = compile("status | component.value | subject | 1", "Observation").typed(observation)
    assert [kind for kind, _ in typed] == ["code", "Quantity", "string", "Reference", "System.Integer"]


def test_nothing_it_was_handed_is_changed(patient: dict[str, Any]) -> None:
    from copy import deepcopy

    before = deepcopy(patient)
    for expression, _ in PATHS:
        evaluate(expression, patient)
    assert patient == before
