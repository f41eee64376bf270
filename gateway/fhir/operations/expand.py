"""ValueSet/$expand: the codes of a value set. Source: https://hl7.org/fhir/R4/valueset-operation-expand.html"""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from gateway.errors import FhirError
from gateway.fhir.call import Answer, Call
from gateway.fhir.operations.operation import HL7, Asked, Operation, Parameter, lacking
from gateway.fhir.operations.vocabulary import Vocabulary, concepts
from gateway.security.audit import instant
from profiles.fhirjson import Resource
from profiles.terminology import Concept, TerminologyError

PARAMETERS = {
    "url": Parameter("uri"),
    "valueSet": Parameter("ValueSet"),
    "valueSetVersion": Parameter("string"),
    "filter": Parameter("string"),
    "offset": Parameter("integer"),
    "count": Parameter("integer"),
    "includeDefinition": Parameter("boolean"),
    "includeDesignations": Parameter("boolean"),
    "displayLanguage": Parameter("code"),
    "activeOnly": Parameter("boolean"),
    "excludeNested": Parameter("boolean"),
}
SAID_AGAIN = (
    *("filter", "offset", "count", "includeDefinition", "includeDesignations", "displayLanguage"),
    *("activeOnly", "excludeNested"),
)
"""Parameters that the expansion repeats."""


async def expand(call: Call, asked: Asked) -> Answer:
    """GET or POST ValueSet/$expand, ValueSet/id/$expand. The codes are a flat list, `excludeNested` or not."""
    vocabulary = Vocabulary(call)
    value_set = await named(call, vocabulary, asked, "$expand")
    try:
        found = vocabulary.terminology.expand(value_set, asked.one("filter", ""))
    except TerminologyError as error:
        raise FhirError("GF-702", reason=error) from None
    retired = {(system, code) for system in {one.system for one in found} for code in inactive(vocabulary, system)}
    if asked.one("activeOnly"):
        found = [one for one in found if (one.system, one.code) not in retired]
    offset, count = asked.one("offset", 0), asked.one("count")
    shown = found[offset:] if count is None else found[offset : offset + count]
    expansion: dict[str, Any] = {"identifier": f"urn:uuid:{uuid4()}", "timestamp": instant(datetime.now(UTC))}
    expansion |= {"total": len(found)} | ({"offset": offset} if "offset" in asked.values or count is not None else {})
    if said := [_said(name, asked.one(name)) for name in SAID_AGAIN if name in asked.values]:
        expansion["parameter"] = said
    if shown:
        expansion["contains"] = _contained(vocabulary, shown, asked, retired)
    kept = {key: value for key, value in value_set.items() if key not in ("compose", "expansion", "text")}
    if asked.one("includeDefinition") and "compose" in value_set:
        kept["compose"] = value_set["compose"]
    return Answer(200, resource={"resourceType": "ValueSet", "status": "active", **kept, "expansion": expansion})


async def named(call: Call, vocabulary: Vocabulary, asked: Asked, operation: str) -> Resource:
    """The ValueSet that the call is about: by its id, sent along, or by its url. Raises FhirError GF-701, GF-702."""
    if call.id:
        return await vocabulary.instance()
    if "valueSet" in asked.values:
        return await vocabulary.given(asked.one("valueSet"))
    if "url" not in asked.values:
        raise lacking(call, operation, "url | valueSet")
    url, _, version = asked.one("url").partition("|")
    return await vocabulary.value_set(url, asked.one("valueSetVersion") or version or None)


def _said(name: str, value: Any) -> dict[str, Any]:
    kind = PARAMETERS[name].kind
    return {"name": name, f"value{kind[0].upper()}{kind[1:]}": value}


def _contained(
    vocabulary: Vocabulary, shown: Sequence[Concept], asked: Asked, retired: Collection[tuple[str, str]]
) -> list[dict[str, Any]]:
    language, all_names = asked.one("displayLanguage"), asked.one("includeDesignations")
    names: dict[str, dict[str, list[dict[str, Any]]]] = {}
    rows = []
    for concept in shown:
        row: dict[str, Any] = {"system": concept.system, "code": concept.code, "display": concept.display}
        if (concept.system, concept.code) in retired:
            row["inactive"] = True
        if language or all_names:
            if concept.system not in names:
                names[concept.system] = designations(vocabulary, concept.system)
            found = names[concept.system].get(concept.code, [])
            row["display"] = in_language(found, language) or concept.display
            if all_names and found:
                row["designation"] = found
        rows.append({key: value for key, value in row.items() if value})
    return rows


def designations(vocabulary: Vocabulary, system: str) -> dict[str, list[dict[str, Any]]]:
    """code → its designations, of the concepts of a code system that have some."""
    return {row["code"]: row["designation"] for row in _listed(vocabulary, system) if "designation" in row}


def inactive(vocabulary: Vocabulary, system: str) -> frozenset[str]:
    """The codes of a code system that are no longer to be used (http://hl7.org/fhir/concept-properties)."""
    return frozenset(
        row["code"]
        for row in _listed(vocabulary, system)
        for said in row.get("property", ())
        if (said["code"], said.get("valueBoolean")) == ("inactive", True)
        or (said["code"], said.get("valueCode")) == ("status", "retired")
    )


def _listed(vocabulary: Vocabulary, system: str) -> Iterator[dict[str, Any]]:
    try:
        return concepts(vocabulary.terminology.system(system).get("concept", ()))
    except TerminologyError:
        return iter(())


def in_language(found: Sequence[dict[str, Any]], language: str | None) -> str | None:
    """The designation in a language (`id` meets `id-ID`), or None."""
    if not language:
        return None
    primary = language.lower().partition("-")[0]
    return next((d["value"] for d in found if d.get("language", "").lower().partition("-")[0] == primary), None)


OPERATIONS = (
    Operation(
        "$expand", f"{HL7}ValueSet-expand", ("Type", "Type/id"), expand, "r", PARAMETERS, frozenset({"ValueSet"})
    ),
)
