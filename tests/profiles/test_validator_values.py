"""Values that R4 forbids or advises against although each is well formed by itself: an error or a warning, and why."""

from decimal import Decimal
from typing import Any

import pytest

from profiles import INDONESIA, Validator, is_valid

Json = dict[str, Any]

R4 = Validator()
ABSENT = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}
XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'


def patient(**more: Any) -> Json:
    return {"resourceType": "Patient", "active": True, **more}


def observation(**more: Any) -> Json:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "suhu"}, **more}


def narrative(div: str) -> Json:
    return patient(text={"status": "generated", "div": div})


def found(resource: Json, validator: Validator = R4) -> list[tuple[str, str, str]]:
    issues = validator.validate(resource)
    assert validator.accepts(resource) is is_valid(issues)
    return [(i.severity, i.rule, i.path) for i in issues]


@pytest.mark.parametrize(
    ("resource", "rule", "path"),
    [
        (patient(_birthDate={"id": "a"}), "Patient.birthDate", "Patient.birthDate"),
        (patient(name=[{"given": [None, "Siti"], "_given": [{"id": "a"}, None]}]), "HumanName.given",
         "Patient.name[0].given[0]"),
        (patient(_gender={"extension": [ABSENT]}), "Patient.gender", "Patient.gender"),
        (patient(extension=[{"url": "agama", "valueString": "x"}]), "Extension.url", "Patient.extension[0].url"),
        (patient(_birthDate={"extension": [{"url": "jam", "valueString": "x"}]}), "Extension.url",
         "Patient.birthDate.extension[0].url"),
        (patient(identifier=[{"system": "nik", "value": "1"}]), "Identifier.system", "Patient.identifier[0].system"),
        (observation(valueCodeableConcept={"coding": [{"system": "loinc", "code": "1"}]}), "Coding.system",
         "Observation.value.ofType(CodeableConcept).coding[0].system"),
        (observation(valueQuantity={"value": 1, "system": "ucum", "code": "kg"}), "Quantity.system",
         "Observation.value.ofType(Quantity).system"),
        (patient(contained=[{"resourceType": "Organization", "id": "o", "name": name} for name in ("RS", "Klinik")],
                 managingOrganization={"reference": "#o"}), "Resource.id", "Patient.contained[1].id"),
        (narrative(f"<div {XHTML}>tes&nbsp;darah</div>"), "txt-1", "Patient.text.div"),
        (narrative("<div>tes darah</div>"), "txt-1", "Patient.text.div"),
    ],
)  # fmt: skip
def test_what_is_forbidden(resource: Json, rule: str, path: str) -> None:
    assert found(resource) == [("error", rule, path)]


@pytest.mark.parametrize(
    ("resource", "rule", "path"),
    [
        (patient(name=[{"text": "  "}]), "HumanName.text", "Patient.name[0].text"),
        ({"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": "Questionnaire/1"},
         "QuestionnaireResponse.questionnaire", "QuestionnaireResponse.questionnaire"),
        (patient(photo=[{"contentType": "image/png", "data": "aGFsbw==", "hash": "aGFsbw=="}]), "Attachment.hash",
         "Patient.photo[0].hash"),
        (patient(identifier=[{"system": "urn:ietf:rfc:3986", "value": "1.2.3"}]), "Identifier.value",
         "Patient.identifier[0].value"),
        (observation(valueQuantity={"value": 1, "code": "tab",
                                    "system": "http://terminology.hl7.org/CodeSystem/v3-orderableDrugForm"}),
         "Quantity.code", "Observation.value.ofType(Quantity).code"),
        (observation(valueCodeableConcept={"coding": [{"system": "http://unitsofmeasure.org", "code": "tablet"}]}),
         "Coding.code", "Observation.value.ofType(CodeableConcept).coding[0].code"),
    ],
)  # fmt: skip
def test_what_is_doubtful(resource: Json, rule: str, path: str) -> None:
    assert found(resource) == [("warning", rule, path)]


@pytest.mark.parametrize(
    "resource",
    [
        patient(_birthDate={"id": "a"}, birthDate="1990"),
        patient(name=[{"given": [None, "Siti"], "_given": [{"extension": [ABSENT]}, {"id": "a"}]}]),
        patient(extension=[{"url": "http://example.org/x", "extension": [{"url": "part", "valueString": "x"}]}]),
        patient(identifier=[{"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3"}]),
        patient(photo=[{"contentType": "a/b", "data": "aGFs bw==", "hash": "M7HqwhCXH7AqO5Cvzp2/91i+eU0="}]),
        narrative(f"<div class='a' {XHTML}>a &amp; b&#160;c</div>"),
        {"resourceType": "PlanDefinition", "status": "draft", "library": ["#lib"],
         "contained": [{"resourceType": "Library", "id": "lib", "status": "draft", "type": {"text": "x"}}]},
    ],
)  # fmt: skip
def test_what_is_right(resource: Json) -> None:
    assert found(resource) == []


def test_a_div_without_namespace_is_a_warning_beside_the_shipped_profiles() -> None:
    shipped = Validator([INDONESIA])
    issues = shipped.validate({**observation(), "text": {"status": "generated", "div": "<div>Suhu 36,5</div>"}})
    assert [i.severity for i in issues if i.rule == "txt-1"] == ["warning"]


@pytest.mark.parametrize(
    ("text", "good"), [("a &amp; b", True), ("a & b", False), ("a &nbsp; b", False), ("\x01", False)]
)
def test_texts_are_judged_anew_where_the_tags_are_those_of_before(text: str, good: bool) -> None:
    shell = '<div xmlns="http://www.w3.org/1999/xhtml"><p title="&lt;">{}</p><p>{}</p></div>'
    plain = shell.replace(' title="&lt;"', "")
    for each in (plain, shell):
        assert found(narrative(each.format("satu", "dua"))) == []
        assert (found(narrative(each.format("satu", text))) == []) is good


@pytest.mark.parametrize(
    ("element", "shows"),
    [
        ({"multipleBirthInteger": Decimal("1.50")}, "'1.50'"),
        ({"birthDate": Decimal("1990.0")}, '"1990.0"'),
        ({"name": [{"family": True}]}, '"true"'),
    ],
)
def test_values_are_shown_as_they_stand_in_json(element: Json, shows: str) -> None:
    (issue,) = Validator().validate(patient(**element))
    for lang in ("id", "en"):
        said = issue.text(lang) + issue.fix(lang)
        assert shows in said
        assert "Decimal" not in said
        assert "True" not in said


@pytest.mark.parametrize(
    ("language", "good"),
    [
        ({"text": "Bahasa Bugis"}, True),
        ({"coding": [{"system": "urn:ietf:bcp:47", "code": "bug"}]}, True),
        ({"coding": [{"system": "urn:ietf:bcp:47", "code": "Bahasa Bugis"}], "text": "Bahasa Bugis"}, False),
    ],
)
def test_a_maximum_value_set_of_a_preferred_binding_bounds_codes_and_asks_for_none(language: Json, good: bool) -> None:
    resource = patient(communication=[{"language": language}])
    expected = ("error", "Patient.communication.language", "Patient.communication[0].language")
    assert found(resource) == ([] if good else [expected])
