"""What generated code calls: the context of one resource under judgement, and the tests that are no one-liners."""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any, Protocol

from profiles.definitions import RESOURCE_TYPES
from profiles.fhirjson import Resource
from profiles.validator import references
from profiles.validator.bundle import Entries, findings
from profiles.validator.issue import Issue, Severity, Tier
from profiles.validator.narrative import fault, is_narrative
from profiles.validator.primitives import EXAMPLES, MAX_STRING, NAMES, satisfies
from profiles.validator.references import all_used
from profiles.validator.wording import messages

Json = dict[str, Any]

MOST_ISSUES = 1000
"""Errors at which a judgement ends, and warnings that are listed: what is this broken is not read to its end."""
MOST_SUGGESTIONS = 20
JSON_NAMES = {"boolean": "true/false", "decimal": "number", "integer": "number", "unsignedInt": "number",
              "positiveInt": "number"}  # fmt: skip


class Enough(Exception):
    """The list of issues is full."""


class Engine(Protocol):
    """Finds the compiled functions of a type."""

    def fast(self, name: str) -> Callable[[Any, "Context"], bool]: ...
    def report(self, name: str) -> Callable[[Any, str, "Context"], None]: ...


class Context:
    """One resource under judgement, what it stands in, and what was found.

    `root` is the resource that holds `contained`; `bundle` finds other entries by fullUrl or relative reference.
    `doubtful` and `extended` are notes of the fast pass: there are warnings to report, extensions to look at.
    """

    __slots__ = (
        "_contained",
        "bundle",
        "counts",
        "doubtful",
        "engine",
        "extended",
        "issues",
        "resource",
        "root",
        "tier",
    )

    def __init__(
        self,
        engine: Engine,
        resource: Resource,
        root: Resource,
        issues: list[Issue],
        bundle: Callable[[str], Resource | None] | None = None,
    ) -> None:
        self.engine, self.resource, self.root, self.issues, self.bundle = engine, resource, root, issues, bundle
        self.tier: Tier = "base"
        self.counts: dict[str, int] = {}
        self.doubtful = self.extended = False
        self._contained: dict[str, Resource] | None = None

    # ------------------------------------------------------------------ saying

    def bad(self, key: str, path: str, rule: str, value: Any = None, facts: Mapping[str, Any] | None = None) -> None:
        self.say("error", key, path, rule, value, facts)

    def warn(self, key: str, path: str, rule: str, value: Any = None, facts: Mapping[str, Any] | None = None) -> None:
        self.say("warning", key, path, rule, value, facts)

    def say(
        self, severity: Severity, key: str, path: str, rule: str, value: Any, facts: Mapping[str, Any] | None
    ) -> None:
        counts = self.counts
        counts[severity] = counts.get(severity, 0) + 1
        if counts[severity] > MOST_ISSUES:
            if severity == "error":
                raise Enough
            return
        message = messages()[key]
        self.issues.append(Issue(severity, message.code, self.tier, rule, path, value, message.wording, facts or {}))

    def not_object(self, v: Any, path: str, rule: str) -> None:
        if v == {}:
            self.bad("empty-object", path, rule)
        elif v is None:
            self.bad("null", path, rule)
        elif v.__class__ is list:
            self.bad("array", path, rule)
        else:
            self.bad("not-object", path, rule, v, {"found": _kind(v)})

    def not_list(self, v: Any, path: str, rule: str) -> None:
        self.bad("empty-array" if v == [] else "null" if v is None else "not-array", path, rule, v)

    def primitive(self, v: Any, type_: str, path: str, rule: str) -> None:
        """Say what keeps `v` from being a value of the primitive type."""
        wants = JSON_NAMES.get(type_, "string")
        if v is None:
            self.bad("null", path, rule)
        elif v.__class__ is list:
            self.bad("array", path, rule, v)
        elif type_ == "xhtml" and v.__class__ is str:
            key, part = fault(v) or ("narrative-div", "")
            self.bad(key, path, "txt-2" if key == "narrative-empty" else "txt-1", v, {"part": part})
        elif _kind(v) != wants:
            self.bad("json-type", path, rule, v, {"type": type_, "json": wants, "found": _kind(v), **_as(v, wants)})
        elif v == "" or (v.__class__ is str and v.isspace()):
            self.bad("empty-string", path, rule, v)
        elif v.__class__ is str and len(v) > MAX_STRING and type_ in ("string", "markdown"):
            self.bad("too-long", path, rule, None, {"length": len(v), "limit": MAX_STRING})
        else:
            self.bad("format", path, rule, v, {"type": type_, "example": EXAMPLES.get(type_, "…")})

    def unknown(self, path: str, key: str, v: Any, parent: str, names: tuple[str, ...]) -> None:
        facts = {"name": key, "parent": parent, "suggestion_id": "", "suggestion_en": ""}
        if len(self.issues) < MOST_SUGGESTIONS and (near := suggestion(key, names)):
            facts |= {"suggestion_id": f"Maksudnya '{near}'?", "suggestion_en": f"Did you mean '{near}'?"}
        self.bad("unknown-element", f"{path}.{key}", parent, v, facts)

    # ------------------------------------------------------------------ companions of primitives

    def companion(self, o: Json, key: str, v: Any, many: bool, path: str, parent: str) -> None:
        """Check `_key`, the id and extensions of a primitive."""
        name, rule = key[1:], f"{parent}.{key[1:]}"
        if not many:
            self._companion(v, f"{path}.{name}", rule)
        elif v.__class__ is not list or not v:
            self.not_list(v, f"{path}.{key}", rule)
        else:
            for n, item in enumerate(v):
                if item is not None:
                    self._companion(item, f"{path}.{name}[{n}]", rule)
                elif not _beside(o.get(name), n):
                    self.bad("null-item", f"{path}.{key}[{n}]", rule, None, {"name": name})

    def _companion(self, v: Any, path: str, rule: str) -> None:
        if v.__class__ is not dict or not v:
            self.not_object(v, path, rule)
            return
        if v.keys() == {"id"}:
            return
        for key, items in v.items():
            if key == "extension":
                if items.__class__ is not list or not items:
                    self.not_list(items, f"{path}.extension", rule)
                    continue
                for n, item in enumerate(items):
                    if item.__class__ is not dict or not item:
                        self.not_object(item, f"{path}.extension[{n}]", rule)
                    else:
                        self.engine.report("Extension")(item, f"{path}.extension[{n}]", self)
            elif key == "id":
                if not satisfies("string", items):
                    self.primitive(items, "string", f"{path}.id", rule)
            else:
                self.unknown(path, key, items, rule, ("id", "extension"))

    def null_item(self, o: Json, key: str, n: int, path: str, rule: str) -> None:
        if not _beside(o.get("_" + key), n):
            self.bad("null-item", path, rule, None, {"name": key})

    # ------------------------------------------------------------------ references

    def find(self, reference: str) -> Resource | None:
        """The resource that a reference points to, where it is contained or in the same Bundle."""
        if reference[:1] == "#":
            if self._contained is None:
                self._contained = references.contained_ids(self.root)
            return self._contained.get(reference[1:]) if len(reference) > 1 else self.root
        return self.bundle(reference) if self.bundle is not None else None

    def target(self, v: Json, allowed: frozenset[str], path: str, rule: str) -> None:
        text = v.get("reference")
        if text.__class__ is str and not references.fits(text, allowed, self.find):
            found = references.type_of(text, self.find)
            facts = {"found": found, "allowed": ", ".join(sorted(allowed))}
            self.bad("reference-type", path + ".reference", rule, text, facts)

    def reference(self, o: Json, path: str) -> None:
        """Check the reference of a Reference itself."""
        text, declared = o.get("reference"), o.get("type")
        if text.__class__ is not str:
            return
        if not references.is_reference(text):
            self.bad("reference-format", path + ".reference", "Reference.reference", text)
        elif text[0] == "#" and self.find(text) is None:
            self.bad("reference-contained", path + ".reference", "ref-1", text)
        elif declared is not None and references.type_of(text, self.find) not in (None, declared):
            found = {"found": references.type_of(text, self.find)}
            self.bad("reference-declared", path + ".type", "Reference.type", declared, found)

    # ------------------------------------------------------------------ resources within

    def inner(self, resource: Resource, root: Resource | None = None) -> "Context":
        """The context of a resource that stands in this one; contained ones share their root."""
        bundle = Entries(resource).find if resource.get("resourceType") == "Bundle" else self.bundle
        within = Context(self.engine, resource, root or resource, self.issues, bundle)
        within.tier, within.counts = self.tier, self.counts
        return within

    def accepts_inner(self, v: Any) -> bool:
        if v.__class__ is not dict:
            return False
        name = v.get("resourceType")
        if name.__class__ is not str or name not in RESOURCE_TYPES:
            return False
        within = self.inner(v)
        good = self.engine.fast(name)(v, within)
        self._note(within)
        return good

    def accepts_contained(self, v: Any) -> bool:
        if v.__class__ is not dict or "contained" in v or "id" not in v:
            return False
        name, meta = v.get("resourceType"), v.get("meta", {})
        if name.__class__ is not str or name not in RESOURCE_TYPES:
            return False
        if meta.__class__ is not dict or not _FORBIDDEN_META.isdisjoint(meta):
            return False
        within = self.inner(v, self.root)
        good = self.engine.fast(name)(v, within)
        self._note(within)
        return good

    def _note(self, within: "Context") -> None:
        if within.doubtful:
            self.doubtful = True
        if within.extended:
            self.extended = True

    def report_inner(self, v: Any, path: str, rule: str) -> None:
        if self._is_resource(v, path, rule):
            self.engine.report(v["resourceType"])(v, path, self.inner(v))

    def report_contained(self, v: Any, path: str, rule: str) -> None:
        if not self._is_resource(v, path, rule):
            return
        if "contained" in v:
            self.bad("contained-nested", path, "dom-2")
        if "id" not in v:
            self.bad("contained-id", path, "dom-3")
        if v.get("meta").__class__ is dict:
            for name in _FORBIDDEN_META & v["meta"].keys():
                self.bad("contained-meta", f"{path}.meta.{name}", "dom-5" if name == "security" else "dom-4")
        self.engine.report(v["resourceType"])(v, path, self.inner(v, self.root))

    def accepts_Bundle(self, o: Resource) -> bool:
        worst = {finding.severity for finding in findings(o)}
        if "warning" in worst:
            self.doubtful = True
        return "error" not in worst

    def report_Bundle(self, o: Resource, path: str) -> None:
        for finding in findings(o):
            severity: Severity = "error" if finding.severity == "error" else "warning"
            self.say(severity, finding.key, path + finding.at, finding.rule, finding.value, finding.facts)

    def _is_resource(self, v: Any, path: str, rule: str) -> bool:
        if v.__class__ is not dict or not v:
            self.not_object(v, path, rule)
            return False
        name = v.get("resourceType")
        if name in RESOURCE_TYPES:
            return True
        if name is None:
            self.bad("resource-type-missing", path, rule)
        else:
            near = suggestion(str(name), tuple(RESOURCE_TYPES))
            facts = {
                "suggestion_id": f"Maksudnya '{near}'?" if near else "",
                "suggestion_en": f"Did you mean '{near}'?" if near else "",
            }
            self.bad("resource-type", f"{path}.resourceType", rule, name, facts)
        return False

    def report_unused(self, o: Resource, path: str) -> None:
        for n in references.unused(o):
            self.bad("contained-unused", f"{path}.contained[{n}]", "dom-3", o["contained"][n].get("id"))


