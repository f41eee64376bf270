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
BOOLEANS = frozenset(("boolean", "Boolean"))


@dataclass(frozen=True)
class Value:
    """A sub-expression whose items are of one known type.

    `code` is Python: without `clauses` the one value or None, with them the element of the comprehension
    `[code clauses]`. `present` is a condition that something exists (asked of the keys, so that a primitive
    with only extensions exists). `choice` is an element whose type is not narrowed yet, of the object that `owner`
    gives; `type` is None then. `constant` is a literal's value.
    """

    code: str
    type: Type | None
    clauses: tuple[str, ...] = ()
    present: str | None = None
    choice: Element | None = None
    owner: str = ""
    constant: object = None

    @property
    def kind(self) -> str:
        """The type's name; Untypable for a choice."""
        if self.type is None:
            raise Untypable
        return self.type.name

    @property
    def listed(self) -> str:
        """The Python list of the items, valueless primitives as None."""
        if not self.clauses:
            return f"fp_list({self.code})"
        head = f"for {self.code} in "
        if len(self.clauses) == 1 and self.clauses[0].startswith(head):
            return f"[*{self.clauses[0].removeprefix(head)}]"
        return f"[{self.code} {' '.join(self.clauses)}]"

    def filtered(self, condition: str) -> str:
        """The Python list of the items for which a condition holds."""
        return f"[{self.code} {' '.join(self.clauses)} if {condition}]"

    @property
    def exists(self) -> str:
        """The Python condition that there is an item."""
        if self.present is not None:
            return self.present
        return f"[1 {' '.join(self.clauses)}]" if self.clauses else f"({self.code}) is not None"

    @property
    def single(self) -> str:
        """The one value or None; the code bails for more."""
        return f"fp_single({self.listed})" if self.clauses else self.code


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
        source = f"({value.code},)" if value.clauses else f"fp_one({value.code})"
        return replace(value, code=name, clauses=(*value.clauses, f"for {name} in {source}"), present=None)


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
    if len(keys) == 1:
        return f"{keys[0]!r} in {owner}"
    if len(keys) == 2:
        return f"({keys[0]!r} in {owner} or {keys[1]!r} in {owner})"
    return f"not {owner}.keys().isdisjoint({keys!r})"


def get(owner: str, key: str) -> str:
    """The value of a key of the object which `owner` gives."""
    return f"{owner}.get({key!r})" if owner.isidentifier() else f"fp_get({owner}, {key!r})"
