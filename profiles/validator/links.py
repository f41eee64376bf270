"""References among the entries of a Bundle: what must be there is, and all of a document is reached.

Source: https://hl7.org/fhir/R4/bundle.html#references, https://hl7.org/fhir/R4/documents.html#content. Every string of
the entries is looked up once: time grows as their size.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from profiles.fhirjson import Resource
from profiles.validator import references
from profiles.validator.references import Place

Json = dict[str, Any]

RESOLVING = frozenset({"document", "message", "transaction", "batch"})
"""Types of Bundle in which a reference by `urn:` must find an entry."""
FIRST = {"document": ("Composition", "bdl-11"), "message": ("MessageHeader", "bdl-12")}
"""Types of Bundle that are read from their first entry on, with its type."""
HELD = {
    "document": re.compile(
        r"\.(?:subject|encounter|author|attester\.party|custodian|event\.detail|(?:section\.)+(?:author|focus|entry))"
        r"\.reference"
    ),
    "message": re.compile(r"\.focus\.reference"),
}
"""Elements of the first entry whose targets must be among the entries."""
REST = re.compile(r"(https?://.+/)([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?").fullmatch
_INDEX = re.compile(r"\[\d+\]")
_HISTORY = "/_history/"


class Finding(NamedTuple):
    """A broken rule of a Bundle; `at` is the path below the Bundle."""

    key: str
    at: str
    rule: str
    value: Any = None
    facts: Json | None = None
    severity: str = "error"


class _Entry(NamedTuple):
    number: int
    url: str
    resource: Resource

    @property
    def base(self) -> str:
        """The root of its RESTful url, which relative references in it stand for; nothing where it has none."""
        named = REST(self.url)
        return str(named[1]) if named else ""

    @property
    def version(self) -> str:
        meta = self.resource.get("meta")
        return str(meta.get("versionId")) if meta.__class__ is dict else "None"

    @property
    def name(self) -> str:
        return f"{self.resource.get('resourceType')}/{self.resource.get('id')}"


def findings(rows: list[Any], type_: str) -> Iterator[Finding]:
    """What is wrong with the references in the entries of a Bundle."""
    if type_ not in RESOLVING:
        return
    held = [
        _Entry(n, str(row.get("fullUrl")), row["resource"])
        for n, row in enumerate(rows)
        if row.__class__ is dict and row.get("resource").__class__ is dict
    ]
    places: dict[str, list[_Entry]] = {}
    for entry in held:
        places.setdefault(entry.url, []).append(entry)
    named = {entry.name: entry for entry in held}
    for entry in held:
        base = entry.base
        for text, place in references.within(entry.resource):
            yield from _reference(text, place, entry, base, type_, places, named)
    if type_ in FIRST and held and held[0].number == 0:
        yield from _unreached(held, places, type_)


def _reference(
    text: str, place: Place, entry: _Entry, base: str, type_: str, places: dict[str, list[_Entry]],
    named: dict[str, _Entry],
) -> Iterator[Finding]:  # fmt: skip
    if text[:1] == "#":
        return
    target, _, version = _absolute(text, base).partition(_HISTORY)
    there = places.get(target, ())
    key, facts = "", None
    if not there:
        if text.startswith("urn:") or (type_ in FIRST and entry.number == 0 and _is_held(place, type_)):
            near = named.get(text.partition(_HISTORY)[0])
            key, facts = ("reference-fullurl", {"url": near.url}) if near else ("reference-entry", None)
    elif type_ in FIRST and version and all(each.version != version for each in there):
        key = "reference-version"
    elif type_ in FIRST and not version and len(there) > 1:
        key = "reference-ambiguous"
    if key:
        at = references.located(place, f".entry[{entry.number}].resource")
        yield Finding(key, at, "bundle-reference", text, facts, "error" if type_ in FIRST else "warning")


def _is_held(place: Place, type_: str) -> bool:
    return HELD[type_].fullmatch(_INDEX.sub("", references.located(place, ""))) is not None


def _absolute(text: str, base: str) -> str:
    return base + text if base and ":" not in text else text


def _unreached(held: list[_Entry], places: dict[str, list[_Entry]], type_: str) -> Iterator[Finding]:
    """Entries to which no references lead from the first, in either direction."""
    beside: dict[int, set[int]] = {entry.number: set() for entry in held}
    for entry in held:
        base = entry.base
        for text in references.strings(entry.resource):
            for other in places.get(_absolute(text, base).partition(_HISTORY)[0], ()):
                beside[entry.number].add(other.number)
                beside[other.number].add(entry.number)
    seen, stack = {0}, [0]
    while stack:
        new = beside[stack.pop()] - seen
        seen |= new
        stack += new
    severity = "error" if type_ == "document" else "warning"
    for entry in held:
        if entry.number not in seen and entry.resource.get("resourceType") != "Binary":  # a stylesheet may be a Binary
            facts = {"first": FIRST[type_][0]}
            yield Finding("bundle-unreached", f".entry[{entry.number}]", "bundle-reach", entry.url, facts, severity)
