"""Where extensions may stand and what they hold: contexts by path, by FHIRPath and by condition; their parts."""

from typing import Any

import pytest

from profiles import Validator

Json = dict[str, Any]

HL7 = "http://hl7.org/fhir/StructureDefinition/"
SITE = "http://example.org/StructureDefinition/"


def definition(name: str, *contexts: tuple[str, str], **more: Any) -> Json:
    return {
        "resourceType": "StructureDefinition", "url": SITE + name, "name": name, "status": "active",
        "kind": "complex-type", "abstract": False, "type": "Extension", "baseDefinition": HL7 + "Extension",
        "derivation": "constraint", "context": [{"type": kind, "expression": text} for kind, text in contexts],
        "differential": {"element": [{"id": "Extension.url", "path": "Extension.url", "fixedUri": SITE + name},
                                     *more.pop("elements", [])]}, **more,
    }  # fmt: skip


def use(name: str, **value: Any) -> Json:
    return {"url": name if ":" in name else SITE + name, **(value or {"valueString": "x"})}


def patient(**more: Any) -> Json:
    return {"resourceType": "Patient", "active": True, **more}


VALIDATOR = Validator([
    definition("official", ("fhirpath", "Patient.name.where(use = 'official')")),
    definition("born", ("fhirpath", "Patient.birthDate")),
    definition("either", ("element", "Patient"), ("fhirpath", "Observation.component")),
    definition("grown", ("element", "Patient.contact"), contextInvariant=["name.exists()"]),
    definition("outer", ("element", "Patient")),
    definition("inner", ("extension", SITE + "outer")),
    definition("marked", ("element", "Patient"), elements=[
        {"id": "Extension", "path": "Extension", "isModifier": True, "isModifierReason": "x"}]),
    definition("parts", ("element", "Patient"), elements=[
        {"id": "Extension.extension:a", "path": "Extension.extension", "sliceName": "a"},
        {"id": "Extension.extension:a.url", "path": "Extension.extension.url", "fixedUri": "a"}]),
])  # fmt: skip


def found(resource: Json) -> list[tuple[str, str]]:
    return [(i.rule, i.path) for i in VALIDATOR.validate(resource) if i.severity == "error"]


CODING = {"system": "http://example.org/cs", "code": "1"}


@pytest.mark.parametrize(
    ("resource", "issue"),
    [
        (patient(name=[{"use": "official", "text": "x", "extension": [use("official")]}]), None),
        (patient(name=[{"use": "usual", "text": "x", "extension": [use("official")]}]),
         (SITE + "official", "Patient.name[0].extension[0]")),
        (patient(birthDate="1990", _birthDate={"extension": [use("born")]}), None),
        (patient(_birthDate={"extension": [use("born")]}), None),
        (patient(gender="male", _gender={"extension": [use("born")]}),
         (SITE + "born", "Patient.gender.extension[0]")),
        (patient(extension=[use("either")]), None),
        (patient(contact=[{"gender": "male", "name": {"text": "x"}, "extension": [use("grown")]}]), None),
        (patient(contact=[{"relationship": [{"text": "x"}], "organization": {"display": "x"}, "extension":
                           [use("grown")]}]), (SITE + "grown", "Patient.contact[0].extension[0]")),
        (patient(extension=[use("outer", extension=[use("inner")])]), None),
        (patient(extension=[use("inner")]), (SITE + "inner", "Patient.extension[0]")),
        (patient(modifierExtension=[use("marked")]), None),
        (patient(extension=[use("marked")]), (SITE + "marked", "Patient.extension[0]")),
        (patient(extension=[use("parts", extension=[use("http://x.org/a"), {"url": "a", "valueString": "x"}])]), None),
        (patient(extension=[use("parts", extension=[{"url": "b", "valueString": "x"}])]),
         (SITE + "parts", "Patient.extension[0].extension[0]")),
        (patient(extension=[use("http://x.org/a", valueCodeableConcept={"coding": [
            {**CODING, "extension": [use("outer")]}]})]),
         (SITE + "outer", "Patient.extension[0].value.ofType(CodeableConcept).coding[0].extension[0]")),
    ],
)  # fmt: skip
def test_an_extension_stands_where_its_definition_lets_it(resource: Json, issue: tuple[str, str] | None) -> None:
    assert found(resource) == ([issue] if issue else [])


def test_a_thousand_extensions_ask_for_a_context_once() -> None:
    names = [{"use": "official", "text": str(n), "extension": [use("official")]} for n in range(3000)]
    assert found(patient(name=names)) == []


def test_the_condition_of_a_published_extension() -> None:
    url = HL7 + "questionnaire-sliderStepValue"
    item = {"linkId": "1", "text": "?", "type": "string", "extension": [{"url": url, "valueInteger": 1}]}
    resource = {"resourceType": "Questionnaire", "status": "draft", "item": [item]}
    assert found(resource) == [(url, "Questionnaire.item[0].extension[0]")]
    assert found({**resource, "item": [{**item, "type": "integer"}]}) == []
