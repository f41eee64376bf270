"""Generated Python and closures agree, on well-formed data and on any other."""

from typing import Any

import pytest

from profiles import definitions
from profiles.fhirpath import FHIRPathError, compile
from profiles.fhirpath.typed import BAILS, NAMES, condition

TRUTHS = [
    ("Patient", "name.exists() or contact.exists()"),
    ("Patient", "contact.all(name.exists() or telecom.exists() or address.exists() or organization.exists())"),
    ("Patient", "deceased.exists().not() or deceased != false"),
    ("Patient", "multipleBirth is integer"),
    ("Patient", "gender in ('male' | 'female')"),
    ("Patient", "gender = 'male' xor active"),
    ("Patient", "birthDate <= @2000 or birthDate.exists()"),
    ("Patient", "telecom.rank > 1"),
    ("Patient", "telecom.first().rank > 1"),
    ("Patient", "name.given = 'Siti'"),
    ("Patient", "name.family.startsWith('R')"),
    ("Patient", "identifier.where(system = 'https://fhir.kemkes.go.id/id/nik').value.matches('^[0-9]{16}$')"),
    ("Patient", "identifier.value.isDistinct()"),
    ("Patient", "iif(active, gender = 'female', gender.empty())"),
    ("Patient", "contained.id contains 'org'"),
    ("Patient", "managingOrganization.reference.substring(1) in %resource.contained.id"),
    ("Patient", "(name.count() + contact.count()) > 3"),
    ("Patient", "name.family > 'Q'"),
    ("Patient", "birthDate.toString().substring(8, 2).toInteger() mod 40 = 1"),
    ("Patient", "(1 - 42) mod 40 = -1"),
    ("Patient", "telecom.first().rank mod 2 = 1"),
    ("Patient", "telecom.first().rank mod (telecom.count() - telecom.count()) = 1"),
    ("Patient", "language.exists()"),
    ("Patient", "language.hasValue()"),
    ("Patient", "active"),
    ("Patient", "active.not()"),
    ("Patient", "gender"),
    ("Patient", "name.where(use = 'official').given.count() = 2"),
    ("Patient", "extension.all(value is Quantity or value is uri)"),
    ("Patient", "language.where(true).exists()"),
    ("Patient", "language.exists($this.hasValue().not())"),
    ("Patient", "contained.contained.empty() and name.suffix.empty()"),
    ("Patient", "contact.telecom.exists(system = 'phone')"),
    ("Patient", "'x'.hasValue() and name.first().hasValue().not()"),
    ("Patient", "children().count() > id.count()"),
    ("Patient", "name.first().children().count() >= 4 or name.count() < 2"),
    ("Observation", "hasValue() or (children().count() > id.count())"),
    ("Observation", "component.code.where(coding.intersect(%resource.code.coding).exists()).empty()"),
    ("Observation", "component.code.coding.intersect(%resource.component.code.coding).exists()"),
    ("Patient", "extension.exists(value is string or value is Duration)"),
    ("Patient", "extension.value.ofType(Quantity).first() is Age"),
    ("Observation", "dataAbsentReason.empty() or value.empty()"),
    ("Observation", "value.exists() and (value as Quantity).value > 70"),
    ("Observation", "component.all(value is Quantity or value is string)"),
    ("Observation", "component.code.coding.code.isDistinct()"),
    ("Observation", "code.coding.exists(system = %loinc and code = '85354-9')"),
    ("Observation", "effective is dateTime"),
    ("Observation", "subject.resolve() is Patient"),
]
ITEMS = [
    ("Patient", "name.given"),
    ("Patient", "name.where(use = 'official').family"),
    ("Patient", "identifier.where(system = 'x').value"),
    ("Patient", "telecom.value | contact.telecom.value"),
    ("Patient", "contact.name | name"),
    ("Patient", "multipleBirth"),
    ("Patient", "language"),
    ("Patient", "generalPractitioner.where(resolve() is Practitioner)"),
    ("Patient", "contained.ofType(Organization).name"),
    ("Patient", "name.first().given.first()"),
    ("Patient", "name.skip(1).given"),
    ("Patient", "contact[1].telecom.value"),
    ("Patient", "name.family & '!'"),
    ("Patient", "name.select(given.first())"),
    ("Patient", "telecom.select(rank)"),
    ("Patient", "birthDate.select($this)"),
    ("Observation", "component.value.where($this is Quantity).ofType(Quantity).value"),
    ("Observation", "component.value.where($this is string).ofType(string)"),
    ("Observation", "effective.toString().substring(0, 10)"),
    ("Observation", "component.code.coding.intersect(%resource.component.code.coding)"),
    ("Patient", "extension.value.ofType(Quantity).code"),
    ("Patient", "extension.value.ofType(uri)"),
    ("Patient", "extension.value.ofType(Element)"),
    ("Patient", "extension.select(value as Quantity).value"),
    ("Observation", "value as Quantity"),
    ("Observation", "value.unit"),
    ("Observation", "component.value"),
    ("Observation", "component.value.ofType(Quantity)"),
    ("Observation", "code.coding | component.code.coding"),
    ("Observation", "(value as Quantity) | (value as SampledData)"),
    ("Observation", "effective as Period"),
]
BROKEN: list[Any] = [None, [], {}, "text", 5, True, [None], [[]], [{}], {"a": 1}, ["x", {"y": 1}]]


