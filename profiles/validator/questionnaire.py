"""QuestionnaireResponses against their Questionnaire, where that is known.

Source: https://hl7.org/fhir/R4/questionnaireresponse.html#notes. Questions and answers are walked side by side once.
"""

from collections.abc import Callable
from typing import Any

from profiles.definitions import Definitions
from profiles.definitions.expand import expand
from profiles.fhirjson import Resource
from profiles.validator.answers import QUESTIONNAIRE, faults, said
from profiles.validator.context import Context
from profiles.validator.limits import shown_value

Json = dict[str, Any]

ANSWER_KEYS = {
    "boolean": ("valueBoolean",),
    "decimal": ("valueDecimal",),
    "integer": ("valueInteger",),
    "date": ("valueDate",),
    "dateTime": ("valueDateTime",),
    "time": ("valueTime",),
    "string": ("valueString",),
    "text": ("valueString",),
    "url": ("valueUri",),
    "choice": ("valueCoding", "valueString", "valueInteger", "valueDate", "valueTime", "valueReference"),
    "open-choice": ("valueCoding", "valueString", "valueInteger", "valueDate", "valueTime", "valueReference"),
    "attachment": ("valueAttachment",),
    "reference": ("valueReference",),
    "quantity": ("valueQuantity",),
}
"""Questionnaire.item.type → the keys of the answers that it takes."""

UNFINISHED = frozenset({"in-progress", "stopped", "entered-in-error"})
"""Statuses of a response in which required questions may still be open."""


