"""Answers against their questionnaire."""

from decimal import Decimal
from typing import Any

import pytest

from profiles import Validator

Json = dict[str, Any]

URL = "http://example.org/Questionnaire/keluhan"
CODES = [{"valueCoding": {"system": "http://example.org/cs", "code": code}} for code in ("ya", "tidak")]
QUESTIONNAIRE: Json = {
    "resourceType": "Questionnaire",
    "url": URL,
    "status": "active",
    "item": [
        {"linkId": "1", "type": "group", "item": [
            {"linkId": "1.1", "type": "choice", "required": True, "answerOption": CODES},
            {"linkId": "1.2", "type": "string", "required": True, "maxLength": 5,
             "enableWhen": [{"question": "1.1", "operator": "=", "answerCoding": CODES[0]["valueCoding"]}]},
        ]},
        {"linkId": "2", "type": "integer", "repeats": True},
        {"linkId": "3", "type": "display"},
    ],
}  # fmt: skip
R4, VALIDATOR = Validator(), Validator([QUESTIONNAIRE])
YES, NO = CODES


def response(*items: Json, status: str = "completed", questionnaire: str = URL) -> Json:
    return {"resourceType": "QuestionnaireResponse", "questionnaire": questionnaire, "status": status, "item": [*items]}


def answered(link: str, *answers: Json) -> Json:
    return {"linkId": link, "answer": [*answers]}


def group(*items: Json) -> Json:
    return {"linkId": "1", "item": [*items]}


def found(resource: Json) -> set[tuple[str, str]]:
    return {(issue.rule, issue.path.removeprefix("QuestionnaireResponse.")) for issue in VALIDATOR.validate(resource)}


@pytest.mark.parametrize(
    ("resource", "issue"),
    [
        (response(answered("2", {"valueInteger": 1})), None),
        (response(group(answered("1.1", NO)), answered("2", {"valueInteger": 1}, {"valueInteger": 2})), None),
        (response(group(answered("1.1", YES), answered("1.2", {"valueString": "batuk"}))), None),
        (response(group(answered("1.1", YES))), ("1.2", "item[0]")),
        (response(group(answered("1.1", YES)), status="in-progress"), None),
        (response({"linkId": "1"}), ("1.1", "item[0]")),
        (response(group(answered("1.1", NO), answered("1.2", {"valueString": "x"}))), ("1.2", "item[0].item[1]")),
        (response(group(answered("1.1", {"valueCoding": {"code": "mungkin"}}))), ("1.1", "item[0].item[0].answer[0]")),
        (response(group(answered("1.1", NO, NO))), ("1.1", "item[0].item[0].answer[1]")),
        (response(group(answered("1.1", YES), answered("1.2", {"valueString": "demam tinggi"}))),
         ("1.2", "item[0].item[1].answer[0]")),
        (response(answered("2", {"valueString": "dua"})), ("2", "item[0].answer[0]")),
        (response(answered("2", {"valueInteger": 1}), group(answered("1.1", NO))),
         ("QuestionnaireResponse.item", "item[1]")),
        (response(answered("3", {"valueString": "x"})), ("3", "item[0].answer")),
        (response(answered("4", {"valueString": "x"})), ("QuestionnaireResponse.item.linkId", "item[0].linkId")),
        (response(answered("4", {"valueString": "x"}), questionnaire="http://example.org/unknown"), None),
    ],
)  # fmt: skip
def test_answers_fit_their_questions(resource: Json, issue: tuple[str, str] | None) -> None:
    assert found(resource) == ({issue} if issue else set())


HL7 = "http://hl7.org/fhir/StructureDefinition/"


def asking(type_: str, **more: Any) -> Json:
    """A questionnaire of one question, with HL7's extensions as `name=value` pairs of `said`."""
    said = [{"url": HL7 + name, **value} for name, value in more.pop("said", {}).items()]
    item = {"linkId": "1", "text": "Satu", "type": type_, **more, **({"extension": said} if said else {})}
    return {**QUESTIONNAIRE, "version": "2", "item": [item]}