def outcome(evaluate: Any, *arguments: Any, **variables: Any) -> Any:
    try:
        return evaluate(*arguments, **variables)
    except FHIRPathError as error:
        return error.column


def closures(type_: str, expression: str) -> Any:
    """The expression without its generated Python."""
    # A variable that overrules a name of FHIRPath's own keeps to the closures.
    return lambda resource: outcome(compile(expression, type_), resource, sct="overruled")


@pytest.mark.parametrize(("type_", "expression"), [*TRUTHS, *ITEMS])
def test_python_and_closures_agree(
    type_: str, expression: str, patient: dict[str, Any], observation: dict[str, Any]
) -> None:
    resource = patient if type_ == "Patient" else observation
    compiled = compile(expression, type_)
    assert compiled.python() is not None
    expected = closures(type_, expression)(resource)
    assert outcome(compiled, resource) == expected
    assert outcome(compiled, resource) == expected  # the second call is the generated one, if the first was not
    for key in resource:
        if key != "resourceType":
            less = {k: v for k, v in resource.items() if k != key}
            assert outcome(compiled, less) == closures(type_, expression)(less), key


@pytest.mark.parametrize(("type_", "expression"), [*TRUTHS, *ITEMS])
def test_broken_data_raises_nothing_but_a_fhirpath_error(
    type_: str, expression: str, patient: dict[str, Any], observation: dict[str, Any]
) -> None:
    resource = patient if type_ == "Patient" else observation
    for key in resource:
        for value in BROKEN:
            if key != "resourceType":
                outcome(compile(expression, type_), {**resource, key: value})
                outcome(compile(expression), {**resource, key: value})


@pytest.mark.parametrize(
    "expression",
    [
        "'x' != active.exists()",
        "name.take('1'.toInteger()).family",
        "active and telecom",
        "managingOrganization.htmlChecks()",
        "gender.combine(active, true)",
        "name.trace('t').family",
    ],
)
def test_what_comes_out_does_not_depend_on_how_often_it_was_asked(expression: str, patient: dict[str, Any]) -> None:
    for type_ in (None, "Patient"):
        compiled = compile(expression, type_)
        told: list[str] = []
        found = [outcome(compiled, patient, trace=lambda name, _: told.append(name)) for _ in range(5)]  # noqa: B023
        assert found == [closures("Patient", expression)(patient)] * 5
        assert len(told) == 5 * expression.count("trace")


@pytest.mark.parametrize(("type_", "expression"), TRUTHS)
def test_test_answers_the_truth(
    type_: str, expression: str, patient: dict[str, Any], observation: dict[str, Any]
) -> None:
    resource = patient if type_ == "Patient" else observation
    found = outcome(compile(expression, type_).test, resource)
    items = outcome(compile(expression, type_), resource)
    if isinstance(items, list):
        truths = {(): None, (True,): True, (False,): False}
        assert found is truths.get(tuple(items), True)
    else:
        assert found == items


def test_an_expression_without_a_type_becomes_python_for_what_it_meets(patient: dict[str, Any]) -> None:
    compiled = compile("name.where(use = 'official').family")
    assert [compiled(patient) for _ in range(10)] == [["Rahayu"]] * 10
    assert compiled({"resourceType": "Practitioner", "name": [{"use": "official", "family": "Wijaya"}]}) == ["Wijaya"]
    assert compiled({"resourceType": "Organization", "name": "RS Melati"}) == []


def test_a_condition_can_be_inlined(patient: dict[str, Any]) -> None:
    constants: dict[str, str] = {}

    def constant(source: str) -> str:
        return constants.setdefault(source, f"C{len(constants)}")

    text = condition("name.all(family.matches('^R') or use = 'nickname')", "Patient", "o", "c", "c", constant)
    assert text is not None
    names = {**NAMES, **{name: eval(source, dict(NAMES)) for source, name in constants.items()}}
    holds = eval(f"lambda o, c: {text}", names)
    assert holds(patient, patient)
    assert not holds({"name": [{"family": "Wijaya"}]}, {})
    with pytest.raises(BAILS):
        holds({"name": ["Wijaya"]}, {})
    assert condition("descendants().id.isDistinct()", "Patient", "o", "c", "c", constant) is None


def test_nearly_all_invariants_of_r4_become_python() -> None:
    left: set[str] = set()
    total = 0
    for structure in definitions.structures():
        if structure.get("derivation") == "constraint" or structure["kind"] != "resource":
            continue
        for constraint in structure["snapshot"]["element"][0].get("constraint", ()):
            total += 1
            try:
                inlined = condition(
                    constraint["expression"], structure["type"], "o", "c.resource", "c.root", lambda source: "K"
                )
            except FHIRPathError:
                continue
            if inlined is None:
                left.add(constraint["key"])
    assert total > 200
    assert len(left) < 20, left