_FORBIDDEN_META = frozenset({"versionId", "lastUpdated", "security"})


def _kind(v: Any) -> str:
    if v is True or v is False:
        return "true/false"
    return {str: "string", dict: "object", list: "array"}.get(v.__class__, "null" if v is None else "number")


def _as(v: Any, wants: str) -> dict[str, str]:
    """What to write instead of a value of the wrong JSON type."""
    if wants == "string" and v.__class__ is not dict:
        return {"fix_json_id": f'Tulis dengan tanda kutip: "{v}"', "fix_json_en": f'Write it in quotes: "{v}"'}
    if v.__class__ is str:
        return {
            "fix_json_id": f"Tulis tanpa tanda kutip: {v[:40]}",
            "fix_json_en": f"Write it without quotes: {v[:40]}",
        }
    return {"fix_json_id": "", "fix_json_en": ""}


def _beside(partners: Any, n: int) -> bool:
    return partners.__class__ is list and n < len(partners) and partners[n] is not None


def suggestion(name: str, names: tuple[str, ...]) -> str:
    """The name that was probably meant, or nothing."""
    lower = {known.lower(): known for known in names}
    if name.lower() in lower:
        return lower[name.lower()]
    near = get_close_matches(name[:64], names, 1, 0.75)
    if near:
        return near[0]
    longer = [known for known in names if known.startswith(name) and name]
    return longer[0] if len(longer) == 1 else ""


