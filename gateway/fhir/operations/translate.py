"""ConceptMap/$translate: what a code is in another code system.

Source: https://hl7.org/fhir/R4/conceptmap-operation-translate.html
"""

from typing import Any

from gateway.errors import FhirError
from gateway.fhir.call import Answer, Call
from gateway.fhir.operations.operation import HL7, Asked, Operation, Parameter, lacking, parameters
from gateway.fhir.operations.vocabulary import Vocabulary, escaped
from profiles.fhirjson import Resource
from profiles.terminology import Target

PARAMETERS = {
    "url": Parameter("uri"),
    "conceptMap": Parameter("ConceptMap"),
    "conceptMapVersion": Parameter("string"),
    "code": Parameter("code"),
    "system": Parameter("uri"),
    "coding": Parameter("Coding"),
    "codeableConcept": Parameter("CodeableConcept"),
    "source": Parameter("uri"),
    "target": Parameter("uri"),
    "targetsystem": Parameter("uri"),
    "reverse": Parameter("boolean"),
}
NO_MATCH = ("unmatched", "disjoint")
NOTHING = {"en": "No concept map here says what it is", "id": "Tidak ada concept map di sini yang menyebut padanannya"}

Json = dict[str, Any]


async def translate(call: Call, asked: Asked) -> Answer:
    """GET or POST ConceptMap/$translate, ConceptMap/id/$translate"""
    codings = _codings(call, asked)
    reverse = asked.one("reverse", False)
    vocabulary = Vocabulary(call)
    found: dict[Target, None] = {}
    for concept_map in await _maps(call, vocabulary, asked, codings):
        for coding in codings:
            targets = vocabulary.terminology.translate(concept_map, coding["system"], coding["code"], reverse=reverse)
            found.update(dict.fromkeys(t for t in targets if asked.one("targetsystem") in (None, t.system)))
    result = any(target.equivalence not in NO_MATCH for target in found)
    rows: list[tuple[str, str, Any]] = [
        ("result", "valueBoolean", result),
        ("message", "valueString", None if result else NOTHING[call.lang]),
        *(("match", "part", _match(target)) for target in found),
    ]
    return Answer(200, resource=parameters(*rows))


def _codings(call: Call, asked: Asked) -> list[Json]:
    if "codeableConcept" in asked.values:
        given = asked.one("codeableConcept").get("coding", [])
    else:
        given = [asked.one("coding") or {"system": asked.one("system"), "code": asked.one("code")}]
    codings = [coding for coding in given if coding.get("system") and coding.get("code")]
    if not codings:
        raise lacking(call, "$translate", "code and system, coding, or codeableConcept")
    return codings


async def _maps(call: Call, vocabulary: Vocabulary, asked: Asked, codings: list[Json]) -> list[Resource]:
    """The ConceptMaps to ask: the one that is named, or all that lead from the code's system to the target."""
    if call.id:
        return [await vocabulary.instance()]
    if "conceptMap" in asked.values:
        return [asked.one("conceptMap")]
    if "url" in asked.values:
        url, _, written = asked.one("url").partition("|")
        version = asked.one("conceptMapVersion") or written
        query = [("url", escaped(url)), *([("version", escaped(version))] if version else [])]
        found = await vocabulary.concept_maps(*query)
        if not found:
            raise FhirError("GF-702", reason=f"ConceptMap {asked.one('url')} is not known here")
        return found[:1]
    if "target" not in asked.values and "targetsystem" not in asked.values:
        raise lacking(call, "$translate", "url | conceptMap | target | targetsystem")
    systems = ",".join(escaped(system) for system in sorted({coding["system"] for coding in codings}))
    query = [("target-system" if asked.one("reverse") else "source-system", systems), ("status", "active,draft")]
    for name, parameter in (("source", "source-uri"), ("target", "target-uri")):
        if name in asked.values:
            query.append((parameter, escaped(asked.one(name))))
    return await vocabulary.concept_maps(*query)


def _match(target: Target) -> list[tuple[str, str, Any]]:
    coding = {"system": target.system, "code": target.code, "display": target.display}
    return [
        ("equivalence", "valueCode", target.equivalence),
        ("concept", "valueCoding", {key: value for key, value in coding.items() if value} if target.code else None),
        ("source", "valueUri", target.source or None),
    ]


OPERATIONS = (
    Operation(
        "$translate",
        f"{HL7}ConceptMap-translate",
        ("Type", "Type/id"),
        translate,
        "r",
        PARAMETERS,
        frozenset({"ConceptMap"}),
    ),
)
