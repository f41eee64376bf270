"""What a question asks of a single answer beside its type: HL7's extensions of Questionnaire.item, and maxLength.

Source: https://hl7.org/fhir/R4/questionnaire-profiles.html#extensions
"""

from collections.abc import Callable, Iterator
from typing import Any

from profiles.definitions import BASE
from profiles.validator.limits import beyond, has_length, has_pattern, has_places, shown_value

Json = dict[str, Any]

QUESTIONNAIRE = BASE + "questionnaire-"
_ONE: dict[str, Callable[[Any, Any], str | None]] = {
    "minValue": lambda v, limit: beyond(v, "least", limit),
    "maxValue": lambda v, limit: beyond(v, "most", limit),
    "minLength": lambda v, limit: None if has_length(v, limit) else "too-short",
    "maxDecimalPlaces": lambda v, limit: None if has_places(v, limit) else "decimals",
    "regex": lambda v, limit: None if has_pattern(v, limit) else "regex",
}
"""Extension → the message where an answer does not keep to its value."""


def said(question: Json, url: str) -> list[Any]:
    """The values of the extensions of one url."""
    rows = question.get("extension")
    mine = [row for row in rows if row.__class__ is dict and row.get("url") == url] if rows.__class__ is list else []
    return [v for row in mine for k, v in row.items() if k.startswith("value")]


def faults(question: Json, v: Any) -> Iterator[tuple[str, Json]]:
    """What is wrong with the value of an answer: message keys and facts."""
    limit = question.get("maxLength")
    if v.__class__ is str and limit.__class__ is int and len(v) > limit:
        yield "too-long", {"length": len(v), "limit": limit}
    for name, test in _ONE.items():
        for limit in said(question, BASE + name):
            fault = test(v, limit)
            if fault is not None and fault != "limit-unjudged":
                yield fault, {"limit": shown_value(limit)}
    if v.__class__ is dict:
        yield from _listed(question, v)


def _listed(question: Json, v: Json) -> Iterator[tuple[str, Json]]:
    """Attachments by their MIME type, quantities by their unit, each where the question lists what it takes."""
    types = said(question, BASE + "mimeType")
    if types and "contentType" in v and v["contentType"] not in types:
        yield "answer-listed", {"found": v["contentType"], "allowed": ", ".join(map(str, types))}
    units = [(unit.get("system"), unit.get("code")) for unit in said(question, QUESTIONNAIRE + "unitOption")]
    if units and "value" in v and (v.get("system"), v.get("code")) not in units:
        yield "answer-listed", {"found": v.get("code"), "allowed": ", ".join(str(code) for _, code in units)}
