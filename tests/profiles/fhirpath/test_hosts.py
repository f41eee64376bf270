"""What a host brings: variables, functions, a resolver, and its own answers."""

from decimal import Decimal
from typing import Any

import pytest

from profiles.fhirpath import FHIRPathError, Quantity, compile, evaluate


def test_variables_are_python_values() -> None:
    assert evaluate("%a + 1", {}, a=1) == [2]
    assert evaluate("%a.count()", {}, a=["x", "y"]) == [2]
    assert evaluate("%facility.kode", {}, facility={"kode": "0301R011"}) == ["0301R011"]
    assert evaluate("%p.name.family", {}, p={"resourceType": "Patient", "name": [{"family": "Rahayu"}]}) == ["Rahayu"]
    assert evaluate("%q.value", {}, q={"valueQuantity": {"value": 1}}) == [{"value": 1}]
    assert evaluate("%`two words`", {}, **{"two words": None}) == []
    assert evaluate("%q * 2", {}, q=Quantity(Decimal(2), "mg")) == [Quantity(Decimal(4), "mg")]


def test_the_resource_of_an_element_is_told_apart_from_it() -> None:
    resource = {"resourceType": "Patient", "id": "siti", "contact": [{"gender": "male"}]}
    expression = compile("gender = 'male' and %resource.id = 'siti' and %context.gender = 'male'", "Patient.contact")
    assert expression(resource["contact"][0], resource=resource) == [True]
    assert expression(resource["contact"][0], resource={"resourceType": "Patient"}) == []


def test_functions_of_the_host(patient: dict[str, Any]) -> None:
    calls: list[tuple[list[Any], ...]] = []

    def translate(focus: list[Any], *args: list[Any]) -> list[Any]:
        calls.append((focus, *args))
        return ["L" if focus == ["male"] else "P"]

    functions = {"translate": translate}
    assert compile("gender.translate('jk', name.use)", "Patient", functions)(patient) == ["P"]
    assert calls == [(["female"], ["jk"], ["official", "nickname"])]
    assert compile("name.exists(%resource.gender.translate('jk') = 'P')", None, functions)(patient) == [True]
    with pytest.raises(FHIRPathError, match="translate"):
        compile("gender.translate('jk')")


def test_a_function_of_the_host_comes_before_fhirpaths_own(patient: dict[str, Any]) -> None:
    for type_ in (None, "Patient"):
        expression = compile("name.count() = 7", type_, {"count": lambda focus: [7]})
        assert [expression(patient) for _ in range(5)] == [[True]] * 5


def test_an_error_of_a_host_function_gets_its_place(patient: dict[str, Any]) -> None:
    def refuse(focus: list[Any]) -> list[Any]:
        raise FHIRPathError("no such code")

    with pytest.raises(FHIRPathError, match="no such code") as caught:
        compile("gender.refuse()", None, {"refuse": refuse})(patient)
    assert caught.value.column == 8


def test_resolve_asks_the_resolver() -> None:
    encounter = {"resourceType": "Encounter", "subject": {"reference": "Patient/1"}}
    known = {"Patient/1": {"resourceType": "Patient", "gender": "male"}}
    for expression in (compile("subject.resolve().gender"), compile("subject.resolve().gender", "Encounter")):
        assert expression(encounter, resolver=known.get) == ["male"]
        assert expression(encounter, resolver={}.get) == []
    where = compile("Encounter.subject.where(resolve() is Patient)", "Encounter")
    assert where(encounter) == [encounter["subject"]]
    assert where(encounter, resolver=lambda _: {"resourceType": "Group"}) == []


def test_resolve_looks_into_the_bundle_first() -> None:
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient", "id": "p", "gender": "female"}},
            {"resource": {"resourceType": "Encounter", "subject": {"reference": "urn:uuid:1"}}},
            {"resource": {"resourceType": "Encounter", "subject": {"reference": "Patient/p"}}},
        ],
    }
    assert evaluate("entry.resource.ofType(Encounter).subject.resolve().gender", bundle) == ["female", "female"]
    encounter = bundle["entry"][1]["resource"]  # type: ignore[index]
    assert evaluate("subject.resolve().gender", encounter, rootResource=bundle) == ["female"]


def test_conforms_to_asks_the_host(patient: dict[str, Any]) -> None:
    asked: list[str] = []

    def conforms(value: Any, url: str) -> bool:
        asked.append(url)
        return url.endswith("yes")

    assert evaluate("conformsTo('http://example.org/yes')", patient, conforms=conforms) == [True]
    assert evaluate("conformsTo('http://example.org/no')", patient, conforms=conforms) == [False]
    assert asked == ["http://example.org/yes", "http://example.org/no"]


def test_without_a_host_the_validator_judges_conformance(patient: dict[str, Any]) -> None:
    core = "http://hl7.org/fhir/StructureDefinition"
    fit = {"resourceType": "Patient", "gender": "male"}
    assert evaluate(f"conformsTo('{core}/Patient')", fit) == [True]
    assert evaluate(f"conformsTo('{core}/Patient')", {**fit, "gender": "unspoken"}) == [False]
    assert evaluate(f"conformsTo('{core}/Observation')", fit) == [False]
    assert evaluate(f"gender.conformsTo('{core}/code')", fit) == [True]
    weight = {"resourceType": "Observation", "status": "final", "code": {"text": "berat"}}
    assert evaluate(f"conformsTo('{core}/bodyweight')", weight) == [False]


def test_trace_tells_the_host(patient: dict[str, Any]) -> None:
    told: list[tuple[str, list[Any]]] = []
    traced = evaluate("name.trace('names', given).use", patient, trace=lambda name, values: told.append((name, values)))
    assert traced == ["official", "nickname"]
    assert told == [("names", ["Siti", "Iti"])]


def test_terminology_of_the_host_is_asked_first() -> None:
    def terminology(operation: str, *arguments: Any) -> Any:
        return operation == "memberOf" and arguments == ("A09", "http://example.org/vs")

    condition = {"resourceType": "Condition", "id": "A09"}
    assert evaluate("id.memberOf('http://example.org/vs')", condition, terminology=terminology) == [True]
    assert evaluate("id.memberOf('http://example.org/vs')", condition) == []


def test_subsumption_follows_the_code_system() -> None:
    system = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    above, below = {"system": system, "code": "_ActEncounterCode"}, {"system": system, "code": "AMB"}
    assert evaluate("%a.subsumes(%b)", {}, a=above, b=below) == [True]
    assert evaluate("%a.subsumedBy(%b)", {}, a=above, b=below) == [False]
    assert evaluate("%terminologies.subsumes(%s, %a, %b)", {}, s=system, a=below, b=above) == ["subsumed-by"]
    assert evaluate("%a.subsumes(%b)", {}, a={"system": "http://example.org", "code": "x"}, b=below) == [False]


def test_translate_follows_a_concept_map() -> None:
    concept_map = {
        "resourceType": "ConceptMap",
        "group": [
            {
                "source": "http://hl7.org/fhir/administrative-gender",
                "target": "http://example.org/jk",
                "element": [{"code": "male", "target": [{"code": "L", "equivalence": "equal"}]}],
            }
        ],
    }
    expression = "%terminologies.translate(%m, 'male').parameter.where(name = 'match').part.value.ofType(Coding).code"
    assert evaluate(expression, {}, m=concept_map) == ["L"]
    assert evaluate("%terminologies.translate(%m, 'x').parameter.value", {}, m=concept_map) == [False]
