"""Rules of single types that no FHIRPath states: hashes and sizes, codes and units, identifiers, derived parameters.

Source: https://hl7.org/fhir/R4/datatypes.html. The fast function asks `accepts_…`, `knows` and
`measures`, its twin lets `report_…` speak.
"""

import hashlib
from base64 import b64decode
from typing import Any

from profiles.fhirjson import Resource
from profiles.validator.codes import UCUM, Table, same
from profiles.validator.limits import decoded_size
from profiles.validator.references import is_uri
from profiles.validator.saying import Json, Saying

URIS = "urn:ietf:rfc:3986"
_VALUES = frozenset(
    f"value{name}"
    for name in (
        "Quantity", "CodeableConcept", "String", "Boolean", "Integer", "Range", "Ratio", "SampledData", "Time",
        "DateTime", "Period",
    )
)  # fmt: skip
"""Keys of an Observation's value."""


class Natives(Saying):
    """The part of a context that judges values of single types. `doubtful` notes that there is a warning to report."""

    __slots__ = ("doubtful",)

    def accepts_Attachment(self, o: Json) -> bool:
        if "data" not in o:
            return True
        if "hash" in o and not _hashed(o):
            self.doubtful = True
        return "size" not in o or decoded_size(o["data"]) == o["size"]

    def report_Attachment(self, o: Json, path: str) -> None:
        data, size = o.get("data"), o.get("size")
        if data.__class__ is not str:
            return
        if size is not None and decoded_size(str(data)) != size:
            self.bad("attachment-size", path + ".size", "Attachment.size", size, {"length": decoded_size(str(data))})
        if "hash" in o and not _hashed(o):
            self.warn("attachment-hash", path + ".hash", "Attachment.hash", o["hash"])

    def knows(self, o: Json) -> bool | None:
        """True for a Coding whose code and display are right as far as anybody knows, None for a doubt."""
        if "code" not in o or "system" not in o:
            return True
        table = self.engine.codes.table(o["system"])
        if table is None:
            return True
        names = table.of(o["code"])
        if names is None:
            return False if table.binding else None
        return True if "display" not in o or same(o["display"], names) else None

    def report_Coding(self, o: Json, path: str) -> None:
        table, code, display = self._table(o), o.get("code"), o.get("display")
        if table is None:
            return
        names = table.of(str(code))
        if names is None:
            say = self.bad if table.binding else self.warn
            say("unknown-code", path + ".code", "Coding.code", code, {"system": o["system"]})
        elif isinstance(display, str) and not same(display, names):
            facts = {"code": code, "system": o["system"], "display": names[0]}
            self.warn("display", path + ".display", "Coding.display", display, facts)

    def measures(self, o: Json) -> bool | None:
        """True for a Quantity whose unit is one as far as anybody knows, None for a doubt."""
        if "code" not in o or "system" not in o:
            return True
        table = self.engine.codes.table(o["system"])
        return True if table is None or table.of(o["code"]) is not None else None

    def report_Quantity(self, o: Json, path: str) -> None:
        table = self._table(o)
        if table is not None and table.of(o["code"]) is None:
            key = "unit" if o["system"] == UCUM else "unknown-code"
            self.warn(key, path + ".code", "Quantity.code", o["code"], {"system": o["system"]})

    def _table(self, o: Json) -> Table | None:
        system, code = o.get("system"), o.get("code")
        return self.engine.codes.table(system) if isinstance(system, str) and isinstance(code, str) else None

    def report_Identifier(self, o: Json, path: str) -> None:
        value = o.get("value")
        if o.get("system") == URIS and value.__class__ is str and not is_uri(str(value)):
            self.warn("identifier-uri", path + ".value", "Identifier.value", value)

    def accepts_Observation(self, o: Resource) -> bool:
        return "component" not in o or _VALUES.isdisjoint(o) or not _repeats_its_code(o)

    def report_Observation(self, o: Resource, path: str) -> None:
        if not self.accepts_Observation(o):
            self.bad("component-code", path + ".component", "obs-7")

    def accepts_SearchParameter(self, o: Resource) -> bool:
        if "derivedFrom" not in o:
            return True
        origin = self.engine.definitions.search_parameter(o["derivedFrom"])
        return origin is None or origin["type"] == o["type"]

    def report_SearchParameter(self, o: Resource, path: str) -> None:
        if o.get("derivedFrom").__class__ is str and "type" in o and not self.accepts_SearchParameter(o):
            self.bad("derived-type", path + ".type", "SearchParameter.type", o["type"], {"origin": o["derivedFrom"]})


def _repeats_its_code(observation: Resource) -> bool:
    """True where a component of an Observation has its own code, which one with a value must not (obs-7)."""
    own = {repr(coding) for coding in _codings(observation)}
    rows = observation["component"]
    components = [row for row in rows if row.__class__ is dict] if rows.__class__ is list else []
    return any(repr(coding) in own for component in components for coding in _codings(component))


def _codings(owner: Json) -> list[Any]:
    code = owner.get("code")
    codings = code.get("coding") if code.__class__ is dict else None
    return [dict(sorted(c.items())) if c.__class__ is dict else c for c in codings] if codings.__class__ is list else []


def _hashed(o: Json) -> bool:
    """True where the hash of an Attachment is the SHA-1 of its data, as far as both can be read."""
    try:
        return hashlib.sha1(b64decode(o["data"]), usedforsecurity=False).digest() == b64decode(o["hash"])
    except (ValueError, TypeError):
        return True  # what is no base64 is refused for itself
