"""Saying what is wrong: from what stands there to an issue that names the mistake and what to write instead."""

from collections.abc import Callable, Container, Mapping
from difflib import get_close_matches
from typing import Any, Protocol

from profiles.definitions import Definitions
from profiles.fhirjson import Resource
from profiles.validator.codes import Codes
from profiles.validator.issue import Issue, Severity, Tier, shown
from profiles.validator.narrative import fault, is_forgivable
from profiles.validator.primitives import EXAMPLES, MAX_STRING, is_harmless, satisfies
from profiles.validator.wording import Message, messages

Json = dict[str, Any]

MOST_ISSUES = 1000
"""Errors at which a judgement ends, and warnings that are listed: what is this broken is not read to its end."""
MOST_SUGGESTIONS = 20
JSON_NAMES = {"boolean": "true/false", "decimal": "number", "integer": "number", "unsignedInt": "number",
              "positiveInt": "number"}  # fmt: skip

Find = Callable[[str], Resource | None]


class Enough(Exception):
    """The list of issues is full."""


class Engine(Protocol):
    """Finds the compiled functions of types and profiles, and the wording of profiles' own conditions."""

    wordings: Mapping[str, Message]
    definitions: Definitions
    lenient: bool
    noted: Container[str]
    codes: Codes

    def fast(self, name: str) -> Callable[[Any, Any], bool]: ...
    def report(self, name: str) -> Callable[[Any, str, Any], None]: ...
    def profile_fast(self, url: str) -> Callable[[Any, Any], bool] | None: ...
    def profile_report(self, url: str) -> Callable[[Any, str, Any], None] | None: ...
    def profile_type(self, url: str) -> str | None: ...


class Saying:
    """The part of a context that makes issues."""

    __slots__ = ("counts", "engine", "issues", "tier")

    def __init__(self, engine: Engine, issues: list[Issue], tier: Tier, counts: dict[str, int]) -> None:
        self.engine, self.issues, self.tier, self.counts = engine, issues, tier, counts

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
        message = (self.engine.wordings.get(rule) if key == "invariant" else None) or messages()[key]
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
            say = self.warn if self.engine.lenient and is_forgivable(v) else self.bad
            say(key, path, "txt-2" if key == "narrative-empty" else "txt-1", v, {"part": part})
        elif _kind(v) != wants:
            self.bad("json-type", path, rule, v, {"type": type_, "json": wants, "found": _kind(v), **_as(v, wants)})
        elif v == "" or (v.__class__ is str and v.isspace()):
            self.bad("empty-string", path, rule, v)
        elif v.__class__ is str and len(v) > MAX_STRING and type_ in ("string", "markdown"):
            self.bad("too-long", path, rule, None, {"length": len(v), "limit": MAX_STRING})
        elif v.__class__ is str and not is_harmless(v):
            self.bad("html-in-text", path, rule, v)
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
            self._companion(v, f"{path}.{name}", rule, o.get(name) is not None)
        elif v.__class__ is not list or not v:
            self.not_list(v, f"{path}.{key}", rule)
        else:
            for n, item in enumerate(v):
                if item is not None:
                    self._companion(item, f"{path}.{name}[{n}]", rule, beside(o.get(name), n))
                elif not beside(o.get(name), n):
                    self.bad("null-item", f"{path}.{key}[{n}]", rule, None, {"name": name})

    def _companion(self, v: Any, path: str, rule: str, valued: bool) -> None:
        if v.__class__ is not dict or not v:
            self.not_object(v, path, rule)
            return
        if not valued and v.keys() == {"id"}:
            self.bad("only-id", path, rule)
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
                        self.extension_url(item, f"{path}.extension[{n}]")
            elif key == "id":
                if not satisfies("string", items):
                    self.primitive(items, "string", f"{path}.id", rule)
            else:
                self.unknown(path, key, items, rule, ("id", "extension"))

    def valueless(self, key: str, path: str, parent: str) -> None:
        self.bad("code-absent", f"{path}.{key[1:]}", f"{parent}.{key[1:]}")

    def extension_url(self, extension: Json, path: str) -> None:
        """Say where the url of an extension is relative, as only one within another's may be."""
        url = extension.get("url")
        if url.__class__ is str and ":" not in str(url):
            self.bad("extension-relative", path + ".url", "Extension.url", url)

    def null_item(self, o: Json, key: str, n: int, path: str, rule: str) -> None:
        if not beside(o.get("_" + key), n):
            self.bad("null-item", path, rule, None, {"name": key})


def _kind(v: Any) -> str:
    if v is True or v is False:
        return "true/false"
    return {str: "string", dict: "object", list: "array"}.get(v.__class__, "null" if v is None else "number")


def _as(v: Any, wants: str) -> dict[str, str]:
    """What to write instead of a value of the wrong JSON type."""
    if wants == "string" and v.__class__ is not dict:
        return {
            "fix_json_id": f'Tulis dengan tanda kutip: "{shown(v)}"',
            "fix_json_en": f'Write it in quotes: "{shown(v)}"',
        }
    if v.__class__ is str:
        return {
            "fix_json_id": f"Tulis tanpa tanda kutip: {v[:40]}",
            "fix_json_en": f"Write it without quotes: {v[:40]}",
        }
    return {"fix_json_id": "", "fix_json_en": ""}


def beside(partners: Any, n: int) -> bool:
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
