"""CodeSystem/$validate-code and ValueSet/$validate-code: is this a code of it, and is its display right.

Source: https://hl7.org/fhir/R4/codesystem-operation-validate-code.html, valueset-operation-validate-code.html
"""

from collections.abc import Callable
from typing import Any

from gateway.errors import FhirError
from gateway.fhir.call import Answer, Call
from gateway.fhir.operations.expand import designations, named
from gateway.fhir.operations.operation import HL7, Asked, Operation, Parameter, lacking, parameters
from gateway.fhir.operations.vocabulary import Vocabulary
from profiles.fhirjson import Resource
from profiles.terminology import ICD_10, Concept, TerminologyError

_CODES = {
    "code": Parameter("code"),
    "display": Parameter("string"),
    "coding": Parameter("Coding"),
    "codeableConcept": Parameter("CodeableConcept"),
    "abstract": Parameter("boolean"),
}
OF_SYSTEM = {
    "url": Parameter("uri"),
    "codeSystem": Parameter("CodeSystem"),
    "version": Parameter("string"),
    **_CODES,
}
OF_VALUE_SET = {
    "url": Parameter("uri"),
    "valueSet": Parameter("ValueSet"),
    "valueSetVersion": Parameter("string"),
    "system": Parameter("uri"),
    **_CODES,
}

TEXTS = {
    "unknown": {"en": "{code} is not a code of {of}", "id": "{code} bukan kode dari {of}"},
    "abstract": {
        "en": "{code} is abstract: it groups codes and is not one to record",
        "id": "{code} bersifat abstrak: mengelompokkan kode dan bukan untuk dicatat",
    },
    "display": {
        "en": "The display of {code} is '{right}', not '{given}'",
        "id": "Display {code} adalah '{right}', bukan '{given}'",
    },
}

Json = dict[str, Any]
Find = Callable[[Json], Concept | None]
"""The concept of a coding, or None."""


async def in_system(call: Call, asked: Asked) -> Answer:
    """GET or POST CodeSystem/$validate-code, CodeSystem/id/$validate-code"""
    vocabulary = Vocabulary(call)
    codings = _codings(call, asked, asked.one("url"))
    url = await _system(call, vocabulary, asked, codings)

    def find(coding: Json) -> Concept | None:
        if coding.get("system") not in (None, url):
            return None
        try:
            return vocabulary.terminology.lookup(url, coding["code"])
        except TerminologyError:
            return None

    return Answer(200, resource=_judged(call, vocabulary, codings, find, url, asked.one("abstract", True)))


async def _system(call: Call, vocabulary: Vocabulary, asked: Asked, codings: list[Json]) -> str:
    if call.id or "codeSystem" in asked.values:
        system = await (vocabulary.instance() if call.id else vocabulary.given(asked.one("codeSystem")))
    else:
        url = asked.one("url") or next((c["system"] for c in codings if "system" in c), None)
        if not url:
            raise lacking(call, "$validate-code", "url | codeSystem")
        if url == ICD_10:
            return ICD_10
        system = await vocabulary.code_system(url, asked.one("version"))
    if "url" not in system:
        raise FhirError("GF-702", reason="the CodeSystem has no url")
    found: str = system["url"]
    return found


async def in_value_set(call: Call, asked: Asked) -> Answer:
    """GET or POST ValueSet/$validate-code, ValueSet/id/$validate-code"""
    vocabulary = Vocabulary(call)
    value_set = await named(call, vocabulary, asked, "$validate-code")
    codings = _codings(call, asked, asked.one("system"))
    try:
        held = vocabulary.terminology.expand(value_set)
    except TerminologyError as error:
        raise FhirError("GF-702", reason=error) from None

    def find(coding: Json) -> Concept | None:
        found = [c for c in held if c.code == coding["code"] and coding.get("system") in (None, c.system)]
        if len(found) > 1:
            raise FhirError("GF-701", operation="$validate-code", names=f"system: {', '.join(c.system for c in found)}")
        return found[0] if found else None

    of = value_set.get("url") or value_set.get("id") or "ValueSet"
    return Answer(200, resource=_judged(call, vocabulary, codings, find, of, asked.one("abstract", True)))


def _codings(call: Call, asked: Asked, system: str | None) -> list[Json]:
    """What is to be judged. Raises FhirError GF-701."""
    if "codeableConcept" in asked.values:
        codings = [coding for coding in asked.one("codeableConcept").get("coding", ()) if "code" in coding]
    elif "coding" in asked.values:
        codings = [coding for coding in asked.many("coding") if "code" in coding]
    elif "code" in asked.values:
        row = {"system": system, "code": asked.one("code"), "display": asked.one("display")}
        codings = [{key: value for key, value in row.items() if value}]
    else:
        codings = []
    if not codings:
        raise lacking(call, "$validate-code", "code | coding | codeableConcept")
    return codings


def _judged(call: Call, vocabulary: Vocabulary, codings: list[Json], find: Find, of: str, abstract: bool) -> Resource:
    """One coding of several is enough. A wrong display makes the answer no."""
    message = ""
    for coding in codings:
        found = find(coding)
        wrong = _wrong(vocabulary, coding, found, abstract)
        if found is not None and wrong is None:
            return parameters(("result", "valueBoolean", True), ("display", "valueString", found.display or None))
        text = TEXTS[wrong or "unknown"][call.lang].format(
            code=coding["code"],
            of=of,
            system=coding.get("system", ""),
            right=found.display if found else "",
            given=coding.get("display", ""),
        )
        message = f"{message}; {text}" if message else text
    displays = [found.display for coding in codings if (found := find(coding)) is not None and found.display]
    return parameters(
        ("result", "valueBoolean", False),
        ("message", "valueString", message),
        ("display", "valueString", displays[0] if displays else None),
    )


def _wrong(vocabulary: Vocabulary, coding: Json, found: Concept | None, abstract: bool) -> str | None:
    if found is None:
        return "unknown"
    if found.abstract and not abstract:
        return "abstract"
    given = coding.get("display")
    if given is None or not found.display:
        return None
    others = (row["value"] for row in designations(vocabulary, found.system).get(found.code, ()))
    return None if _folded(given) in {_folded(name) for name in (found.display, *others)} else "display"


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


OPERATIONS = (
    Operation(
        "$validate-code",
        f"{HL7}CodeSystem-validate-code",
        ("Type", "Type/id"),
        in_system,
        "r",
        OF_SYSTEM,
        frozenset({"CodeSystem"}),
    ),
    Operation(
        "$validate-code",
        f"{HL7}ValueSet-validate-code",
        ("Type", "Type/id"),
        in_value_set,
        "r",
        OF_VALUE_SET,
        frozenset({"ValueSet"}),
    ),
)
