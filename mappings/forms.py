"""What a compiled template was made of: the tree that `mappings.generated` writes Python from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from mappings.expressions import Items, Scope

Template: TypeAlias = Callable[[Scope], Any]
"""Scope → value, or UNDEFINED where the target gets nothing."""
Evaluate: TypeAlias = Callable[[Scope], Items]
Truth: TypeAlias = Callable[[Scope], bool | None]

UNDEFINED: Final = object()


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal."""

    value: Any


@dataclass(frozen=True, slots=True)
class Single:
    """`{{ text }}`; `empty` is what it gives where there is no result: UNDEFINED or None."""

    text: str
    empty: Any


@dataclass(frozen=True, slots=True)
class All:
    """`{[ text ]}`."""

    text: str


@dataclass(frozen=True, slots=True)
class Object:
    """A mapping's plain keys."""

    items: list[tuple[str, Template]]


@dataclass(frozen=True, slots=True)
class Merge:
    """`{% merge %}`: what is merged into what."""

    base: Template
    parts: list[Template]


@dataclass(frozen=True, slots=True)
class Choice:
    """`{% if %}` and `{% else %}` beside the plain keys of `base`."""

    base: Template | None
    text: str
    holds: Truth
    then: Template
    other: Template | None


@dataclass(frozen=True, slots=True)
class First:
    """`{% first %}`: rows of `when` (text and closure) and `then`."""

    rows: list[tuple[str, Truth, Template]]


@dataclass(frozen=True, slots=True)
class Variable:
    """A row of `{% assign %}`: a lone expression (`first`: of which the first result counts) or a template."""

    name: str
    items: Evaluate
    text: str | None = None
    first: bool = False
    template: Template | None = None


@dataclass(frozen=True, slots=True)
class Assigned:
    """`{% assign %}` around a template."""

    steps: list[Variable]
    made: Template


Form: TypeAlias = Constant | Single | All | Object | Merge | Choice | First | Assigned