def has_partner(o: Json, key: str, v: list[Any]) -> bool:
    """True where every null of a list of primitives has an extension beside it."""
    partners = o.get("_" + key)
    return all(item is not None or _beside(partners, n) for n, item in enumerate(v))


def companion(o: Json, key: str, v: Any, many: bool, c: Context) -> bool:
    """True where `_key` holds ids and extensions of a primitive."""
    if not many:
        return _is_companion(v, c)
    if v.__class__ is not list or not v:
        return False
    values = o.get(key[1:])
    return all(_beside(values, n) if item is None else _is_companion(item, c) for n, item in enumerate(v))


def _is_companion(v: Any, c: Context) -> bool:
    if v.__class__ is not dict or not v:
        return False
    for key, items in v.items():
        if key == "extension":
            if items.__class__ is not list or not items:
                return False
            extension = c.engine.fast("Extension")
            if not all(extension(item, c) for item in items):
                return False
        elif key != "id" or not satisfies("string", items):
            return False
    return True


def is_target(v: Json, allowed: frozenset[str], c: Context) -> bool:
    return references.fits(v["reference"], allowed, c.find)


def is_good_reference(o: Json, c: Context) -> bool:
    """True where the reference of a Reference has a valid form and, if it is local, a target."""
    text = o["reference"]
    if not references.is_reference(text):
        return False
    if text[0] == "#" and c.find(text) is None:
        return False
    return "type" not in o or references.type_of(text, c.find) in (None, o["type"])


