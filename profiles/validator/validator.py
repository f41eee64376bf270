"""The validator itself: which checks a resource passes through, and in what order."""

import hashlib
from collections.abc import Container, Iterable, Iterator
from typing import Any, Protocol

from profiles.definitions import R4, RESOURCE_TYPES, Definitions
from profiles.fhirjson import Resource, encode
from profiles.indonesia import profile_of
from profiles.tables import NO_TABLES, CodeTables
from profiles.validator import sources
from profiles.validator.bundle import Entries
from profiles.validator.context import Context
from profiles.validator.engine import Engine
from profiles.validator.extensions import Everything, Extensions
from profiles.validator.issue import Issue, Wording
from profiles.validator.questionnaire import Questionnaires
from profiles.validator.saying import MOST_ISSUES, Enough
from profiles.validator.sources import INDONESIA, Given
from profiles.validator.units import Units
from profiles.validator.wording import Message, messages


class Rules(Protocol):
    """Numbered rules of a destination, judged beside FHIR's."""

    def judge(self, resource: Resource) -> list[Issue]: ...


class Validator:
    """Made once; a call judges one decoded resource, whole Bundles included.

    `profiles`: what a site brings, and `INDONESIA` for the shipped set. A profile is applied where a resource names it
    in `meta.profile` or a caller asks for it; those of the shipped set apply to every resource of their types, and with
    them a narrative of plain text, which SATUSEHAT takes, is a warning.
    `rules`: an engine of numbered rules, asked last. `strict`: an extension that nobody defined is an error.
    `codes`: the code tables that the site has loaded.
    Raises what `sources.load` raises.
    """

    def __init__(
        self,
        profiles: Iterable[Given] = (),
        rules: Rules | None = None,
        *,
        strict: bool = False,
        codes: CodeTables = NO_TABLES,
    ) -> None:
        given = list(profiles)
        added = list(sources.load(given))
        self.definitions = Definitions(added) if added else R4
        self._rules = rules
        self._applied = INDONESIA in [item for item in given if isinstance(item, str)]
        digest = hashlib.sha256(b"".join(encode(resource) for resource in added)).digest() if added else b""
        noted: Container[str] = Everything() if strict else self.definitions.extensions()
        self._questionnaires = Questionnaires(self.definitions)
        self._extensions = Extensions(self.definitions, strict)
        stands = self._extensions.stands
        self._units = Units(digest)
        self._engine = Engine(self.definitions, self._units, _wordings(added), noted, stands, self._applied, codes)

    @property
    def compiled(self) -> bool:
        """Whether any process ever compiled these definitions; if not, the first validation takes seconds."""
        return self._units.kept

    def accepts(self, resource: Resource) -> bool:
        """True where the base tier (R4 itself) finds no error. Says nothing else, and is fast."""
        try:
            return self._accepts(self._context(resource, []))
        except RecursionError:
            return False

    def validate(self, resource: Resource, profile: str | None = None) -> list[Issue]:
        """Every issue of a resource: R4's, those of its profiles (and of `profile`), the rules'."""
        issues: list[Issue] = []
        context = self._context(resource, issues)
        try:
            good = self._accepts(context)
            if not good or context.doubtful or context.extended or profile is not None or self._asks(resource):
                self._more(resource, context, good, profile)
        except Enough:
            pass
        except RecursionError:
            issues.append(_note("depth", resource, "fatal", limit="…"))
        if issues:
            issues = _told(issues, context, resource)
        if self._rules is not None:
            issues.extend(self._rules.judge(resource))
        return issues

    def _asks(self, resource: Resource) -> bool:
        """Whether a good resource is to be judged by more than R4, or holds something that is."""
        if self._applied or "contained" in resource or "entry" in resource or "questionnaire" in resource:
            return True
        return "parameter" in resource or ("meta" in resource and "profile" in resource["meta"])

    def _more(self, resource: Resource, context: Context, good: bool, profile: str | None) -> None:
        """What the yes or no does not say: the faults and doubts, and what profiles find."""
        if not good or context.doubtful:
            context.report_inner(resource, str(resource.get("resourceType", "Resource")), "Resource")
        if str(resource.get("resourceType")) in RESOURCE_TYPES:
            context.tier, extended = "profile", context.extended or not good
            if extended or not _HOLDING.isdisjoint(resource):
                self._within(resource, context, profile, extended)
            else:
                self._profiles(resource, resource["resourceType"], context, profile)

    def _within(self, resource: Resource, context: Context, profile: str | None, extended: bool) -> None:
        """The profiles, answers and extensions of a resource and of all in it."""
        for inner, path, within in _resources(resource, str(resource["resourceType"]), context):
            self._profiles(inner, path, within, profile if inner is resource else None)
            if inner["resourceType"] == "QuestionnaireResponse":
                self._questionnaires.report(inner, path, within)
            if extended:
                self._extensions.report(inner, path, within)

    def _accepts(self, context: Context) -> bool:
        resource = context.resource
        name = resource.get("resourceType")
        if name.__class__ is not str or name not in RESOURCE_TYPES:
            return False
        return self._engine.fast(name)(resource, context)

    def _context(self, resource: Resource, issues: list[Issue]) -> Context:
        bundle = Entries(resource).find if "entry" in resource and resource.get("resourceType") == "Bundle" else None
        return Context(self._engine, resource, resource, issues, bundle)

    def _profiles(self, resource: Resource, path: str, context: Context, asked: str | None) -> None:
        """The profiles that one resource is held to: those it names, the one asked for, the shipped one of its type."""
        urls = dict.fromkeys(_named(resource["meta"])) if "meta" in resource else {}
        if asked is not None:
            urls[asked.partition("|")[0]] = None
        if self._applied and (shipped := profile_of(resource["resourceType"])) is not None:
            urls[shipped] = None
        for url in urls:
            self._profile(resource, url, path, context)

    def _profile(self, resource: Resource, url: str, path: str, context: Context) -> None:
        known = self._engine.profile_type(url)
        if known is None:
            context.warn("profile-unknown", f"{path}.meta.profile", "Resource.meta.profile", url)
            return
        fast = self._engine.profile_fast(url)
        context.doubtful = False
        right = known == resource["resourceType"]
        if not right or (fast is not None and (not fast(resource, context) or context.doubtful)):
            context.profile(resource, url, path, "Resource.meta.profile")