KG = {"system": "http://unitsofmeasure.org", "code": "kg"}
ONE_TO_NINE = {
    "minValue": {"valueDecimal": 1},
    "maxValue": {"valueDecimal": 9},
    "maxDecimalPlaces": {"valueInteger": 1},
}
GENDER = "http://hl7.org/fhir/administrative-gender"
SET = {"resourceType": "ValueSet", "id": "v", "url": "http://example.org/v", "status": "active",
       "compose": {"include": [{"system": GENDER, "concept": [{"code": "male"}]}]}}  # fmt: skip


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        (asking("decimal", said=ONE_TO_NINE), [{"valueDecimal": Decimal("1.5")}], [{"valueDecimal": Decimal("0.5")}]),
        (asking("decimal", said=ONE_TO_NINE), [{"valueDecimal": Decimal("9.0")}], [{"valueDecimal": Decimal("9.5")}]),
        (asking("decimal", said=ONE_TO_NINE), [{"valueDecimal": Decimal("2.5")}], [{"valueDecimal": Decimal("2.55")}]),
        (asking("date", said={"minValue": {"valueDate": "2000-01-01"}}), [{"valueDate": "2000-01-01"}],
         [{"valueDate": "1999-12-31"}]),
        (asking("string", said={"minLength": {"valueInteger": 2}}), [{"valueString": "ab"}], [{"valueString": "a"}]),
        (asking("string", said={"regex": {"valueString": "[a-z]+"}}), [{"valueString": "ab"}], [{"valueString": "AB"}]),
        (asking("attachment", said={"mimeType": {"valueCode": "image/png"}}),
         [{"valueAttachment": {"contentType": "image/png", "url": "http://x.org/1"}}],
         [{"valueAttachment": {"contentType": "text/plain", "url": "http://x.org/1"}}]),
        (asking("quantity", said={"questionnaire-unitOption": {"valueCoding": KG}}),
         [{"valueQuantity": {"value": 1, **KG}}], [{"valueQuantity": {"value": 1, **KG, "code": "g"}}]),
        (asking("string", repeats=True, said={"questionnaire-minOccurs": {"valueInteger": 2}}),
         [{"valueString": "a"}, {"valueString": "b"}], [{"valueString": "a"}]),
        (asking("string", repeats=True, said={"questionnaire-maxOccurs": {"valueInteger": 1}}),
         [{"valueString": "a"}], [{"valueString": "a"}, {"valueString": "b"}]),
        ({**asking("choice", answerValueSet="#v"), "contained": [SET]},
         [{"valueCoding": {"system": GENDER, "code": "male"}}], [{"valueCoding": {"system": GENDER, "code": "other"}}]),
    ],
)  # fmt: skip
def test_extensions_of_a_question_limit_its_answers(form: Json, good: list[Json], bad: list[Json]) -> None:
    validator = Validator([form])
    assert validator.validate(response(answered("1", *good))) == []
    assert {(i.severity, i.rule) for i in validator.validate(response(answered("1", *bad)))} == {("error", "1")}


def test_a_questionnaire_counts_in_the_version_that_is_named() -> None:
    validator, wrong = Validator([asking("integer")]), answered("1", {"valueString": "dua"})
    assert {i.rule for i in validator.validate(response(wrong, questionnaire=URL + "|2"))} == {"1"}
    assert validator.validate(response(wrong, questionnaire=URL + "|1")) == []


def test_another_text_than_the_questions_is_a_warning() -> None:
    issues = Validator([asking("integer")]).validate(response({**answered("1", {"valueInteger": 1}), "text": "Dua"}))
    assert [(i.severity, i.path) for i in issues] == [("warning", "QuestionnaireResponse.item[0].text")]


def test_the_url_of_a_value_set_is_none_of_a_questionnaire() -> None:
    issues = R4.validate(response(questionnaire="http://hl7.org/fhir/ValueSet/administrative-gender"))
    rule = "QuestionnaireResponse.questionnaire"
    assert ("error", rule, rule) in {(i.severity, i.rule, i.path) for i in issues}
