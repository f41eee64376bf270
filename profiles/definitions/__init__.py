"""The definitions of FHIR R4, distilled from HL7's CC0 packages (`distil.py`), and those that a site adds.

Every definition keeps FHIR's own JSON shape without prose. Tables are read on first use and decoded one row at a time.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from profiles.definitions.expand import Coded, expand

Definition = dict[str, Any]

DATA = Path(__file__).parent / "data"
BASE = "http://hl7.org/fhir/StructureDefinition/"

RESOURCE_TYPES = frozenset((DATA / "resource_types.txt").read_text("ascii").split())
"""The 146 concrete resource types of R4."""


class _Table(Mapping[str, Definition]):
    """A `.jsonl` file of definitions by url; a row is decoded when it is first asked for."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rows: dict[str, bytes | Definition] | None = None

    def _index(self) -> dict[str, bytes | Definition]:
        if self._rows is None:
            # distil.py writes `url` as the first key of every line
            lines = (DATA / f"{self._name}.jsonl").read_bytes().splitlines()
            self._rows = {line[8 : line.index(b'"', 8)].decode(): line for line in lines}
        return self._rows

    def __getitem__(self, url: str) -> Definition:
        rows = self._index()
        row = rows[url]
        if isinstance(row, bytes):
            from msgspec import json

            row = rows[url] = json.decode(row, type=dict[str, Any])
        return row

    def __iter__(self) -> Iterator[str]:
        return iter(self._index())

    def __len__(self) -> int:
        return len(self._index())


class Definitions:
    """Definitions by canonical url: those of R4 under those of `added` (conformance resources of a site).

    A url may carry a version (`…|4.0.1`), which is ignored: one version of each is known.
    """

    def __init__(self, added: Iterable[Definition] = ()) -> None:
        self._added: dict[str, dict[str, Definition]] = {}
        for resource in added:
            self._added.setdefault(resource["resourceType"], {})[resource["url"]] = resource
        self._expanded: dict[str, frozenset[Coded] | None] = {}

    def _find(self, kind: str, shipped: Mapping[str, Definition], url: str) -> Definition | None:
        url = url.partition("|")[0]
        found = self._added.get(kind, {}).get(url)
        return found if found is not None else shipped.get(url)

    def structure(self, name_or_url: str) -> Definition | None:
        """The StructureDefinition of a canonical url, or of an R4 type by its bare name; None where unknown."""
        url = name_or_url if ":" in name_or_url else BASE + name_or_url
        return self._find("StructureDefinition", _structures, url)

    def structures(self) -> Iterator[Definition]:
        """Every StructureDefinition, the added ones last."""
        added = self._added.get("StructureDefinition", {})
        yield from (row for url, row in _structures.items() if url not in added)
        yield from added.values()

    def extensions(self) -> frozenset[str]:
        """The urls of every extension that is defined."""
        added = self._added.get("StructureDefinition", {}).values()
        return _shipped_extensions() | {s["url"] for s in added if s.get("type") == "Extension"}

    def code_systems(self) -> frozenset[str]:
        """The urls of every code system that is defined."""
        return frozenset((*_code_systems, *self._added.get("CodeSystem", ())))

    def added(self, kind: str) -> Mapping[str, Definition]:
        """What the site added of one conformance resource type, by url."""
        return self._added.get(kind, {})

    def code_system(self, url: str) -> Definition | None:
        """The CodeSystem: `content` and nested `concept`s with code and display; None where unknown."""
        return self._find("CodeSystem", _code_systems, url)

    def value_set_definition(self, url: str) -> Definition | None:
        """The ValueSet resource itself (`compose`, `expansion`); None where unknown."""
        return self._find("ValueSet", _value_sets, url)

    def value_set(self, url: str) -> frozenset[Coded] | None:
        """All (system, code) of a ValueSet, or None where they cannot be enumerated or the set is unknown."""
        url = url.partition("|")[0]
        if url not in self._expanded:
            self._expanded[url] = None  # a set that includes itself ends here
            definition = self.value_set_definition(url)
            if definition is not None:
                self._expanded[url] = expand(definition, self.code_system, self.value_set)
        return self._expanded[url]

    def search_parameter(self, url: str) -> Definition | None:
        """The SearchParameter of a canonical url; None where unknown."""
        return self._find("SearchParameter", _search_parameters, url)

    def search_parameters(self, resource_type: str) -> Mapping[str, Definition]:
        """code → SearchParameter (url, code, base, type, expression, target, component, comparator, modifier …)
        of a resource type, those of Resource and DomainResource included. Raises KeyError for an unknown type."""
        if resource_type not in RESOURCE_TYPES:
            raise KeyError(resource_type)
        found = _search_parameters_of(resource_type)
        added = {p["code"]: p for p in self.added("SearchParameter").values() if resource_type in p["base"]}
        return {**found, **added} if added else found


_structures = _Table("structures")
_code_systems = _Table("code_systems")
_value_sets = _Table("value_sets")
_search_parameters = _Table("search_parameters")

NOT_DOMAIN_RESOURCES = frozenset({"Binary", "Bundle", "Parameters"})


@cache
def _search_parameters_of(resource_type: str) -> Mapping[str, Definition]:
    bases = {resource_type, "Resource"}
    if resource_type not in NOT_DOMAIN_RESOURCES:
        bases.add("DomainResource")
    return {p["code"]: p for p in _search_parameters.values() if not bases.isdisjoint(p["base"])}


@cache
def _shipped_extensions() -> frozenset[str]:
    return frozenset((DATA / "extensions.txt").read_text("ascii").split())


@cache
def compartments() -> Mapping[str, str]:
    """The names of the compartments (Patient, Encounter, Practitioner, RelatedPerson, Device) and their definitions."""
    return {name: row["url"] for name, row in _compartments().items()}


@cache
def compartment(name: str) -> Mapping[str, tuple[str, ...]]:
    """Resource type → codes of the search parameters that put it into the compartment. Raises KeyError."""
    return {resource_type: tuple(codes) for resource_type, codes in _compartments()[name]["resource"].items()}


@cache
def _compartments() -> dict[str, Any]:
    from msgspec import json

    rows = [json.decode(line) for line in (DATA / "compartments.jsonl").read_bytes().splitlines()]
    return {row["code"]: row for row in rows}


R4 = Definitions()
"""What HL7 published, nothing added."""

structure = R4.structure
structures = R4.structures
search_parameters = R4.search_parameters
value_set = R4.value_set
code_system = R4.code_system