_MIME = re.compile(r"[A-Za-z0-9*][\w!#$&^.+*-]*/[\w!#$&^.+*-]+(?:\s*;.*)?").fullmatch
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*|[xX](?:-[A-Za-z0-9]{1,8})+").fullmatch
_MIME_SHORT = frozenset({"xml", "json", "ttl", "html", "text", "none"})
"""Short names that R4 itself uses where a MIME type is asked for (CapabilityStatement.format)."""


def is_mime_type(v: Any) -> bool:
    """Source: https://www.rfc-editor.org/bcp/bcp13.txt"""
    return v.__class__ is str and (_MIME(v) is not None or v in _MIME_SHORT)


def is_language(v: Any) -> bool:
    """Source: https://www.rfc-editor.org/info/bcp47, well-formed tags."""
    return v.__class__ is str and _LANGUAGE(v) is not None


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
    except fhirpath.FHIRPathError:
        # a constraint on a choice element names children that only some of its types have
        return fhirpath.compile(expression).test


def invariant(key: str, expression: str, type_: str) -> Callable[[Any, Context], bool]:
    """The condition of an invariant, compiled when it is first asked. Empty counts as broken, as HL7 has it."""
    compiled: list[Callable[..., bool | None]] = []

    def test(v: Any, c: Context) -> bool:
        if not compiled:
            compiled.append(_condition(expression, type_))
        return compiled[0](v, resource=c.resource, rootResource=c.root, resolver=c.find) is True

    return test


NAMESPACE: dict[str, Any] = {
    **NAMES,
    "all_used": all_used,
    "companion": companion,
    "has_partner": has_partner,
    "invariant": invariant,
    "is_good_reference": is_good_reference,
    "is_language": is_language,
    "is_mime_type": is_mime_type,
    "is_narrative": is_narrative,
    "is_target": is_target,
    "is_time_zone": is_time_zone,
    "is_unit": is_unit,
}
"""The names that generated code finds."""