def _named(meta: Any) -> Iterator[str]:
    """The profiles that the meta of a resource says it conforms to."""
    named = meta.get("profile") if meta.__class__ is dict else None
    if named.__class__ is list:
        yield from (url.partition("|")[0] for url in named if url.__class__ is str)


def _told(issues: list[Issue], context: Context, resource: Resource) -> list[Issue]:
    """The issues once each, for an extension is met by the slice of a profile and by its own definition."""
    if any(count > MOST_ISSUES for count in context.counts.values()):
        issues.append(_note("enough", resource, "information", limit=MOST_ISSUES))
    return list({(i.severity, i.rule, i.path, i.wording): i for i in issues}.values())


_HOLDING = frozenset({"contained", "entry", "parameter", "questionnaire"})
"""Keys of what is judged beside the resource itself: resources within it, the form that it answers."""


def _resources(resource: Resource, path: str, context: Context) -> Iterator[tuple[Resource, str, Context]]:
    """The resource itself and every resource within it, each with its path and context."""
    yield resource, path, context
    for key in ("contained", "entry", "parameter"):
        rows = resource.get(key)
        for n, row in enumerate(rows) if rows.__class__ is list else ():
            inner, at = (row, f"{path}.{key}[{n}]") if key == "contained" else _held(row, f"{path}.{key}[{n}]")
            if inner.__class__ is dict and str(inner.get("resourceType")) in RESOURCE_TYPES:
                within = context.inner(inner, resource if key == "contained" else None)
                yield from _resources(inner, at, within)


def _held(row: Any, path: str) -> tuple[Any, str]:
    return (row.get("resource"), f"{path}.resource") if row.__class__ is dict else (None, path)


def _wordings(added: list[Resource]) -> dict[str, Message]:
    """What the conditions of added profiles say: their own words, and the shipped ones in both languages."""
    found: dict[str, Message] = {}
    for definition in added:
        if definition["resourceType"] == "StructureDefinition":
            view = definition.get("differential") or definition.get("snapshot", {})
            for element in view.get("element", ()):
                for rule in element.get("constraint", ()):
                    if human := str(rule.get("human", "")).replace("{", "{{").replace("}", "}}"):
                        found[rule["key"]] = Message("invariant", Wording(f"{{path}}: {human}", f"{{path}}: {human}"))
    if any(definition["url"].startswith("https://fhir.kemkes.go.id/") for definition in added):
        from profiles import indonesia

        for key, row in indonesia.messages().items():
            wording = Wording(row["id"], row["en"], row.get("fix_id", ""), row.get("fix_en", ""))
            found[key] = Message(row["code"], wording)
    return found


def _note(key: str, resource: Resource, severity: Any, **facts: Any) -> Issue:
    message = messages()[key]
    path = str(resource.get("resourceType"))
    return Issue(severity, message.code, "base", key, path, None, message.wording, facts)
