"""Which codes a system has, as far as this machine knows.

Order: a table that the site loaded, the ministry's tables (`profiles.indonesia`), R4's. A table that is only a part
(`content` other than `complete`) proves that a code exists, never that it does not. Of the large systems only the codes
that the ministry's own examples use are shipped (`data/seen.json`).
"""

import re
from collections.abc import Callable, Collection, Container, Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

from profiles import definitions, indonesia, ucum
from profiles.rules.book import table, url

Lookup = Callable[[str], Collection[str] | None]
"""A site's own tables: code system url → all its codes, or None where it has no table of it."""


class Site(NamedTuple):
    """What the judge is told of the place where it judges: its own code tables, and whether what it judges is in the
    ministry's wire format or a hospital's own record."""

    codes: Lookup | None = None
    wire: bool = True


class Codes(NamedTuple):
    """What is known of one code system."""

    system: str
    known: Container[str]
    complete: bool
    shape: Callable[[str], object] | None
    """True for a code that could be one of this system; None where any could."""
    misspelt: bool = False
    """True where the payload wrote the system in a way that the ministry's own examples get wrong."""


class _Units:
    """The codes of UCUM: what its grammar allows, and what the ministry uses beside."""

    def __init__(self, seen: Container[str]) -> None:
        self._seen = seen

    def __contains__(self, code: object) -> bool:
        return isinstance(code, str) and (ucum.valid(code) or code in self._seen)


class Allowed:
    """The systems an element may take its codes from; each is looked up when a code of it is first judged."""

    def __init__(self, names: Iterable[str], lookup: Lookup | None) -> None:
        self._lookup = lookup
        own = {url(name): url(name) for name in names}
        self._urls = {wrong: right for wrong, right in _misspellings().items() if right in own} | own
        self._found: dict[str, Codes] = {}

    def __getitem__(self, system: Any) -> Codes | None:
        """The codes of `system`, or None where the element may not use it."""
        if system not in self._urls:
            return None
        if system not in self._found:
            right = self._urls[system]
            self._found[system] = _of(right, self._lookup)._replace(misspelt=right != system)
        return self._found[system]

    def __str__(self) -> str:
        return ", ".join(sorted(set(self._urls.values())))


def _of(system: str, lookup: Lookup | None) -> Codes:
    loaded = lookup(system) if lookup is not None else None
    codes = _shipped(system)
    return codes if loaded is None else codes._replace(known=loaded, complete=True)


@cache
def _shipped(system: str) -> Codes:
    shape = _shapes().get(system)
    seen = frozenset(table("seen").get(system, ()))
    found = indonesia.code_system(system) or definitions.code_system(system) or {"content": "not-present"}
    codes = seen.union(_flat(found.get("concept", ())))
    return Codes(
        system=system,
        known=_Units(codes) if system == url("UCUM") else codes,
        complete=found.get("content") == "complete" or system == url("UCUM"),
        shape=re.compile(shape).fullmatch if shape else None,
    )


@cache
def _shapes() -> dict[str, str]:
    return {url(name): shape for name, shape in table("systems")["shapes"].items()}


@cache
def _misspellings() -> dict[str, str]:
    return {wrong: url(name) for wrong, name in table("systems")["misspelt"].items()}


def _flat(concepts: Iterable[dict[str, Any]]) -> Iterator[str]:
    for concept in concepts:
        yield concept["code"]
        yield from _flat(concept.get("concept", ()))
