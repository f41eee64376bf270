"""Answers against their questionnaire."""

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
VALIDATOR = Validator([QUESTIONNAIRE])
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
        (response(group(answered("1.2", {"valueString": "x"}))), ("1.1", "item[0]")),
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
