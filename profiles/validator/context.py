"""The context of one resource under judgement: what it stands in, what it refers to, what was found."""

from typing import Any

from profiles.definitions import BASE, RESOURCE_TYPES
from profiles.fhirjson import Resource
from profiles.validator import references
from profiles.validator.bundle import Entries, findings
from profiles.validator.issue import Issue, Severity, Tier
from profiles.validator.limits import Side, beyond, shown_value
from profiles.validator.natives import Natives
from profiles.validator.saying import Engine, Find, Json, suggestion

_FORBIDDEN_META = frozenset({"versionId", "lastUpdated", "security"})


class Context(Natives):
    """One resource under judgement.

    `root` is the resource that holds `contained`; `bundle` finds other entries by fullUrl or relative reference.
    `doubtful` and `extended` are notes of the fast pass: there are warnings to report, extensions to look at.
    """

    __slots__ = ("_contained", "_running", "bundle", "extended", "resource", "root")

    def __init__(
        self,
        engine: Engine,
        resource: Resource,
        root: Resource,
        issues: list[Issue],
        bundle: Find | None = None,
        tier: Tier = "base",
        counts: dict[str, int] | None = None,
    ) -> None:
        self.engine, self.issues, self.tier = engine, issues, tier
        self.counts: dict[str, int] = {} if counts is None else counts
        self.resource, self.root, self.bundle = resource, root, bundle
        self.doubtful = self.extended = False
        self._contained: dict[str, Resource] | None = None
        self._running: set[tuple[int, str]] | None = None

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
        return Context(self.engine, resource, root or resource, self.issues, bundle, self.tier, self.counts)

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
        if name.__class__ is str and name in RESOURCE_TYPES:
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
        for n in references.repeated(o):
            self.bad("contained-id-twice", f"{path}.contained[{n}].id", "Resource.id", o["contained"][n]["id"])

    # ------------------------------------------------------------------ profiles

    def missing(self, path: str, rule: str, least: int, most: str, count: int) -> None:
        self.bad("missing", path, rule, None, {"min": least, "max": most, "count": count})

    def too_many(self, path: str, rule: str, most: str, count: int) -> None:
        self.bad("too-many", path, rule, None, {"max": most, "count": count})

    def slice_missing(self, path: str, rule: str, name: str, least: int, most: str, count: int) -> None:
        self.bad("slice-missing", path, rule, None, {"slice": name, "min": least, "max": most, "count": count})

    def slice_too_many(self, path: str, rule: str, name: str, most: str, count: int) -> None:
        self.bad("slice-too-many", path, rule, None, {"slice": name, "max": most, "count": count})

    def too_long(self, path: str, rule: str, v: str, limit: int) -> None:
        self.bad("too-long", path, rule, v, {"length": len(v), "limit": limit})

    def conforms(self, v: Any, urls: tuple[str, ...]) -> bool:
        """True where a value conforms to one of the profiles, as far as they are known."""
        return v.__class__ is not dict or any(self._conforms(v, url) for url in urls)

    def _conforms(self, v: Json, url: str) -> bool:
        type_ = self.engine.profile_type(url)
        if type_ is None:
            self.doubtful = True
            return True
        if "resourceType" in v and type_ not in (v["resourceType"], "Resource", "DomainResource"):
            return False
        fast, key, running = self.engine.profile_fast(url), (id(v), url), self._started()
        if fast is None or key in running:
            return True
        running.add(key)
        within = self if "resourceType" not in v or v is self.resource else self._within(v)
        try:
            return fast(v, within)
        finally:
            running.discard(key)
            self.doubtful = self.doubtful or within.doubtful

    def _started(self) -> set[tuple[int, str]]:
        """The judgements of values by profiles that are under way: references may lead round in a circle."""
        if self._running is None:
            self._running = set()
        return self._running

    def _within(self, v: Resource) -> "Context":
        within = self.inner(v, self.root if "contained" in self.root else None)
        within._running = self._started()
        return within

    def conform(self, v: Any, urls: tuple[str, ...], path: str, rule: str) -> None:
        """Say where a value does not conform: in detail for one profile, as a whole where there is a choice."""
        if v.__class__ is not dict:
            return
        unknown = [url for url in urls if self.engine.profile_type(url) is None]
        for url in unknown:
            self.warn("profile-unknown", path, rule, url)
        if unknown:
            return
        if len(urls) == 1:
            self.profile(v, urls[0], path, rule)
        elif not self.conforms(v, urls):
            self.bad("profile-broken", path, rule, None, {"profile": " / ".join(urls)})

    def profile(self, v: Json, url: str, path: str, rule: str) -> None:
        """Say all that keeps a value from conforming to a known profile."""
        type_ = self.engine.profile_type(url)
        if "resourceType" in v and type_ not in (v["resourceType"], "Resource", "DomainResource"):
            facts = {"type": type_, "found": v["resourceType"]}
            self.bad("profile-type", path, rule, url, facts)
            return
        report, key, running = self.engine.profile_report(url), (id(v), url), self._started()
        if report is None or key in running:
            return
        running.add(key)
        report(v, path, self if "resourceType" not in v or v is self.resource else self._within(v))
        running.discard(key)

    def is_aggregated(self, v: Any, modes: tuple[str, ...]) -> bool:
        """True where what a Reference points to is found as one of the modes (AggregationMode) says."""
        text = references.reference_text(v)
        if text is None:
            return True
        if text[:1] == "#":
            return "contained" in modes
        return "referenced" in modes or ("bundled" in modes and self.find(text) is not None)

    def keeps_limit(self, v: Any, side: Side, limit: Any) -> bool:
        """True where a value is not beyond a limit; with a doubt where that cannot be told."""
        fault = beyond(v, side, limit)
        if fault == "limit-unjudged":
            self.doubtful = True
        return fault in (None, "limit-unjudged")

    def limit(self, v: Any, side: Side, limit: Any, path: str, rule: str) -> None:
        fault = beyond(v, side, limit)
        if fault is not None:
            say = self.warn if fault == "limit-unjudged" else self.bad
            say(fault, path, rule, shown_value(v), {"limit": shown_value(limit)})

    def aims(self, v: Any, urls: tuple[str, ...]) -> bool:
        """True where a Reference points to something that conforms to one of the profiles, as far as can be seen."""
        text = v.get("reference") if v.__class__ is dict else None
        if text.__class__ is not str:
            return True
        found = self.find(text)
        if found is not None:
            return any(self._conforms(found, url) for url in urls)
        type_ = references.type_of(text, self.find)
        types = {self.engine.profile_type(url) for url in urls}
        return type_ is None or None in types or type_ in types

    def aim(self, v: Any, urls: tuple[str, ...], path: str, rule: str) -> None:
        if self.aims(v, urls):
            return
        text = v["reference"]
        type_ = references.type_of(text, self.find)
        names = [url.removeprefix(BASE) for url in urls]
        if type_ in {self.engine.profile_type(url) for url in urls}:
            self.bad("profile-broken", path + ".reference", rule, text, {"profile": " / ".join(names)})
        else:
            facts = {"found": type_, "allowed": ", ".join(names)}
            self.bad("reference-type", path + ".reference", rule, text, facts)
