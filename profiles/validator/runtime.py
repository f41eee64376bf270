"""The functions that generated code calls beside its context's methods."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

from profiles.definitions import RESOURCE_TYPES
from profiles.fhirpath import FHIRPathError, typed
from profiles.validator import narrative, references
from profiles.validator.context import Context
from profiles.validator.limits import has_length, has_pattern, has_places, has_size
from profiles.validator.matching import any_conforms, any_fits, at, fits, has_type
from profiles.validator.natives import URIS
from profiles.validator.primitives import LONG, MANY, MAX_STRING, NAMES, is_harmless, satisfies
from profiles.validator.references import are_contained, is_uri, is_versioned, reference_text
from profiles.validator.saying import beside

Json = dict[str, Any]


def has_partner(o: Json, key: str, v: list[Any]) -> bool:
    """True where every null of a list of primitives has an extension beside it."""
    partners = o.get("_" + key)
    return all(item is not None or beside(partners, n) for n, item in enumerate(v))


def companion(o: Json, key: str, v: Any, many: bool, c: Context) -> bool:
    """True where `_key` holds ids and extensions of a primitive."""
    values = o.get(key[1:])
    if not many:
        return _is_companion(v, values is not None, c)
    if v.__class__ is not list or not v:
        return False
    return all(
        beside(values, n) if item is None else _is_companion(item, beside(values, n), c) for n, item in enumerate(v)
    )


def _is_companion(v: Any, valued: bool, c: Context) -> bool:
    if v.__class__ is not dict or not v or not (valued or "extension" in v):
        return False
    for key, items in v.items():
        if key == "extension":
            if items.__class__ is not list or not items:
                return False
            extension = c.engine.fast("Extension")
            if not all(extension(item, c) and ":" in item["url"] for item in items):
                return False
            if any(item["url"] in c.engine.noted for item in items):
                c.extended = True
        elif key != "id" or not satisfies("string", items):
            return False
    return True


def is_target(v: Json, allowed: frozenset[str], c: Context) -> bool:
    return references.fits(v.get("reference"), allowed, c.find)


def remember(memory: dict[tuple[str | None, ...], int], key: tuple[str | None, ...], keys: int) -> None:
    """Note that an object with these values under so many keys is good."""
    if sum(len(text) for text in key if text is not None) <= LONG:
        if len(memory) >= MANY:
            memory.clear()
        memory[key] = keys


def is_good_reference(o: Json, c: Context) -> bool:
    """True where the reference of a Reference has a valid form and, if it is local, a target."""
    text = o["reference"]
    if not references.is_reference(text):
        return False
    if text[0] == "#" and c.find(text) is None:
        return False
    return "type" not in o or references.type_of(text, c.find) in (None, o["type"])


def is_text(v: Any, c: Context) -> bool:
    """True for a string; with a doubt for white space."""
    if v.__class__ is not str or not 0 < len(v) <= MAX_STRING or not is_harmless(v):
        return False
    if v.isspace():
        c.doubtful = True
    return True


def is_narrative(v: Any, c: Context) -> bool:
    """True for basic XHTML; with a doubt for what is forgivable, where the engine is lenient."""
    if v.__class__ is str and (narrative.is_plain(v) or narrative.fault(v) is None):
        return True
    if c.engine.lenient and narrative.is_forgivable(v):
        c.doubtful = True
        return True
    return False


CodeSet = Mapping[str, frozenset[str]] | Callable[[Any], bool]
"""Codes by system, or a function that judges one."""


def is_coded(v: Any, kind: str, codes: CodeSet, needed: bool) -> bool:
    """True where a value of a coded type is in a set; without a code, where none is `needed`. Takes any shape."""
    if kind == "code":
        return v.__class__ is not str or (
            any(v in held for held in codes.values()) if isinstance(codes, Mapping) else codes(v)
        )
    if v.__class__ is not dict:
        return True
    if kind == "CodeableConcept":
        codings = v.get("coding")
        codings = [q for q in codings if q.__class__ is dict] if codings.__class__ is list else []
        if not codings:
            return not needed
        return any(_has(codes, q.get("system"), q.get("code")) for q in codings)
    if "code" not in v:
        return kind == "Quantity" or not needed
    return _has(codes, v.get("system"), v["code"])


def _has(codes: CodeSet, system: Any, code: Any) -> bool:
    if code.__class__ is not str:
        return False
    if not isinstance(codes, Mapping):
        return codes(code)
    return system.__class__ is str and code in codes.get(system, ())


_MIME = re.compile(r"[A-Za-z0-9*][\w!#$&^.+*-]*/[\w!#$&^.+*-]+(?:\s*;.*)?").fullmatch
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*|[xX](?:-[A-Za-z0-9]{1,8})+").fullmatch
_MIME_SHORT = frozenset({"xml", "json", "ttl", "html", "text", "none"})
"""Short names that R4 itself uses where a MIME type is asked for (CapabilityStatement.format)."""


def is_mime_type(v: Any) -> bool:
    """Source: https://www.rfc-editor.org/bcp/bcp13.txt"""
    return v.__class__ is str and (_MIME(v) is not None or v in _MIME_SHORT)


