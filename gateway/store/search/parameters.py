"""The parameters that a search of each type understands, and their modifiers."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from ..catalogue import SHIPPED, Catalogue
from ..errors import BadParameter, OutOfSight
from ..extract import INDEXED, expressions
from ..kinds import holds_media_types, value_types
from .query import Parameter

MODIFIERS: dict[str, frozenset[str]] = {
    "token": frozenset({"not", "text", "in", "not-in", "above", "below", "of-type", "missing"}),
    "string": frozenset({"exact", "contains", "missing"}),
    "date": frozenset({"missing"}),
    "number": frozenset({"missing"}),
    "quantity": frozenset({"missing"}),
    "reference": frozenset({"identifier", "above", "below", "missing"}),
    "uri": frozenset({"below", "above", "missing"}),
    "composite": frozenset({"missing"}),
    "words": frozenset(),
    "position": frozenset({"missing"}),
    "list": frozenset(),
    "filter": frozenset(),
}
"""Search parameter type → its modifiers; a reference takes the name of a target type too."""

SPECIAL = {"_text": "words", "_content": "words", "near": "position", "_filter": "filter", "_list": "list"}
"""Parameters that are no comparison with a value of one type → the kind of their condition."""
UNSORTED = frozenset({"composite", *SPECIAL.values()})

RESULT = ("_sort", "_count", "_total", "_include", "_revinclude", "_contained", "_containedType", "_cursor")


MOST_VALUES = 5_000
"""Values that one search compares with, counted for each way that its chains take: what one statement can carry."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a search may name: the parameters of a catalogue, of the types `among` (None: of all). `taken` counts the
    values that it asked for."""

    catalogue: Catalogue = SHIPPED
    among: Collection[str] | None = None
    taken: list[int] = field(default_factory=lambda: [0], compare=False)

    def take(self, written: str, values: int) -> None:
        """Count values. Raises BadParameter for more than one search may ask for."""
        self.taken[0] += values
        if self.taken[0] > MOST_VALUES:
            problem = f"makes the search compare with more than {MOST_VALUES} values; ask in several"
            raise BadParameter(written, problem)

    def sees(self, type: str) -> bool:
        """Whether the asker may search this type."""
        return self.among is None or type in self.among

    def see(self, type: str) -> None:
        """Raise OutOfSight for a type that the asker may not search."""
        if not self.sees(type):
            raise OutOfSight(type)


def parameters(type: str, catalogue: Catalogue = SHIPPED) -> Mapping[str, Parameter]:
    """Every parameter that a search of this type understands, by code."""
    found: Mapping[str, Parameter] | None = catalogue.parsed.get(type)
    if found is None:
        found = catalogue.parsed[type] = dict(_parameters(type, catalogue))
    return found


def _parameters(type: str, catalogue: Catalogue) -> Iterator[tuple[str, Parameter]]:
    known = catalogue.definitions(type)
    kinds = {p["url"]: p["type"] for p in known.values()}
    for code, definition in known.items():
        kind = definition["type"]
        if code in SPECIAL:
            yield code, Parameter(type, code, SPECIAL[code], ())
            continue
        if "expression" not in definition or (kind not in INDEXED and kind != "composite"):
            continue
        components = tuple(
            (f"{code}${n}", kinds[c["definition"]]) for n, c in enumerate(definition.get("component", ()), 1)
        )
        paths = expressions(type, definition["expression"])
        types = frozenset[str]().union(*map(value_types, paths))
        media = types == {"code"} and all(map(holds_media_types, paths))
        yield code, Parameter(type, code, kind, tuple(definition.get("target", ())), components, types, media)


HIERARCHIES = ("partof", "part-of", "parent")
"""Parameters by which a resource is part of another of its type."""


def hierarchy(type: str, catalogue: Catalogue = SHIPPED) -> str | None:
    """The code of the parameter that makes a hierarchy of a type's resources; None where nothing does."""
    there = parameters(type, catalogue)
    return next((code for code in HIERARCHIES if code in there and type in there[code].targets), None)


def known(type: str, code: str, written: str, scope: Scope) -> Parameter:
    """A parameter by its code. Raises BadParameter, and OutOfSight for a parameter of a type that is not to be seen."""
    scope.see(type)
    there = parameters(type, scope.catalogue)
    if code == "_list":  # R4 defines it nowhere but in its text
        scope.see("List")
        return Parameter(type, code, SPECIAL[code], ())
    if code not in there:
        raise BadParameter(written, f"{code!r} is not a search parameter of {type}", [*there, *RESULT, "_has", "_list"])
    return there[code]
