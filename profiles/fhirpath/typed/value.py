"""What a sub-expression is in generated Python: one value or None, or the clauses of a comprehension."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import count

from profiles.fhirpath.model import SYSTEM, Element, Type


class Untypable(Exception):
    """The types do not tell enough to write plain Python; closures do it instead."""


TEMPORAL = frozenset(("date", "dateTime", "instant"))
NUMERIC = frozenset(("decimal", "integer", "positiveInt", "unsignedInt", "Integer", "Decimal"))
TEXTUAL = frozenset(
    ("base64Binary", "canonical", "code", "id", "markdown", "oid", "string", "uri", "url", "uuid", "xhtml", "String")
)
READABLE = TEXTUAL | TEMPORAL
"""Types whose JSON is text: text functions read a date as it is written."""
QUANTITIES = frozenset(("Quantity", "Age", "Count", "Distance", "Duration"))
FEW = 4
"""Keys that are asked for one by one."""
BOOLEANS = frozenset(("boolean", "Boolean"))


@dataclass(frozen=True)
class Value:
    """A sub-expression whose items are of one known type.

    `code` is Python: without `clauses` the one value or None, with them the element of the comprehension
    `[code clauses]`. `present` is a condition that something exists (asked of the keys, so that a primitive
    with only extensions exists). `choice` is an element whose type is not narrowed yet, of the object that `owner`
    gives; `type` is None then. `constant` is a literal's value. `guard` is a condition without which there are no
    items, cheap to ask before clauses are run. `again` marks what is gone over for each of other items.
    """

    code: str
    type: Type | None
    clauses: tuple[str, ...] = ()
    present: str | None = None
    choice: Element | None = None
    owner: str = ""
    constant: object = None
    guard: str | None = None
    again: bool = False

    @property
    def kind(self) -> str:
        """The type's name; Untypable for a choice."""
        if self.type is None:
            raise Untypable
        return self.type.name

    @property
    def is_count(self) -> bool:
        """Whether it is an Integer in any case."""
        return self.present == "True" and self.type is SYSTEM["Integer"]

    @property
    def _source(self) -> str | None:
        """What the comprehension goes over, where it takes that as it is."""
        head = f"for {self.code} in "
        plain = len(self.clauses) == 1 and self.clauses[0].startswith(head)
        return self.clauses[0].removeprefix(head) if plain else None

    @property
    def iterable(self) -> str:
        """The Python for the items as a list, or as the data's own: not to be handed out."""
        if not self.clauses:
            return f"fp_list({self.code})"
        if self._source:
            return self._source
        found = f"[{self.code} {' '.join(self.clauses)}]"
        return f"({found} if {self.guard} else [])" if self.guard else found

    @property
    def listed(self) -> str:
        """The Python list of the items, valueless primitives as None."""
        return f"[*{self._source}]" if self._source else self.iterable

    @property
    def exists(self) -> str:
        """The Python condition that there is an item."""
        if self.present is not None:
            return self.present
        if not self.clauses:
            return f"({self.code}) is not None"
        found = self._source or f"[1 {' '.join(self.clauses)}]"
        return f"({self.guard} and {found})" if self.guard else found

    def then(self, code: str, type_: Type | None, *clauses: str) -> "Value":
        """What each of the items leads to: the same comprehension with more clauses."""
        return Value(code, type_, (*self.clauses, *clauses), guard=self.guard, again=self.again)

    def at(self, position: int) -> "Value":
        """The item at a place."""
        return Value(f"fp_at({self.iterable}, {position})", self.type)

    @property
    def item(self) -> "Value":
        """The current item of a comprehension, within it."""
        return replace(self, clauses=(), present=None, guard=None)

    def only(self, condition: str) -> "Value":
        """Those of the items for which a condition holds."""
        return replace(self, clauses=(*self.clauses, f"if {condition}"), present=None)

    @property
    def single(self) -> str:
        """The one value or None; the code bails for more."""
        return f"fp_single({self.iterable})" if self.clauses else self.code


def system(name: str, code: str, **more: object) -> Value:
    """A value of a System type."""
    return Value(code, SYSTEM[name], **more)  # type: ignore[arg-type]


class Names:
    """Local names that the generated code binds: unique within one function."""

    def __init__(self, prefix: str = "v") -> None:
        self._prefix, self._count = prefix, count(1)

    def new(self) -> str:
        """A name not used yet."""
        return f"{self._prefix}{next(self._count)}"

    def each(self, value: Value) -> Value:
        """The same items, the current one in a name: a comprehension whose element is that name."""
        if value.clauses and value.code.isidentifier():
            return value
        name = self.new()
        found = replace(value, code=name, clauses=(*value.clauses, f"for {name} in ({value.code},)"), present=None)
        if value.clauses:
            return found
        return replace(found, guard=value.present).only(value.present or f"{name} is not None")


def keys_of(element: Element) -> tuple[str, ...]:
    """The JSON keys whose presence makes the element exist."""
    return names_of(element.keys)


def names_of(keys: Iterable[tuple[str, Type]]) -> tuple[str, ...]:
    """JSON keys, with those of primitives' ids and extensions."""
    return tuple(name for key, type_ in keys for name in ((key, f"_{key}") if type_.primitive else (key,)))


def has(owner: str, keys: tuple[str, ...]) -> str:
    """The condition that the object which `owner` gives has one of the keys."""
    if not owner.isidentifier():
        return f"fp_has({owner}, {keys!r})"
    if len(keys) > FEW:
        return f"not {owner}.keys().isdisjoint({keys!r})"
    any_of = " or ".join(f"{key!r} in {owner}" for key in keys)
    return any_of if len(keys) == 1 else f"({any_of})"


def pick(owner: str, keys: tuple[str, ...]) -> str:
    """The value of the first key that the object which `owner` gives has, None without one."""
    if not owner.isidentifier() or len(keys) > FEW:
        return f"fp_pick({owner}, {keys!r})"
    *first, last = keys
    return f"({''.join(f'{owner}[{key!r}] if {key!r} in {owner} else ' for key in first)}{owner}.get({last!r}))"


def is_plain_object(type_: Type | None) -> bool:
    """Whether values of a type are objects of that type and no other."""
    return type_ is not None and type_.namespace == "FHIR" and not type_.primitive and not type_.open


def get(owner: str, key: str) -> str:
    """The value of a key of the object which `owner` gives."""
    return f"{owner}.get({key!r})" if owner.isidentifier() else f"fp_get({owner}, {key!r})"
