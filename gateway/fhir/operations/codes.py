"""CodeSystem/$lookup and $subsumes: what a code is, and how two codes stand to each other.

Source: https://hl7.org/fhir/R4/codesystem-operation-lookup.html, -subsumes.html
"""

from typing import Any

from gateway.errors import FhirError
from gateway.fhir.call import Answer, Call
from gateway.fhir.operations.expand import designations, in_language
from gateway.fhir.operations.operation import HL7, Asked, Operation, Parameter, lacking, parameters
from gateway.fhir.operations.vocabulary import Vocabulary, concepts
from profiles.fhirjson import Resource
from profiles.terminology import ICD_10, Concept, TerminologyError

LOOKUP = {
    "code": Parameter("code"),
    "system": Parameter("uri"),
    "version": Parameter("string"),
    "coding": Parameter("Coding"),
    "displayLanguage": Parameter("code"),
    "property": Parameter("code", many=True),
}
SUBSUMES = {
    "codeA": Parameter("code"),
    "codeB": Parameter("code"),
    "system": Parameter("uri"),
    "version": Parameter("string"),
    "codingA": Parameter("Coding"),
    "codingB": Parameter("Coding"),
}
PROPERTIES = ("display", "definition", "designation", "parent", "child")
"""Properties of every code system, besides those that it defines itself."""
ICD_10_NAME = {"name": "International Classification of Diseases 10", "version": "2019"}


async def lookup(call: Call, asked: Asked) -> Answer:
    """GET or POST CodeSystem/$lookup"""
    coding = asked.one("coding", {})
    system, code = coding.get("system") or asked.one("system"), coding.get("code") or asked.one("code")
    if not system or not code:
        raise lacking(call, "$lookup", "system and code, or coding")
    vocabulary = Vocabulary(call)
    version = coding.get("version") or asked.one("version")
    head = ICD_10_NAME if system == ICD_10 else await vocabulary.code_system(system, version)
    try:
        found = vocabulary.terminology.lookup(system, code)
    except TerminologyError as error:
        raise FhirError("GF-703", reason=error) from None
    wanted = asked.many("property")
    raw = _raw(head, found.code)
    names = designations(vocabulary, system).get(found.code, [])
    rows: list[tuple[str, str, Any]] = [
        ("name", "valueString", head.get("name") or system),
        ("version", "valueString", head.get("version")),
        ("display", "valueString", in_language(names, asked.one("displayLanguage")) or found.display or found.code),
    ]
    if not wanted or "designation" in wanted:
        rows += [("designation", "part", _designation(name)) for name in names]
    rows += [("property", "part", part) for part in _properties(head, raw, found, wanted)]
    return Answer(200, resource=parameters(*rows))


def _raw(system: Resource, code: str) -> dict[str, Any]:
    return next((row for row in concepts(system.get("concept", ())) if row["code"] == code), {})


def _designation(name: dict[str, Any]) -> list[tuple[str, str, Any]]:
    return [
        ("language", "valueCode", name.get("language")),
        ("use", "valueCoding", name.get("use")),
        ("value", "valueString", name["value"]),
    ]


def _properties(
    system: Resource, raw: dict[str, Any], found: Concept, wanted: list[str]
) -> list[list[tuple[str, str, Any]]]:
    known = [*PROPERTIES, *(row["code"] for row in system.get("property", ()))]
    if unknown := sorted(set(wanted) - set(known)):
        raise FhirError("GF-108", name="property", value=", ".join(unknown), wanted=" | ".join(known))
    listed: list[tuple[str, str, Any]] = []
    if found.definition:
        listed.append(("definition", "valueString", found.definition))
    above = (row for row in concepts(system.get("concept", ())) for c in row.get("concept", ()) if c is raw)
    listed += [("parent", "valueCode", row["code"]) for row in above]
    listed += [("child", "valueCode", row["code"]) for row in raw.get("concept", ())]
    for row in raw.get("property", ()):
        key = next(key for key in row if key.startswith("value"))
        listed.append((row["code"], key, row[key]))
    return [
        [("code", "valueCode", code), ("value", key, value)]
        for code, key, value in listed
        if not wanted or code in wanted
    ]


async def subsumes(call: Call, asked: Asked) -> Answer:
    """GET or POST CodeSystem/$subsumes, CodeSystem/id/$subsumes"""
    vocabulary = Vocabulary(call)
    a, b = asked.one("codingA", {}), asked.one("codingB", {})
    systems = {value for value in (a.get("system"), b.get("system"), asked.one("system")) if value}
    if call.id:
        systems.add((await vocabulary.instance()).get("url", ""))
    first, second = a.get("code") or asked.one("codeA"), b.get("code") or asked.one("codeB")
    if not systems or not first or not second:
        raise lacking(call, "$subsumes", "system, codeA and codeB, or codingA and codingB")
    if len(systems) > 1:
        raise FhirError("GF-703", reason=f"the codes are of several systems: {', '.join(sorted(systems))}")
    (system,) = systems
    if not call.id and system != ICD_10:
        await vocabulary.code_system(system, asked.one("version"))
    try:
        outcome = vocabulary.terminology.subsumes(system, first, second)
    except TerminologyError as error:
        raise FhirError("GF-703", reason=error) from None
    return Answer(200, resource=parameters(("outcome", "valueCode", outcome)))


_OF = frozenset({"CodeSystem"})
OPERATIONS = (
    Operation("$lookup", f"{HL7}CodeSystem-lookup", ("Type",), lookup, "r", LOOKUP, _OF),
    Operation("$subsumes", f"{HL7}CodeSystem-subsumes", ("Type", "Type/id"), subsumes, "r", SUBSUMES, _OF),
)
