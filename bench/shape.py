"""R4's shape as a JSON Schema of draft 6, made of the shipped definitions in the way of HL7's `fhir.schema.json`.

It knows properties, lists, patterns of primitives, required codes, and required elements that are no primitives.
Choices, invariants, references and the codes of concepts are beyond it.
"""

from typing import Any

from profiles.definitions import R4
from profiles.validator.coded import binding
from profiles.validator.objects import Member, Object, objects

Json = dict[str, Any]

DATE = r"([0-9]([0-9]([0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)"
CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?"
ZONE = r"(Z|(\+|-)((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
MONTH, DAY = "(0[1-9]|1[0-2])", "(0[1-9]|[1-2][0-9]|3[0-1])"
PATTERNS = {
    "string": r"[ \r\n\t\S]+",
    "markdown": r"[ \r\n\t\S]+",
    "uri": r"\S*",
    "url": r"\S*",
    "canonical": r"\S*",
    "code": r"[^\s]+(\s[^\s]+)*",
    "id": r"[A-Za-z0-9\-\.]{1,64}",
    "oid": r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+",
    "uuid": r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "date": f"{DATE}(-{MONTH}(-{DAY})?)?",
    "dateTime": f"{DATE}(-{MONTH}(-{DAY}(T{CLOCK}{ZONE})?)?)?",
    "instant": f"{DATE}-{MONTH}-{DAY}T{CLOCK}{ZONE}",
    "time": CLOCK,
}
"""As https://hl7.org/fhir/R4/datatypes.html#primitive has them."""
TEXTS: dict[str, Json] = {name: {"type": "string", "pattern": f"^{text}$"} for name, text in PATTERNS.items()}
PRIMITIVES: dict[str, Json] = TEXTS | {
    "boolean": {"type": "boolean"},
    "decimal": {"type": "number"},
    "integer": {"type": "integer"},
    "unsignedInt": {"type": "integer", "minimum": 0},
    "positiveInt": {"type": "integer", "minimum": 1},
    "base64Binary": {"type": "string"},
    "xhtml": {"type": "string"},
    "Resource": {"type": "object", "required": ["resourceType"]},
}


def schema(name: str) -> Json:
    """The schema of a resource type, with the definitions of all that it leads to."""
    made: dict[str, Json] = dict(PRIMITIVES)
    wanted = [name, "Element"]
    while wanted:
        type_ = wanted.pop()
        for it in objects(R4, type_) if type_ not in made else ():
            made[it.name] = _object(it)
            wanted += [m.type for m in it.members if m.type not in ("BackboneElement", "Element")]
            wanted += [m.target for m in it.members if "_" not in m.target]
    return {"$schema": "http://json-schema.org/draft-06/schema#", "$ref": f"#/definitions/{name}", "definitions": made}


def _object(it: Object) -> Json:
    properties = {m.key: _listed(m, _value(m)) for m in it.members}
    properties |= {key: _listed(m, {"$ref": "#/definitions/Element"}) for key, m in it.companions.items()}
    required = [m.key for m in it.required if not m.primitive]
    if it.is_resource:
        properties["resourceType"] = {"const": it.type}
        required.append("resourceType")
    return {"type": "object", "properties": properties, "additionalProperties": False, "required": required}


def _value(m: Member) -> Json:
    bound = binding(R4, m.element) if m.type == "code" else None
    if bound is not None and bound.strength == "required" and bound.codes:
        return {"enum": sorted({code for _, code in bound.codes})}
    return {"$ref": f"#/definitions/{m.target}"}


def _listed(m: Member, value: Json) -> Json:
    return {"type": "array", "items": value} if m.many else value