class Questionnaires:
    """Judges responses by the questionnaires among `definitions`, in the response itself and in its Bundle."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions

    def report(self, response: Resource, path: str, c: Context) -> None:
        """Say what is wrong with the answers; nothing where the questionnaire is not known."""
        canonical = response.get("questionnaire")
        if canonical.__class__ is not str:
            return
        found = self._find(str(canonical), c)
        if found is None:
            self._kind(str(canonical).partition("|")[0], path, c)
        else:
            complete = response.get("status") not in UNFINISHED
            _Walk(self._definitions, found, response, complete, c).items(_rows(found, "item"), response, path)

    def _kind(self, url: str, path: str, c: Context) -> None:
        """Say where the url is known to be that of something else."""
        known = self._definitions
        finds = (known.value_set_definition, known.code_system, known.structure)
        kinds = ("ValueSet", "CodeSystem", "StructureDefinition")
        for kind, find in zip(kinds, finds, strict=True):
            if ":" in url and find(url) is not None:
                facts = {"found": kind, "allowed": "Questionnaire"}
                c.bad("reference-type", f"{path}.questionnaire", "QuestionnaireResponse.questionnaire", url, facts)

    def _find(self, canonical: str, c: Context) -> Resource | None:
        """The questionnaire of a canonical url, in the version that it names; None where that is not known."""
        url, _, version = canonical.partition("|")
        here = c.find(url)
        if here is None:
            here = self._definitions.added("Questionnaire").get(url)
        if here is None or here.get("resourceType") != "Questionnaire":
            return None
        return here if not version or here.get("version") == version else None


class _Walk:
    def __init__(
        self, definitions: Definitions, form: Resource, response: Resource, complete: bool, c: Context
    ) -> None:
        self._definitions, self._form, self._complete, self._c = definitions, form, complete, c
        self._answers: dict[str, list[Json]] = {}
        stack: list[Json] = [response]
        while stack:
            owner = stack.pop()
            for item in _rows(owner, "item"):
                self._answers.setdefault(str(item.get("linkId")), []).extend(_rows(item, "answer"))
                stack.append(item)
            stack.extend(_rows(owner, "answer"))

    def items(self, questions: list[Json], owner: Json, path: str) -> None:
        """The items below one item or answer, against the questions there."""
        order = {str(q.get("linkId")): n for n, q in enumerate(questions)}
        given: dict[str, list[tuple[Json, str]]] = {}
        last = -1
        for n, item in enumerate(_rows(owner, "item")):
            at, link = f"{path}.item[{n}]", str(item.get("linkId"))
            if link not in order:
                self._c.bad("link-unknown", at + ".linkId", "QuestionnaireResponse.item.linkId", link)
                continue
            if order[link] < last:
                self._c.bad("link-order", at, "QuestionnaireResponse.item", link)
            last = max(last, order[link])
            given.setdefault(link, []).append((item, at))
        for question in questions:
            self._question(question, given.get(str(question.get("linkId")), []), path)

    def _question(self, question: Json, items: list[tuple[Json, str]], path: str) -> None:
        link, kind = str(question.get("linkId")), str(question.get("type"))
        if not items:
            if question.get("required") is True and self._complete and kind != "display" and self._enabled(question):
                self._c.bad("answer-missing", path, link, None, {"link": link})
            return
        if any("answer" in item or "item" in item for item, _ in items) and not self._enabled(question):
            self._c.bad("answer-disabled", items[0][1], link, None, {"link": link})
        if len(items) > 1 and not (kind == "group" and question.get("repeats") is True):
            self._c.bad("answer-many", items[1][1], link, None, {"link": link})
        given = len(items) if kind == "group" else sum(len(_rows(item, "answer")) for item, _ in items)
        self._number(question, given, items[0][1], link)
        for item, at in items:
            if "text" in item and item["text"] != question.get("text") and "_text" not in question:
                self._c.warn("answer-text", at + ".text", link, item["text"], {"link": link})
            answers = _rows(item, "answer")
            if kind in ("group", "display"):
                if answers:
                    self._c.bad("answer-forbidden", at + ".answer", link, None, {"link": link, "type": kind})
                self.items(_rows(question, "item"), item, at)
                continue
            if "item" in item:
                self._c.bad("items-or-answers", at + ".item", link, None, {
                    "link": link, "type": kind, "expected": "answer[…].item"})  # fmt: skip
            if not answers and question.get("required") is True and self._complete and self._enabled(question):
                self._c.bad("answer-missing", at, link, None, {"link": link})
            if len(answers) > 1 and question.get("repeats") is not True:
                self._c.bad("answer-many", f"{at}.answer[1]", link, None, {"link": link})
            for n, answer in enumerate(answers):
                self._answer(question, answer, f"{at}.answer[{n}]", link, kind)
                self.items(_rows(question, "item"), answer, f"{at}.answer[{n}]")

    def _number(self, question: Json, given: int, path: str, link: str) -> None:
        """How many answers (of a group: how often it stands there), by HL7's extensions for that."""
        least, most = (next(iter(said(question, QUESTIONNAIRE + name)), None) for name in ("minOccurs", "maxOccurs"))
        if self._complete and least.__class__ is int and given < least:
            self._c.missing(path, link, least, "*" if most is None else str(most), given)
        if most.__class__ is int and given > most:
            self._c.too_many(path, link, str(most), given)

    def _answer(self, question: Json, answer: Json, path: str, link: str, kind: str) -> None:
        key = next((k for k in answer if k.startswith("value")), None)
        if key is None:
            return
        if key not in ANSWER_KEYS.get(kind, (key,)):
            facts = {"found": key.removeprefix("value"), "link": link, "type": kind}
            self._c.bad("answer-type", path, link, answer[key], facts)
            return
        value = answer[key]
        for fault, facts in faults(question, value):
            self._c.bad(fault, path, link, shown_value(value), {"link": link, **facts})
        if kind == "choice" or (kind == "open-choice" and key != "valueString"):
            self._option(question, key, value, path, link)

    def _option(self, question: Json, key: str, value: Any, path: str, link: str) -> None:
        options = [option[key] for option in _rows(question, "answerOption") if key in option]
        if options or "answerOption" in question:
            allowed = any(_same(value, option) for option in options)
        elif "answerValueSet" in question and key == "valueCoding" and value.__class__ is dict:
            codes = self._codes(question["answerValueSet"])
            allowed = codes is None or (value.get("system"), value.get("code")) in codes
        else:
            return
        if not allowed:
            shown = value.get("code") if value.__class__ is dict else value
            self._c.bad("answer-option", path, link, shown, {"link": link})

    def _codes(self, url: str) -> frozenset[tuple[str, str]] | None:
        """The codes of a ValueSet, which the questionnaire may contain; None where they cannot be listed."""
        known = self._definitions
        if url[:1] != "#":
            return known.value_set(url)
        inner = next((each for each in _rows(self._form, "contained") if each.get("id") == url[1:]), None)
        return None if inner is None else expand(inner, known.code_system, known.value_set)

    def _enabled(self, question: Json) -> bool:
        conditions = _rows(question, "enableWhen")
        if not conditions:
            return True
        met = (self._met(condition) for condition in conditions)
        return any(met) if question.get("enableBehavior") == "any" else all(met)

    def _met(self, condition: Json) -> bool:
        wanted = next((v for k, v in condition.items() if k.startswith("answer")), None)
        answers = self._answers.get(str(condition.get("question")), ())
        values = [v for answer in answers for k, v in answer.items() if k.startswith("value")]
        if condition.get("operator") == "exists":
            return bool(values) is wanted
        test = _OPERATORS.get(str(condition.get("operator")))
        return test is not None and any(_holds(test, value, wanted) for value in values)


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: _same(a, b),
    "!=": lambda a, b: not _same(a, b),
    ">": lambda a, b: bool(a > b),
    "<": lambda a, b: bool(a < b),
    ">=": lambda a, b: bool(a >= b),
    "<=": lambda a, b: bool(a <= b),
}


def _holds(test: Callable[[Any, Any], bool], value: Any, wanted: Any) -> bool:
    try:
        return test(value, wanted)
    except TypeError:
        return False


def _same(value: Any, option: Any) -> bool:
    """Codings are the same by system and code; anything else by its value."""
    if value.__class__ is dict and option.__class__ is dict and "code" in option:
        return (value.get("system"), value.get("code")) == (option.get("system"), option["code"])
    return bool(value == option)


def _rows(owner: Json, key: str) -> list[Json]:
    rows = owner.get(key)
    return [row for row in rows if row.__class__ is dict] if rows.__class__ is list else []