def is_language(v: Any) -> bool:
    """Source: https://www.rfc-editor.org/info/bcp47, well-formed tags."""
    return v.__class__ is str and len(v) <= LONG and _is_language(v)


@lru_cache(MANY)
def _is_language(v: str) -> bool:
    return _LANGUAGE(v) is not None


def is_unit(v: Any) -> bool:
    """A UCUM code."""
    from profiles import ucum

    return v.__class__ is str and ucum.valid(v)


@cache
def _zones() -> frozenset[str]:
    from zoneinfo import available_timezones

    return frozenset(available_timezones())


def is_time_zone(v: Any) -> bool:
    return v.__class__ is str and v in _zones()


def _condition(expression: str, type_: str) -> Callable[..., bool | None]:
    from profiles import fhirpath

    try:
        return fhirpath.compile(expression, type_).test
    except FHIRPathError:
        # a constraint on a choice element names children that only some of its types have
        return fhirpath.compile(expression).test


def invariant(expression: str, type_: str) -> Callable[[Any, Context], bool]:
    """The condition of an invariant, compiled when it is first asked. Empty counts as broken, as HL7 has it."""
    compiled: list[Callable[..., bool | None]] = []

    def test(v: Any, c: Context) -> bool:
        if not compiled:
            compiled.append(_condition(expression, type_))
        try:
            return compiled[0](v, resource=c.resource, rootResource=c.root, resolver=c.find) is True
        except FHIRPathError:
            return False  # a condition that cannot be evaluated on this value is not met
        except typed.BAILS:
            return True  # the value is not of the shape of its type, which is refused for itself

    return test


NAMESPACE: dict[str, Any] = {
    **NAMES,
    **typed.NAMES,
    "BAILS": typed.BAILS,
    "Decimal": Decimal,
    "REFERENCES": references.REFERENCES,
    "RESOURCE_TYPES": RESOURCE_TYPES,
    "URIS": URIS,
    "any_conforms": any_conforms,
    "any_fits": any_fits,
    "are_contained": are_contained,
    "at": at,
    "companion": companion,
    "fits": fits,
    "has_length": has_length,
    "has_partner": has_partner,
    "has_pattern": has_pattern,
    "has_places": has_places,
    "has_size": has_size,
    "has_type": has_type,
    "invariant": invariant,
    "is_coded": is_coded,
    "is_good_reference": is_good_reference,
    "is_language": is_language,
    "is_mime_type": is_mime_type,
    "is_narrative": is_narrative,
    "is_strict_narrative": narrative.is_narrative,
    "is_target": is_target,
    "is_text": is_text,
    "is_time_zone": is_time_zone,
    "is_unit": is_unit,
    "is_uri": is_uri,
    "is_versioned": is_versioned,
    "reference_text": reference_text,
    "refers_to": references.refers_to,
    "remember": remember,
}
"""The names that generated code finds."""
